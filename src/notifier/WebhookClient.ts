/**
 * Posts to addresses that tenants chose. The host is resolved once, every address it has must be public, and the connection goes to the
 * address that was checked, so that a name which changes in between leads nowhere else. Redirects are not followed.
 */
import type { LookupAddress } from "node:dns"
import { lookup as systemLookup } from "node:dns/promises"
import * as http from "node:http"
import { isIP, type LookupFunction } from "node:net"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { isLoopbackAddress, isPublicAddress } from "../platform/PublicAddress.ts"
import { Settings } from "../platform/Settings.ts"

/** The address may not be called. The message says why and never holds the address itself, which is a secret. */
export class WebhookRefused extends Schema.TaggedError<WebhookRefused>()("WebhookRefused", {
  message: Schema.String
}) {}

/** The host could not be reached or did not answer in time; worth another try. */
export class WebhookUnreachable extends Schema.TaggedError<WebhookUnreachable>()("WebhookUnreachable", {
  message: Schema.String
}) {}

/** The answer: status, the first bytes of the body, and the seconds of Retry-After. */
export interface WebhookAnswer {
  readonly status: number
  readonly body: string
  readonly retryAfterSeconds: number | undefined
}

export interface WebhookRequest {
  readonly url: Redacted.Redacted
  readonly method: "POST" | "PUT"
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface WebhookClientService {
  /** Says whether an address may be called at all, without calling it. */
  readonly check: (url: Redacted.Redacted) => Effect.Effect<void, WebhookRefused | WebhookUnreachable>
  /** Interrupting it closes the connection. */
  readonly send: (request: WebhookRequest) => Effect.Effect<WebhookAnswer, WebhookRefused | WebhookUnreachable>
}

/** The client of webhooks. */
export class WebhookClient extends Context.Tag("pipeline-service/WebhookClient")<
  WebhookClient,
  WebhookClientService
>() {}

/** Finds the addresses of a host. */
export type Lookup = (host: string) => Promise<ReadonlyArray<LookupAddress>>

const maximumAnswerBytes = 4096
const maximumUrlCharacters = 2048
/** A header that would change what the connection means, or where it goes, is the client's own. */
const ownHeaders = new Set(["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te"])
const headerName = /^[A-Za-z0-9-]{1,100}$/
const headerValue = /^[\x20-\x7e]{0,2000}$/

/** True for headers that a tenant may set. */
export const isAllowedHeader = (name: string, value: string): boolean =>
  headerName.test(name) && headerValue.test(value) && !ownHeaders.has(name.toLowerCase())

interface Target {
  readonly url: URL
  readonly address: LookupAddress
}

/** A client; `allowLoopback` also lets `http` and loopback addresses through. */
export const make = (options: { readonly allowLoopback: boolean; readonly lookup: Lookup }): WebhookClientService => {
  const target = Effect.fn("WebhookClient.target")(function* (secret: Redacted.Redacted) {
    const url = yield* parse(Redacted.value(secret), options.allowLoopback)
    const host = url.hostname.replace(/^\[|\]$/g, "")
    const family = isIP(host)
    const addresses =
      family > 0
        ? [{ address: host, family }]
        : yield* Effect.tryPromise({
            try: () => options.lookup(host),
            catch: () => new WebhookUnreachable({ message: "the host of the webhook has no address" })
          })
    const [first] = addresses
    if (first === undefined) return yield* new WebhookUnreachable({ message: "the host of the webhook has no address" })
    const isAllowed = ({ address }: LookupAddress) =>
      isPublicAddress(address) || (options.allowLoopback && isLoopbackAddress(address))
    if (!addresses.every(isAllowed)) {
      return yield* new WebhookRefused({
        message: "the host of the webhook is in a private, local or reserved network: use a public host"
      })
    }
    if (url.protocol === "http:" && !isLoopbackAddress(first.address)) return yield* notHttps
    return { url, address: first } satisfies Target
  })
  return {
    check: (url) => Effect.asVoid(target(url)),
    send: Effect.fnUntraced(function* (request) {
      const found = yield* target(request.url)
      // Loaded when it is needed: it reads the certificates of all authorities.
      const start =
        found.url.protocol === "https:" ? (yield* Effect.promise(() => import("node:https"))).request : http.request
      return yield* exchange(start, found, request)
    })
  }
}

const notHttps = new WebhookRefused({ message: "the webhook's address must begin with https://" })

const parse = (text: string, allowHttp: boolean): Effect.Effect<URL, WebhookRefused> => {
  const url = text.length <= maximumUrlCharacters && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return new WebhookRefused({ message: "the webhook's address is not a URL" })
  if (url.protocol !== "https:" && !(allowHttp && url.protocol === "http:")) return notHttps
  return url.username === "" && url.password === ""
    ? Effect.succeed(url)
    : new WebhookRefused({ message: "the webhook's address may not hold a user or a password: use a header" })
}

const exchange = (start: typeof http.request, { url, address }: Target, request: WebhookRequest) =>
  Effect.async<WebhookAnswer, WebhookUnreachable>((resume) => {
    const failed = (error: Error) => {
      const code = "code" in error ? String(error.code) : error.name
      resume(Effect.fail(new WebhookUnreachable({ message: `the webhook could not be reached (${code})` })))
    }
    const checked: LookupFunction = (_host, options, found) =>
      options.all === true ? found(null, [address]) : found(null, address.address, address.family)
    const body = Buffer.from(request.body)
    const call = start(
      url,
      {
        method: request.method,
        lookup: checked,
        agent: false,
        headers: {
          "content-type": "application/json",
          "user-agent": "pipeline-service",
          ...request.headers,
          "content-length": body.length
        }
      },
      (response) => {
        const chunks: Array<Buffer> = []
        let bytes = 0
        const answer = () => {
          const retryAfter = Number(response.headers["retry-after"])
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).toString("utf8").slice(0, maximumAnswerBytes),
              retryAfterSeconds: Number.isInteger(retryAfter) && retryAfter >= 0 ? retryAfter : undefined
            })
          )
          call.destroy()
        }
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length
          chunks.push(chunk)
          if (bytes >= maximumAnswerBytes) answer()
        })
        response.on("end", answer).on("error", failed)
      }
    )
    call.on("error", failed)
    call.end(body)
    return Effect.sync(() => call.destroy())
  })

/** The client on this machine's resolver; loopback is allowed by NOTIFICATION_ALLOW_LOOPBACK, never in production. */
export const layer = Layer.effect(
  WebhookClient,
  Effect.map(Settings, ({ environment, notificationAllowLoopback }) =>
    make({
      allowLoopback: notificationAllowLoopback && environment !== "production",
      lookup: (host) => systemLookup(host, { all: true })
    })
  )
)
