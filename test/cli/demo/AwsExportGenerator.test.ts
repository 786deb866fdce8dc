import { createHash } from "node:crypto"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { generateAwsExports } from "../../../src/cli/demo/AwsExportGenerator.ts"
import * as AwsExports from "../../../src/sources/aws/AwsExports.ts"
import * as ObjectStoreFile from "../../../src/sources/object-store/ObjectStoreFile.ts"
import * as DuckDb from "../../../src/warehouse/duckdb/DuckDb.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "aws-generator-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

const generate = (path: string, seed: number, rows: number) => generateAwsExports({ folder: path, seed, rows })

/** One hash over the names and bytes of all files. */
const fingerprint = (path: string) =>
  Effect.promise(async () => {
    const hash = createHash("sha256")
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    for (const file of files.sort()) hash.update(file.slice(path.length)).update(await readFile(file))
    return hash.digest("hex")
  })

describe("generateAwsExports", () => {
  it.scoped("gives the same bytes for the same seed, others for another", () =>
    Effect.gen(function* () {
      const [a, b, c] = [yield* folder, yield* folder, yield* folder]
      yield* generate(a, 1, 2_000)
      yield* generate(b, 1, 2_000)
      yield* generate(c, 2, 2_000)
      expect(yield* fingerprint(b)).toBe(yield* fingerprint(a))
      expect(yield* fingerprint(c)).not.toBe(yield* fingerprint(a))
    })
  )

  it.scoped("writes layouts whose manifests name every file", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const generated = yield* generate(path, 1, 130_000)
      expect(generated.rows).toBeGreaterThanOrEqual(130_000)
      for (const { folder: place, files } of generated.exports) {
        const store = yield* ObjectStoreFile.open(join(path, place))
        const found = yield* AwsExports.discover(store)
        if (found._tag !== "Periods") return expect.fail("no periods")
        expect(found.periods.map(({ period }) => period)).toEqual(["2026-08-01", "2026-09-01", "2026-10-01"])
        const named = yield* Effect.forEach(found.periods, (period) =>
          AwsExports.contentOf(store, found.objects, period)
        )
        expect(named.flatMap((content) => content.files).length).toBe(files)
        expect(files).toBeGreaterThan(3)
      }
    })
  )

  it.scoped("writes bills that add up to the last decimal", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const generated = yield* generate(path, 3, 12_000)
      const database = yield* DuckDb.open(":memory:", {})
      const { query } = yield* database.connect
      const numbers = (sql: string) => Effect.map(query(sql), ({ rows }) => rows.map((row) => row.map(String)))
      const view = (name: string, glob: string) =>
        query(
          `CREATE VIEW ${name} AS SELECT * FROM read_csv('${join(path, glob)}', all_varchar = true, header = true, union_by_name = true)`
        )
      yield* view("cur2", "acme-cur2/data/*/*.csv.gz")
      yield* view("cur1", "acme-cur1/*/*/*.csv.gz")
      const amount = (column: string) => `SUM("${column}"::DECIMAL(38, 15))`
      const kinds = (view: string, type: string) =>
        Effect.map(numbers(`SELECT DISTINCT "${type}" FROM ${view} ORDER BY 1`), (rows) => rows.flat())

      const inBoth = [
        "Credit",
        "DiscountedUsage",
        "Fee",
        "RIFee",
        "Refund",
        "SavingsPlanCoveredUsage",
        "SavingsPlanNegation",
        "SavingsPlanRecurringFee",
        "Tax",
        "Usage"
      ]
      expect(yield* kinds("cur2", "line_item_line_item_type")).toEqual(["EdpDiscount", ...inBoth].sort())
      expect(yield* kinds("cur1", "lineItem/LineItemType")).toEqual([...inBoth, "SavingsPlanUpfrontFee"].sort())
      expect(
        Number((yield* numbers("SELECT COUNT(*) FROM cur1"))[0]?.[0]) +
          Number((yield* numbers("SELECT COUNT(*) FROM cur2"))[0]?.[0])
      ).toBe(generated.rows)

      // The totals that the generator tells are those of the files.
      const [cur2, cur1] = generated.exports
      const sums = yield* numbers(
        `SELECT LEFT(bill_billing_period_start_date, 7), ${amount("line_item_unblended_cost")} = CASE LEFT(bill_billing_period_start_date, 7) ${Object.entries(
          cur2?.totals ?? {}
        )
          .map(([month, total]) => `WHEN '${month}' THEN ${total}::DECIMAL(38, 15)`)
          .join(" ")} END FROM cur2 GROUP BY 1 ORDER BY 1`
      )
      expect(sums).toEqual([
        ["2026-08", "true"],
        ["2026-09", "true"],
        ["2026-10", "true"]
      ])
      expect(Object.keys(cur1?.totals ?? {})).toEqual(["2026-08", "2026-09", "2026-10"])

      // Discounts are the difference between both bases; negations cancel what is covered.
      expect(
        yield* numbers(
          `SELECT ${amount("line_item_unblended_cost")} - ${amount("line_item_net_unblended_cost")} = 0 FROM cur2`
        )
      ).toEqual([["true"]])
      for (const [view, type, cost] of [
        ["cur2", "line_item_line_item_type", "line_item_unblended_cost"],
        ["cur1", "lineItem/LineItemType", "lineItem/UnblendedCost"]
      ] as const) {
        expect(
          yield* numbers(
            `SELECT ${amount(cost)} = 0, COUNT(*) > 0 FROM ${view} WHERE "${type}" IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')`
          )
        ).toEqual([["true", "true"]])
      }

      // What is used of the plan and of the reservations is what their fees say, and something stays unused.
      expect(
        yield* numbers(`SELECT
          (SELECT ${amount("savings_plan_savings_plan_effective_cost")} FROM cur2 WHERE line_item_line_item_type = 'SavingsPlanCoveredUsage') = ${amount("savings_plan_used_commitment")},
          ${amount("savings_plan_total_commitment_to_date")} > ${amount("savings_plan_used_commitment")},
          ${amount("savings_plan_total_commitment_to_date")} = ${amount("line_item_unblended_cost")}
          FROM cur2 WHERE line_item_line_item_type = 'SavingsPlanRecurringFee'`)
      ).toEqual([["true", "true", "true"]])
      expect(
        yield* numbers(`SELECT
          (SELECT ${amount("line_item_usage_amount")} FROM cur2 WHERE line_item_line_item_type = 'DiscountedUsage') + ${amount("reservation_unused_quantity")} = ${amount("line_item_usage_amount")},
          (SELECT ${amount("reservation_effective_cost")} FROM cur2 WHERE line_item_line_item_type = 'DiscountedUsage')
            + ${amount("reservation_unused_recurring_fee")} + ${amount("reservation_unused_amortized_upfront_fee_for_billing_period")}
            = ${amount("line_item_unblended_cost")} + ${amount("reservation_amortized_upfront_fee_for_billing_period")},
          ${amount("reservation_unused_quantity")} > 0
          FROM cur2 WHERE line_item_line_item_type = 'RIFee'`)
      ).toEqual([["true", "true", "true"]])

      // Tax is 8.25 % of each account's other charges, in whole cents.
      expect(
        yield* numbers(`WITH accounts AS (SELECT line_item_usage_account_id, bill_billing_period_start_date,
            SUM(line_item_unblended_cost::DECIMAL(28, 14)) FILTER (line_item_line_item_type <> 'Tax') AS charges,
            SUM(line_item_unblended_cost::DECIMAL(28, 14)) FILTER (line_item_line_item_type = 'Tax') AS tax
          FROM cur2 GROUP BY ALL)
          SELECT COUNT(*) > 3, BOOL_AND(abs(charges * 0.0825 - tax) <= 0.005), BOOL_AND(tax = round(tax, 2)) FROM accounts WHERE charges > 0`)
      ).toEqual([["true", "true", "true"]])

      // A real bill's variety: many services, regions, accounts; free, spot and untagged usage; refunds of this and an earlier period.
      expect(
        yield* numbers(`SELECT COUNT(DISTINCT line_item_product_code) >= 12, COUNT(DISTINCT product_region_code) >= 5, COUNT(DISTINCT line_item_usage_account_id) = 4,
          COUNT(*) FILTER (line_item_operation = 'RunInstances:SV001') > 0, COUNT(*) FILTER (line_item_unblended_rate = '0' AND line_item_line_item_type = 'Usage') > 0,
          COUNT(*) FILTER (resource_tags = '{}' AND line_item_line_item_type = 'Usage') > 0,
          COUNT(*) FILTER (line_item_line_item_type = 'Refund' AND line_item_usage_start_date < bill_billing_period_start_date) = 2,
          COUNT(*) FILTER (bill_billing_entity = 'AWS Marketplace') = 6 FROM cur2`)
      ).toEqual([Array.from({ length: 8 }, () => "true")])
    })
  )
})
