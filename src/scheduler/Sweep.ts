/**
 * Forgets what the queue has done long ago. The runs themselves stay in the event log.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/** Ended items, backfills and batches are kept so long after their end. */
export const QUEUE_RETENTION_DAYS = 90

/** Forgets at most `limit` items, backfills and batches each; answers how many. A backfill goes as a whole, before its items. */
export const sweep = Effect.fnUntraced(function* (now: number, limit: number) {
  const sql = yield* SqlClient.SqlClient
  const before = now - QUEUE_RETENTION_DAYS * 86_400_000
  const backfills = yield* sql`delete from pipeline_backfills where backfill_id in (
    select backfill_id from pipeline_backfills b where created_at < ${before} and not exists (
      select 1 from org_scheduled_pipeline_runs s where s.config_id = b.backfill_id
        and coalesce(s.completed_at, s.failed_at, ${now}) >= ${before}) limit ${limit}) returning backfill_id`
  const items = yield* sql<{ readonly run_id: string }>`delete from org_scheduled_pipeline_runs where run_id in (
    select run_id from org_scheduled_pipeline_runs s where state in ('COMPLETED', 'FAILED')
      and coalesce(completed_at, failed_at) < ${before}
      and not exists (select 1 from pipeline_backfills b where b.backfill_id = s.config_id) limit ${limit}) returning run_id`
  yield* sql`delete from org_pipeline_execution_queue
    where run_id in (select value from json_each(${JSON.stringify(items.map((item) => item.run_id))}))`
  const batches = yield* sql`delete from org_meta_pipeline_batch_runs where batch_run_id in (
    select batch_run_id from org_meta_pipeline_batch_runs b where triggered_at < ${before} and not exists (
      select 1 from org_scheduled_pipeline_runs s where s.config_id = b.batch_run_id) limit ${limit}) returning batch_run_id`
  return backfills.length + items.length + batches.length
})
