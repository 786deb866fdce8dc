/**
 * Google Cloud's billing pipeline: every sample goes through with every row and every cent, and a damaged file leaves what was there.
 * The expected totals were added up from the files' own text, outside this project.
 */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { samplesMissing } from "../../procedures/support.ts"
import { convertAll, extract, filesCredential, procedures } from "./gcpSupport.ts"
import { query, world, write } from "./support.ts"

const samplesFolder = new URL("../../../../shared/samples/", import.meta.url)
const samplePath = (name: string) => fileURLToPath(new URL(name, samplesFolder))

type Total = readonly [period: string, currency: string, rows: number, billed: string]

const cudCases: Readonly<Record<string, ReadonlyArray<Total>>> = {
  test_10_2: [
    ["2019-01-01", "USD", 5, "60"],
    ["2019-03-01", "USD", 2, "70"]
  ],
  test_11_1: [["2019-01-01", "USD", 6, "270"]],
  test_1_2: [
    ["2019-01-01", "USD", 3, "120"],
    ["2019-03-01", "USD", 1, "50"]
  ],
  test_2_2: [
    ["2019-01-01", "USD", 3, "360"],
    ["2019-03-01", "USD", 1, "70"]
  ],
  test_3_1: [
    ["2019-01-01", "USD", 3, "90"],
    ["2019-03-01", "USD", 1, "50"]
  ],
  test_3_2: [
    ["2019-01-01", "USD", 2, "160"],
    ["2019-03-01", "USD", 1, "0"]
  ],
  test_5_1: [["2019-01-01", "USD", 4, "280"]],
  test_6_1: [["2019-01-01", "USD", 4, "280"]],
  test_6_4: [
    ["2019-01-01", "USD", 3, "360"],
    ["2019-03-01", "USD", 1, "70"]
  ],
  test_6_6: [
    ["2019-01-01", "USD", 3, "150"],
    ["2019-03-01", "USD", 1, "20"]
  ],
  test_7_2: [
    ["2019-01-01", "USD", 5, "60"],
    ["2019-03-01", "USD", 2, "70"]
  ],
  test_7_4_b: [
    ["2019-01-01", "USD", 5, "70"],
    ["2019-03-01", "USD", 2, "30"]
  ],
  test_7_6_b: [
    ["2019-01-01", "USD", 5, "50"],
    ["2019-03-01", "USD", 2, "190"]
  ],
  test_9_1: [
    ["2019-01-01", "USD", 5, "120"],
    ["2019-03-01", "USD", 2, "70"]
  ],
  test_9_2: [
    ["2019-01-01", "USD", 7, "200"],
    ["2019-03-01", "USD", 2, "70"]
  ],
  test_9_4: [
    ["2019-01-01", "USD", 4, "25"],
    ["2019-03-01", "USD", 1, "75"]
  ]
}

const samples: Readonly<Record<string, ReadonlyArray<Total>>> = {
  "gcp/standard/2020-11.csv": [["2020-11-01", "USD", 15, "0"]],
  "gcp/detailed/2022-08_resource.csv": [["2022-08-01", "USD", 5, "0.00001"]],
  "gcp/detailed/hard_cases.jsonl": [["2026-03-01", "USD", 12, "59.962358"]],
  "gcp/detailed/synthetic_2026.csv": [
    ["2026-03-01", "AUD", 18, "27370.0257"],
    ["2026-03-01", "EUR", 21, "59452.65"],
    ["2026-03-01", "GBP", 15, "143584.6145"],
    ["2026-03-01", "USD", 55, "228686.9523"],
    ["2026-04-01", "AUD", 14, "12210.3454"],
    ["2026-04-01", "EUR", 12, "3895.4615"],
    ["2026-04-01", "GBP", 16, "38921.5178"],
    ["2026-04-01", "USD", 54, "229205.6142"],
    ["2026-05-01", "AUD", 11, "167916.3753"],
    ["2026-05-01", "EUR", 17, "367723.7857"],
    ["2026-05-01", "GBP", 17, "5348.0053"],
    ["2026-05-01", "USD", 49, "305456.5843"]
  ],
  "gcp/focus-bq/fixture_2026-05.json": [["2026-05-01", "USD", 2, "3.123456789012345678"]],
  "focus/synthetic/gcp_1_2_cost_and_usage.csv": [["2026-05-01", "USD", 100, "837.52222322465736"]],
  "focus/synthetic/gcp_1_3_cost_and_usage.csv": [["2026-05-01", "USD", 100, "1587.8199305302598"]],
  "focus/synthetic/gcp_1_3_credits.csv": [["2026-05-01", "USD", 25, "195.30688799351503"]],
  ...Object.fromEntries(
    Object.entries(cudCases).map(([name, totals]) => [`gcp/cud-attribution/${name}/export.json`, totals])
  )
}

