/**
 * The plans in the warehouse. What is imported here is one slice of the table; rows of other services stand beside it and are not touched.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Day, RunId } from "../platform/Identifiers.ts"
import { type OrgWarehouse, type Slice, Warehouse } from "../warehouse/Warehouse.ts"
import { type BillingCycles, conflicts, Plan, readPlan } from "./Plan.ts"
import {
  type GivenPlan,
  MAX_PLANS_PER_IMPORT,
  type PlanFault,
  PlansRejected,
  SubscriptionPlans,
  type SubscriptionPlansService
} from "./SubscriptionPlans.ts"

const pipelineId = "subscription_costs_subscription_cost"

/** Plans are no facts of a day: all that were imported are one slice, under a day that no usage has. */
const slice: Slice = {
  table: "subscription_plans",
  pipelineId,
  credentialId: "default",
  extent: { kind: "day", date: Schema.decodeSync(Day)("1970-01-01") }
}

const typeOf: Readonly<Record<string, string>> = {
  start_date: "DATE",
  end_date: "DATE",
  renewal_date: "DATE",
  billing_anchor_day: "INT64",
  seats: "INT64",
  unit_price: "NUMERIC",
  yearly_price: "NUMERIC",
  discount_value: "NUMERIC",
  source_price: "NUMERIC",
  exchange_rate_used: "NUMERIC",
  auto_renew: "BOOL"
}
const columns = Object.keys(Plan.fields)
const given = (column: string) =>
  `${typeOf[column] === undefined ? `JSON_VALUE(plan, '$.${column}')` : `CAST(JSON_VALUE(plan, '$.${column}') AS ${typeOf[column]})`} AS ${column}`

/** Kept and new plans in one statement, so that two imports at a time lose nothing of each other. */
const merged = `
WITH imported AS (
  SELECT ${columns.map(given).join(", ")}, TIMESTAMP(@now) AS updated_at
  FROM UNNEST(JSON_QUERY_ARRAY(PARSE_JSON(@plans))) AS plan
)
SELECT ${columns.join(", ")}, updated_at
FROM subscription_plans
WHERE x_pipeline_id = @pipeline_id AND NOT @replace_all AND subscription_id NOT IN (SELECT subscription_id FROM imported)
UNION ALL
SELECT ${columns.join(", ")}, updated_at FROM imported`

/** The layer over the warehouse. */
export const layer = Layer.effect(
  SubscriptionPlans,
  Effect.gen(function* () {
    const warehouse = yield* Warehouse

    const importPlans: SubscriptionPlansService["importPlans"] = Effect.fn("SubscriptionPlans.importPlans")(
      function* (request) {
        if (request.plans.length > MAX_PLANS_PER_IMPORT) {
          const reason = `is more than ${MAX_PLANS_PER_IMPORT} plans: import them in parts`
          return yield* new PlansRejected({ faults: [{ line: request.plans.length, reason }] })
        }
        const org = yield* warehouse.org(request.org)
        const plans = yield* readAll(request.plans, yield* cyclesOf(org), yield* keptElsewhere(org))
        const now = yield* Clock.currentTimeMillis
        yield* org.replaceSlice({
          slice,
          source: {
            _tag: "Query",
            sql: merged,
            parameters: {
              plans: { type: "STRING", value: JSON.stringify(plans) },
              now: { type: "STRING", value: new Date(now).toISOString() },
              pipeline_id: { type: "STRING", value: pipelineId },
              replace_all: { type: "BOOL", value: request.replaceAll }
            }
          },
          runId: Schema.decodeSync(RunId)(crypto.randomUUID())
        })
        return {
          imported: plans.length,
          subscriptions: new Set(plans.map((plan) => plan.subscription_id)).size,
          total: yield* count(org)
        }
      }
    )

    const list: SubscriptionPlansService["list"] = Effect.fn("SubscriptionPlans.list")(function* (slug, page) {
      const org = yield* warehouse.org(slug)
      const plans = yield* org.query(
        `SELECT ${columns.join(", ")}, updated_at FROM subscription_plans ORDER BY subscription_id, start_date, unit_price
        LIMIT ${page.limit} OFFSET ${page.offset}`
      )
      return { plans, total: yield* count(org) }
    })

    return { importPlans, list }
  })
)

/** Reads and checks all plans, or fails with all that is wrong. */
const readAll = (
  plans: ReadonlyArray<GivenPlan>,
  cycles: BillingCycles,
  elsewhere: ReadonlySet<string>
): Either.Either<ReadonlyArray<Plan>, PlansRejected> => {
  const faults: Array<PlanFault> = []
  const read: Array<{ readonly line: number; readonly plan: Plan }> = []
  for (const each of plans) {
    const plan = readPlan(each, cycles)
    if (Either.isLeft(plan)) faults.push(...plan.left)
    else if (elsewhere.has(plan.right.subscription_id)) {
      const reason = `${plan.right.subscription_id} is kept by another service: change it there`
      faults.push({ line: each.line, column: "subscription_id", reason })
    } else read.push({ line: each.line, plan: plan.right })
  }
  faults.push(...conflicts(read))
  return faults.length === 0
    ? Either.right(read.map(({ plan }) => plan))
    : Either.left(new PlansRejected({ faults: faults.toSorted((a, b) => a.line - b.line) }))
}

const cyclesOf = (org: OrgWarehouse) =>
  Effect.map(
    org.query("SELECT billing_cycle, cycle FROM organizations.subscription_billing_cycles"),
    (rows): BillingCycles => new Map(rows.map((row) => [String(row["billing_cycle"]), String(row["cycle"])]))
  )

const keptElsewhere = (org: OrgWarehouse) =>
  Effect.map(
    org.query("SELECT DISTINCT subscription_id AS id FROM subscription_plans WHERE x_pipeline_id <> @pipeline_id", {
      pipeline_id: { type: "STRING", value: pipelineId }
    }),
    (rows): ReadonlySet<string> => new Set(rows.map((row) => String(row["id"])))
  )

const count = (org: OrgWarehouse) =>
  Effect.map(org.query("SELECT COUNT(*) AS n FROM subscription_plans"), ([row]) => Number(row?.["n"] ?? 0))
