/**
 * DeepSeek's only API for accounts: what is left of the prepaid money. Usage and costs come from the console's export.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Json from "../../platform/Json.ts"
import { type HttpCalls, make as makeCalls, type Vendor } from "../HttpCalls.ts"
import { SourceError } from "../SourceError.ts"
import { Amount } from "./Pages.ts"

const answerLimitBytes = 64 * 1024

const vendor: Vendor = {
  name: "DEEPSEEK",
  isWait: (header) => header === "retry-after",
  codeOf: (_headers, body) => /"(?:code|type)"\s*:\s*"([A-Za-z0-9_.-]{1,64})"/.exec(body)?.[1],
  requestIdHeader: "x-ds-trace-id",
  accessAdvice: "store a valid API key of the account"
}

const Answer = Schema.Struct({
  is_available: Schema.Boolean,
  balance_infos: Schema.Array(
    Schema.Struct({
      currency: Schema.String.pipe(Schema.pattern(/^[A-Z]{3}$/)),
      total_balance: Amount,
      granted_balance: Amount,
      topped_up_balance: Amount
    })
  )
})

/** Opens the balances of an account by currency, rows of genai_payg_balance_raw; `baseUrl` is `https://api.deepseek.com` or what replaces it. */
export const balances = Effect.fnUntraced(function* (key: Redacted.Redacted, baseUrl: string) {
  const calls = yield* makeCalls(vendor)
  return ask(calls, key, baseUrl)
})

const ask = Effect.fn("DeepSeek.balances")(function* (calls: HttpCalls, key: Redacted.Redacted, baseUrl: string) {
  const target = "DeepSeek's balance"
  const answer = yield* calls.send(
    { target, request: HttpClientRequest.get(`${baseUrl}/user/balance`).pipe(HttpClientRequest.bearerToken(key)) },
    answerLimitBytes
  )
  const { balance_infos, is_available } = yield* Json.parseLossless(new TextDecoder().decode(answer.body)).pipe(
    Effect.flatMap(Schema.decodeUnknown(Answer)),
    Effect.mapError(
      () =>
        new SourceError({
          kind: "permanent",
          code: "DEEPSEEK_ANSWER_UNREADABLE",
          message: `${target}: the answer is not what the contract says`,
          suggestedAction: "check the endpoint of the credential"
        })
    )
  )
  return balance_infos.map((each): Json.JsonObject => ({ ...each, is_available }))
})
