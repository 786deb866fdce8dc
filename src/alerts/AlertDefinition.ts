/**
 * The YAML of alerts: `configs/alerts/*.yml` for every organisation, `configs/alerts/{org}/*.yml` for one, where an alert of the same id
 * replaces the shared one.
 */
import * as Schema from "effect/Schema"
import { ChannelType } from "../notifier/Channels.ts"
import { isAddress } from "../notifier/Mailer.ts"
import { Severity } from "../notifier/Message.ts"

const text = Schema.NonEmptyString.pipe(Schema.maxLength(500))
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** An exact decimal. A YAML number is read by its shortest text, which is what was written up to 15 digits; longer ones are quoted. */
export const DecimalText = Schema.transform(
  Schema.Union(Schema.String, Schema.JsonNumber),
  Schema.String.pipe(Schema.pattern(/^-?\d{1,38}(\.\d{1,38})?$/, { message: () => "not a decimal number" })),
  { strict: true, decode: String, encode: (decimal) => decimal }
)

/** Which rows are summed. */
export const Template = Schema.Literal(
  "subscription_costs",
  "cloud_costs",
  "genai_costs",
  "total_costs",
  "gcp_costs",
  "aws_costs",
  "azure_costs",
  "oci_costs",
  "openai_costs",
  "anthropic_costs",
  "hierarchy_costs",
  "cost_forecast",
  /** No rows at all: what the organisation has used of its plan. */
  "quota_usage"
)
export type Template = typeof Template.Type

/** UTC days; `last_...` end yesterday, `current_...` today. */
export const Period = Schema.Literal(
  "today",
  "yesterday",
  "current_week",
  "current_month",
  "last_7_days",
  "last_30_days"
)
export type Period = typeof Period.Type

const quotaFields = [
  /** Successful runs of the UTC day and of its month, runs under way; each with the plan's limit and in percent of it. */
  "daily_runs",
  "daily_limit",
  "daily_percent",
  "monthly_runs",
  "monthly_limit",
  "monthly_percent",
  "concurrent_runs",
  "concurrent_limit",
  "concurrent_percent"
] as const

/** What an alert can look at; null where there is nothing to compare with. */
export const Field = Schema.Literal(
  "total_cost",
  "record_count",
  "currency",
  /** Mean of the month's complete days x days of the month; only of `cost_forecast`. */
  "projected_cost",
  /** Of the period of the same length before; of a week or month, of the same days of the one before. */
  "previous_cost",
  "change_amount",
  "change_percent",
  ...quotaFields
)
export type Field = typeof Field.Type

const decimals = Schema.Array(DecimalText)
const numeric = Schema.Literal(
  "total_cost",
  "record_count",
  "projected_cost",
  "previous_cost",
  "change_amount",
  "change_percent",
  ...quotaFields
)
const field = { field: Field, unit: optional(text) }
const numericField = { field: numeric, unit: optional(text) }

/** One condition. `unit`, where it is a currency, must be the currency of the costs. */
export const Condition = Schema.Union(
  Schema.Struct({ ...numericField, operator: Schema.Literal("gt", "lt", "gte", "lte"), value: DecimalText }),
  Schema.Struct({ ...field, operator: Schema.Literal("eq", "ne"), value: Schema.Union(DecimalText, text) }),
  /** Inclusive. */
  Schema.Struct({
    ...numericField,
    operator: Schema.Literal("between", "not_between"),
    value: Schema.Tuple(DecimalText, DecimalText)
  }),
  Schema.Struct({ ...field, operator: Schema.Literal("contains", "not_contains"), value: text }),
  Schema.Struct({
    ...field,
    operator: Schema.Literal("in", "not_in"),
    value: Schema.Union(decimals, Schema.Array(text))
  }),
  Schema.Struct({ ...field, operator: Schema.Literal("is_null", "is_not_null") }),
  /** More than so many percent of a limit: `[limit, percent]`. */
  Schema.Struct({
    ...numericField,
    operator: Schema.Literal("percentage_of_exceeds"),
    value: Schema.Tuple(DecimalText, DecimalText)
  }),
  /** The last complete day is more than `value` standard deviations above the `days` before it. */
  Schema.Struct({
    field: Schema.Literal("total_cost"),
    unit: optional(text),
    operator: Schema.Literal("deviates_by"),
    value: DecimalText,
    days: Schema.optionalWith(Schema.Int.pipe(Schema.between(7, 90)), { default: () => 28 })
  })
)
export type Condition = typeof Condition.Type

/** One alert. An unknown member is an error. */
export const Alert = Schema.Struct({
  id: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,100}$/)),
  name: text,
  description: optional(text),
  enabled: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  schedule: Schema.Struct({ cron: text, timezone: Schema.optionalWith(text, { default: () => "UTC" }) }),
  source: Schema.Struct({
    type: Schema.Literal("bigquery"),
    query_template: Template,
    params: Schema.optionalWith(
      Schema.Struct({
        period: Schema.optionalWith(Period, { default: () => "current_month" as const }),
        /** This node of the hierarchy and all below it. */
        hierarchy_path: optional(text),
        /** Only costs of this currency. */
        currency: optional(Schema.String.pipe(Schema.pattern(/^[A-Z]{3}$/)))
      }),
      { default: () => ({ period: "current_month" as const }) }
    )
  }),
  /** All must hold. */
  conditions: Schema.NonEmptyArray(Condition),
  recipients: Schema.Struct({
    type: Schema.Literal("org_owners", "all_members", "custom"),
    emails: Schema.optionalWith(
      Schema.Array(Schema.String.pipe(Schema.filter((address) => isAddress(address) || "not an e-mail address"))),
      { default: () => [] }
    )
  }),
  notification: Schema.Struct({
    severity: Severity,
    channels: Schema.optionalWith(Schema.NonEmptyArray(ChannelType), { default: () => ["email"] as const }),
    slack: optional(Schema.Struct({ channel: optional(text) }))
  }),
  cooldown: Schema.optionalWith(
    Schema.Struct({
      enabled: Schema.optionalWith(Schema.Boolean, { default: () => true }),
      hours: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 8760)), { default: () => 24 }),
      /** `org`: this alert for this organisation; `alert`: this alert for any; `global`: any alert for any. */
      scope: Schema.optionalWith(Schema.Literal("org", "alert", "global"), { default: () => "org" as const })
    }),
    { default: () => ({ enabled: true, hours: 24, scope: "org" as const }) }
  ),
  tags: Schema.optionalWith(Schema.Array(text), { default: () => [] })
}).pipe(
  Schema.filter(
    (alert) =>
      alert.source.query_template !== "hierarchy_costs" ||
      alert.source.params.hierarchy_path !== undefined ||
      "hierarchy_costs needs params.hierarchy_path"
  ),
  Schema.filter(
    (alert) =>
      alert.conditions.every(
        ({ field }) => (alert.source.query_template === "quota_usage") === quotaFields.some((name) => name === field)
      ) || `quota_usage, and no other template, has the fields ${quotaFields.join(", ")}`
  )
)
export type Alert = typeof Alert.Type

/** A file. */
export const AlertFile = Schema.Struct({ alerts: Schema.Array(Alert) })
