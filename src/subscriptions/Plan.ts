/**
 * What a plan must be to be imported.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { Day } from "../platform/Identifiers.ts"
import type { Json } from "../platform/Json.ts"
import type { GivenPlan, PlanFault } from "./SubscriptionPlans.ts"

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"))

const says = (message: string) => ({ message: () => message })
const text = Schema.String.pipe(Schema.maxLength(1000, says("is longer than 1000 characters")))
const lower = Schema.transform(Schema.String, Schema.String, {
  strict: true,
  decode: (given) => given.toLowerCase(),
  encode: (value) => value
})
const upper = Schema.transform(Schema.String, Schema.String, {
  strict: true,
  decode: (given) => given.toUpperCase(),
  encode: (value) => value
})
const oneOf = (schema: Schema.Schema<string>, words: ReadonlyArray<string>) =>
  schema.pipe(Schema.filter((word) => words.includes(word) || `is none of ${words.join(", ")}`))
const currency = upper.pipe(Schema.filter((code) => currencies.has(code) || "is no ISO 4217 code"))
const day = Schema.String.pipe(Schema.filter((given) => Schema.is(Day)(given) || "is no day YYYY-MM-DD"))
const amount = Schema.String.pipe(
  Schema.pattern(/^\d{1,20}(\.\d{1,9})?$/, says("is no amount from 0 on with at most 9 decimals"))
)
const wholeFromOne = (most: number) =>
  Schema.String.pipe(
    Schema.filter(
      (given) =>
        (/^\d{1,9}$/.test(given) && Number(given) >= 1 && Number(given) <= most) ||
        `is no whole number from 1 to ${most}`
    )
  )
const truth = oneOf(lower, ["true", "false"])

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const withDefault = (schema: Schema.Schema<string>, value: string) =>
  Schema.optionalWith(schema, { default: () => value, exact: true })

/** Columns of a plan, all texts; the table's other columns are the service's own. */
export const Plan = Schema.Struct({
  subscription_id: text,
  provider: text,
  plan_name: text,
  display_name: optional(text),
  category: withDefault(text, "other"),
  status: withDefault(oneOf(lower, ["active", "pending", "cancelled", "expired"]), "active"),
  start_date: day,
  end_date: optional(day),
  renewal_date: optional(day),
  billing_cycle: lower,
  billing_anchor_day: optional(wholeFromOne(31)),
  currency,
  pricing_model: withDefault(oneOf(upper, ["PER_SEAT", "FLAT_FEE"]), "PER_SEAT"),
  unit_price: amount,
  yearly_price: optional(amount),
  seats: optional(wholeFromOne(100_000_000)),
  discount_type: optional(oneOf(lower, ["percent", "fixed"])),
  discount_value: optional(amount),
  auto_renew: withDefault(truth, "true"),
  payment_method: optional(text),
  invoice_id_last: optional(text),
  owner_email: optional(text),
  department: optional(text),
  contract_id: optional(text),
  notes: optional(text),
  source_currency: optional(currency),
  source_price: optional(amount),
  exchange_rate_used: optional(amount),
  x_hierarchy_entity_id: optional(text),
  x_hierarchy_entity_name: optional(text),
  x_hierarchy_level_code: optional(text),
  x_hierarchy_path: optional(text),
  x_hierarchy_path_names: optional(text)
})
export type Plan = typeof Plan.Type

const decode = Schema.decodeUnknownEither(Plan, { onExcessProperty: "error", errors: "all" })

/** Cycle (`annual`) of each word for it (`yearly`). */
export type BillingCycles = ReadonlyMap<string, string>

