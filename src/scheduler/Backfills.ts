/**
 * Backfills: a range of past days, split into runs that go through the queue one after the other.
 *
 * A pipeline has one live run per organisation, so the parts of one pipeline follow each other; `maxParallel` bounds how many parts of
 * several pipelines are at work at a time.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { PipelineInvalid, TemplateNotFound } from "../pipelines/Catalogue.ts"
import type { Day, OrgSlug } from "../platform/Identifiers.ts"
import type { InvalidDateRange } from "../runs/Runs.ts"
import type { SchedulerUnavailable } from "./Scheduler.ts"

/** How a range is split: clouds restate whole months, so a month is read once where days would read it again and again. */
export const Chunk = Schema.Literal("day", "week", "month")
export type Chunk = typeof Chunk.Type

/** One part of a backfill. */
export interface BackfillPart {
  readonly pipelineTemplate: string
  readonly startDate: string
  readonly endDate: string
  readonly state: string
  readonly retryCount: number
  readonly pipelineLoggingId: string | null
  readonly errorMessage: string | null
}

/** How far a backfill is. */
export interface Backfill {
  readonly backfillId: string
  readonly org: OrgSlug
  readonly pipelines: ReadonlyArray<string>
  readonly startDate: string
  readonly endDate: string
  readonly chunk: Chunk
  readonly maxParallel: number
  /** PARTIAL: all parts have ended, some of them failed. */
  readonly status: "QUEUED" | "RUNNING" | "COMPLETED" | "PARTIAL" | "FAILED" | "CANCELLED"
  readonly total: number
  readonly queued: number
  readonly running: number
  readonly completed: number
  readonly failed: number
  readonly createdAt: string
}

/** There is no such backfill, or it is another organisation's. */
export class BackfillNotFound extends Schema.TaggedError<BackfillNotFound>()("BackfillNotFound", {
  backfillId: Schema.String
}) {
  override get message() {
    return `backfill ${this.backfillId} not found: list them with GET /scheduler/org/{org}/backfills`
  }
}

export interface BackfillsService {
  /** Queues all parts, or nothing. */
  readonly create: (request: {
    readonly org: OrgSlug
    readonly pipelines: readonly [string, ...ReadonlyArray<string>]
    readonly startDate: Day
    readonly endDate: Day
    readonly chunk: Chunk
    readonly maxParallel: number
    readonly forceRefresh?: boolean
    readonly credentialId?: string
  }) => Effect.Effect<Backfill, InvalidDateRange | TemplateNotFound | PipelineInvalid | SchedulerUnavailable>
  /** Newest first. */
  readonly list: (
    org: OrgSlug,
    page: { readonly limit: number; readonly offset: number }
  ) => Effect.Effect<{ readonly backfills: ReadonlyArray<Backfill>; readonly total: number }, SchedulerUnavailable>
  /** With its parts, in their order. */
  readonly get: (
    org: OrgSlug,
    backfillId: string
  ) => Effect.Effect<
    { readonly backfill: Backfill; readonly parts: ReadonlyArray<BackfillPart> },
    BackfillNotFound | SchedulerUnavailable
  >
  /** Parts that wait are withdrawn; those at work go on. */
  readonly cancel: (
    org: OrgSlug,
    backfillId: string
  ) => Effect.Effect<Backfill, BackfillNotFound | SchedulerUnavailable>
}

/** The backfills service. */
export class Backfills extends Context.Tag("pipeline-service/Backfills")<Backfills, BackfillsService>() {}
