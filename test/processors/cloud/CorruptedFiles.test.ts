/**
 * What happens to each provider's months when a delivery is damaged: a clear error or a counted quarantine, and the month of before stays. And
 * a past month that is restated late replaces itself alone, its native rows and its FOCUS rows.
 */
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import * as HttpClientNode from "../../../src/platform/HttpClientNode.ts"
import * as AzureExtractor from "../../../src/processors/cloud/AzureExtractor.ts"
import * as CurExtractor from "../../../src/processors/cloud/CurExtractor.ts"
import * as ExternalBqExtractor from "../../../src/processors/cloud/ExternalBqExtractor.ts"
import * as FocusConverter from "../../../src/processors/cloud/FocusConverter.ts"
import * as OciExtractor from "../../../src/processors/cloud/OciExtractor.ts"
import { details as azureFile, focusDetails as azureFocusFile, runOf } from "./azureSupport.ts"
import { procedures } from "./gcpSupport.ts"
import { contextOf, curFile, days, focusFile, org, query, world, write } from "./support.ts"

/** Files of a delivery by their path; `twice`: the manifest names its file two times. */
type Delivery = (
  month: string,
  content: Uint8Array,
  twice: boolean
) => ReadonlyArray<readonly [string, Uint8Array | string]>

interface Bill {
  readonly name: string
  readonly cloud: "aws" | "azure" | "gcp" | "oci"
  readonly file: (month: string, costs: ReadonlyArray<string>) => string
  readonly deliver: Delivery
  /** Absent: there is no manifest. */
  readonly hasManifest?: boolean
  readonly costHeader: string
  readonly table: string
  readonly cost: string
  readonly period: string
}

const awsDelivery: Delivery = (month, content, twice) => {
  const key = `data/BILLING_PERIOD=${month}/acme-00001.csv.gz`
  const uri = `s3://acme-billing/exports/acme/${key}`
  return [
    [key, content],
    [`metadata/BILLING_PERIOD=${month}/acme-Manifest.json`, JSON.stringify({ dataFiles: twice ? [uri, uri] : [uri] })]
  ]
}

/** The later a delivery, the newer its run. */
let submitted = 0

const azureDelivery =
  (type: string): Delivery =>
  (month, content, twice) => {
    const time = `2026-11-01T00:00:${String(submitted++ % 60).padStart(2, "0")}.${submitted}`
    return runOf({ month, type, submitted: time, files: [content] }).map(([key, body]) => {
      const path = key.slice("exports/".length)
      if (!twice || !key.endsWith("manifest.json")) return [path, body] as const
      const manifest = JSON.parse(body.toString())
      return [path, JSON.stringify({ ...manifest, blobs: [...manifest.blobs, ...manifest.blobs] })] as const
    })
  }

const rows = (header: string, row: (cost: string, day: string) => string) => (costs: ReadonlyArray<string>) =>
  [header, ...costs.map((cost, index) => row(cost, `0${index + 1}`))].join("\n")

