/**
 * Calls of Azure as one service principal: a token per audience by client credentials, kept until it is about to expire.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type Call, make as makeCalls, type Vendor } from "../HttpCalls.ts"
import { SourceError } from "../SourceError.ts"

/** Who calls. `loginEndpoint` replaces Microsoft's own. */
export interface ServicePrincipal {
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  readonly loginEndpoint: string
}

/** What a token is for. */
export type Audience = "https://storage.azure.com/.default" | "https://management.azure.com/.default"

/** A token is renewed so long before it expires. */
const renewalMillis = 5 * 60_000
const tokenLimitBytes = 64 * 1024

const vendor: Vendor = {
  name: "AZURE",
  isWait: (header) => header === "retry-after" || /^x-ms-ratelimit-.*retry-after$/.test(header),
  codeOf: (headers, body) => headers["x-ms-error-code"] ?? codeIn(body),
  requestIdHeader: "x-ms-request-id",
  accessAdvice:
    "check the service principal's secret, and its roles: Storage Blob Data Reader on the container, Cost Management Reader on the scope, Monitoring Reader on a resource with metrics"
}

/** `{"error":{"code":"..."}}` of the management API, `{"error":"...","error_codes":[...]}` of the login. */
const codeIn = (body: string): string | undefined => {
  const code = /"code"\s*:\s*"([A-Za-z0-9_.-]{1,64})"/.exec(body) ?? /"error"\s*:\s*"([A-Za-z0-9_.-]{1,64})"/.exec(body)
  const number = /"error_codes"\s*:\s*\[\s*(\d{1,9})/.exec(body)
  return number === null ? code?.[1] : `${code?.[1] ?? "error"} AADSTS${number[1]}`
}

const TokenAnswer = Schema.parseJson(
  Schema.Struct({
    access_token: Schema.Redacted(Schema.NonEmptyString),
    expires_in: Schema.Union(Schema.Number, Schema.NumberFromString)
  })
)

/** The calls of a service principal. `authorized` calls carry its token, `plain` ones do not: links that are signed already. */
export const make = Effect.fnUntraced(function* (principal: ServicePrincipal) {
  const plain = yield* makeCalls(vendor)
  const tokens = new Map<Audience, { readonly token: Redacted.Redacted; readonly renewAt: number }>()
  const turn = yield* Effect.makeSemaphore(1)

  const request = Effect.fn("AzureClient.token")(function* (audience: Audience) {
    const answer = yield* plain
      .send(
        {
          target: `the login of tenant ${principal.tenantId}`,
          request: HttpClientRequest.post(
            `${principal.loginEndpoint}/${encodeURIComponent(principal.tenantId)}/oauth2/v2.0/token`
          ).pipe(
            HttpClientRequest.bodyUrlParams({
              grant_type: "client_credentials",
              client_id: principal.clientId,
              client_secret: Redacted.value(principal.clientSecret),
              scope: audience
            })
          )
        },
        tokenLimitBytes
      )
      .pipe(
        // The login answers a wrong client, tenant or secret with 400.
        Effect.mapError((error) =>
          error.kind === "permanent" || error.kind === "auth"
            ? new SourceError({
                kind: "auth",
                code: "AZURE_ACCESS_DENIED",
                message: error.message,
                suggestedAction: "check tenant_id, client_id and client_secret of the credential"
              })
            : error
        )
      )
    const now = yield* Clock.currentTimeMillis
    const { access_token, expires_in } = yield* Schema.decode(TokenAnswer)(textOf(answer.body)).pipe(
      Effect.mapError(() => badAnswer(`the login of tenant ${principal.tenantId}`))
    )
    tokens.set(audience, { token: access_token, renewAt: now + expires_in * 1000 - renewalMillis })
    return access_token
  })

  const tokenFor = (audience: Audience) =>
    turn.withPermits(1)(
      Effect.gen(function* () {
        const known = tokens.get(audience)
        return known !== undefined && known.renewAt > (yield* Clock.currentTimeMillis)
          ? known.token
          : yield* request(audience)
      })
    )

  /** Runs a call with the token; a token that is refused as expired is renewed once. */
  const withToken = <A>(audience: Audience, call: Call, run: (call: Call) => Effect.Effect<A, SourceError>) => {
    const once = Effect.flatMap(tokenFor(audience), (token) =>
      run({ ...call, request: HttpClientRequest.bearerToken(call.request, token) })
    )
    return Effect.catchIf(
      once,
      (error) => error.code === "AZURE_TOKEN_REFUSED" && tokens.has(audience),
      () =>
        Effect.zipRight(
          Effect.sync(() => tokens.delete(audience)),
          once
        )
    )
  }

  return {
    plain,
    authorized: (audience: Audience) => ({
      send: (call: Call, limitBytes: number) => withToken(audience, call, (signed) => plain.send(signed, limitBytes)),
      download: (call: Call, path: string, size: number) =>
        withToken(audience, call, (signed) => plain.download(signed, path, size))
    })
  }
})

/** The calls of one service principal. */
export type AzureClient = Effect.Effect.Success<ReturnType<typeof make>>

/** The text of an answer. */
export const textOf = (body: Uint8Array): string => new TextDecoder().decode(body)

/** An answer is not what Azure's contract says. */
export const badAnswer = (target: string) =>
  new SourceError({
    kind: "permanent",
    code: "AZURE_ANSWER_UNREADABLE",
    message: `${target}: the answer is not what Azure's contract says`,
    suggestedAction: "check the endpoints of the credential"
  })
