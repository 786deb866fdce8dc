/**
 * The durable queue: items are added once, taken by one process, and end with the outcome of their run.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { OrgSlug, RunId } from "../platform/Identifiers.ts"
import type { RunStatus, Trigger } from "../runs/Runs.ts"
import type { ScheduledParameters, SchedulerStatus } from "./Scheduler.ts"
import { parametersOf, trackingIdOf } from "./Tables.ts"

const MAX_RETRIES = 3

/** What is to be run. */
export interface NewItem {
  readonly org: OrgSlug
  /** The schedule, the backfill or the batch that wants it. */
  readonly configId: string
  readonly pipelineTemplate: string
  readonly trigger: Trigger
  readonly priority: number
  readonly parameters: ScheduledParameters
  /** The time that it is for; with the fields above it is unique. */
  readonly scheduledTime: number
  /** Not to be started before. */
  readonly dueTime: number
  /** At most so many items with this `configId` run at a time. */
  readonly maxParallel?: number
}

/** An item that this process has taken. */
export interface Item {
  readonly itemId: string
  readonly org: OrgSlug
  readonly configId: string
  readonly pipelineTemplate: string
  readonly trackingId: string
  readonly trigger: Trigger
  readonly parameters: ScheduledParameters
  readonly retryCount: number
  readonly maxRetries: number
  /** The run of the attempt before, which failed. */
  readonly previousRun: RunId | undefined
}

/** What becomes of an item. */
export type Outcome =
  | { readonly _tag: "Completed" }
  | { readonly _tag: "Failed"; readonly message: string }
  /** Another attempt at `dueTime`; `counts`: it uses up a retry. */
  | { readonly _tag: "Again"; readonly dueTime: number; readonly message: string; readonly counts: boolean }

interface ItemRow {
  readonly run_id: string
  readonly org_slug: OrgSlug
  readonly config_id: string
  readonly pipeline_template: string
  readonly trigger_type: Trigger
  readonly parameters: string
  readonly retry_count: number
  readonly max_retries: number
  readonly pipeline_logging_id: RunId | null
  readonly previous_run_id: RunId | null
}

