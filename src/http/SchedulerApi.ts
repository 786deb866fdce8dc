/**
 * The endpoints of the scheduler: what an operator's clock calls, an organisation's schedules and backfills, batches.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { ReadAccess, RootAccess, RunAccess, WriteAccess } from "./Authentication.ts"
import { failure } from "./Errors.ts"
import { flag, invalid, limit, offset, optionalBody, orgPath } from "./Parameters.ts"
import {
  BackfillBody,
  BackfillDetail,
  BackfillPage,
  BackfillRecord,
  BatchBody,
  BatchPublished,
  BatchRunPage,
  OrgPaused,
  OrphansFailed,
  PipelineConfigBody,
  PipelineConfigDisabled,
  PipelineConfigRecord,
  QueueAnswer,
  QuotaReset,
  StatusAnswer,
  TriggerAnswer
} from "./SchedulerSchemas.ts"

const noTemplate = failure(404, "No such pipeline")
const tooLarge = failure(413, "The body is too large")
const noConfig = failure(404, "No such schedule, or another organisation's")
const noBackfill = failure(404, "No such backfill, or another organisation's")
const configPath = Schema.Struct({
  ...orgPath,
  config_id: Schema.String.annotations({ description: "Id of a schedule" })
})
const backfillPath = Schema.Struct({
  ...orgPath,
  backfill_id: Schema.String.annotations({ description: "Id of a backfill" })
})

const quotaReset = <const Name extends string, Path extends `/${string}`>(name: Name, path: Path, summary: string) =>
  HttpApiEndpoint.post(name, path)
    .addSuccess(QuotaReset)
    .addError(failure(502, "The API service gave no usable answer"))
    .middleware(RootAccess)
    .annotate(OpenApi.Summary, summary)

/** Schedules, their queue, backfills, batches. */
export const SchedulerGroup = HttpApiGroup.make("scheduler")
  .add(
    HttpApiEndpoint.post("trigger", "/scheduler/trigger")
      .setUrlParams(Schema.Struct({ limit: limit(1000, 100) }))
      .addSuccess(TriggerAnswer)
      .addError(invalid)
      .middleware(RootAccess)
      .annotate(OpenApi.Summary, "Queue the runs of all schedules that are due")
  )
  .add(
    HttpApiEndpoint.post("processQueue", "/scheduler/process-queue")
      .addSuccess(QueueAnswer)
      .middleware(RootAccess)
      .annotate(OpenApi.Summary, "Start the runs of the queue that are due")
  )
  .add(
    HttpApiEndpoint.get("status", "/scheduler/status")
      .addSuccess(StatusAnswer)
      .middleware(RootAccess)
      .annotate(OpenApi.Summary, "Schedules and queue in numbers")
  )
  .add(quotaReset("resetDailyQuotas", "/scheduler/reset-daily-quotas", "Let the keeper of the quota begin a new day"))
  .add(
    quotaReset("resetMonthlyQuotas", "/scheduler/reset-monthly-quotas", "Let the keeper of the quota begin a new month")
  )
  .add(quotaReset("resetStaleConcurrent", "/scheduler/reset-stale-concurrent", "Free slots that no live run holds"))
  .add(
    quotaReset(
      "resetConcurrentCounter",
      "/scheduler/reset-concurrent-counter/:org",
      "Free slots of an organisation that no live run holds"
    ).setPath(Schema.Struct(orgPath))
  )
  .add(
    HttpApiEndpoint.post("cleanupOrphanedPipelines", "/scheduler/cleanup-orphaned-pipelines")
      .setUrlParams(
        Schema.Struct({
          timeout_minutes: Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(10, 240)), {
            default: () => 60
          })
        })
      )
      .addSuccess(OrphansFailed)
      .addError(invalid)
      .middleware(RootAccess)
      .annotate(OpenApi.Summary, "Fail runs that nobody works on and that had no event for so long")
  )
  .add(
    HttpApiEndpoint.get("configs", "/scheduler/org/:org/pipelines")
      .setPath(Schema.Struct(orgPath))
      .setUrlParams(Schema.Struct({ is_active: Schema.optional(flag) }))
      .addSuccess(Schema.Array(PipelineConfigRecord))
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The organisation's schedules")
  )
  .add(
    HttpApiEndpoint.post("putConfig", "/scheduler/org/:org/pipelines")
      .setPath(Schema.Struct(orgPath))
      .setPayload(PipelineConfigBody)
      .addSuccess(PipelineConfigRecord)
      .addError(noTemplate)
      .addError(tooLarge)
      .addError(invalid)
      .middleware(WriteAccess)
      .annotateContext(optionalBody)
      .annotate(OpenApi.Summary, "Schedule a pipeline, or change its schedule")
  )
  .add(
    HttpApiEndpoint.del("disableConfig", "/scheduler/org/:org/pipelines/:config_id")
      .setPath(configPath)
      .addSuccess(PipelineConfigDisabled)
      .addError(noConfig)
      .middleware(WriteAccess)
      .annotate(OpenApi.Summary, "Disable a schedule; it stays and can be enabled again")
  )
  .add(
    HttpApiEndpoint.post("pause", "/scheduler/org/:org/pause")
      .setPath(Schema.Struct(orgPath))
      .addSuccess(OrgPaused)
      .middleware(WriteAccess)
      .annotate(OpenApi.Summary, "Pause all schedules and queued runs of the organisation")
  )
  .add(
    HttpApiEndpoint.post("resume", "/scheduler/org/:org/resume")
      .setPath(Schema.Struct(orgPath))
      .addSuccess(OrgPaused)
      .middleware(WriteAccess)
      .annotate(OpenApi.Summary, "Resume them; times missed in between are not caught up")
  )
  .add(
    HttpApiEndpoint.post("createBackfill", "/scheduler/org/:org/backfills")
      .setPath(Schema.Struct(orgPath))
      .setPayload(BackfillBody)
      .addSuccess(BackfillRecord)
      .addError(noTemplate)
      .addError(tooLarge)
      .addError(invalid)
      .middleware(RunAccess)
      .annotateContext(optionalBody)
      .annotate(OpenApi.Summary, "Run pipelines over a range of past days, split into parts")
  )
  .add(
    HttpApiEndpoint.get("backfills", "/scheduler/org/:org/backfills")
      .setPath(Schema.Struct(orgPath))
      .setUrlParams(Schema.Struct({ limit: limit(100, 20), offset }))
      .addSuccess(BackfillPage)
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The organisation's backfills, newest first")
  )
  .add(
    HttpApiEndpoint.get("backfill", "/scheduler/org/:org/backfills/:backfill_id")
      .setPath(backfillPath)
      .addSuccess(BackfillDetail)
      .addError(noBackfill)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "How far a backfill is, part by part")
  )
  .add(
    HttpApiEndpoint.del("cancelBackfill", "/scheduler/org/:org/backfills/:backfill_id")
      .setPath(backfillPath)
      .addSuccess(BackfillRecord)
      .addError(noBackfill)
      .middleware(RunAccess)
      .annotate(OpenApi.Summary, "Withdraw the parts that wait; those at work go on")
  )
  .add(
    HttpApiEndpoint.post("publishBatch", "/pipelines/batch/publish")
      .setPayload(BatchBody)
      .addSuccess(BatchPublished)
      .addError(noTemplate)
      .addError(tooLarge)
      .addError(invalid)
      .middleware(RootAccess)
      .annotateContext(optionalBody)
      .annotate(OpenApi.Summary, "Queue a pipeline for many organisations, spread over a time")
  )
  .add(
    HttpApiEndpoint.get("batchRuns", "/pipelines/:org/batch-runs")
      .setPath(Schema.Struct(orgPath))
      .setUrlParams(Schema.Struct({ limit: limit(100, 20), offset }))
      .addSuccess(BatchRunPage)
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The organisation's part of batches, newest first")
  )
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "Schedules, their queue, backfills and batches")
