/**
 * Calls of OCI as one API key: each request is signed by the draft of HTTP signatures that OCI asks for (version 8 of draft-cavage).
 */
import { createHash, createPrivateKey, sign, type KeyObject } from "node:crypto"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Call, make as makeCalls, type Vendor } from "../HttpCalls.ts"
import { SourceError } from "../SourceError.ts"

/** Whose key it is. */
export interface ApiKey {
  readonly tenancy: string
  readonly user: string
  readonly fingerprint: string
  /** PEM. */
  readonly privateKey: Redacted.Redacted
}

const vendor: Vendor = {
  name: "OCI",
  isWait: (header) => header === "retry-after",
  codeOf: (_headers, body) => /"code"\s*:\s*"([A-Za-z0-9_.-]{1,64})"/.exec(body)?.[1],
  requestIdHeader: "opc-request-id",
  accessAdvice:
    "check the user's key and fingerprint, the clock of this machine, and the policy that lets its group read objects in tenancy usage-report"
}

/** The signed calls of one key. A request with a body has it as text. */
export const make = Effect.fnUntraced(function* ({ fingerprint, privateKey, tenancy, user }: ApiKey) {
  const calls = yield* makeCalls(vendor)
  const key = yield* Effect.try({
    try: (): KeyObject => createPrivateKey(Redacted.value(privateKey)),
    // The library's own words could quote the key.
    catch: () =>
      new SourceError({
        kind: "permanent",
        code: "CREDENTIAL_INCOMPLETE",
        message: `the private key of ${user} is no PEM key`,
        suggestedAction: "store the credential again with the key's PEM text, not encrypted"
      })
  })
  const signed = (call: Call) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      // A request to no valid address fails by itself when it is sent.
      const url = HttpClientRequest.toUrl(call.request)
      if (Option.isNone(url)) return call
      const { host, pathname, search } = url.value
      const date = new Date(now).toUTCString()
      const ofBody = bodyHeaders(call.request)
      const lines = [
        ["x-date", date],
        ["(request-target)", `${call.request.method.toLowerCase()} ${pathname}${search}`],
        ["host", host],
        ...Object.entries(ofBody)
      ]
      const text = lines.map(([name, value]) => `${name}: ${value}`).join("\n")
      const signature = sign("sha256", Buffer.from(text), key).toString("base64")
      const authorization =
        `Signature version="1",keyId="${tenancy}/${user}/${fingerprint}",algorithm="rsa-sha256",` +
        `headers="${lines.map(([name]) => name).join(" ")}",signature="${signature}"`
      return {
        ...call,
        request: HttpClientRequest.setHeaders(call.request, { "x-date": date, authorization, ...ofBody })
      }
    })
  return {
    send: (call: Call, limitBytes: number) => Effect.flatMap(signed(call), (each) => calls.send(each, limitBytes)),
    download: (call: Call, path: string, size: number) =>
      Effect.flatMap(signed(call), (each) => calls.download(each, path, size))
  }
})

/** The headers of a body that are signed, in the order of the signature. */
const bodyHeaders = ({ body }: HttpClientRequest.HttpClientRequest): Readonly<Record<string, string>> =>
  body._tag === "Uint8Array"
    ? {
        "content-length": String(body.body.length),
        "content-type": body.contentType,
        "x-content-sha256": createHash("sha256").update(body.body).digest("base64")
      }
    : {}

/** The calls of one API key. */
export type OciClient = Effect.Effect.Success<ReturnType<typeof make>>
