/**
 * The JSON of schedules, the queue, backfills and batches, and how the views of `scheduler/` become it.
 */
import * as Schema from "effect/Schema"
import { Day, OrgSlug } from "../platform/Identifiers.ts"
import { Json } from "../platform/Json.ts"
import { type Backfill, type BackfillPart, Chunk } from "../scheduler/Backfills.ts"
import type { BatchRun } from "../scheduler/Batches.ts"
import {
  type PipelineConfig,
  ScheduledParameters,
  type SchedulerStatus,
  type Started,
  type TriggerReport
} from "../scheduler/Scheduler.ts"

const time = Schema.String.annotations({ description: "ISO 8601, UTC" })
const timeOrNull = Schema.NullOr(time)
const template = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(210)).annotations({
  description: "Config id: cloud/aws/cost/billing"
})
const name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(100))
const page = { total: Schema.Number, limit: Schema.Number, offset: Schema.Number }

const MAX_BATCH_ORGS = 10_000
const MAX_JITTER_SECONDS = 86_400
const MAX_BACKFILL_PIPELINES = 20
const MAX_PARALLEL_PARTS = 20

/** A schedule; cron and zone are those of the pipeline's file when absent. */
export const PipelineConfigBody = Schema.Struct({
  provider: name,
  domain: name,
  pipeline_template: template,
  schedule_cron: Schema.optional(
    Schema.String.annotations({ description: "Minute, hour, day, month, day of the week; the file's own when absent" })
  ),
  timezone: Schema.optional(Schema.String.annotations({ description: "IANA name, as Europe/Berlin; UTC when absent" })),
  is_active: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  parameters: Schema.optionalWith(ScheduledParameters, { default: () => ({}) })
}).annotations({ identifier: "PipelineConfigRequest" })

/** A schedule as it is stored. */
export const PipelineConfigRecord = Schema.Struct({
  config_id: Schema.String,
  org_slug: Schema.String,
  provider: Schema.String,
  domain: Schema.String,
  pipeline_template: Schema.String,
  schedule_cron: Schema.String,
  timezone: Schema.String,
  is_active: Schema.Boolean,
  priority: Schema.Number,
  parameters: ScheduledParameters,
  next_run_time: timeOrNull,
  last_run_time: timeOrNull,
  last_run_status: Schema.NullOr(Schema.String),
  created_at: time,
  updated_at: time
}).annotations({ identifier: "PipelineConfig" })

export const PipelineConfigDisabled = Schema.Struct({
  config_id: Schema.String,
  org_slug: Schema.String,
  message: Schema.String
}).annotations({ identifier: "PipelineConfigDisabled" })

export const OrgPaused = Schema.Struct({
  org_slug: Schema.String,
  is_paused: Schema.Boolean,
  message: Schema.String
}).annotations({ identifier: "OrgPaused" })

export const TriggerAnswer = Schema.Struct({
  triggered_count: Schema.Number,
  queued_count: Schema.Number,
  skipped_count: Schema.Number.annotations({
    description: "Schedules that cannot be read any more; they are disabled"
  }),
  next_trigger_time: timeOrNull,
  details: Schema.Array(
    Schema.Struct({
      config_id: Schema.String,
      org_slug: Schema.String,
      pipeline_template: Schema.String,
      scheduled_times: Schema.Array(time),
      next_run_time: timeOrNull
    })
  )
}).annotations({ identifier: "SchedulerTriggered" })

export const QueueAnswer = Schema.Struct({
  processed: Schema.Boolean,
  processed_count: Schema.Number,
  started_pipelines: Schema.Array(
    Schema.Struct({ pipeline_logging_id: Schema.String, org_slug: Schema.String, pipeline_id: Schema.String })
  ),
  elapsed_seconds: Schema.Number,
  pipeline_logging_id: Schema.NullOr(Schema.String),
  org_slug: Schema.NullOr(Schema.String),
  pipeline_id: Schema.NullOr(Schema.String),
  status: Schema.Literal("IDLE", "BATCH_COMPLETE"),
  message: Schema.String
}).annotations({ identifier: "QueueProcessed" })

