/**
 * The organisations' schedules: stored, listed, switched off.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Catalogue } from "../pipelines/Catalogue.ts"
import * as CronSchedule from "../platform/CronSchedule.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { ConfigNotFound, type PipelineConfig, type SchedulerService } from "./Scheduler.ts"
import { isoTime, isoTimeOrNull, parametersOf, unavailable } from "./Tables.ts"

/** Between that of a backfill and what an operator may want first. */
const SCHEDULE_PRIORITY = 5

/** A row of `org_pipeline_configs`. */
export interface ConfigRow {
  readonly config_id: string
  readonly org_slug: OrgSlug
  readonly provider: string
  readonly domain: string
  readonly pipeline_template: string
  readonly schedule_cron: string
  readonly timezone: string
  readonly is_active: number
  readonly priority: number
  readonly parameters: string
  readonly next_run_time: number | null
  readonly last_run_time: number | null
  readonly last_run_status: string | null
  readonly created_at: number
  readonly updated_at: number
}

/** The schedules' part of the service. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const catalogue = yield* Catalogue

  const list: SchedulerService["list"] = Effect.fn("Scheduler.list")((org, { isActive }) =>
    sql<ConfigRow>`select * from org_pipeline_configs where ${sql.and([
      sql`org_slug = ${org}`,
      ...(isActive === undefined ? [] : [sql`is_active = ${isActive ? 1 : 0}`])
    ])} order by pipeline_template`.pipe(
      Effect.map((rows) => rows.map(configOf)),
      unavailable("list schedules")
    )
  )

  const upsert: SchedulerService["upsert"] = Effect.fn("Scheduler.upsert")(function* (request) {
    const { isActive, org, parameters, pipelineTemplate } = request
    const { schedule } = yield* catalogue.load(org, pipelineTemplate)
    const cron = request.scheduleCron ?? schedule?.cron
    if (cron === undefined) {
      return yield* new CronSchedule.ScheduleInvalid({
        message: `${pipelineTemplate} has no schedule of its own: give schedule_cron`
      })
    }
    const timezone = request.timezone ?? (request.scheduleCron === undefined ? schedule?.timezone : undefined) ?? "UTC"
    const due = yield* CronSchedule.make(cron, timezone)
    const now = yield* Clock.currentTimeMillis
    const [stored] = yield* sql<ConfigRow>`insert into org_pipeline_configs ${sql.insert({
      config_id: randomUUID(),
      org_slug: org,
      provider: request.provider,
      domain: request.domain,
      pipeline_template: pipelineTemplate,
      schedule_cron: cron,
      timezone,
      is_active: isActive ? 1 : 0,
      priority: SCHEDULE_PRIORITY,
      parameters: JSON.stringify(parameters),
      next_run_time: isActive ? due.next(now) : null,
      last_run_time: null,
      last_run_status: null,
      created_at: now,
      updated_at: now
    })} on conflict (org_slug, pipeline_template) do update set provider = excluded.provider,
        domain = excluded.domain, schedule_cron = excluded.schedule_cron, timezone = excluded.timezone,
        is_active = excluded.is_active, parameters = excluded.parameters, next_run_time = excluded.next_run_time,
        updated_at = excluded.updated_at returning *`.pipe(unavailable("store a schedule"))
    return stored === undefined ? yield* Effect.dieMessage("an upsert answers its row") : configOf(stored)
  })

  const disable: SchedulerService["disable"] = Effect.fn("Scheduler.disable")(function* (org, configId) {
    const now = yield* Clock.currentTimeMillis
    const disabled = yield* sql`update org_pipeline_configs set is_active = 0, next_run_time = null, updated_at = ${now}
      where config_id = ${configId} and org_slug = ${org} returning config_id`.pipe(unavailable("disable a schedule"))
    if (disabled.length === 0) return yield* new ConfigNotFound({ configId })
  })

  const setPaused: SchedulerService["setPaused"] = Effect.fn("Scheduler.setPaused")(function* (org, isPaused) {
    const now = yield* Clock.currentTimeMillis
    if (isPaused) {
      yield* sql`insert into org_scheduler_pauses ${sql.insert({ org_slug: org, created_at: now })}
        on conflict (org_slug) do nothing`.pipe(unavailable("pause an organisation"))
      return
    }
    const resume = Effect.gen(function* () {
      const paused = yield* sql`delete from org_scheduler_pauses where org_slug = ${org} returning org_slug`
      if (paused.length === 0) return
      const rows = yield* sql<ConfigRow>`select * from org_pipeline_configs
        where org_slug = ${org} and is_active = 1 and next_run_time <= ${now}`
      for (const row of rows) {
        const due = yield* CronSchedule.make(row.schedule_cron, row.timezone)
        yield* sql`update org_pipeline_configs set next_run_time = ${due.next(now)} where config_id = ${row.config_id}`
      }
    })
    yield* sql.withTransaction(resume).pipe(unavailable("resume an organisation"))
  })

  return { list, upsert, disable, setPaused }
})

const configOf = (row: ConfigRow): PipelineConfig => ({
  configId: row.config_id,
  org: row.org_slug,
  provider: row.provider,
  domain: row.domain,
  pipelineTemplate: row.pipeline_template,
  scheduleCron: row.schedule_cron,
  timezone: row.timezone,
  isActive: row.is_active === 1,
  priority: row.priority,
  parameters: parametersOf(row.parameters),
  nextRunTime: isoTimeOrNull(row.next_run_time),
  lastRunTime: isoTimeOrNull(row.last_run_time),
  lastRunStatus: row.last_run_status,
  createdAt: isoTime(row.created_at),
  updatedAt: isoTime(row.updated_at)
})
