/**
 * The command line's way to a running service: its HTTP API, typed by the API's own definition.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Client from "../../http/Client.ts"
import { ApiError } from "../../http/Errors.ts"
import { EventRecord, type RunDetail } from "../../http/RunSchemas.ts"
import * as HttpClientNode from "../../platform/HttpClientNode.ts"
import { Settings } from "../../platform/Settings.ts"

/** The service did not do what was asked; the message says what it answered, or that nothing answers there. */
export class ServiceRefused extends Schema.TaggedError<ServiceRefused>()("ServiceRefused", {
  message: Schema.String
}) {}

/** A run with its steps, as the API sends it. */
export type Run = typeof RunDetail.Type
/** An event of a run, as the API sends it. */
export type Event = typeof EventRecord.Type

const reconnectSeconds = 1
const maximumReconnects = 60

/** A client of the service that tells every failure in one sentence. */
export const make = Effect.fnUntraced(function* (access: Client.Access) {
  const base = access.baseUrl
  const api = yield* Client.make(access)
  const http = Client.withKeys(access)(yield* HttpClient.HttpClient)

  /** Calls the API; every failure is told in one sentence. */
  const call = <A, E, R>(use: (client: typeof api) => Effect.Effect<A, E, R>): Effect.Effect<A, ServiceRefused, R> =>
    Effect.mapError(use(api), refusedBy(base))

  /** The organisation of a run: the key's own, or any for the root key. */
  const orgOf = (id: string) =>
    Effect.map(
      call(({ pipelines }) => pipelines.runSummary({ path: { id } })),
      (run) => run.org_slug
    )

  /** A run with its steps. */
  const run = Effect.fn("ServiceClient.run")(function* (id: string) {
    const org = yield* orgOf(id)
    return yield* call(({ pipelines }) => pipelines.orgRun({ path: { org, id } }))
  })

  /** Hands over each event of the run, old and new, until the run has ended; a service that restarts meanwhile is waited for. */
  const follow = Effect.fn("ServiceClient.follow")(
    function* (id: string, use: (event: Event) => Effect.Effect<void>) {
      const url = `${base}/api/v1/pipelines/${yield* orgOf(id)}/runs/${id}/events/live`
      let seen = 0
      const untilDisconnected = Effect.suspend(() =>
        http.execute(HttpClientRequest.get(url).pipe(HttpClientRequest.setHeader("Last-Event-ID", String(seen))))
      ).pipe(
        Effect.tap((response) =>
          (response.status === 200 ? response.stream : Stream.empty).pipe(
            Stream.decodeText(),
            Stream.splitLines,
            Stream.filter((line) => line.startsWith("data: ")),
            Stream.mapEffect((line) => Schema.decode(Schema.parseJson(EventRecord))(line.slice("data: ".length))),
            Stream.runForEach((event) => {
              seen = event.version
              return use(event)
            })
          )
        ),
        Effect.retry({ while: isDisconnection, schedule: reconnecting })
      )
      let last = yield* untilDisconnected
      for (let count = 0; last.status === 200 && count < maximumReconnects; count++) last = yield* untilDisconnected
      if (last.status !== 204) {
        return yield* new ServiceRefused({ message: `${url} answered ${last.status}: ${yield* last.text}` })
      }
    },
    Effect.mapError(refusedBy(base))
  )

  return { call, orgOf, run, follow }
})

/** The client of the service that the settings name. */
export class ServiceClient extends Context.Tag("pipeline-service/ServiceClient")<
  ServiceClient,
  Effect.Effect.Success<ReturnType<typeof make>>
>() {
  static readonly layer = Layer.effect(
    ServiceClient,
    Effect.flatMap(Settings, ({ apiKey, rootKey, serviceUrl }) => make({ baseUrl: serviceUrl, key: apiKey, rootKey }))
  ).pipe(Layer.provide([HttpClientNode.layer, Settings.layer]))

  /** The organisation of PIPELINE_API_KEY: the part of the key before `_api_`. */
  static readonly ownOrg = Effect.flatMap(Settings, ({ apiKey }) => {
    const org = Option.flatMapNullable(apiKey, (key) => /^(.+)_api_[^_]+$/.exec(Redacted.value(key))?.[1])
    return Effect.mapError(
      org,
      () =>
        new ServiceRefused({
          message: "PIPELINE_API_KEY is no key of an organisation: set it in the environment or .env.local"
        })
    )
  }).pipe(Effect.provide(Settings.layer))
}

const reconnecting = Schedule.intersect(
  Schedule.spaced(`${reconnectSeconds} seconds`),
  Schedule.recurs(maximumReconnects)
)

const isDisconnection = (error: unknown): boolean =>
  HttpClientError.isHttpClientError(error) && (error._tag === "RequestError" || error.reason === "Decode")

const refusedBy =
  (base: string) =>
  (error: unknown): ServiceRefused => {
    if (error instanceof ServiceRefused) return error
    if (error instanceof ApiError) return new ServiceRefused({ message: `the service answered ${error.message}` })
    if (HttpClientError.isHttpClientError(error) && error._tag === "RequestError") {
      return new ServiceRefused({
        message: `nothing answers at ${base}: start the service (pipeline-service serve) or set PIPELINE_SERVICE_URL`
      })
    }
    return new ServiceRefused({ message: `${base} answered what this version does not understand: ${String(error)}` })
  }