/** Reads one plan, or says all that is wrong with it. */
export const readPlan = (
  { cells, line }: GivenPlan,
  cycles: BillingCycles
): Either.Either<Plan, ReadonlyArray<PlanFault>> => {
  const texts = Object.fromEntries(
    Object.entries(cells).flatMap(([column, cell]): ReadonlyArray<readonly [string, Json]> => {
      const value = typeof cell === "number" || typeof cell === "boolean" ? String(cell) : cell
      const trimmed = typeof value === "string" ? value.trim() : value
      return trimmed === null || trimmed === "" ? [] : [[column, trimmed]]
    })
  )
  return decode(texts).pipe(
    Either.mapLeft((error) => faultsOf(error, line)),
    Either.flatMap((plan) => {
      const found = contradictions(plan, cycles).map(([column, reason]) => ({ line, column, reason }))
      return found.length === 0 ? Either.right(plan) : Either.left(found)
    })
  )
}

const faultsOf = (error: ParseResult.ParseError, line: number): ReadonlyArray<PlanFault> => {
  const byColumn = new Map<string, PlanFault>()
  for (const issue of ParseResult.ArrayFormatter.formatErrorSync(error)) {
    const column = String(issue.path[0] ?? "")
    const reason =
      issue._tag === "Missing" ? "is missing" : issue._tag === "Unexpected" ? "is no column of a plan" : issue.message
    byColumn.set(column, { line, column, reason: reason.startsWith("Expected string") ? "is no text" : reason })
  }
  return [...byColumn.values()]
}

/** What the columns say only together. */
const contradictions = (
  plan: Plan,
  cycles: BillingCycles
): ReadonlyArray<readonly [column: string, reason: string]> => {
  const found: Array<readonly [string, string]> = []
  const cycle = cycles.get(plan.billing_cycle)
  if (cycle === undefined) found.push(["billing_cycle", `is none of ${[...new Set(cycles.values())].join(", ")}`])
  else if (plan.billing_anchor_day !== undefined && cycle !== "monthly") {
    found.push(["billing_anchor_day", "is only for monthly cycles"])
  }
  if (plan.end_date !== undefined && plan.end_date < plan.start_date) {
    found.push(["end_date", `lies before start_date ${plan.start_date}`])
  }
  if (["cancelled", "expired"].includes(plan.status) && plan.end_date === undefined) {
    found.push(["end_date", `is missing: the plan is ${plan.status}`])
  }
  if ((plan.discount_type === undefined) !== (plan.discount_value === undefined)) {
    found.push(["discount_value", "and discount_type are given together or not at all"])
  } else if (plan.discount_type === "percent" && scaled(plan.discount_value) > scaled("100")) {
    found.push(["discount_value", "is more than 100 percent"])
  } else if (plan.discount_type === "fixed" && scaled(plan.discount_value) > cyclePrice(plan, cycle)) {
    found.push(["discount_value", "is more than the price of a cycle"])
  }
  return found
}

/** In units of 10^-9. */
const cyclePrice = (plan: Plan, cycle: string | undefined): bigint => {
  const yearly = cycle === "annual" ? scaled(plan.yearly_price) : 0n
  const units = plan.pricing_model === "FLAT_FEE" ? 1n : BigInt(plan.seats ?? "1")
  return (yearly > 0n ? yearly : scaled(plan.unit_price)) * units
}

const DECIMALS = 9

const scaled = (decimal = "0"): bigint => {
  const [whole = "0", fraction = ""] = decimal.split(".")
  return BigInt(whole + fraction.padEnd(DECIMALS, "0"))
}

/** What is wrong with plans that are right by themselves: two rows of one version, or two versions of one day. */
export const conflicts = (
  plans: ReadonlyArray<{ readonly line: number; readonly plan: Plan }>
): ReadonlyArray<PlanFault> => {
  const bySubscription = Map.groupBy(plans, ({ plan }) => plan.subscription_id)
  return [...bySubscription.values()].flatMap((versions) => {
    const sorted = versions.toSorted((a, b) => (a.plan.start_date < b.plan.start_date ? -1 : 1))
    return sorted.flatMap((later, index): ReadonlyArray<PlanFault> => {
      const before = sorted.slice(0, index).find(({ plan }) => (plan.end_date ?? "9999") >= later.plan.start_date)
      if (before === undefined) return []
      const reason = `lies within the version of ${before.plan.subscription_id} on line ${before.line}: end that one before it`
      return [{ line: later.line, column: "start_date", reason }]
    })
  })
}