const bills: ReadonlyArray<Bill> = [
  {
    name: "a CUR of AWS",
    cloud: "aws",
    file: curFile,
    deliver: awsDelivery,
    hasManifest: true,
    costHeader: "line_item_unblended_cost",
    table: "cloud_aws_billing_raw_daily",
    cost: "unblended_cost",
    period: "billing_period_start"
  },
  {
    name: "a native FOCUS export",
    cloud: "aws",
    file: focusFile,
    deliver: awsDelivery,
    hasManifest: true,
    costHeader: "BilledCost",
    table: "cloud_aws_focus_raw_daily",
    cost: "BilledCost",
    period: "billing_period_start_date"
  },
  {
    name: "cost details of Azure",
    cloud: "azure",
    file: azureFile,
    deliver: azureDelivery("ActualCost"),
    hasManifest: true,
    costHeader: "Cost",
    table: "cloud_azure_billing_raw_daily",
    cost: "cost_in_billing_currency",
    period: "billing_period_start"
  },
  {
    name: "a FOCUS export of Azure",
    cloud: "azure",
    file: azureFocusFile,
    deliver: azureDelivery("FocusCost"),
    hasManifest: true,
    costHeader: "BilledCost",
    table: "cloud_azure_focus_raw_daily",
    cost: "BilledCost",
    period: "billing_period_start_date"
  },
  {
    name: "an export of Google Cloud",
    cloud: "gcp",
    file: (month, costs) =>
      rows(
        "billing_account_id,usage_start_time,usage_end_time,invoice.month,currency,cost",
        (cost, day) =>
          `0AAAAA,${month}-${day}T09:00:00Z,${month}-${day}T10:00:00Z,${month.replace("-", "")},USD,${cost}`
      )(costs),
    deliver: (month, content) => [[`${month}.csv`, content]],
    costHeader: "cost",
    table: "cloud_gcp_billing_raw_daily",
    cost: "cost",
    period: "billing_period_start"
  },
  {
    name: "a cost report of OCI",
    cloud: "oci",
    file: (month, costs) =>
      rows(
        "lineItem/referenceNo,lineItem/tenantId,lineItem/intervalUsageStart,lineItem/intervalUsageEnd,cost/currencyCode,cost/myCost",
        (cost, day) => `r-${day},ocid1.tenancy.oc1..t,${month}-${day}T10:00Z,${month}-${day}T11:00Z,USD,${cost}`
      )(costs),
    deliver: (month, content) => [[`reports/cost-csv/${month}.csv`, content]],
    costHeader: "cost/myCost",
    table: "cloud_oci_billing_raw_daily",
    cost: "cost",
    period: "billing_period_start"
  }
]

const makes = {
  aws: CurExtractor.make,
  azure: AzureExtractor.make,
  gcp: ExternalBqExtractor.make,
  oci: OciExtractor.make
}

const extract = ({ cloud }: Bill) =>
  Effect.flatMap(makes[cloud], ({ execute }) =>
    execute(
      contextOf({
        pipelineId: `cloud_${cloud}_cost_billing`,
        config: { provider: cloud },
        ...days("2026-03-01", "2026-03-31")
      })
    )
  ).pipe(Effect.provide(HttpClientNode.layer))

/** Loads and converts what has changed. */
const extractAndConvert = (bill: Bill) =>
  Effect.gen(function* () {
    const extracted = yield* extract(bill)
    const { execute } = yield* FocusConverter.make
    yield* execute(contextOf({ config: { provider: bill.cloud }, outputs: { extracted } }))
  })

/** FOCUS rows of a month. */
const focusOf = (month: string, columns: string) =>
  query(
    `SELECT ${columns} FROM cost_data_standard_1_3 WHERE DATE(BillingPeriodStart) = DATE '${month}-01' ORDER BY x_source_row, x_SplitPart`
  )

const monthsOf = ({ cost, period, table }: Bill) =>
  query(
    `SELECT ${period} AS month, SUM(${cost}) AS cost, COUNT(*) AS n, ANY_VALUE(x_run_id) AS run FROM ${table} GROUP BY 1 ORDER BY 1`
  )

/** February and March as they were delivered well, and what delivers March anew. */
const loaded = <A, E, R>(
  bill: Bill,
  body: (given: {
    readonly deliver: (month: string, content: string | Uint8Array, twice?: boolean) => Effect.Effect<void>
  }) => Effect.Effect<A, E, R>
) =>
  world((folder) =>
    Effect.gen(function* () {
      const place = join(folder, "place")
      const deliver = (month: string, content: string | Uint8Array, twice = false) =>
        Effect.promise(async () => {
          for (const [path, bytes] of bill.deliver(month, Buffer.from(content), twice))
            await write(join(place, path), bytes)
        })
      yield* deliver("2026-02", bill.file("2026-02", ["1.000000000000000001"]))
      yield* deliver("2026-03", bill.file("2026-03", ["2", "-0.5"]))
      yield* (yield* Credentials).put({
        org,
        credentialId: "files",
        provider: `${bill.cloud.toUpperCase()}_FILES`,
        credentialName: "files",
        metadata: { path: place, all_periods: true },
        secret: Redacted.make("{}")
      })
      yield* extract(bill)
      expect((yield* monthsOf(bill)).map(({ cost, n }) => [cost, n])).toEqual([
        ["1.000000000000000001", 1],
        ["1.5", 2]
      ])
      return yield* body({ deliver })
    })
  )

