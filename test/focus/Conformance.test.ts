import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import * as Conformance from "../../src/focus/Conformance.ts"
import type { Dataset, RuleSet } from "../../src/focus/RuleSet.ts"
import { isObject, type Json, type JsonObject } from "../../src/platform/Json.ts"
import { make, readCsv, ruleSet, textColumns, typedColumns } from "../support/FocusTables.ts"
import { countViolations } from "../support/focusReference.ts"

const samples = "../shared/samples/focus/synthetic"
const misspelt = ["007-M", "010-M", "017-C", "029-C"].map((part) => `CAU-ContractAppliedObject-O-${part}`)

/** Rows of a sample as the warehouse takes them: JSON columns parsed. */
const sample = (file: string, rules: RuleSet, dataset: Dataset, keyName: string): ReadonlyArray<JsonObject> => {
  const json = new Set(rules.columns[dataset].filter(({ type }) => type === "JSON").map(({ name }) => name))
  return readCsv(`${samples}/${file}`).map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, cell]): [string, Json] => [
        name,
        cell !== null && json.has(name) ? JSON.parse(cell.replaceAll("ContractCommitmentId", keyName)) : cell
      ])
    )
  )
}

const evaluate = Effect.fn(function* (
  rows: ReadonlyArray<JsonObject>,
  dataset: Dataset = "CostAndUsage",
  columnsOf: typeof typedColumns = typedColumns
) {
  const rules = yield* ruleSet
  const columns = columnsOf(rules, dataset)
  const { fill, warehouse } = yield* make({ focus_rows: columns })
  const report = yield* fill("focus_rows", rows)
  expect(report.quarantine).toEqual([])
  return yield* Conformance.evaluate(warehouse, rules, { dataset, table: { name: "focus_rows", columns } })
})

const ids = (report: Conformance.ConformanceReport) => report.violated.map(({ rule }) => rule)

const isAbsent = !existsSync(samples) && process.env["CI"] !== "true"

if (isAbsent) it.skip("nothing can be judged: the datasets lie beside the project, in ../shared/samples", () => {})
else
  describe("synthetic datasets of FOCUS 1.3", () => {
    for (const provider of ["aws", "gcp"]) {
      const file = `${provider}_1_3_cost_and_usage.csv`

      it.scoped(`${provider}: the misspelt key of ContractApplied violates exactly four rules`, () =>
        Effect.gen(function* () {
          const report = yield* evaluate(sample(file, yield* ruleSet, "CostAndUsage", "ContractCommitmentId"))
          expect(ids(report)).toEqual(misspelt)
          expect(report.rows).toBe(100)
          expect(report.overridden).toBe(35)
        })
      )

      it.scoped(`${provider}: with the key renamed no rule is violated`, () =>
        Effect.gen(function* () {
          const report = yield* evaluate(sample(file, yield* ruleSet, "CostAndUsage", "ContractCommitmentID"))
          expect(report.violated).toEqual([])
          expect(report.gaps).toEqual([])
          expect(report.evaluated).toBeGreaterThan(340)
        })
      )

      it.scoped(`${provider}: the contract commitments violate no rule`, () =>
        Effect.gen(function* () {
          const rows = sample(`${provider}_1_3_contract_commitment.csv`, yield* ruleSet, "ContractCommitment", "")
          expect((yield* evaluate(rows, "ContractCommitment")).violated).toEqual([])
        })
      )
    }

    it.scoped("one unknown ServiceCategory violates its list, the pairs, and the one category of its service", () =>
      Effect.gen(function* () {
        const rows = sample("aws_1_3_cost_and_usage.csv", yield* ruleSet, "CostAndUsage", "ContractCommitmentID")
        const report = yield* evaluate(
          rows.map((row, index) => (index === 0 ? { ...row, ServiceCategory: "Nope" } : row))
        )
        expect(ids(report).sort()).toEqual([
          "CAU-ServiceCategory-C-003-M",
          "CAU-ServiceName-C-005-C",
          "CAU-ServiceSubcategory-C-004-M"
        ])
        const [category] = report.violated.filter(({ rule }) => rule === "CAU-ServiceCategory-C-003-M")
        expect(category).toMatchObject({ rows: 1, severity: "error", column: "ServiceCategory" })
        expect(category?.example).toContain("ServiceCategory=Nope")
      })
    )

    it.scoped("a file kept as text is read: numbers, times and documents must have the specified form", () =>
      Effect.gen(function* () {
        const rows = readCsv(`${samples}/aws_1_3_cost_and_usage.csv`)
        const documents = rows.map((row) => ({
          ...row,
          ContractApplied: row["ContractApplied"]?.replaceAll("ContractCommitmentId", "ContractCommitmentID") ?? null
        }))
        expect((yield* evaluate(documents, "CostAndUsage", textColumns)).violated).toEqual([])
        const [first, ...others] = documents
        const broken = { ...first, BilledCost: "+1,5", ChargePeriodEnd: "2026-05-01 01:00:00.000Z", Tags: '{"a":[1]}' }
        const report = yield* evaluate([broken, ...others], "CostAndUsage", textColumns)
        expect([...new Set(ids(report))].sort()).toEqual([
          "CAU-BilledCost-C-001-M",
          "CAU-BilledCost-C-002-M",
          "CAU-BilledCost-C-004-M",
          "CAU-ChargePeriodEnd-C-001-M",
          "CAU-ChargePeriodEnd-C-002-M",
          "CAU-Tags-C-001-M",
          "X-010"
        ])
      })
    )

    it.scoped("every rule counts the rows that its meaning says, over thousands of damaged rows", () =>
      Effect.gen(function* () {
        const rules = yield* ruleSet
        const base = ["aws_1_3_cost_and_usage", "aws_1_3_credits", "gcp_1_3_cost_and_usage"].flatMap((file) =>
          sample(`${file}.csv`, rules, "CostAndUsage", "ContractCommitmentID")
        )
        const rows = [...base, ...damaged(base, rules)]
        const report = yield* evaluate(rows)
        const expected = rules.rules.CostAndUsage.map((rule) => ({
          rule: rule.id,
          severity: rule.severity,
          column: rule.column,
          rows: countViolations(rule, rows, rules, "CostAndUsage")
        })).filter(({ rows }) => rows > 0)
        const counted = [...report.violated, ...report.warnings].map(({ column, rows, rule, severity }) => ({
          rule,
          severity,
          column,
          rows
        }))
        expect(byRule(counted)).toEqual(byRule(expected))
        const fired = new Set(expected.map(({ rule }) => rule))
        // A decimal that is stored as one cannot be malformed.
        const breakable = rules.rules.CostAndUsage.filter(
          ({ check, kind }) =>
            (kind === "Nullability" || kind === "Validation") && !("0" in check && check[0] === "format")
        )
        expect(breakable.filter(({ id }) => !fired.has(id)).map(({ id }) => id)).toEqual([])
      })
    )
  })

