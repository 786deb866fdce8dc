/**
 * What an operator's clock does to the quota: starts a new day or month, and frees slots that nobody holds any more. Runs that are at work
 * keep their slots.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"

/** What is to be reset. */
export type QuotaReset = "reset-daily" | "reset-monthly" | "cleanup-stale"

/** The API service gave no usable answer. */
export class QuotaUnavailable extends Schema.TaggedError<QuotaUnavailable>()("QuotaUnavailable", {
  message: Schema.String
}) {}

/** The quota's administration. */
export class QuotaAdmin extends Context.Tag("pipeline-service/QuotaAdmin")<
  QuotaAdmin,
  {
    /** Of all organisations, or of one. Answers whoever keeps the quota. */
    readonly reset: (what: QuotaReset, org?: OrgSlug) => Effect.Effect<JsonObject, QuotaUnavailable>
  }
>() {}
