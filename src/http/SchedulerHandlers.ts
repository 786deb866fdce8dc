/**
 * Answers the endpoints of the scheduler. Keys, scopes, limits and the organisation in the path are checked before (see Authentication.ts).
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Runs } from "../runs/Runs.ts"
import { QuotaAdmin, type QuotaReset } from "../validator/QuotaAdmin.ts"
import { Backfills } from "../scheduler/Backfills.ts"
import { Batches } from "../scheduler/Batches.ts"
import { Scheduler } from "../scheduler/Scheduler.ts"
import { DeferredApi } from "./DeferredApi.ts"
import { CurrentCaller } from "./Authentication.ts"
import { readJson } from "./Body.ts"
import { apiError, fromDomain } from "./Errors.ts"
import {
  BackfillBody,
  backfillOf,
  BatchBody,
  batchRunOf,
  configOf,
  partOf,
  PipelineConfigBody,
  startedOf,
  statusOf,
  triggerOf
} from "./SchedulerSchemas.ts"

const readConfig = readJson(PipelineConfigBody)
const readBackfill = readJson(BackfillBody)
const readBatch = readJson(BatchBody)
const maximumShownIds = 100

/** The handlers of the group `scheduler`. */
export const layer = HttpApiBuilder.group(DeferredApi, "scheduler", (handlers) =>
  Effect.gen(function* () {
    const scheduler = yield* Scheduler
    const backfills = yield* Backfills
    const batches = yield* Batches
    const runs = yield* Runs
    const quota = yield* QuotaAdmin
    const reset = (what: QuotaReset, org?: OrgSlug) =>
      Effect.gen(function* () {
        const answer = yield* Effect.mapError(quota.reset(what, org), fromDomain)
        return { ...answer, executed_at: DateTime.formatIso(yield* DateTime.now) }
      })
    const setPaused = (isPaused: boolean) =>
      Effect.gen(function* () {
        const { org } = yield* CurrentCaller
        yield* Effect.mapError(scheduler.setPaused(org, isPaused), fromDomain)
        const message = isPaused
          ? `schedules and queued runs of ${org} wait until they are resumed`
          : `schedules and queued runs of ${org} go on`
        return { org_slug: org, is_paused: isPaused, message }
      })
    return handlers
      .handle("trigger", ({ urlParams }) =>
        scheduler.trigger(urlParams.limit).pipe(Effect.mapBoth({ onSuccess: triggerOf, onFailure: fromDomain }))
      )
      .handle("processQueue", () =>
        Effect.gen(function* () {
          const { elapsedSeconds, processed, started } = yield* Effect.mapError(scheduler.processQueue, fromDomain)
          const [first] = started
          return {
            processed: processed > 0,
            processed_count: processed,
            started_pipelines: started.map(startedOf),
            elapsed_seconds: elapsedSeconds,
            pipeline_logging_id: first?.pipelineLoggingId ?? null,
            org_slug: first?.org ?? null,
            pipeline_id: first?.pipelineId ?? null,
            status: processed === 0 ? ("IDLE" as const) : ("BATCH_COMPLETE" as const),
            message: processed === 0 ? "nothing is due" : `${processed} items taken, ${started.length} runs started`
          }
        })
      )
      .handle("status", () => scheduler.status.pipe(Effect.mapBoth({ onSuccess: statusOf, onFailure: fromDomain })))
      .handle("resetDailyQuotas", () => reset("reset-daily"))
      .handle("resetMonthlyQuotas", () => reset("reset-monthly"))
      .handle("resetStaleConcurrent", () => reset("cleanup-stale"))
      .handle("resetConcurrentCounter", ({ path }) =>
        Schema.decode(OrgSlug)(path.org).pipe(
          Effect.mapError(() => apiError("INVALID_ORG_SLUG", "an organisation is 3 to 50 of a-z, 0-9 and _")),
          Effect.flatMap((org) => reset("cleanup-stale", org))
        )
      )
      .handle("cleanupOrphanedPipelines", ({ urlParams }) =>
        Effect.gen(function* () {
          const failed = yield* Effect.mapError(runs.failOrphans(urlParams.timeout_minutes), fromDomain)
          return {
            status: "SUCCESS" as const,
            total_pipelines_cleaned: failed.length,
            orgs_processed: new Set(failed.map(({ org }) => org)).size,
            details: failed.map(({ org, runId }) => ({ pipeline_logging_id: runId, org_slug: org })),
            message: `${failed.length} runs that nobody worked on have failed`,
            executed_at: DateTime.formatIso(yield* DateTime.now)
          }
        })
      )
      .handle("configs", ({ urlParams: { is_active: isActive } }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const found = yield* Effect.mapError(
            scheduler.list(org, isActive === undefined ? {} : { isActive }),
            fromDomain
          )
          return found.map(configOf)
        })
      )
      .handleRaw("putConfig", ({ request }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const body = yield* readConfig(request)
          const stored = yield* Effect.mapError(
            scheduler.upsert({
              org,
              provider: body.provider,
              domain: body.domain,
              pipelineTemplate: body.pipeline_template,
              isActive: body.is_active,
              parameters: body.parameters,
              ...(body.schedule_cron === undefined ? {} : { scheduleCron: body.schedule_cron }),
              ...(body.timezone === undefined ? {} : { timezone: body.timezone })
            }),
            fromDomain
          )
          return configOf(stored)
        })
      )
      .handle("disableConfig", ({ path: { config_id: configId } }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          yield* Effect.mapError(scheduler.disable(org, configId), fromDomain)
          return { config_id: configId, org_slug: org, message: `schedule ${configId} is disabled` }
        })
      )
      .handle("pause", () => setPaused(true))
      .handle("resume", () => setPaused(false))
      .handleRaw("createBackfill", ({ request }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const body = yield* readBackfill(request)
          const created = yield* Effect.mapError(
            backfills.create({
              org,
              pipelines: body.pipelines,
              startDate: body.start_date,
              endDate: body.end_date,
              chunk: body.chunk,
              maxParallel: body.max_parallel,
              ...(body.force_refresh === undefined ? {} : { forceRefresh: body.force_refresh }),
              ...(body.credential_id === undefined ? {} : { credentialId: body.credential_id })
            }),
            fromDomain
          )
          return backfillOf(created)
        })
      )
      .handle("backfills", ({ urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const found = yield* Effect.mapError(backfills.list(org, urlParams), fromDomain)
          return { backfills: found.backfills.map(backfillOf), total: found.total, ...urlParams }
        })
      )
      .handle("backfill", ({ path: { backfill_id: backfillId } }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { backfill, parts } = yield* Effect.mapError(backfills.get(org, backfillId), fromDomain)
          return { ...backfillOf(backfill), runs: parts.map(partOf) }
        })
      )
      .handle("cancelBackfill", ({ path: { backfill_id: backfillId } }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          return backfillOf(yield* Effect.mapError(backfills.cancel(org, backfillId), fromDomain))
        })
      )
      .handleRaw("publishBatch", ({ request }) =>
        Effect.gen(function* () {
          const body = yield* readBatch(request)
          const { batchId, failedOrgs, itemIds } = yield* Effect.mapError(
            batches.publish({
              orgs: body.org_slugs,
              pipelineTemplate: body.pipeline_id,
              parameters: body.parameters,
              maxJitterSeconds: body.randomize_delay ? body.max_jitter_seconds : 0
            }),
            fromDomain
          )
          return {
            status: "published" as const,
            batch_run_id: batchId,
            pipeline_id: body.pipeline_id,
            published_count: itemIds.length,
            failed_count: failedOrgs.length,
            total_orgs: itemIds.length + failedOrgs.length,
            message_ids: itemIds.slice(0, maximumShownIds)
          }
        })
      )
      .handle("batchRuns", ({ urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { runs, total } = yield* Effect.mapError(batches.list(org, urlParams), fromDomain)
          return { runs: runs.map(batchRunOf), total }
        })
      )
  })
)
