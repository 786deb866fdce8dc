/**
 * Brings the queue's items to their runs, in the full order of a run request and with the organisation's own key, and their runs' outcomes
 * back to the items.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Metric from "effect/Metric"
import { type OrganizationsUnavailable, Organizations } from "../organizations/Organizations.ts"
import type { RunId } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { type RequestError, type RunAccepted, Runs, type RunStatus } from "../runs/Runs.ts"
import { failure, type Item, type Outcome, outcomeOfRun, type Queue } from "./Queue.ts"
import type { QueueReport, Started } from "./Scheduler.ts"
import { unavailable } from "./Tables.ts"

const settled = Metric.counter("scheduler_queue_items_total", {
  description: "Items of the queue by what became of them: completed, failed, or again",
  incremental: true
})

/** Items of this process at work; the others stay queued. */
const MAX_ITEMS_AT_WORK = 100
/** Items that one call takes at most, also those that are put back. */
const MAX_ITEMS_PER_CALL = 1_000
/** An item that was taken this long ago and has no run was lost with its process. */
const LOST_AFTER_MILLISECONDS = 2 * 60_000
/** When the pipeline is at work for somebody else, and when the service cannot take runs. */
const BUSY_WAIT_MILLISECONDS = 60_000
/** When the service stops: the next one takes the item. */
const RESTART_WAIT_MILLISECONDS = 5_000
/** A quota that does not say when to come again. */
const QUOTA_WAIT_SECONDS = 300