const byRule = <A extends { readonly rule: string; readonly rows: number }>(entries: ReadonlyArray<A>) =>
  [...entries].sort((a, b) => a.rule.localeCompare(b.rule) || a.rows - b.rows)

/** Copies of a spread of rows, each with one cell changed: to null, to a filler, to another word, amount, time or document. */
const damaged = (base: ReadonlyArray<JsonObject>, rules: RuleSet): ReadonlyArray<JsonObject> => {
  const [credit] = base.filter((row) => row["ChargeCategory"] === "Credit")
  const models = base.filter((row, index) => index % 40 === 0 || row === credit)
  return models.flatMap((row) =>
    rules.columns.CostAndUsage.flatMap(({ name, type, values }) =>
      replacements(type, values ?? [], row[name] ?? null).map((value) => ({ ...row, [name]: value }))
    )
  )
}

const replacements = (
  type: RuleSet["columns"]["CostAndUsage"][number]["type"],
  words: ReadonlyArray<string>,
  present: Json
): ReadonlyArray<Json> => {
  switch (type) {
    case "String":
      return [null, "", "  ", "N/A", "Unknown", "Hrs", "Nope", ...words].filter((value) => value !== present)
    case "Decimal":
      return [null, "0", "-1", "0.000000000001", "123.456"].filter((value) => value !== present)
    case "Date/Time":
      return [null, "2026-05-01T00:00:00Z", "2026-06-01T00:00:01Z", "2026-04-01T00:00:00Z"]
    case "JSON":
      return [null, {}, { x_a: 1 }, { a: [1] }, { a: { b: 1 } }, [1], ...damagedElements(present)]
  }
}

const damagedElements = (present: Json): ReadonlyArray<Json> => {
  const elements = isObject(present) ? present["Elements"] : undefined
  if (!Array.isArray(elements)) return []
  const [first] = elements.filter(isObject)
  if (first === undefined) return []
  const without = (key: string) => Object.fromEntries(Object.entries(first).filter(([name]) => name !== key))
  const changed = Object.keys(first).flatMap((key) => [
    without(key),
    ...[null, "Nope", "12.5", 7, "Hrs", { a: 1 }].map((value) => ({ ...first, [key]: value }))
  ])
  return [
    { Elements: {} },
    { Elements: ["a"] },
    ...[...changed, { ...first, Foo: 1 }].map((element) => ({ Elements: [element] }))
  ]
}
