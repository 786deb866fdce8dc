import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Conformance from "../../src/focus/Conformance.ts"
import * as RuleSet from "../../src/focus/RuleSet.ts"
import { Settings } from "../../src/platform/Settings.ts"
import * as Tables from "../../src/warehouse/Tables.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import * as Procedures from "../support/Procedures.ts"
import { acme, globex, layer, plan, query, run, writePlans } from "./support.ts"

withLayer(layer, { excludeTestServices: true })("commitments of subscriptions", (it) => {
  it.effect("a contract with an end commits to what its term bills, and each bill counts towards it", () =>
    Effect.gen(function* () {
      const contract = { contract_id: "C-1", unit_price: "31", end_date: "2026-03-15" }
      yield* writePlans(acme, [
        // January, February, and 15 of 31 days of March: 31 + 31 + 15.
        plan("monthly", contract),
        // 19 January is a Monday: three whole weeks of 7 and one day of a fourth.
        plan("weekly", {
          ...contract,
          contract_id: "C-2",
          billing_cycle: "weekly",
          unit_price: "7",
          start_date: "2026-01-19",
          end_date: "2026-02-09"
        }),
        // 31 January to 29 April, and a second quarter that is billed whole though it ends after a day.
        plan("quarterly", {
          ...contract,
          billing_cycle: "quarterly",
          start_date: "2026-01-31",
          end_date: "2026-04-30",
          unit_price: "100",
          seats: 3
        }),
        // Two versions of one subscription: 15 days of 1 seat, 16 of 2.
        plan("grows", { ...contract, contract_id: "C-3", end_date: "2026-01-15" }),
        plan("grows", { ...contract, contract_id: "C-3", start_date: "2026-01-16", end_date: "2026-01-31", seats: 2 }),
        plan("open", { contract_id: "C-4" }),
        plan("without", { end_date: "2026-03-15" })
      ])
      const { run: ended, steps } = yield* run(acme, "2026-01-01", "2026-05-31")
      expect([ended.status, ended.errorMessage]).toEqual(["COMPLETED", null])
      expect(steps.at(-1)?.metadata["output"]).toMatchObject({ conformance: { violated: [], warnings: [] } })
      const commitments = yield* query(
        acme,
        `SELECT ContractCommitmentId AS id, ContractId AS contract, ContractCommitmentCost AS cost, DATE(ContractCommitmentPeriodStart) AS first,
          DATE(ContractCommitmentPeriodEnd) AS after, DATE(ContractPeriodStart) AS contract_first, DATE(ContractPeriodEnd) AS contract_after
        FROM contract_commitment_1_3 ORDER BY id`
      )
      const figures = commitments.map((row) => Object.values(row))
      // A partial cycle has rounded shares: 15 x 0.032258064516 x 31 = 14.99999999994, and so on.
      expect(figures).toEqual([
        ["grows", "C-3", "47.00000000006", "2026-01-01", "2026-02-01", "2026-01-01", "2026-02-01"],
        ["monthly", "C-1", "76.99999999994", "2026-01-01", "2026-03-16", "2026-01-01", "2026-05-01"],
        ["quarterly", "C-1", "600", "2026-01-31", "2026-05-01", "2026-01-01", "2026-05-01"],
        ["weekly", "C-2", "21.999999999999", "2026-01-19", "2026-02-10", "2026-01-19", "2026-02-10"]
      ])
      const applied = yield* query(
        acme,
        `SELECT commitment.ContractCommitmentId AS id, SUM(charge.BilledCost) AS billed, COUNT(charge.x_source_record_id) AS charges
        FROM contract_commitment_1_3 AS commitment
        LEFT JOIN (
          SELECT *, JSON_VALUE(ContractApplied, '$.Elements[0].ContractCommitmentID') AS commitment_id,
            JSON_VALUE(ContractApplied, '$.Elements[0].ContractId') AS contract_id,
            CAST(JSON_VALUE(ContractApplied, '$.Elements[0].ContractCommitmentAppliedCost') AS BIGNUMERIC) AS applied_cost
          FROM cost_data_standard_1_3 WHERE ContractApplied IS NOT NULL
        ) AS charge ON charge.commitment_id = commitment.ContractCommitmentId AND charge.contract_id = commitment.ContractId
          AND charge.applied_cost = charge.BilledCost
        GROUP BY id ORDER BY id`
      )
      expect(applied.map((row) => Object.values(row))).toEqual(
        figures.map(([id, , cost], index) => [id, cost, [31, 74, 2, 22][index]])
      )
      expect(
        yield* query(acme, "SELECT COUNT(*) AS n FROM cost_data_standard_1_3 WHERE ContractApplied IS NOT NULL")
      ).toEqual([{ n: 31 + 74 + 2 + 22 }])

      const { configsPath } = yield* Settings
      const rules = yield* RuleSet.load(configsPath, "1.3")
      const table = (yield* Tables.load(join(configsPath, "tables"))).get("contract_commitment_1_3")
      const report = yield* Conformance.evaluate(yield* (yield* Warehouse).org(acme), rules, {
        dataset: "ContractCommitment",
        table: { name: "contract_commitment_1_3", columns: table === undefined ? [] : Tables.columnsOf(table) }
      })
      expect(report).toMatchObject({ rows: 4, violated: [], warnings: [] })
      expect(report.evaluated).toBeGreaterThan(50)

      // Whatever days a run has, the commitments stay whole.
      yield* run(acme, "2026-02-01", "2026-02-02")
      expect(
        yield* query(acme, "SELECT SUM(ContractCommitmentCost) AS cost, COUNT(*) AS n FROM contract_commitment_1_3")
      ).toEqual([{ cost: "745.999999999999", n: 4 }])
      expect(yield* query(globex, "SELECT COUNT(*) AS n FROM contract_commitment_1_3")).toEqual([{ n: 0 }])
    })
  )

  it.effect("a conversion that fails leaves the daily costs and the FOCUS rows of before", () =>
    Effect.gen(function* () {
      yield* writePlans(globex, [plan("kept", { unit_price: "31", end_date: "2026-01-31" })])
      expect((yield* run(globex, "2026-01-01", "2026-01-31")).run.status).toBe("COMPLETED")
      const sums = query(
        globex,
        `SELECT (SELECT SUM(daily_cost) FROM subscription_plan_costs_daily) AS costs, (SELECT SUM(BilledCost) FROM cost_data_standard_1_3) AS billed,
          (SELECT COUNT(DISTINCT x_run_id) FROM cost_data_standard_1_3) AS runs`
      )
      const before = yield* sums
      expect(before).toMatchObject([{ costs: "31", billed: "31" }])
      // The second half of the transaction is broken: its procedure raises where it would have inserted.
      const { projectId } = yield* Warehouse
      const name = "sp_subscription_insert_commitments"
      const parameters =
        "p_project_id STRING, p_dataset_id STRING, p_org_slug STRING, p_credential_id STRING, p_run_id STRING"
      const text = `CREATE OR REPLACE PROCEDURE \`${projectId}.organizations.${name}\`(${parameters}) BEGIN RAISE USING MESSAGE = 'broken'; END;`
      yield* Procedures.create({ name, text, contentHash: "broken" })
      yield* writePlans(globex, [plan("kept", { unit_price: "62", end_date: "2026-01-31" })])
      const failed = yield* run(globex, "2026-01-01", "2026-01-31")
      expect([failed.run.status, failed.run.errorMessage]).toEqual(["FAILED", expect.stringContaining("broken")])
      expect(yield* sums).toEqual(before)
    })
  )
})
