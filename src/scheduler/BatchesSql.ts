/**
 * Batches on the service database: each organisation's part is an item of the queue.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { Organizations } from "../organizations/Organizations.ts"
import { Catalogue, TemplateNotFound } from "../pipelines/Catalogue.ts"
import { dayOf } from "../platform/Identifiers.ts"
import { Batches, type BatchesService, type BatchRun } from "./Batches.ts"
import * as Queue from "./Queue.ts"
import type { SchedulerUnavailable } from "./Scheduler.ts"
import * as Tables from "./Tables.ts"

const BATCH_PRIORITY = 5

/** The layer over the service database, whose tables the scheduler's layer creates. */
export const layer: Layer.Layer<Batches, SchedulerUnavailable, SqlClient.SqlClient | Catalogue | Organizations> =
  Layer.effect(
    Batches,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const catalogue = yield* Catalogue
      const organizations = yield* Organizations
      const queue = yield* Queue.make

      const publish: BatchesService["publish"] = Effect.fn("Batches.publish")(function* (batch) {
        const { maxJitterSeconds, parameters, pipelineTemplate } = batch
        const now = yield* Clock.currentTimeMillis
        const known = yield* organizations.list.pipe(Tables.unavailable("read the organisations"))
        const wanted = [...new Set(batch.orgs)]
        const active = known.filter(({ org, status }) => status === "ACTIVE" && wanted.includes(org))
        // An organisation may have a definition of its own, so each is asked for.
        const loaded = yield* Effect.forEach(active, ({ org }) =>
          Effect.option(Effect.as(catalogue.load(org, pipelineTemplate), org))
        )
        const orgs = loaded.flatMap((each) => (each._tag === "Some" ? [each.value] : []))
        if (active.length > 0 && orgs.length === 0) return yield* new TemplateNotFound({ configId: pipelineTemplate })
        const failedOrgs = wanted.filter((org) => !orgs.some((each) => each === org))
        const batchId = randomUUID()
        const items = yield* Effect.forEach(orgs, (org) =>
          Effect.map(Random.nextIntBetween(0, maxJitterSeconds * 1000 + 1), (jitter): Queue.NewItem => ({
            org,
            configId: batchId,
            pipelineTemplate,
            trigger: "pubsub",
            priority: BATCH_PRIORITY,
            parameters,
            scheduledTime: now,
            dueTime: now + jitter
          }))
        )
        const itemIds = yield* Effect.zipRight(
          sql`insert into org_meta_pipeline_batch_runs ${sql.insert({
            batch_run_id: batchId,
            org_slug: orgs.length === 1 ? (orgs[0] ?? "ALL") : "ALL",
            trigger_type: "pubsub",
            status: failedOrgs.length === 0 ? "COMPLETED" : orgs.length === 0 ? "FAILED" : "PARTIAL",
            pipeline_template: pipelineTemplate,
            orgs_processed: orgs.length,
            orgs_skipped: failedOrgs.length,
            run_date: dayOf(now),
            triggered_at: now,
            completed_at: now,
            errors: JSON.stringify(failedOrgs)
          })}`,
          queue.add(items, now)
        ).pipe(sql.withTransaction, Tables.unavailable("queue a batch"))
        return { batchId, itemIds, failedOrgs }
      })

      const list: BatchesService["list"] = Effect.fn("Batches.list")(function* (org, { limit, offset }) {
        const rows = yield* sql<BatchRow>`select b.batch_run_id, b.trigger_type, b.pipeline_template, b.run_date,
          b.triggered_at, q.state, s.completed_at, s.failed_at, s.pipeline_logging_id, s.error_message
        from org_meta_pipeline_batch_runs b
        join org_scheduled_pipeline_runs s on s.config_id = b.batch_run_id and s.org_slug = ${org}
        join org_pipeline_execution_queue q on q.run_id = s.run_id
        order by b.triggered_at desc, b.batch_run_id limit ${limit} offset ${offset}`.pipe(
          Tables.unavailable("list batches")
        )
        const [count] = yield* sql<{ readonly total: number }>`select count(*) as total
        from org_meta_pipeline_batch_runs b
        join org_scheduled_pipeline_runs s on s.config_id = b.batch_run_id and s.org_slug = ${org}`.pipe(
          Tables.unavailable("count batches")
        )
        return { runs: rows.map(runOf), total: count?.total ?? 0 }
      })

      return { publish, list }
    })
  )

interface BatchRow {
  readonly batch_run_id: string
  readonly trigger_type: string
  readonly pipeline_template: string
  readonly run_date: string
  readonly triggered_at: number
  readonly state: string
  readonly completed_at: number | null
  readonly failed_at: number | null
  readonly pipeline_logging_id: string | null
  readonly error_message: string | null
}

const runOf = (row: BatchRow): BatchRun => ({
  batchId: row.batch_run_id,
  triggerType: row.trigger_type,
  pipelineTemplate: row.pipeline_template,
  status: row.state,
  runDate: row.run_date,
  triggeredAt: Tables.isoTime(row.triggered_at),
  completedAt: Tables.isoTimeOrNull(row.completed_at ?? row.failed_at),
  pipelineLoggingId: row.pipeline_logging_id,
  errorMessage: row.error_message
})