const text = (bill: Bill, costs: ReadonlyArray<string>) => bill.file("2026-03", costs)
const withNote = (bill: Bill, note: string) =>
  text(bill, ["10", "20"])
    .split(/\r?\n/)
    .map((line, index) => `${line},${index === 0 ? "Note" : note}`)
    .join("\n")

const damages: Readonly<Record<string, (bill: Bill) => string | Uint8Array>> = {
  "packed, and cut in the middle": (bill) => {
    const packed = gzipSync(
      text(
        bill,
        Array.from({ length: 9 }, (_, index) => `${index}.5`)
      )
    )
    return packed.subarray(0, packed.length / 2)
  },
  "cut in the middle of a row": (bill) => text(bill, ["10", "20"]).slice(0, -40),
  "without its cost column": (bill) => text(bill, ["10", "20"]).replace(bill.costHeader, "Nonsense"),
  "with a null where a cost was": (bill) => text(bill, ["10", ""]),
  "with a byte of another encoding": (bill) => Buffer.from(withNote(bill, "caf\u00e9"), "latin1"),
  "in UTF-16": (bill) => Buffer.from(`\ufeff${text(bill, ["10", "20"])}`, "utf16le")
}

describe.each(bills)("$name", (bill) => {
  const costsOf = Effect.map(monthsOf(bill), (months) => months.map(({ cost, n }) => [cost, n]))

  it.scoped("damaged in any way is refused by its name, and both months stay", () =>
    loaded(bill, ({ deliver }) =>
      Effect.gen(function* () {
        const before = yield* monthsOf(bill)
        for (const [what, damage] of Object.entries(damages)) {
          yield* deliver("2026-03", damage(bill))
          const error = yield* Effect.flip(extract(bill))
          expect([what, error.errorType, error.message]).toEqual([what, "PERMANENT", expect.stringMatching(/\.csv/)])
          expect([what, error.suggestedAction]).toEqual([what, expect.stringMatching(/\w/)])
          expect([what, yield* monthsOf(bill)]).toEqual([what, before])
        }
      })
    )
  )

  it.scoped(
    "with one bad row has the others, named twice is refused and changes nothing, and a past month restated late is replaced alone",
    () =>
      loaded(bill, ({ deliver }) =>
        Effect.gen(function* () {
          yield* deliver("2026-03", text(bill, ["10", "many", "0.25"]))
          const { details } = yield* extract(bill)
          expect(details).toMatchObject({ quarantined: 1, quarantine: [{ rows: 1 }] })
          expect(yield* costsOf).toEqual([
            ["1.000000000000000001", 1],
            ["10.25", 2]
          ])
          if (bill.hasManifest === true) {
            yield* deliver("2026-03", text(bill, ["30", "40"]), true)
            const error = yield* Effect.flip(extract(bill))
            expect(error).toMatchObject({ errorType: "PERMANENT", code: "MANIFEST_DUPLICATE_FILE" })
            expect((yield* costsOf)[1]).toEqual(["10.25", 2])
          }
          yield* procedures
          yield* deliver("2026-03", text(bill, ["2", "-0.5"]))
          yield* extractAndConvert(bill)
          const [, march] = yield* monthsOf(bill)
          // Bare files tell no change of one month, so their months are all written again, with equal content.
          const columns = bill.cloud === "gcp" ? "* EXCEPT (x_run_id, x_ingested_at, x_ingestion_date)" : "*"
          const converted = yield* focusOf("2026-03", columns)
          expect(converted.map((row) => row["BilledCost"])).toEqual(["2", "-0.5"])
          expect(yield* focusOf("2026-02", "BilledCost AS billed")).toEqual([{ billed: "1.000000000000000001" }])
          yield* deliver("2026-02", bill.file("2026-02", ["7.75", "-8", "1"]))
          yield* extractAndConvert(bill)
          const [february, after] = yield* monthsOf(bill)
          expect(february).toMatchObject({ cost: "0.75", n: 3 })
          expect(after).toMatchObject({ cost: "1.5", n: 2 })
          if (bill.cloud !== "gcp") expect(after).toEqual(march)
          expect((yield* focusOf("2026-02", "BilledCost")).map((row) => row["BilledCost"])).toEqual(["7.75", "-8", "1"])
          expect(yield* focusOf("2026-03", columns)).toEqual(converted)
        })
      )
  )
})
