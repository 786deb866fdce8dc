/**
 * The tables of the scheduler in the service database. Times are milliseconds since 1970 UTC.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SchedulerUnavailable, ScheduledParameters } from "./Scheduler.ts"

/** Creates the tables that are absent. */
export const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table if not exists org_pipeline_configs (
    config_id text primary key, org_slug text not null, provider text not null, domain text not null,
    pipeline_template text not null, schedule_cron text not null, timezone text not null, is_active integer not null,
    priority integer not null, parameters text not null, next_run_time bigint, last_run_time bigint,
    last_run_status text, created_at bigint not null, updated_at bigint not null, unique (org_slug, pipeline_template))`
  yield* sql`create index if not exists org_pipeline_configs_due on org_pipeline_configs (next_run_time) where is_active = 1`
  yield* sql`create table if not exists org_scheduler_pauses (org_slug text primary key, created_at bigint not null)`
  // A time of a schedule, a chunk of a backfill, an organisation of a batch: each is there once, whoever adds it.
  yield* sql`create table if not exists org_scheduled_pipeline_runs (
    run_id text primary key, org_slug text not null, config_id text not null, pipeline_id text not null,
    pipeline_template text not null, trigger_type text not null, state text not null, pipeline_logging_id text,
    previous_run_id text, error_message text, priority integer not null, retry_count integer not null, max_retries integer not null,
    scheduled_time bigint not null, completed_at bigint, failed_at bigint, parameters text not null,
    created_at bigint not null, unique (config_id, org_slug, pipeline_template, scheduled_time, parameters))`
  yield* sql`create table if not exists org_pipeline_execution_queue (
    run_id text primary key, org_slug text not null, config_id text not null, pipeline_id text not null,
    state text not null, priority integer not null, max_parallel integer, scheduled_time bigint not null,
    added_at bigint not null, added_order integer not null, processing_started_at bigint)`
  yield* sql`create index if not exists org_pipeline_execution_queue_open
    on org_pipeline_execution_queue (state, scheduled_time) where state in ('QUEUED', 'PROCESSING')`
  yield* sql`create table if not exists pipeline_backfills (
    backfill_id text primary key, org_slug text not null, pipelines text not null, start_date text not null,
    end_date text not null, chunk text not null, max_parallel integer not null, is_cancelled integer not null,
    created_at bigint not null)`
  yield* sql`create index if not exists pipeline_backfills_org on pipeline_backfills (org_slug, created_at)`
  yield* sql`create table if not exists org_meta_pipeline_batch_runs (
    batch_run_id text primary key, org_slug text not null, trigger_type text not null, status text not null,
    pipeline_template text not null, orgs_processed integer not null, orgs_skipped integer not null,
    run_date text not null, triggered_at bigint not null, completed_at bigint not null, errors text not null)`
}).pipe(unavailable("create its tables"))

/** Turns every failure of a store into the scheduler's own. */
export function unavailable(operation: string) {
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, SchedulerUnavailable, R> =>
    Effect.mapError(effect, (cause) => new SchedulerUnavailable({ operation, cause }))
}

/** The text of a row's parameters. */
export const parametersOf = Schema.decodeSync(Schema.parseJson(ScheduledParameters))

/** A time as the API shows it. */
export const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString()
/** {@link isoTime}, or null. */
export const isoTimeOrNull = (milliseconds: number | null): string | null =>
  milliseconds === null ? null : isoTime(milliseconds)

/** How the runs of an organisation's pipeline are known. */
export const trackingIdOf = (org: string, pipelineTemplate: string): string =>
  `${org}-${pipelineTemplate.replaceAll("/", "-")}`