export const StatusAnswer = Schema.Struct({
  total_active_pipelines: Schema.Number,
  pipelines_due_now: Schema.Number,
  pipelines_queued: Schema.Number,
  pipelines_running: Schema.Number,
  pipelines_completed_today: Schema.Number,
  pipelines_failed_today: Schema.Number,
  queue_length: Schema.Number,
  avg_execution_time_seconds: Schema.Number
}).annotations({ identifier: "SchedulerStatus" })

/** What the keeper of the quota answered, and when. */
export const QuotaReset = Schema.Struct({ executed_at: time }, { key: Schema.String, value: Json }).annotations({
  identifier: "QuotaReset"
})

export const OrphansFailed = Schema.Struct({
  status: Schema.Literal("SUCCESS"),
  total_pipelines_cleaned: Schema.Number,
  orgs_processed: Schema.Number,
  details: Schema.Array(Schema.Struct({ pipeline_logging_id: Schema.String, org_slug: Schema.String })),
  message: Schema.String,
  executed_at: time
}).annotations({ identifier: "OrphansFailed" })

export const BackfillBody = Schema.Struct({
  pipelines: Schema.NonEmptyArray(template).pipe(Schema.maxItems(MAX_BACKFILL_PIPELINES)),
  start_date: Day,
  end_date: Day,
  chunk: Schema.optionalWith(Chunk, { default: () => "month" as const }),
  max_parallel: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, MAX_PARALLEL_PARTS)), { default: () => 2 }),
  force_refresh: Schema.optional(Schema.Boolean),
  credential_id: Schema.optional(name)
}).annotations({ identifier: "BackfillRequest" })

const backfillFields = {
  backfill_id: Schema.String,
  org_slug: Schema.String,
  pipelines: Schema.Array(Schema.String),
  start_date: Schema.String,
  end_date: Schema.String,
  chunk: Chunk,
  max_parallel: Schema.Number,
  status: Schema.Literal("QUEUED", "RUNNING", "COMPLETED", "PARTIAL", "FAILED", "CANCELLED"),
  total_runs: Schema.Number,
  queued_runs: Schema.Number,
  running_runs: Schema.Number,
  completed_runs: Schema.Number,
  failed_runs: Schema.Number,
  progress_percent: Schema.Number,
  created_at: time
}

export const BackfillRecord = Schema.Struct(backfillFields).annotations({ identifier: "Backfill" })
export const BackfillPage = Schema.Struct({ backfills: Schema.Array(BackfillRecord), ...page }).annotations({
  identifier: "BackfillPage"
})
export const BackfillDetail = Schema.Struct({
  ...backfillFields,
  runs: Schema.Array(
    Schema.Struct({
      pipeline_template: Schema.String,
      start_date: Schema.String,
      end_date: Schema.String,
      state: Schema.String,
      retry_count: Schema.Number,
      pipeline_logging_id: Schema.NullOr(Schema.String),
      error_message: Schema.NullOr(Schema.String)
    })
  )
}).annotations({ identifier: "BackfillDetail" })

export const BatchBody = Schema.Struct({
  org_slugs: Schema.Array(OrgSlug).pipe(Schema.minItems(1), Schema.maxItems(MAX_BATCH_ORGS)),
  pipeline_id: template,
  parameters: Schema.optionalWith(ScheduledParameters, { default: () => ({}) }),
  randomize_delay: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  max_jitter_seconds: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, MAX_JITTER_SECONDS)), {
    default: () => 3600
  })
}).annotations({ identifier: "BatchRequest" })

export const BatchPublished = Schema.Struct({
  status: Schema.Literal("published"),
  batch_run_id: Schema.String,
  pipeline_id: Schema.String,
  published_count: Schema.Number,
  failed_count: Schema.Number,
  total_orgs: Schema.Number,
  message_ids: Schema.Array(Schema.String).annotations({ description: "At most 100" })
}).annotations({ identifier: "BatchPublished" })

