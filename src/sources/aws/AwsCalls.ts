/**
 * Calls of AWS's APIs other than S3 and STS: signed (Signature Version 4) anew for each try, so that a wait does not outlive the signature.
 */
import { createHash, createHmac } from "node:crypto"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { checkEndpoint } from "../Endpoint.ts"
import { make as makeCalls, type Vendor } from "../HttpCalls.ts"
import { type AwsKeys, isAuthCode, isRetryableCode } from "./AwsClient.ts"

/** One service in one region. `endpoint` replaces AWS's own: https, or http on the loopback. */
export interface AwsService {
  /** As in signatures and host names: `bedrock`, `monitoring`. */
  readonly name: string
  readonly region: string
  readonly keys: AwsKeys
  readonly endpoint?: string
  /** What the credential must be allowed. */
  readonly permission: string
}

const vendor = (permission: string): Vendor => ({
  name: "AWS",
  isWait: (header) => header === "retry-after",
  codeOf: (headers, body) =>
    /^([A-Za-z0-9.]{1,64})/.exec(headers["x-amzn-errortype"] ?? "")?.[1] ??
    /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(body)?.[1] ??
    /"__type"\s*:\s*"(?:[\w.]*#)?([A-Za-z0-9.]{1,64})"/.exec(body)?.[1],
  // AWS answers throttling and refused keys with 400, too.
  kindOf: (code) => (isRetryableCode(code) ? "retryable" : isAuthCode(code) ? "auth" : undefined),
  requestIdHeader: "x-amzn-requestid",
  accessAdvice: `check the credential: it must allow ${permission}, and the role's trust with its external id`
})

/** Opens a service; nothing is asked of it yet. `url` is where its paths begin. */
export const make = Effect.fnUntraced(function* (service: AwsService) {
  yield* checkEndpoint(service.endpoint)
  const client = yield* HttpClient.HttpClient
  const calls = yield* makeCalls(vendor(service.permission)).pipe(
    Effect.provideService(
      HttpClient.HttpClient,
      HttpClient.mapRequestEffect(client, (request) => sign(request, service))
    )
  )
  return { send: calls.send, url: service.endpoint ?? `https://${service.name}.${service.region}.amazonaws.com` }
})

/** The calls of one service. */
export type AwsCalls = Effect.Effect.Success<ReturnType<typeof make>>

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex")
const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest()
/** As AWS encodes names and values: everything but letters, digits and -_.~ */
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

/** Adds date, session token and authorization to a request. A request to no valid address fails by itself when it is sent. */
const sign = Effect.fnUntraced(function* (
  request: HttpClientRequest.HttpClientRequest,
  { keys, name, region }: AwsService
) {
  const address = HttpClientRequest.toUrl(request)
  if (Option.isNone(address)) return request
  const url = address.value
  const moment = new Date(yield* Clock.currentTimeMillis).toISOString().replace(/[-:]|\.\d+/g, "")
  const day = moment.slice(0, 8)
  const headers: Readonly<Record<string, string>> = {
    host: url.host,
    "x-amz-date": moment,
    ...(keys.sessionToken === undefined ? {} : { "x-amz-security-token": Redacted.value(keys.sessionToken) })
  }
  const names = Object.keys(headers).sort()
  const query = [...url.searchParams]
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .sort()
    .join("&")
  const body = request.body._tag === "Uint8Array" ? request.body.body : ""
  const canonical = [
    request.method,
    url.pathname,
    query,
    ...names.map((header) => `${header}:${headers[header]}`),
    "",
    names.join(";"),
    sha256(body)
  ].join("\n")
  const scope = `${day}/${region}/${name}/aws4_request`
  const signingKey = [day, region, name, "aws4_request"].reduce<string | Uint8Array>(
    hmac,
    `AWS4${Redacted.value(keys.secretAccessKey)}`
  )
  const signature = hmac(signingKey, ["AWS4-HMAC-SHA256", moment, scope, sha256(canonical)].join("\n")).toString("hex")
  const { host: _, ...sent } = headers
  return HttpClientRequest.setHeaders(request, {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`
  })
})
