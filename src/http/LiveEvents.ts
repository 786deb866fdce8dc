/**
 * Server-sent events: a run's history as it happens. The event id is its version, so a caller that comes back with Last-Event-ID misses
 * nothing and sees nothing twice.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import type { RunStatus, RunsService, RunView } from "../runs/Runs.ts"
import { type ApiError, apiError, bodyOf, fromDomain } from "./Errors.ts"
import { currentNotes } from "./RequestNotes.ts"
import { eventOf } from "./RunSchemas.ts"
import { Shutdown } from "./Shutdown.ts"

/** Open streams of this process; a caller beyond them is asked to come again. */
export const maximumLiveStreams = 1_000
const heartbeatSeconds = 15
const retrySeconds = 10
const reconnectMilliseconds = 1_000

/** Counts the open streams. */
export class LiveStreams extends Context.Tag("pipeline-service/LiveStreams")<
  LiveStreams,
  {
    readonly isFull: Effect.Effect<boolean>
    /** Counted while its scope is open. */
    readonly held: Effect.Effect<void, never, Scope.Scope>
    /** Waits for the time when streams must end. */
    readonly closing: Effect.Effect<void>
  }
>() {
  static readonly layer = Layer.effect(
    LiveStreams,
    Effect.map(Shutdown, ({ begun }) => {
      let open = 0
      return {
        isFull: Effect.sync(() => open >= maximumLiveStreams),
        held: Effect.acquireRelease(
          Effect.sync(() => void open++),
          () => Effect.sync(() => void open--)
        ),
        closing: begun
      }
    })
  )
}

/** One event on the wire. */
export const encodeEvent = (event: RecordedEvent): string =>
  `id: ${event.version}\nevent: ${event.type}\ndata: ${JSON.stringify(eventOf(event))}\n\n`

/** Comments that keep proxies from closing a connection on which nothing happens. */
export const heartbeats = Stream.map(
  Stream.fromSchedule(Schedule.spaced(`${heartbeatSeconds} seconds`)),
  () => ": heartbeat\n\n"
)

/** Answers with the run's events after `lastEventId`; 204 when the run has ended and all were seen, so that a browser stops asking. */
export const answerLive = (
  runs: RunsService,
  live: LiveStreams["Type"],
  run: RunView,
  lastEventId: string | undefined
): Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError> =>
  Effect.gen(function* () {
    const seen = yield* versionOf(lastEventId)
    if (hasEnded(run.status) && seen > 0) {
      const left = yield* Effect.mapError(runs.events(run.runId, seen + 1), fromDomain)
      if (left.length === 0) return HttpServerResponse.empty({ status: 204 })
    }
    if (yield* live.isFull) {
      return yield* apiError("RATE_LIMIT_EXCEEDED", `more than ${maximumLiveStreams} live streams are open`, {
        retryAfterSeconds: retrySeconds
      })
    }
    const { requestId } = yield* FiberRef.get(currentNotes)
    const events = runs.watch(run.runId, seen + 1).pipe(
      Stream.map(encodeEvent),
      Stream.catchAll((error) => {
        const failed = bodyOf(fromDomain(error), requestId)
        return Stream.make(`event: error\ndata: ${JSON.stringify(failed)}\n\n`)
      })
    )
    const texts = Stream.make(`retry: ${reconnectMilliseconds}\n\n`).pipe(
      Stream.concat(Stream.merge(events, heartbeats, { haltStrategy: "left" })),
      Stream.interruptWhen(live.closing),
      Stream.encodeText
    )
    const body = Stream.unwrapScoped(Effect.as(live.held, texts))
    return HttpServerResponse.stream(body, {
      contentType: "text/event-stream",
      headers: { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }
    })
  })

const hasEnded = (status: RunStatus): boolean =>
  status === "COMPLETED" || status === "FAILED" || status === "CANCELLED" || status === "TIMEOUT"

const versionOf = (lastEventId: string | undefined): Effect.Effect<number, ApiError> => {
  if (lastEventId === undefined || lastEventId === "") return Effect.succeed(0)
  return /^\d{1,9}$/.test(lastEventId)
    ? Effect.succeed(Number(lastEventId))
    : apiError("INVALID_HEADERS", "Last-Event-ID is the id of an event of this stream: a version from 1 on")
}
