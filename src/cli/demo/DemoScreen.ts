/**
 * What the demo shows.
 */
import { relative } from "node:path"
import type { Json, JsonObject } from "../../platform/Json.ts"
import type { ConversionSummary } from "../ConversionSummary.ts"
import { table } from "../table.ts"
import type { GeneratedExports } from "./AwsExportGenerator.ts"
import type { Run } from "../client/ServiceClient.ts"

const rule = "─".repeat(88)

export const title = `\n${rule}\n  AWS bills to FOCUS 1.3: loaded, converted, reconciled, checked\n${rule}`

const whole = (value: number): string => value.toLocaleString("en-US")

/** The exports that were made or found. */
export const generated = (exports: GeneratedExports): string =>
  [
    `\n1  Bills in AWS's layouts: ${whole(exports.rows)} rows, ${exports.files} files, ${exports.startDate} to ${exports.endDate}`,
    ...exports.exports.map(
      ({ kind, payer, rows }) =>
        `     ${kind === "cur2" ? "CUR 2.0, private discounts" : "CUR 1.0, list prices      "}  payer ${payer}  ${whole(rows)} rows`
    )
  ].join("\n")

/** Where the service listens. */
export const serving = (base: string): string => `\n2  The service runs at ${base}; one run over HTTP:`

/** Billed and effective cost by service category. */
export const servicesSql = `
SELECT ServiceCategory AS category, BillingCurrency AS currency, COUNT(*) AS n, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective
FROM cost_data_standard_1_3
WHERE x_source_system = 'cloud_aws_billing_raw_daily'
GROUP BY category, currency
ORDER BY billed DESC, category`

/** Before the runs of model providers. */
export const modelsTitle = "\n   Model providers: a week of DeepSeek and Gemini from files, and whoever has a key:"

/** What models cost: by the provider, and by tokens and prices. */
export const modelsSql = `
SELECT provider, model, currency, SUM(billed) AS billed, SUM(computed) AS computed, SUM(unpriced_rows) AS unpriced
FROM genai_payg_comparison_daily
GROUP BY provider, model, currency
ORDER BY provider, model, currency`

/** All that the last screen shows. `unchanged` compares the totals with the demo before. */
export interface Result {
  readonly run: Run
  readonly summary: ConversionSummary
  readonly services: ReadonlyArray<JsonObject>
  readonly models: ReadonlyArray<JsonObject>
  readonly unchanged: boolean | undefined
  readonly location: string
  readonly keyFile: string
  readonly org: string
  readonly port: number
}

/** The last screen. */
export const result = ({ run, summary, services, models, unchanged, ...place }: Result): string => {
  const { conformance } = summary
  const seconds = (run.duration_ms ?? 0) / 1000
  const explained = Object.entries(summary.explained)
  return [
    `\n3  Cost by service category`,
    indent(
      table(
        ["service category", "currency", "rows", "billed", "effective"],
        services.map((row) => [
          text(row["category"]),
          text(row["currency"]),
          whole(Number(row["n"])),
          cents(text(row["billed"])),
          cents(text(row["effective"]))
        ])
      )
    ),
    `\n4  Every cent: native total against FOCUS total, to the last decimal`,
    indent(
      table(
        ["billing period", "currency", "native billed", "FOCUS billed", "difference"],
        summary.reconciliation.map((each) => [
          each.billingPeriod,
          each.currency,
          each.nativeBilled,
          each.focusBilled,
          each.difference
        ])
      )
    ),
    `     rows: ${whole(summary.rowsIn)} in, ${whole(summary.rowsOut)} out, ${summary.quarantined} quarantined, ${whole(summary.rowsExtra)} split off${explained.map(([reason, rows]) => `, ${whole(rows)} explained (${reason})`).join("")}`,
    `\n5  FOCUS 1.3: ${conformance.evaluated} rules checked on every row, ${conformance.violated.length} violated, ${conformance.gaps.length} excused as gaps of the source`,
    ...conformance.violated.map(
      ({ rule: id, rows, example }) => `     violated ${id}: ${rows} rows, such as ${example}`
    ),
    `\n6  Model providers: billed against calculated`,
    indent(
      table(
        ["provider", "model", "currency", "billed", "calculated"],
        models.map((row) => [
          text(row["provider"]),
          text(row["model"]),
          text(row["currency"]),
          row["billed"] === null ? "with its cloud" : text(row["billed"]),
          row["computed"] === null ? "no price" : text(row["computed"])
        ])
      )
    ),
    ...(unchanged === undefined
      ? []
      : [
          `\n   Second demo: the totals are ${unchanged ? "the same as before, to the last decimal" : "NOT the same as before"}.`
        ]),
    `\n${rule}`,
    `  ${whole(summary.rowsIn)} rows in ${seconds.toFixed(1)} s. The data lie in ${place.location.replace(/^duckdb: /, "")}`,
    `  Next:`,
    `    npm run -s cli -- query --org ${place.org} "SELECT ServiceName, SUM(BilledCost) AS billed FROM cost_data_standard_1_3 GROUP BY 1 ORDER BY 2 DESC LIMIT 10"`,
    `    npm run -s cli -- replay ${run.pipeline_logging_id} --verify`,
    `    npm start & sleep 3; curl -s -X POST -H "X-API-Key: $(cat ${relative(".", place.keyFile)})" "http://localhost:${place.port}/api/v1/pipelines/run/${place.org}/cloud/aws/cost/billing?date=2026-10-31"`,
    rule
  ].join("\n")
}

/** Every line moved in. */
export const indent = (lines: string): string =>
  lines
    .split("\n")
    .map((line) => `     ${line}`)
    .join("\n")

const text = (value: Json | undefined): string => (typeof value === "string" ? value : JSON.stringify(value ?? null))

/** For reading only: cut to cents, with separators. */
const cents = (decimal: string): string => {
  const [integer = "0", fraction = ""] = decimal.split(".")
  return `${integer.replace(/\B(?=(\d{3})+$)/g, ",")}.${fraction.padEnd(2, "0").slice(0, 2)}`
}