/** The statements of the queue. Each is one transaction, or a part of the caller's. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  /** Inside the caller's transaction. Answers the ids of those that were not there yet. */
  const add = Effect.fnUntraced(function* (items: ReadonlyArray<NewItem>, now: number) {
    const rows = items.map((item, index) => ({
      run_id: randomUUID(),
      org_slug: item.org,
      config_id: item.configId,
      pipeline_id: trackingIdOf(item.org, item.pipelineTemplate),
      pipeline_template: item.pipelineTemplate,
      trigger_type: item.trigger,
      priority: item.priority,
      scheduled_time: item.scheduledTime,
      due_time: item.dueTime,
      max_parallel: item.maxParallel ?? null,
      added_order: index,
      parameters: JSON.stringify(item.parameters)
    }))
    if (rows.length === 0) return []
    // One text for any number of rows: a batch has thousands.
    const json = JSON.stringify(rows)
    const added = yield* sql<{ readonly run_id: string }>`insert into org_scheduled_pipeline_runs (run_id, org_slug,
        config_id, pipeline_id, pipeline_template, trigger_type, state, priority, retry_count, max_retries,
        scheduled_time, parameters, created_at)
      select value ->> 'run_id', value ->> 'org_slug', value ->> 'config_id', value ->> 'pipeline_id',
        value ->> 'pipeline_template', value ->> 'trigger_type', 'PENDING', value ->> 'priority', 0, ${MAX_RETRIES},
        value ->> 'scheduled_time', value ->> 'parameters', ${now}
      from json_each(${json}) where true on conflict do nothing returning run_id`
    yield* sql`insert into org_pipeline_execution_queue (run_id, org_slug, config_id, pipeline_id, state, priority,
        max_parallel, scheduled_time, added_at, added_order)
      select value ->> 'run_id', value ->> 'org_slug', value ->> 'config_id', value ->> 'pipeline_id', 'QUEUED',
        value ->> 'priority', value ->> 'max_parallel', value ->> 'due_time', ${now}, value ->> 'added_order'
      from json_each(${json}) where value ->> 'run_id' in (select run_id from org_scheduled_pipeline_runs)`
    return added.map((row) => row.run_id)
  })

  /**
   * Takes the next item that is due: highest priority, then the organisation with the fewest at work, then the oldest. Not one whose
   * pipeline is at work for the same organisation, since there is one live run of it at a time.
   */
  const take = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const [taken] = yield* sql<{ readonly run_id: string }>`update org_pipeline_execution_queue
      set state = 'PROCESSING', processing_started_at = ${now}
      where state = 'QUEUED' and run_id = (
        with busy as materialized (select org_slug, pipeline_id, config_id from org_pipeline_execution_queue
          where state = 'PROCESSING'),
        orgs as materialized (select org_slug, count(*) as working from busy group by org_slug),
        sources as materialized (select config_id, count(*) as working from busy group by config_id)
        select q.run_id from org_pipeline_execution_queue q
        left join orgs on orgs.org_slug = q.org_slug
        left join sources on sources.config_id = q.config_id
        where q.state = 'QUEUED' and q.scheduled_time <= ${now}
          and q.org_slug not in (select org_slug from org_scheduler_pauses)
          and (q.org_slug, q.pipeline_id) not in (select org_slug, pipeline_id from busy)
          and (q.max_parallel is null or q.max_parallel > coalesce(sources.working, 0))
        order by q.priority desc, coalesce(orgs.working, 0), q.added_at, q.added_order limit 1)
      returning run_id`
    if (taken === undefined) return undefined
    const [row] =
      yield* sql<ItemRow>`update org_scheduled_pipeline_runs set state = 'RUNNING', pipeline_logging_id = null,
        previous_run_id = coalesce(pipeline_logging_id, previous_run_id)
      where run_id = ${taken.run_id} returning *`
    return row === undefined ? undefined : itemOf(row)
  }).pipe(sql.withTransaction)

  /** Keeps the run of an item that is at work. */
  const started = (itemId: string, runId: RunId) =>
    sql`update org_scheduled_pipeline_runs set pipeline_logging_id = ${runId} where run_id = ${itemId}`

  /** Ends an item that is at work, or puts it back; false when another process has done so. */
  const settle = Effect.fnUntraced(function* (itemId: string, outcome: Outcome) {
    const now = yield* Clock.currentTimeMillis
    const state = outcome._tag === "Again" ? "QUEUED" : outcome._tag === "Completed" ? "COMPLETED" : "FAILED"
    const again = outcome._tag === "Again" ? outcome : undefined
    const changed = yield* sql`update org_pipeline_execution_queue set state = ${state},
        scheduled_time = coalesce(${again?.dueTime ?? null}, scheduled_time)
      where run_id = ${itemId} and state = 'PROCESSING' returning run_id`
    if (changed.length === 0) return false
    yield* sql`update org_scheduled_pipeline_runs set ${sql.update({
      state: again === undefined ? state : "PENDING",
      error_message: outcome._tag === "Completed" ? null : outcome.message,
      completed_at: outcome._tag === "Completed" ? now : null,
      failed_at: outcome._tag === "Failed" ? now : null
    })}, retry_count = retry_count + ${again?.counts === true ? 1 : 0} where run_id = ${itemId}`
    if (again === undefined || again.counts) {
      yield* sql`update org_pipeline_configs set last_run_time = ${now},
          last_run_status = ${outcome._tag === "Completed" ? "COMPLETED" : "FAILED"}
        where config_id = (select config_id from org_scheduled_pipeline_runs where run_id = ${itemId})`
    }
    return true
  }, sql.withTransaction)

  /** The items at work with their runs, wherever they were taken. */
  const atWork = sql<ItemRow & { readonly processing_started_at: number }>`select s.*, q.processing_started_at
    from org_pipeline_execution_queue q join org_scheduled_pipeline_runs s on s.run_id = q.run_id
    where q.state = 'PROCESSING'`.pipe(
    Effect.map((rows) =>
      rows.map((row) => ({ item: itemOf(row), runId: row.pipeline_logging_id, takenAt: row.processing_started_at }))
    )
  )

  /** Fails what is queued and not at work. */
  const withdraw = (configId: string, message: string) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* sql`update org_scheduled_pipeline_runs set state = 'FAILED', error_message = ${message}, failed_at = ${now}
        where run_id in (select run_id from org_pipeline_execution_queue
          where config_id = ${configId} and state = 'QUEUED')`
      yield* sql`update org_pipeline_execution_queue set state = 'FAILED'
        where config_id = ${configId} and state = 'QUEUED'`
    })

  const status = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const midnight = now - (now % 86_400_000)
    const [row] = yield* sql<SchedulerStatus>`select
      (select count(*) from org_pipeline_configs where is_active = 1) as "activePipelines",
      (select count(*) from org_pipeline_configs where is_active = 1 and next_run_time <= ${now}) as "dueNow",
      (select count(*) from org_pipeline_execution_queue where state = 'QUEUED') as "queued",
      (select count(*) from org_pipeline_execution_queue where state = 'PROCESSING') as "running",
      (select count(*) from org_scheduled_pipeline_runs where completed_at >= ${midnight}) as "completedToday",
      (select count(*) from org_scheduled_pipeline_runs where failed_at >= ${midnight}) as "failedToday",
      coalesce((select avg(s.completed_at - q.processing_started_at) / 1000.0 from org_scheduled_pipeline_runs s
        join org_pipeline_execution_queue q on q.run_id = s.run_id
        where s.completed_at >= ${midnight}), 0) as "averageExecutionSeconds"`
    return row === undefined ? yield* Effect.dieMessage("a count answers a row") : row
  })

  return { add, take, started, settle, atWork, withdraw, status }
})

export type Queue = Effect.Effect.Success<typeof make>

const itemOf = (row: ItemRow): Item => ({
  itemId: row.run_id,
  org: row.org_slug,
  configId: row.config_id,
  pipelineTemplate: row.pipeline_template,
  trackingId: trackingIdOf(row.org_slug, row.pipeline_template),
  trigger: row.trigger_type,
  parameters: parametersOf(row.parameters),
  retryCount: row.retry_count,
  maxRetries: row.max_retries,
  previousRun: row.previous_run_id ?? undefined
})

/** What the end of an item's run means for the item. A run that failed is repeated from the step that failed. */
export const outcomeOfRun = (item: Item, status: RunStatus, message: string | null, now: number): Outcome =>
  status === "COMPLETED"
    ? { _tag: "Completed" }
    : status === "CANCELLED"
      ? { _tag: "Failed", message: "the run was cancelled" }
      : failure(item, message ?? `the run ended as ${status}`, now)

/** Another attempt after 1, 2, 4, 8 ... minutes, at most 60, while there are retries; then none. */
export const failure = (item: Item, message: string, now: number): Outcome =>
  item.retryCount >= item.maxRetries
    ? { _tag: "Failed", message }
    : { _tag: "Again", dueTime: now + Math.min(60, 2 ** item.retryCount) * 60_000, message, counts: true }