describe.skipIf(samplesMissing)("every sample", () => {
  it.scoped(
    "comes to its own total, with every row accounted for and no rule violated",
    () =>
      world(() =>
        Effect.gen(function* () {
          yield* procedures
          const names = Object.keys(samples)
          for (const [index, name] of names.entries()) yield* filesCredential(samplePath(name), `sample_${index}`)
          const { reconciliation, rows, violated } = yield* convertAll
          expect(violated).toEqual([])
          expect(rows).toMatchObject({ quarantined: 0, converted: rows.in, dropped: {} })
          for (const [index, name] of names.entries()) {
            const own = reconciliation.filter(({ credentialId }) => credentialId === `sample_${index}`)
            expect(
              own.map((each) => [each.billingPeriod, each.currency, each.rows.in, each.focusBilled]),
              name
            ).toEqual(samples[name])
            expect(new Set(own.flatMap((each) => [each.difference, each.effectiveDifference])), name).toEqual(
              new Set(["0"])
            )
          }
        })
      ),
    60_000
  )
})

const line = (change: object) => ({
  billing_account_id: "0AAAAA-111111-222222",
  service: { id: "6F81-5844-456A", description: "Compute Engine" },
  sku: { id: "2E27-4F75-95CD", description: "N1 Predefined Instance Core running in Americas" },
  usage_start_time: "2026-03-10 01:00:00 UTC",
  usage_end_time: "2026-03-10 02:00:00 UTC",
  project: { id: "acme", name: "Acme" },
  labels: [],
  cost: 1.25,
  currency: "USD",
  usage: { amount: 3600, unit: "seconds", amount_in_pricing_units: 1, pricing_unit: "hour" },
  price: { effective_price: "1.25", list_price: "1.50", tier_start_amount: "0", pricing_unit_quantity: "1" },
  credits: [],
  invoice: { month: "202603" },
  cost_type: "regular",
  ...change
})
const lines = (rows: ReadonlyArray<object>) => rows.map((row) => `${JSON.stringify(row)}\n`).join("")

const totals =
  "SELECT billing_period_start AS period, COUNT(*) AS n, SUM(cost) AS cost FROM cloud_gcp_billing_raw_daily GROUP BY billing_period_start ORDER BY 1"

describe("invoice months", () => {
  it.scoped("are replaced as a whole and alone when a late file restates one", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* Effect.promise(() =>
          write(join(place, "1.json"), lines([line({}), line({ invoice: { month: "202604" }, cost: 2 })]))
        )
        yield* filesCredential(place)
        expect((yield* extract()).affectedPeriods).toEqual(["2026-03-01", "2026-04-01"])
        yield* Effect.promise(() =>
          write(join(place, "1.json"), lines([line({ cost: 7 }), line({ cost: "-0.000001" })]))
        )
        yield* extract()
        expect(yield* query(totals)).toEqual([
          { period: "2026-03-01", n: 2, cost: "6.999999" },
          { period: "2026-04-01", n: 1, cost: "2" }
        ])
      })
    )
  )

  it.scoped("are read from JSON of any layout", () =>
    world((folder) =>
      Effect.gen(function* () {
        const rows = [line({}), line({ cost: 0.1 }), line({ cost: "1.234567890123456789" })]
        const layouts: ReadonlyArray<readonly [name: string, content: string | Uint8Array]> = [
          ["lines.ndjson", lines(rows)],
          ["packed.json.gz", gzipSync(lines(rows))],
          ["array.json", JSON.stringify(rows, undefined, 2)],
          ["array.json.gz", gzipSync(JSON.stringify(rows))],
          ["concatenated.json", rows.map((row) => JSON.stringify(row, undefined, 1)).join("")]
        ]
        for (const [name, content] of layouts) {
          const place = join(folder, name)
          yield* Effect.promise(() => write(join(place, name), content))
          yield* filesCredential(place)
          yield* extract()
          expect(yield* query(totals), name).toEqual([{ period: "2026-03-01", n: 3, cost: "2.584567890123456789" }])
        }
      })
    )
  )
})

