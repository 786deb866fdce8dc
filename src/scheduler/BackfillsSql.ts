/**
 * Backfills on the service database: each part is an item of the queue.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Catalogue } from "../pipelines/Catalogue.ts"
import { Day, dayOf, type OrgSlug } from "../platform/Identifiers.ts"
import { InvalidDateRange } from "../runs/Runs.ts"
import {
  type Backfill,
  BackfillNotFound,
  type BackfillPart,
  Backfills,
  type BackfillsService,
  type Chunk
} from "./Backfills.ts"
import * as Queue from "./Queue.ts"
import type { SchedulerUnavailable } from "./Scheduler.ts"
import * as Tables from "./Tables.ts"

/** Parts of one backfill. */
const MAX_PARTS = 1_000
/** After the runs of the day. */
const BACKFILL_PRIORITY = 1
const MILLISECONDS_PER_DAY = 86_400_000

/** The layer over the service database, whose tables the scheduler's layer creates. */
export const layer: Layer.Layer<Backfills, SchedulerUnavailable, SqlClient.SqlClient | Catalogue> = Layer.effect(
  Backfills,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const catalogue = yield* Catalogue
    const queue = yield* Queue.make

    const create: BackfillsService["create"] = Effect.fn("Backfills.create")(function* (request) {
      const { chunk, credentialId, endDate, forceRefresh, maxParallel, org, startDate } = request
      const pipelines = [...new Set(request.pipelines)]
      const now = yield* Clock.currentTimeMillis
      yield* checkRange(startDate, endDate, now)
      const ranges = split(startDate, endDate, chunk)
      if (ranges.length * pipelines.length > MAX_PARTS) {
        return yield* invalidRange(
          `${ranges.length} parts for each of ${pipelines.length} pipelines are more than ${MAX_PARTS}: choose longer parts or fewer days`
        )
      }
      yield* Effect.forEach(pipelines, (pipeline) => catalogue.load(org, pipeline))
      const backfillId = randomUUID()
      const items = pipelines.flatMap((pipelineTemplate) =>
        ranges.map(([start_date, end_date]): Queue.NewItem => ({
          org,
          configId: backfillId,
          pipelineTemplate,
          trigger: "manual",
          priority: BACKFILL_PRIORITY,
          parameters: {
            start_date,
            end_date,
            ...(forceRefresh === undefined ? {} : { force_refresh: forceRefresh }),
            ...(credentialId === undefined ? {} : { credential_id: credentialId })
          },
          scheduledTime: now,
          dueTime: now,
          maxParallel
        }))
      )
      yield* Effect.zipRight(
        sql`insert into pipeline_backfills ${sql.insert({
          backfill_id: backfillId,
          org_slug: org,
          pipelines: JSON.stringify(pipelines),
          start_date: startDate,
          end_date: endDate,
          chunk,
          max_parallel: maxParallel,
          is_cancelled: 0,
          created_at: now
        })}`,
        queue.add(items, now)
      ).pipe(sql.withTransaction, Tables.unavailable("queue a backfill"))
      return (yield* Effect.orDie(get(org, backfillId))).backfill
    })

    const rowsOf = (org: OrgSlug, more: { readonly id?: string; readonly limit: number; readonly offset: number }) =>
      sql<BackfillRow>`select b.*, p.* from (select * from pipeline_backfills where ${sql.and([
        sql`org_slug = ${org}`,
        ...(more.id === undefined ? [] : [sql`backfill_id = ${more.id}`])
      ])} order by created_at desc, backfill_id limit ${more.limit} offset ${more.offset}) b
        join (select config_id, count(*) as total, count(*) filter (where state = 'QUEUED') as queued, count(*) filter (where state = 'PROCESSING') as running,
          count(*) filter (where state = 'COMPLETED') as completed, count(*) filter (where state = 'FAILED') as failed
          from org_pipeline_execution_queue where org_slug = ${org} group by config_id) p on p.config_id = b.backfill_id
        order by b.created_at desc, b.backfill_id`

    const find = Effect.fnUntraced(function* (org: OrgSlug, backfillId: string) {
      const [row] = yield* rowsOf(org, { id: backfillId, limit: 1, offset: 0 }).pipe(
        Tables.unavailable("read a backfill")
      )
      return row === undefined ? yield* new BackfillNotFound({ backfillId }) : backfillOf(row)
    })

    const get: BackfillsService["get"] = Effect.fn("Backfills.get")(function* (org, backfillId) {
      const backfill = yield* find(org, backfillId)
      const rows = yield* sql<PartRow>`select s.pipeline_template, s.parameters, q.state, s.retry_count,
          s.pipeline_logging_id, s.error_message
        from org_scheduled_pipeline_runs s join org_pipeline_execution_queue q on q.run_id = s.run_id
        where s.config_id = ${backfillId} order by q.added_order`.pipe(Tables.unavailable("read a backfill"))
      return { backfill, parts: rows.map(partOf) }
    })

    const list: BackfillsService["list"] = Effect.fn("Backfills.list")(function* (org, page) {
      const rows = yield* rowsOf(org, page).pipe(Tables.unavailable("list backfills"))
      const [count] = yield* sql<{ readonly total: number }>`select count(*) as total from pipeline_backfills
        where org_slug = ${org}`.pipe(Tables.unavailable("count backfills"))
      return { backfills: rows.map(backfillOf), total: count?.total ?? 0 }
    })

    const cancel: BackfillsService["cancel"] = Effect.fn("Backfills.cancel")(function* (org, backfillId) {
      yield* find(org, backfillId)
      yield* Effect.zipRight(
        sql`update pipeline_backfills set is_cancelled = 1 where backfill_id = ${backfillId}`,
        queue.withdraw(backfillId, "the backfill was cancelled")
      ).pipe(sql.withTransaction, Tables.unavailable("cancel a backfill"))
      return yield* find(org, backfillId)
    })

    return { create, list, get, cancel }
  })
)

