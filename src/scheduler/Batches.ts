/**
 * Batches: one pipeline for many organisations, each through the queue, spread over a time.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PipelineInvalid, TemplateNotFound } from "../pipelines/Catalogue.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { ScheduledParameters, SchedulerUnavailable } from "./Scheduler.ts"

/** What became of a batch when it was published. */
export interface Published {
  readonly batchId: string
  /** Ids of the queue's items. */
  readonly itemIds: ReadonlyArray<string>
  /** Organisations that do not exist or may not run this pipeline. */
  readonly failedOrgs: ReadonlyArray<string>
}

/** One organisation's part of a batch; nothing of the others. */
export interface BatchRun {
  readonly batchId: string
  readonly triggerType: string
  readonly pipelineTemplate: string
  /** QUEUED, PROCESSING, COMPLETED or FAILED. */
  readonly status: string
  readonly runDate: string
  readonly triggeredAt: string
  readonly completedAt: string | null
  readonly pipelineLoggingId: string | null
  readonly errorMessage: string | null
}

export interface BatchesService {
  /** Queues a run for each organisation that exists: due at once, or up to `maxJitterSeconds` later. */
  readonly publish: (batch: {
    readonly orgs: ReadonlyArray<string>
    readonly pipelineTemplate: string
    readonly parameters: ScheduledParameters
    readonly maxJitterSeconds: number
  }) => Effect.Effect<Published, TemplateNotFound | PipelineInvalid | SchedulerUnavailable>
  /** Newest first. */
  readonly list: (
    org: OrgSlug,
    page: { readonly limit: number; readonly offset: number }
  ) => Effect.Effect<{ readonly runs: ReadonlyArray<BatchRun>; readonly total: number }, SchedulerUnavailable>
}

/** The batches service. */
export class Batches extends Context.Tag("pipeline-service/Batches")<Batches, BatchesService>() {}
