/**
 * The scheduler on the service database.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Organizations } from "../organizations/Organizations.ts"
import type { Catalogue } from "../pipelines/Catalogue.ts"
import { Settings } from "../platform/Settings.ts"
import type { Runs } from "../runs/Runs.ts"
import * as Configs from "./Configs.ts"
import * as Queue from "./Queue.ts"
import { Scheduler, type SchedulerService, type SchedulerUnavailable } from "./Scheduler.ts"
import * as Tables from "./Tables.ts"
import * as Triggering from "./Triggering.ts"
import * as Worker from "./Worker.ts"

/** Schedules that one look of the loop claims at most; the next one goes on. */
const MAX_CLAIMS_PER_LOOK = 1_000

/** The layer over the service database; creates its tables. `Scheduler.run` is left to the caller. */
export const layer: Layer.Layer<
  Scheduler,
  SchedulerUnavailable,
  SqlClient.SqlClient | Runs | Catalogue | Organizations | Settings
> = Layer.scoped(
  Scheduler,
  Effect.gen(function* () {
    yield* Tables.create
    const settings = yield* Settings
    const queue = yield* Queue.make
    const configs = yield* Configs.make
    const trigger = yield* Triggering.make(queue)
    const wake = Effect.unsafeMakeLatch(false)
    const worker = yield* Worker.make(queue, wake.open)

    const look = Effect.gen(function* () {
      yield* wake.close
      yield* worker.adopt()
      yield* trigger(MAX_CLAIMS_PER_LOOK)
      yield* worker.processQueue()
    }).pipe(
      // Whatever goes wrong in one look, the next one is made.
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : Effect.logError("the scheduler stumbled", cause)
      ),
      Effect.orDie
    )

    return {
      ...configs,
      trigger,
      processQueue: worker.processQueue(),
      status: queue.status.pipe(Tables.unavailable("count its queue"), Effect.withSpan("Scheduler.status")),
      run: look.pipe(
        Effect.zipRight(
          Effect.raceFirst(Effect.sleep(Duration.seconds(settings.schedulerIntervalSeconds)), wake.await)
        ),
        Effect.forever
      )
    } satisfies SchedulerService
  })
)
