/**
 * An event log that crashes at a chosen append, as if the process had died there: before the append, nothing of it is recorded; after it,
 * it is recorded, but nobody hears so. From then on every call dies, so that nothing more reaches the log, whatever the dying program
 * still tries in its finalizers. The crash simulation waits for `crashed`, closes the program's scope, and opens the same file again.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { EventLog, type EventLogService } from "../../src/eventlog/EventLog.ts"

/** The defect that every call of a crashed log dies with. */
export class LogCrashed extends Data.TaggedError("LogCrashed")<{ readonly append: number; readonly when: When }> {
  override get message() {
    return `the log crashed ${this.when} append ${this.append}`
  }
}

type When = "before" | "after"

/** Tells that the log has crashed. */
export class Crash extends Context.Tag("test/Crash")<
  Crash,
  {
    /** Ends when the log crashes; never, when the program appends less often. */
    readonly crashed: Effect.Effect<void>
    /** Appends that were asked for so far. */
    readonly appends: Effect.Effect<number>
  }
>() {}

/** Crashes the log of the layer below at its `k`-th append (1 is the first), refused ones included. */
export const crashAt = (k: number, when: When): Layer.Layer<EventLog | Crash, never, EventLog> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const log = yield* EventLog
      const crashed = yield* Deferred.make<void>()
      const defect = new LogCrashed({ append: k, when })
      const crash = Effect.zipRight(Deferred.succeed(crashed, undefined), Effect.die(defect))
      let appends = 0
      const alive = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.flatMap(Deferred.isDone(crashed), (dead) => (dead ? Effect.die(defect) : effect))
      const append: EventLogService["append"] = (asked) =>
        alive(
          Effect.suspend(() => {
            appends += 1
            if (appends < k) return log.append(asked)
            if (appends > k) return Effect.die(defect)
            // Not even an interruption reaches a process between the commit and its death.
            return when === "before"
              ? crash
              : Effect.uninterruptible(Effect.zipRight(Effect.exit(log.append(asked)), crash))
          })
        )
      return Context.make(EventLog, {
        append,
        enqueue: (asked, answer) => Effect.runCallback(append(asked), { onExit: answer }),
        read: (stream, from) => alive(log.read(stream, from)),
        readAll: (position, limit) => alive(log.readAll(position, limit)),
        follow: (position) => Stream.mapEffect(log.follow(position), (event) => alive(Effect.succeed(event))),
        head: alive(log.head),
        verify: alive(log.verify),
        rebuild: alive(log.rebuild)
      }).pipe(Context.add(Crash, { crashed: Deferred.await(crashed), appends: Effect.sync(() => appends) }))
    })
  )
