/**
 * Calls of Google's REST APIs as one service account: each carries a token that the account's key signs for one scope.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { type Call, make as makeCalls } from "../HttpCalls.ts"
import { SourceError } from "../SourceError.ts"

/** Who calls: what counts of a service account's key file. Whatever else it says, also where tokens come from, is ignored. */
export interface ServiceAccount {
  readonly projectId: string
  readonly clientEmail: string
  readonly privateKey: Redacted.Redacted
}

const KeyFile = Schema.Struct({
  type: Schema.Literal("service_account"),
  project_id: Schema.NonEmptyString,
  client_email: Schema.NonEmptyString,
  private_key: Schema.Redacted(Schema.NonEmptyString)
})

/** The service account of a credential whose secret is a key file. */
export const accountOf = ({ credential, secret }: OpenCredential): Effect.Effect<ServiceAccount, SourceError> =>
  Schema.decodeUnknown(KeyFile)(Redacted.value(secret)).pipe(
    Effect.mapBoth({
      onSuccess: (file) => ({
        projectId: file.project_id,
        clientEmail: file.client_email,
        privateKey: file.private_key
      }),
      onFailure: () =>
        new SourceError({
          kind: "permanent",
          code: "CREDENTIAL_INCOMPLETE",
          message: `credential ${credential.credentialId} (${credential.provider}) is no key file of a service account`,
          suggestedAction: "store the JSON key file of a service account, as Google made it"
        })
    })
  )

/**
 * Makes the calls of an account. `scope` is what tokens are good for; `role` is what the account needs, for people. Nothing is asked of
 * Google yet.
 */
export const make = Effect.fnUntraced(function* (
  account: ServiceAccount,
  { role, scope }: { readonly scope: string; readonly role: string }
) {
  const calls = yield* makeCalls({
    name: "GOOGLE",
    isWait: (header) => header === "retry-after",
    codeOf: (_headers, body) =>
      (/"reason"\s*:\s*"([A-Za-z_]{1,64})"/.exec(body) ?? /"status"\s*:\s*"([A-Z_]{1,64})"/.exec(body))?.[1],
    // It comes with status 403.
    kindOf: (code) => (/^(user)?rate_?limit_?exceeded$/i.test(code) ? "retryable" : undefined),
    requestIdHeader: "x-request-id",
    accessAdvice: `give ${account.clientEmail} the role ${role}, and check that its key is still valid`
  })
  const { JWT } = yield* Effect.promise(() => import("google-auth-library"))
  const signer = new JWT({ email: account.clientEmail, key: Redacted.value(account.privateKey), scopes: [scope] })
  // The signed token is sent itself: no token server is asked.
  signer.useJWTAccessWithScope = true

  const token = Effect.tryPromise({
    try: async () => (await signer.getRequestHeaders()).get("authorization") ?? "",
    catch: () =>
      new SourceError({
        kind: "auth",
        code: "GOOGLE_KEY_UNUSABLE",
        message: `the private key of ${account.clientEmail} cannot sign`,
        suggestedAction: "store the JSON key file again, as Google made it"
      })
  })

  const signed = (call: Call) =>
    Effect.map(token, (authorization) => ({
      ...call,
      request: HttpClientRequest.setHeader(call.request, "authorization", authorization)
    }))

  return {
    /** The whole answer, which must not be longer. */
    send: (call: Call, limitBytes: number) => Effect.flatMap(signed(call), (each) => calls.send(each, limitBytes)),
    /** Writes the answer into a file. Fails with class `stale` unless it has exactly `size` bytes. */
    download: (call: Call, path: string, size: number) =>
      Effect.flatMap(signed(call), (each) => calls.download(each, path, size))
  }
})

/** The calls of one service account. */
export type GoogleClient = Effect.Effect.Success<ReturnType<typeof make>>

/** An answer is not what Google's documentation says. */
export const badAnswer = (target: string) =>
  new SourceError({
    kind: "permanent",
    code: "GOOGLE_ANSWER_UNREADABLE",
    message: `${target}: the answer is not of the documented form`,
    suggestedAction: "check the endpoint of the credential"
  })