describe("a bill of many rows", () => {
  it.scoped("comes to its exact total, and each row keeps its number or is in quarantine", () =>
    world((folder) =>
      Effect.gen(function* () {
        const count = 20_000
        const isBad = (row: number) => row % 5000 === 1
        const cost = (row: number) => `${row % 97}.${String(row).padStart(18, "0")}`
        const written = Array.from({ length: count }, (_, index) => {
          const row = index + 1
          const project = { id: "acme", name: String(row), labels: [{ key: "row", value: `${row % 50}` }] }
          const late = row > count / 2 ? { seller_name: "Google" } : {}
          const text = JSON.stringify(line({ project, cost: "COST", ...late }))
          return `${text.replace('"COST"', isBad(row) ? '"many"' : cost(row))}\n`
        })
        const good = Array.from({ length: count }, (_, index) => index + 1).filter((row) => !isBad(row))
        const units = good.reduce((total, row) => total + BigInt(cost(row).replace(".", "")), 0n).toString()
        const total = `${units.slice(0, -18)}.${units.slice(-18)}`.replace(/\.?0+$/, "")

        yield* Effect.promise(() => write(join(folder, "many", "a.json.gz"), gzipSync(written.join(""))))
        yield* filesCredential(join(folder, "many"))
        yield* procedures
        const { reconciliation, rows } = yield* convertAll
        expect(rows).toEqual({ in: count, converted: good.length, quarantined: count - good.length, dropped: {} })
        expect(reconciliation).toMatchObject([{ focusBilled: total, difference: "0", effectiveDifference: "0" }])
        expect(
          yield* query(
            "SELECT SUM(cost) AS cost, COUNTIF(project_name = CAST(x_source_row AS STRING)) AS numbered, COUNTIF(seller_name = 'Google') AS late FROM cloud_gcp_billing_raw_daily"
          )
        ).toEqual([{ cost: total, numbered: good.length, late: count / 2 - 2 }])
        expect(yield* query("SELECT source_row FROM org_quarantine ORDER BY source_row")).toEqual(
          [1, 5001, 10_001, 15_001].map((row) => ({ source_row: row }))
        )
      })
    )
  )
})

describe("labels", () => {
  it.scoped("become tags: those of the project and Google's own with a prefix, one without a value as true", () =>
    world((folder) =>
      Effect.gen(function* () {
        const row = line({
          labels: [
            { key: "env", value: "prod" },
            { key: "empty", value: "" },
            { key: "flag", value: null }
          ],
          project: { id: "acme", name: "Acme", labels: [{ key: "owner", value: "data" }] },
          system_labels: [{ key: "compute.googleapis.com/cores", value: "4" }],
          tags: [{ key: "team", namespace: "123" }]
        })
        yield* procedures
        yield* Effect.promise(() => write(join(folder, "tags", "a.json"), lines([row])))
        yield* filesCredential(join(folder, "tags"))
        yield* convertAll
        expect(yield* query("SELECT Tags AS tags FROM cost_data_standard_1_3")).toEqual([
          {
            tags: {
              env: "prod",
              empty: "",
              flag: true,
              "project:owner": "data",
              "system:compute.googleapis.com/cores": "4",
              "tag:123/team": true
            }
          }
        ])
      })
    )
  )
})

const parts =
  "SELECT ChargeCategory AS category, CommitmentDiscountStatus AS status, CommitmentDiscountId AS id, BilledCost AS billed, EffectiveCost AS effective FROM cost_data_standard_1_3 ORDER BY x_source_row, x_SplitPart"

const part = (category: string, status: string | null, id: string | null, billed: string, effective: string) => ({
  category,
  status,
  id,
  billed,
  effective
})