/** The worker of this process; runs are watched while the scope lives. `ended` is called when one of them has ended. */
export const make = Effect.fnUntraced(function* (queue: Queue, ended: Effect.Effect<void>) {
  const runs = yield* Runs
  const organizations = yield* Organizations
  const { queueSeconds } = yield* Settings
  const watched = yield* FiberMap.make<string>()

  const ask = Effect.fnUntraced(function* (item: Item) {
    const apiKey = yield* organizations.ownKey(item.org)
    if (apiKey === undefined) return yield* Effect.fail({ _tag: "NoKey" as const, message: noKey(item.org) })
    const by = {
      org: item.org,
      trigger: item.trigger,
      triggerBy: triggerBy(item),
      idempotencyKey: `${item.itemId}/${item.retryCount}`,
      apiKey
    }
    if (item.previousRun !== undefined) return yield* runs.retry(item.previousRun, by)
    const { credential_id, date, end_date, force_refresh, start_date } = item.parameters
    const startDate = start_date ?? date
    const endDate = end_date ?? date
    return yield* runs.request({
      ...by,
      configId: item.pipelineTemplate,
      ...(startDate === undefined ? {} : { startDate }),
      ...(endDate === undefined ? {} : { endDate }),
      ...(force_refresh === undefined ? {} : { forceRefresh: force_refresh }),
      ...(credential_id === undefined ? {} : { credentialId: credential_id })
    })
  })

  /** A live run of the pipeline that somebody else asked for is not the item's. */
  const isOwn = (item: Item, accepted: RunAccepted) =>
    accepted.existing
      ? Effect.map(runs.get(accepted.runId), ({ run }) => run.triggerBy === triggerBy(item))
      : Effect.succeed(true)

  const watch = (item: Item, runId: RunId) =>
    FiberMap.run(
      watched,
      item.itemId,
      Effect.gen(function* () {
        const { errorMessage, status } = yield* runs.awaitEnd(runId)
        yield* settleEnded(item, status, errorMessage)
        yield* ended
      }).pipe(Effect.catchAll((error) => Effect.logWarning(`run ${runId} of the queue: ${error.message}`))),
      { onlyIfMissing: true }
    )

  const settleEnded = Effect.fnUntraced(function* (item: Item, status: RunStatus, message: string | null) {
    const now = yield* Clock.currentTimeMillis
    return yield* settle(item, outcomeOfRun(item, status, message, now))
  })

  const settle = Effect.fnUntraced(function* (item: Item, outcome: Outcome) {
    const isSettled = yield* queue.settle(item.itemId, outcome).pipe(unavailable("settle an item of its queue"))
    if (isSettled) yield* Metric.increment(Metric.tagged(settled, "outcome", outcome._tag.toLowerCase()))
    if (isSettled && outcome._tag !== "Completed") {
      const next = outcome._tag === "Again" ? `again at ${new Date(outcome.dueTime).toISOString()}` : "not again"
      yield* Effect.logWarning(`${item.trackingId} of the queue (${next}): ${outcome.message}`)
    }
  })

  /** Answers the run that was started; undefined when the item was put back or failed. */
  const start = (item: Item) =>
    Effect.gen(function* () {
      const accepted = yield* ask(item)
      if (!(yield* isOwn(item, accepted))) {
        const now = yield* Clock.currentTimeMillis
        yield* settle(item, again(now + BUSY_WAIT_MILLISECONDS, `run ${accepted.runId} of the pipeline is at work`))
        return undefined
      }
      yield* queue.started(item.itemId, accepted.runId).pipe(unavailable("keep a run of its queue"))
      yield* watch(item, accepted.runId)
      return {
        org: item.org,
        pipelineId: item.trackingId,
        pipelineLoggingId: accepted.runId
      } satisfies Started
    }).pipe(
      Effect.catchIf(
        (error) => error._tag !== "SchedulerUnavailable",
        (error) =>
          Effect.gen(function* () {
            yield* settle(item, outcomeOfError(item, error, yield* Clock.currentTimeMillis))
            return undefined
          })
      )
    )

  /** Takes what is due and starts its runs; for at most the box of time. */
  const processQueue = Effect.fn("Scheduler.processQueue")(function* () {
    const begun = yield* Clock.currentTimeMillis
    const started: Array<Started> = []
    let processed = 0
    const elapsed = Effect.map(Clock.currentTimeMillis, (now) => (now - begun) / 1000)
    while (processed < MAX_ITEMS_PER_CALL && (yield* elapsed) < queueSeconds) {
      if ((yield* FiberMap.size(watched)) >= MAX_ITEMS_AT_WORK) break
      const item = yield* queue.take.pipe(unavailable("take from its queue"))
      if (item === undefined) break
      processed++
      // An item that was taken is brought to its run or put back, also when the caller goes away.
      const run = yield* Effect.uninterruptible(start(item))
      if (run !== undefined) started.push(run)
    }
    return { processed, started, elapsedSeconds: yield* elapsed } satisfies QueueReport
  })

  /** Goes on with items at work that nobody watches: their run has ended or goes on, or they were lost before they had one. */
  const adopt = Effect.fn("Scheduler.adopt")(function* () {
    const now = yield* Clock.currentTimeMillis
    for (const { item, runId, takenAt } of yield* queue.atWork.pipe(unavailable("read its queue"))) {
      if (runId !== null) yield* watch(item, runId)
      else if (takenAt <= now - LOST_AFTER_MILLISECONDS) yield* settle(item, again(now, "its process ended"))
    }
  })

  return { processQueue, adopt }
})

const triggerBy = (item: Item): string => `queue:${item.itemId}`

const again = (dueTime: number, message: string): Outcome => ({ _tag: "Again", dueTime, message, counts: false })

const noKey = (org: string): string =>
  `${org} has no active API key that may run pipelines: make one with admin key create ${org}`

/** What an item whose run was not accepted becomes. */
const outcomeOfError = (
  item: Item,
  error: RequestError | OrganizationsUnavailable | { readonly _tag: string; readonly message: string },
  now: number
): Outcome => {
  switch (error._tag) {
    case "TemplateNotFound":
      return { _tag: "Failed", message: error.message }
    case "ShuttingDown":
      return again(now + RESTART_WAIT_MILLISECONDS, error.message)
    case "EventLogUnavailable":
    case "OrganizationsUnavailable":
      return again(now + BUSY_WAIT_MILLISECONDS, error.message)
    case "RunNotAllowed":
      return "status" in error && error.status === 429
        ? again(now + (error.retryAfterSeconds ?? QUOTA_WAIT_SECONDS) * 1000, error.message)
        : failure(item, error.message, now)
    default:
      return failure(item, error.message, now)
  }
}
