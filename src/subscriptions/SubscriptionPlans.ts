/**
 * The plans of an organisation's subscriptions: what it pays vendors of software, by whom the table `subscription_plans` is filled here.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { Json } from "../platform/Json.ts"
import type { Rows, WarehouseError } from "../warehouse/Warehouse.ts"

/** Plans of one import. */
export const MAX_PLANS_PER_IMPORT = 10_000

/** A plan as somebody gave it, by column name: texts, or JSON of which numbers are their source text. Absent, null and "" are the same. */
export interface GivenPlan {
  /** Line of the file that the plan begins on, or number of the plan in a list; counted from 1. */
  readonly line: number
  readonly cells: Readonly<Record<string, Json>>
}

/** What is wrong with a plan; `column` is absent when it is the row as a whole. */
export const PlanFault = Schema.Struct({
  line: Schema.Number,
  column: Schema.optionalWith(Schema.String, { exact: true }),
  reason: Schema.String
})
export type PlanFault = typeof PlanFault.Type

/** A message names at most so many faults. */
const MAX_NAMED_FAULTS = 20

/** At least one plan cannot be taken; nothing was changed. */
export class PlansRejected extends Schema.TaggedError<PlansRejected>()("PlansRejected", {
  faults: Schema.Array(PlanFault)
}) {
  override get message() {
    const named = this.faults
      .slice(0, MAX_NAMED_FAULTS)
      .map(({ column, line, reason }) => `line ${line}: ${column === undefined ? "" : `${column} `}${reason}`)
    const more = this.faults.length > named.length ? [`and ${this.faults.length - named.length} more`] : []
    return `no plan was imported:\n${[...named, ...more].join("\n")}`
  }
}

/** What an import did. */
export interface PlanImport {
  /** Plans that were read and written. */
  readonly imported: number
  /** Subscriptions that they are versions of. */
  readonly subscriptions: number
  /** Plans in the table now, those of other services included. */
  readonly total: number
}

export interface SubscriptionPlansService {
  /**
   * Replaces all versions of the subscriptions that are named, in one transaction, and leaves the others alone; with `replaceAll` the
   * given plans are all there are. One faulty plan refuses them all.
   */
  readonly importPlans: (request: {
    readonly org: OrgSlug
    readonly plans: ReadonlyArray<GivenPlan>
    readonly replaceAll: boolean
  }) => Effect.Effect<PlanImport, PlansRejected | WarehouseError>
  /** A page of the plans by subscription and start, decimals as text, and how many there are. */
  readonly list: (
    org: OrgSlug,
    page: { readonly limit: number; readonly offset: number }
  ) => Effect.Effect<{ readonly plans: Rows; readonly total: number }, WarehouseError>
}

/** The plans. */
export class SubscriptionPlans extends Context.Tag("pipeline-service/SubscriptionPlans")<
  SubscriptionPlans,
  SubscriptionPlansService
>() {}