export const BatchRunPage = Schema.Struct({
  runs: Schema.Array(
    Schema.Struct({
      batch_run_id: Schema.String,
      trigger_type: Schema.String,
      pipeline_id: Schema.String,
      status: Schema.String,
      run_date: Schema.String,
      triggered_at: time,
      completed_at: timeOrNull,
      pipeline_logging_id: Schema.NullOr(Schema.String),
      error_message: Schema.NullOr(Schema.String)
    })
  ),
  total: Schema.Number
}).annotations({ identifier: "BatchRunPage" })

export const configOf = (config: PipelineConfig): typeof PipelineConfigRecord.Type => ({
  config_id: config.configId,
  org_slug: config.org,
  provider: config.provider,
  domain: config.domain,
  pipeline_template: config.pipelineTemplate,
  schedule_cron: config.scheduleCron,
  timezone: config.timezone,
  is_active: config.isActive,
  priority: config.priority,
  parameters: config.parameters,
  next_run_time: config.nextRunTime,
  last_run_time: config.lastRunTime,
  last_run_status: config.lastRunStatus,
  created_at: config.createdAt,
  updated_at: config.updatedAt
})

export const triggerOf = ({ nextTriggerTime, triggered }: TriggerReport): typeof TriggerAnswer.Type => {
  const readable = triggered.filter((each) => each.nextRunTime !== null)
  return {
    triggered_count: readable.length,
    queued_count: triggered.reduce((sum, each) => sum + each.times.length, 0),
    skipped_count: triggered.length - readable.length,
    next_trigger_time: nextTriggerTime,
    details: triggered.map((each) => ({
      config_id: each.configId,
      org_slug: each.org,
      pipeline_template: each.pipelineTemplate,
      scheduled_times: each.times,
      next_run_time: each.nextRunTime
    }))
  }
}

export const startedOf = (started: Started) => ({
  pipeline_logging_id: started.pipelineLoggingId,
  org_slug: started.org,
  pipeline_id: started.pipelineId
})

export const statusOf = (status: SchedulerStatus): typeof StatusAnswer.Type => ({
  total_active_pipelines: status.activePipelines,
  pipelines_due_now: status.dueNow,
  pipelines_queued: status.queued,
  pipelines_running: status.running,
  pipelines_completed_today: status.completedToday,
  pipelines_failed_today: status.failedToday,
  queue_length: status.queued,
  avg_execution_time_seconds: status.averageExecutionSeconds
})

export const backfillOf = (backfill: Backfill): typeof BackfillRecord.Type => ({
  backfill_id: backfill.backfillId,
  org_slug: backfill.org,
  pipelines: backfill.pipelines,
  start_date: backfill.startDate,
  end_date: backfill.endDate,
  chunk: backfill.chunk,
  max_parallel: backfill.maxParallel,
  status: backfill.status,
  total_runs: backfill.total,
  queued_runs: backfill.queued,
  running_runs: backfill.running,
  completed_runs: backfill.completed,
  failed_runs: backfill.failed,
  progress_percent: Math.floor((100 * (backfill.completed + backfill.failed)) / backfill.total),
  created_at: backfill.createdAt
})

export const partOf = (part: BackfillPart) => ({
  pipeline_template: part.pipelineTemplate,
  start_date: part.startDate,
  end_date: part.endDate,
  state: part.state,
  retry_count: part.retryCount,
  pipeline_logging_id: part.pipelineLoggingId,
  error_message: part.errorMessage
})

export const batchRunOf = (run: BatchRun) => ({
  batch_run_id: run.batchId,
  trigger_type: run.triggerType,
  pipeline_id: run.pipelineTemplate,
  status: run.status,
  run_date: run.runDate,
  triggered_at: run.triggeredAt,
  completed_at: run.completedAt,
  pipeline_logging_id: run.pipelineLoggingId,
  error_message: run.errorMessage
})