interface BackfillRow {
  readonly backfill_id: string
  readonly org_slug: OrgSlug
  readonly pipelines: string
  readonly start_date: string
  readonly end_date: string
  readonly chunk: Chunk
  readonly max_parallel: number
  readonly is_cancelled: number
  readonly created_at: number
  readonly total: number
  readonly queued: number
  readonly running: number
  readonly completed: number
  readonly failed: number
}

interface PartRow {
  readonly pipeline_template: string
  readonly parameters: string
  readonly state: string
  readonly retry_count: number
  readonly pipeline_logging_id: string | null
  readonly error_message: string | null
}

const namesOf = Schema.decodeSync(Schema.parseJson(Schema.Array(Schema.String)))

const backfillOf = (row: BackfillRow): Backfill => ({
  backfillId: row.backfill_id,
  org: row.org_slug,
  pipelines: namesOf(row.pipelines),
  startDate: row.start_date,
  endDate: row.end_date,
  chunk: row.chunk,
  maxParallel: row.max_parallel,
  status: statusOf(row),
  total: row.total,
  queued: row.queued,
  running: row.running,
  completed: row.completed,
  failed: row.failed,
  createdAt: Tables.isoTime(row.created_at)
})

const statusOf = (row: BackfillRow): Backfill["status"] => {
  if (row.running > 0) return "RUNNING"
  if (row.queued > 0) return row.queued === row.total ? "QUEUED" : "RUNNING"
  if (row.is_cancelled === 1) return "CANCELLED"
  if (row.failed === 0) return "COMPLETED"
  return row.completed === 0 ? "FAILED" : "PARTIAL"
}

const partOf = (row: PartRow): BackfillPart => {
  const { end_date, start_date } = Tables.parametersOf(row.parameters)
  return {
    pipelineTemplate: row.pipeline_template,
    startDate: start_date ?? "",
    endDate: end_date ?? "",
    state: row.state,
    retryCount: row.retry_count,
    pipelineLoggingId: row.pipeline_logging_id,
    errorMessage: row.error_message
  }
}

const invalidRange = (message: string) => new InvalidDateRange({ code: "INVALID_DATE_RANGE", message })

const checkRange = (startDate: Day, endDate: Day, now: number) => {
  if (startDate > endDate) return invalidRange(`start_date ${startDate} is after end_date ${endDate}: swap them`)
  return endDate > dayOf(now)
    ? new InvalidDateRange({
        code: "INVALID_DATE",
        message: `${endDate} is in the future: its figures do not exist yet`
      })
    : Effect.void
}

/** The inclusive parts of a range, oldest first: days, weeks from the first day on, or calendar months. */
const split = (startDate: Day, endDate: Day, chunk: Chunk): ReadonlyArray<readonly [Day, Day]> => {
  const parts: Array<readonly [Day, Day]> = []
  const end = Date.parse(endDate)
  let start = Date.parse(startDate)
  while (start <= end && parts.length <= MAX_PARTS) {
    const next = afterPart(start, chunk)
    parts.push([dayOf(start), dayOf(Math.min(end, next - MILLISECONDS_PER_DAY))])
    start = next
  }
  return parts
}

const afterPart = (start: number, chunk: Chunk): number => {
  if (chunk !== "month") return start + MILLISECONDS_PER_DAY * (chunk === "day" ? 1 : 7)
  const date = new Date(start)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}
