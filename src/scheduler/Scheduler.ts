/**
 * The scheduler: which pipelines an organisation wants when, and the durable queue of runs that schedules, backfills and batches ask for.
 *
 * A time that is due is claimed in one transaction: the schedule moves on and the queue gets its item, whatever number of processes look
 * at the same database. After an outage one run is caught up for each UTC day on which a time was missed, at most 31 days back, with the
 * data date that it would have had (the day before); the other missed times of that day would load the same data and are dropped.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { PipelineInvalid, TemplateNotFound } from "../pipelines/Catalogue.ts"
import type { ScheduleInvalid } from "../platform/CronSchedule.ts"
import { Day, type OrgSlug } from "../platform/Identifiers.ts"

/** What a scheduled run is asked for with; without dates, the day before the time that is due. */
export const ScheduledParameters = Schema.Struct({
  date: Schema.optionalWith(Day, { exact: true }),
  start_date: Schema.optionalWith(Day, { exact: true }),
  end_date: Schema.optionalWith(Day, { exact: true }),
  force_refresh: Schema.optionalWith(Schema.Boolean, { exact: true }),
  credential_id: Schema.optionalWith(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(200)), { exact: true })
}).annotations({ identifier: "ScheduledParameters" })
export type ScheduledParameters = typeof ScheduledParameters.Type

/** A schedule of an organisation: one for each pipeline. Times are ISO 8601 UTC. */
export interface PipelineConfig {
  readonly configId: string
  readonly org: OrgSlug
  readonly provider: string
  readonly domain: string
  /** `cloud/aws/cost/billing` */
  readonly pipelineTemplate: string
  readonly scheduleCron: string
  readonly timezone: string
  readonly isActive: boolean
  readonly priority: number
  readonly parameters: ScheduledParameters
  /** Null while it is not active. */
  readonly nextRunTime: string | null
  readonly lastRunTime: string | null
  readonly lastRunStatus: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** There is no such schedule, or it is another organisation's. */
export class ConfigNotFound extends Schema.TaggedError<ConfigNotFound>()("ConfigNotFound", {
  configId: Schema.String
}) {
  override get message() {
    return `schedule ${this.configId} not found: list them with GET /scheduler/org/{org}/pipelines`
  }
}

/** The store of schedules could not be read or written. */
export class SchedulerUnavailable extends Schema.TaggedError<SchedulerUnavailable>()("SchedulerUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect
}) {
  override get message() {
    return `the scheduler could not ${this.operation}: look at the disk and the database of the data folder`
  }
}

/** What became of one due schedule. */
export interface Triggered {
  readonly configId: string
  readonly org: OrgSlug
  readonly pipelineTemplate: string
  /** The times that were queued; empty when the schedule cannot be read. */
  readonly times: ReadonlyArray<string>
  readonly nextRunTime: string | null
}

export interface TriggerReport {
  readonly triggered: ReadonlyArray<Triggered>
  /** The next time at which any schedule is due. */
  readonly nextTriggerTime: string | null
}

/** An item of the queue whose run was started. */
export interface Started {
  readonly org: OrgSlug
  /** Tracking id: `{org}-cloud-aws-cost-billing`. */
  readonly pipelineId: string
  readonly pipelineLoggingId: string
}

export interface QueueReport {
  /** Items that were taken, also those that were put back or failed. */
  readonly processed: number
  readonly started: ReadonlyArray<Started>
  readonly elapsedSeconds: number
}

/** Counts over all organisations; today is the UTC day. */
export interface SchedulerStatus {
  readonly activePipelines: number
  readonly dueNow: number
  readonly queued: number
  readonly running: number
  readonly completedToday: number
  readonly failedToday: number
  readonly averageExecutionSeconds: number
}

export interface SchedulerService {
  /** Claims at most `limit` schedules that are due and queues their runs. */
  readonly trigger: (limit: number) => Effect.Effect<TriggerReport, SchedulerUnavailable>
  /** Starts the runs of the queue that are due, highest priority first, then in turn for each organisation; at most for the box of time. */
  readonly processQueue: Effect.Effect<QueueReport, SchedulerUnavailable>
  readonly status: Effect.Effect<SchedulerStatus, SchedulerUnavailable>
  readonly list: (
    org: OrgSlug,
    filter: { readonly isActive?: boolean }
  ) => Effect.Effect<ReadonlyArray<PipelineConfig>, SchedulerUnavailable>
  /** Stores the organisation's schedule of a pipeline; cron and zone are those of the pipeline's file when absent. */
  readonly upsert: (config: {
    readonly org: OrgSlug
    readonly provider: string
    readonly domain: string
    readonly pipelineTemplate: string
    readonly scheduleCron?: string
    readonly timezone?: string
    readonly isActive: boolean
    readonly parameters: ScheduledParameters
  }) => Effect.Effect<PipelineConfig, ScheduleInvalid | TemplateNotFound | PipelineInvalid | SchedulerUnavailable>
  /** The schedule stays and is not due any more; what is queued already runs. */
  readonly disable: (org: OrgSlug, configId: string) => Effect.Effect<void, ConfigNotFound | SchedulerUnavailable>
  /** Paused: nothing of the organisation becomes due and nothing of its queue starts. Times missed while paused are not caught up. */
  readonly setPaused: (org: OrgSlug, isPaused: boolean) => Effect.Effect<void, SchedulerUnavailable>
  /** Triggers and processes the queue, every `SCHEDULER_INTERVAL_SECONDS` and when a run of the queue ends; never ends itself. */
  readonly run: Effect.Effect<never>
}

/** The scheduler service. */
export class Scheduler extends Context.Tag("pipeline-service/Scheduler")<Scheduler, SchedulerService>() {}
