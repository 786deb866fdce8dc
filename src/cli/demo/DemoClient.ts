/**
 * The demo's way to the service: its HTTP API, as any client would use it.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { OrgSlug } from "../../platform/Identifiers.ts"

/** The service answered something else than expected. */
export class UnexpectedAnswer extends Schema.TaggedError<UnexpectedAnswer>()("UnexpectedAnswer", {
  message: Schema.String
}) {}

const Accepted = Schema.Struct({ pipeline_logging_id: Schema.String })

const LiveEvent = Schema.Struct({
  version: Schema.Number,
  type: Schema.String,
  recorded_at: Schema.String,
  data: Schema.Record({ key: Schema.String, value: Schema.Unknown })
})
/** An event of the run as the live stream sends it. */
export type LiveEvent = typeof LiveEvent.Type

const Detail = Schema.Struct({
  pipeline_logging_id: Schema.String,
  status: Schema.String,
  duration_ms: Schema.NullOr(Schema.Number),
  error_message: Schema.NullOr(Schema.String),
  steps: Schema.Array(
    Schema.Struct({
      step_logging_id: Schema.String,
      metadata: Schema.Struct({ output: Schema.optional(Schema.Unknown) })
    })
  )
})

/** A finished run: its outputs by step id. */
export interface FinishedRun {
  readonly runId: string
  readonly durationMs: number
  readonly outputs: Readonly<Record<string, unknown>>
}

/** A client of one organisation. */
export const make = (base: string, org: OrgSlug, key: Redacted.Redacted) => {
  const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(HttpClientRequest.setHeader(request, "X-API-Key", Redacted.value(key)))
    return response.status === 200 ? response : yield* refused(request.url, response)
  })
  const runs = `${base}/api/v1/pipelines/${org}/runs`
  return {
    /** Asks for a run of the AWS billing pipeline; answers its id. */
    start: (body: Readonly<Record<string, string | boolean>>) =>
      HttpClientRequest.post(`${base}/api/v1/pipelines/run/${org}/cloud/aws/cost/billing`).pipe(
        HttpClientRequest.bodyUnsafeJson(body),
        send,
        Effect.flatMap((response) => response.json),
        Effect.flatMap(Schema.decodeUnknown(Accepted)),
        Effect.map((accepted) => accepted.pipeline_logging_id)
      ),
    /** Hands over each event of the run as it is recorded, until the run has ended. */
    follow: <E, R>(runId: string, use: (event: LiveEvent) => Effect.Effect<unknown, E, R>) =>
      send(HttpClientRequest.get(`${runs}/${runId}/events/live`)).pipe(
        Effect.flatMap((response) =>
          response.stream.pipe(
            Stream.decodeText(),
            Stream.splitLines,
            Stream.filter((line) => line.startsWith("data: ")),
            Stream.mapEffect((line) => Schema.decode(Schema.parseJson(LiveEvent))(line.slice("data: ".length))),
            Stream.runForEach(use)
          )
        )
      ),
    /** The finished run; a run that did not complete fails with its message. */
    get: (runId: string) =>
      send(HttpClientRequest.get(`${runs}/${runId}`)).pipe(
        Effect.flatMap((response) => response.json),
        Effect.flatMap(Schema.decodeUnknown(Detail)),
        Effect.flatMap((detail) =>
          detail.status === "COMPLETED"
            ? Effect.succeed<FinishedRun>({
                runId: detail.pipeline_logging_id,
                durationMs: detail.duration_ms ?? 0,
                outputs: Object.fromEntries(
                  detail.steps.map((step) => [step.step_logging_id.split(":")[1] ?? "", step.metadata.output])
                )
              })
            : new UnexpectedAnswer({ message: `the run ended as ${detail.status}: ${detail.error_message ?? ""}` })
        )
      )
  }
}

const refused = (url: string, response: HttpClientResponse) =>
  Effect.flatMap(response.text, (text) =>
    Effect.fail(new UnexpectedAnswer({ message: `${url} answered ${response.status}: ${text}` }))
  )