describe("a commitment's fee", () => {
  const noPrice = { price: null, location: { region: "us-central1" } }
  const credited = (name: string, type: string | undefined, amount: string) => [{ name, amount, type }]

  it.scoped("is spread over the usage of its resource and region where the export names no commitment", () =>
    world((folder) =>
      Effect.gen(function* () {
        const fee = { id: "F", description: "Commitment v1: Cpu in Americas for 1 Year" }
        const cud = (amount: string) => credited("Committed Usage Discount: CPU", undefined, amount)
        const rows = [
          line({ ...noPrice, sku: fee, cost: 8 }),
          line({ ...noPrice, cost: 4, credits: cud("-1") }),
          line({ ...noPrice, cost: 4, credits: cud("-3") })
        ]
        yield* Effect.promise(() => write(join(folder, "cud", "a.json"), lines(rows)))
        yield* filesCredential(join(folder, "cud"))
        yield* procedures
        yield* convertAll
        // 8 by 1 to 3; what is not covered is billed: 4 - 1 and 4 - 3. Together 8 + 4 + 4 - 1 - 3.
        expect(yield* query(parts)).toEqual([
          part("Purchase", null, "F/us-central1", "8", "0"),
          part("Usage", "Used", "F/us-central1", "0", "2"),
          part("Usage", null, null, "3", "3"),
          part("Usage", "Used", "F/us-central1", "0", "6"),
          part("Usage", null, null, "1", "1")
        ])
      })
    )
  )

  it.scoped("is paid by the covered usage where that has the commitment's price already", () =>
    world((folder) =>
      Effect.gen(function* () {
        const own = { ...noPrice, subscription: { instance_id: "sub-1" } }
        const rows = [
          line({
            ...own,
            sku: { id: "F", description: "Commitment - dollar based v1: Compute for 1 year" },
            cost: 10,
            credits: credited("Fee offset", "FEE_UTILIZATION_OFFSET", "-7")
          }),
          line({ ...own, cost: 6, consumption_model: { id: "CM" } })
        ]
        yield* Effect.promise(() => write(join(folder, "cud", "a.json"), lines(rows)))
        yield* filesCredential(join(folder, "cud"))
        yield* procedures
        yield* convertAll
        // Billed 10 - 7 + 6 on the purchase; 10 - 7 is what nobody used.
        expect(yield* query(parts)).toEqual([
          part("Purchase", null, "sub-1", "9", "0"),
          part("Usage", "Unused", "sub-1", "0", "3"),
          part("Usage", "Used", "sub-1", "0", "6")
        ])
      })
    )
  )
})

describe("a damaged file", () => {
  const good = lines([line({ cost: 3 })])
  const damages: Readonly<Record<string, readonly [name: string, content: string | Uint8Array, message: RegExp]>> = {
    "cut in the middle of a row": [
      "a.json",
      `${JSON.stringify([line({}), line({})], undefined, 1).slice(0, -40)}`,
      /cut/
    ],
    "cut as gzip": ["a.json.gz", gzipSync(good).subarray(0, 60), /cut/],
    "an array cut as gzip": ["a.json.gz", gzipSync(JSON.stringify([line({}), line({})])).subarray(0, -9), /cut/],
    "with another header": [
      "a.csv",
      "billing_account_id,cost\nx,1\n",
      /lacks usage_start_time, currency, invoice\.month/
    ],
    "with a null where a cost was": ["a.json", lines([line({}), line({ cost: null })]), /a\.json:2: cost has no value/],
    "with a null where a currency was": ["a.json", lines([line({ currency: null })]), /currency/],
    "with a row beyond the limit": [
      "a.json.gz",
      gzipSync(lines([line({}), line({ labels: [{ key: "note", value: "x".repeat(900_000) }] })])),
      /a\.json\.gz:2: the line is longer than 900000 bytes; write one JSON object per line/
    ],
    "with an object beyond the limit": [
      "a.json",
      JSON.stringify([line({}), line({ labels: [{ key: "note", value: "x".repeat(900_000) }] })], undefined, 1),
      /a\.json:2: the line is longer than 900000 bytes/
    ],
    "with text between rows": ["a.json", `${JSON.stringify(line({}))}\nnot json\n`, /a\.json/]
  }
  for (const [what, [name, content, message]] of Object.entries(damages)) {
    it.scoped(`${what} is refused and leaves the previous content`, () =>
      world((folder) =>
        Effect.gen(function* () {
          const place = join(folder, "exports")
          yield* Effect.promise(() => write(join(place, "good.json"), good))
          yield* filesCredential(place)
          yield* extract()
          const bad = join(folder, "bad")
          yield* Effect.promise(() => write(join(bad, name), content))
          yield* filesCredential(bad)
          const error = yield* Effect.flip(extract())
          expect(error.message).toMatch(message)
          expect(yield* query(totals)).toEqual([{ period: "2026-03-01", n: 1, cost: "3" }])
        })
      )
    )
  }

  it.scoped("with a number that is none quarantines its row and counts it", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* Effect.promise(() => write(join(place, "a.json"), lines([line({}), line({ cost: "many" })])))
        yield* filesCredential(place)
        const { details } = yield* extract()
        expect(details).toMatchObject({
          quarantined: 1,
          quarantine: [{ rows: 1, reason: expect.stringContaining("cost: is not a decimal") }]
        })
      })
    )
  )

  it.scoped.skipIf(samplesMissing)("whose FOCUS cost is null is refused", () =>
    world(() =>
      Effect.gen(function* () {
        yield* filesCredential(samplePath("gcp/focus-bq/reject_2026-06.json"))
        expect((yield* Effect.flip(extract())).message).toMatch(/reject_2026-06\.json:1: BilledCost has no value/)
      })
    )
  )
})
