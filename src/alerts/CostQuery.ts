/**
 * The costs that an alert looks at: one sum for each UTC day and currency, made by the warehouse in exact decimals. Everything else
 * follows from these sums.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlParameter } from "../warehouse/FileMapping.ts"
import type { OrgWarehouse } from "../warehouse/Warehouse.ts"
import type { Alert, Template } from "./AlertDefinition.ts"

/** The sum of one day in one currency. */
export interface DaySum {
  /** YYYY-MM-DD, UTC. */
  readonly day: string
  readonly currency: string
  readonly cost: BigDecimal.BigDecimal
  readonly records: number
}

/** The templates that sum costs. */
export type CostTemplate = Exclude<Template, "quota_usage">

const provider = "LOWER(ServiceProviderName)"
const source = "LOWER(x_source_system)"
const isOneOf = (...names: ReadonlyArray<string>): string =>
  `${provider} IN (${names.map((name) => `'${name}'`).join(", ")})`
const contains = (...names: ReadonlyArray<string>): string =>
  names.map((name) => `STRPOS(${provider}, '${name}') > 0`).join(" OR ")
const fromSource = (...names: ReadonlyArray<string>): string =>
  names.map((name) => `STRPOS(${source}, '${name}') > 0`).join(" OR ")

/** The rows of each scope, as the dashboards know them. Short names are compared as a whole: `oci` is inside of other words. */
const scopes: Readonly<Record<CostTemplate, string>> = {
  subscription_costs: `${source} = 'subscription_costs_daily'`,
  cloud_costs: `${isOneOf("gcp", "aws", "oci")} OR ${contains("azure", "google", "amazon", "microsoft", "oracle")}
    OR ${fromSource("cloud", "gcp", "aws", "azure", "oci")}`,
  genai_costs: `${isOneOf("openai", "anthropic", "google ai", "cohere", "mistral", "gemini", "claude", "deepseek")}
    OR ${isOneOf("azure openai", "aws bedrock", "vertex ai")}
    OR LOWER(ServiceCategory) IN ('genai', 'llm', 'ai and machine learning') OR ${fromSource("genai", "llm")}`,
  total_costs: "TRUE",
  gcp_costs: `${isOneOf("gcp")} OR ${contains("google cloud")} OR ${fromSource("gcp")}`,
  aws_costs: `${isOneOf("aws")} OR ${contains("amazon")} OR ${fromSource("aws")}`,
  azure_costs: `${contains("azure", "microsoft")} OR ${fromSource("azure")}`,
  oci_costs: `${isOneOf("oci")} OR ${contains("oracle")} OR ${fromSource("oci")}`,
  openai_costs: isOneOf("openai"),
  anthropic_costs: isOneOf("anthropic", "claude"),
  hierarchy_costs: "TRUE",
  cost_forecast: "TRUE"
}

const Sums = Schema.Array(
  Schema.Struct({ day: Schema.String, currency: Schema.String, cost: Schema.BigDecimal, records: Schema.Int })
)
const decodeSums = Schema.decodeUnknown(Sums)

/** The sum of one provider's service in one currency. */
export interface ItemSum {
  readonly currency: string
  readonly provider: string
  readonly service: string
  readonly cost: BigDecimal.BigDecimal
}

const decodeItems = Schema.decodeUnknown(
  Schema.Array(
    Schema.Struct({ currency: Schema.String, provider: Schema.String, service: Schema.String, cost: Schema.BigDecimal })
  )
)

/** The sums of the days from `start` to `end`, inclusive, by provider and service. */
export const itemSums = Effect.fn("alerts.itemSums")(function* (
  warehouse: OrgWarehouse,
  only: { readonly providers: ReadonlyArray<string>; readonly hierarchyPath?: string },
  range: { readonly start: string; readonly end: string }
) {
  const providers: Record<string, SqlParameter> = Object.fromEntries(
    only.providers.map((name, index) => [`provider${index}`, { type: "STRING", value: name }])
  )
  const names = Object.keys(providers).map((name) => `@${name}`)
  const node = inNode(only.hierarchyPath)
  const rows = yield* warehouse.query(
    `SELECT BillingCurrency AS currency, ServiceProviderName AS provider, ServiceName AS service,
       CAST(SUM(BilledCost) AS STRING) AS cost
     FROM cost_data_standard_1_3
     WHERE x_org_slug = @org AND DATE(ChargePeriodStart) BETWEEN @start AND @end
       ${names.length === 0 ? "" : `AND ServiceProviderName IN (${names.join(", ")})`} ${node.condition}
     GROUP BY currency, provider, service`,
    { ...rangeOf(warehouse, range), ...providers, ...node.parameters }
  )
  return yield* Effect.orDie(decodeItems(rows))
})

const rangeOf = (warehouse: OrgWarehouse, range: { readonly start: string; readonly end: string }) => ({
  org: { type: "STRING", value: warehouse.org } as const,
  start: { type: "DATE", value: range.start } as const,
  end: { type: "DATE", value: range.end } as const
})

/** Rows of a node of the hierarchy and of all below it. */
const inNode = (
  path: string | undefined
): { readonly condition: string; readonly parameters: Readonly<Record<string, SqlParameter>> } =>
  path === undefined
    ? { condition: "", parameters: {} }
    : {
        condition: "AND (x_hierarchy_path = @path OR STARTS_WITH(x_hierarchy_path, CONCAT(@path, '/')))",
        parameters: { path: { type: "STRING", value: path.replace(/\/+$/, "") } }
      }

/** The sums of the days from `start` to `end`, inclusive; days without rows are absent. */
export const daySums = Effect.fn("alerts.daySums")(function* (
  warehouse: OrgWarehouse,
  {
    query_template: template,
    params
  }: Omit<Alert["source"], "query_template"> & { readonly query_template: CostTemplate },
  range: { readonly start: string; readonly end: string }
) {
  const node = inNode(params.hierarchy_path)
  const parameters: Record<string, SqlParameter> = { ...rangeOf(warehouse, range), ...node.parameters }
  if (params.currency !== undefined) parameters["currency"] = { type: "STRING", value: params.currency }
  const inCurrency = params.currency === undefined ? "" : "AND BillingCurrency = @currency"
  const rows = yield* warehouse.query(
    `SELECT CAST(DATE(ChargePeriodStart) AS STRING) AS day, BillingCurrency AS currency,
       CAST(SUM(BilledCost) AS STRING) AS cost, COUNT(*) AS records
     FROM cost_data_standard_1_3
     WHERE x_org_slug = @org AND DATE(ChargePeriodStart) BETWEEN @start AND @end
       AND (${scopes[template]}) ${node.condition} ${inCurrency}
     GROUP BY day, currency ORDER BY day, currency`,
    parameters
  )
  return yield* Effect.orDie(decodeSums(rows))
})
