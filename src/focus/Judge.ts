/**
 * Judges an organisation's FOCUS rows by the rules of the installation.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../platform/Settings.ts"
import * as Tables from "../warehouse/Tables.ts"
import type { OrgWarehouse, WarehouseError } from "../warehouse/Warehouse.ts"
import * as Conformance from "./Conformance.ts"
import * as RuleSet from "./RuleSet.ts"

/** The table of the rows that are judged. */
export const FOCUS_TABLE = "cost_data_standard_1_3"
const FOCUS_VERSION = "1.3"
/** Columns of the table that are not of the FOCUS dataset: readers of the table know them, exports leave them out. */
const COLUMNS_BESIDE_FOCUS: ReadonlyArray<string> = ["ChargeType"]

/** Which rows; absent: all. */
export type Scope = Pick<Conformance.ConformanceRequest, "billingPeriods" | "sourcePrefix">

/** The rules below CONFIGS_BASE_PATH cannot be used. */
export type RulesUnreadable = RuleSet.RuleSetInvalid | Tables.InvalidTable

/** The judge. */
export class Judge extends Context.Tag("pipeline-service/Judge")<
  Judge,
  {
    readonly judge: (
      warehouse: OrgWarehouse,
      scope: Scope
    ) => Effect.Effect<Conformance.ConformanceReport, RulesUnreadable | WarehouseError>
  }
>() {
  /** Reads the rules at the first use: they are the largest of the package's data, and a start should not wait for them. */
  static readonly layer = Layer.effect(
    Judge,
    Effect.gen(function* () {
      const { configsPath } = yield* Settings
      const files = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
      const read = yield* Effect.cached(Effect.provide(lawOf(configsPath), files))
      return {
        judge: Effect.fn("Judge.judge")(function* (warehouse: OrgWarehouse, scope: Scope) {
          const { ruleSet, table } = yield* read
          return yield* Conformance.evaluate(warehouse, ruleSet, { dataset: "CostAndUsage", table, ...scope })
        })
      }
    })
  )
}

/** The rules, and the columns that they are held against. */
const lawOf = Effect.fnUntraced(function* (configsPath: string) {
  const path = yield* Path.Path
  const ruleSet = yield* RuleSet.load(configsPath, FOCUS_VERSION)
  const tablesFolder = path.join(configsPath, "tables")
  const declared = (yield* Tables.load(tablesFolder)).get(FOCUS_TABLE)
  if (declared === undefined) {
    return yield* new Tables.InvalidTable({ file: tablesFolder, line: 1, reason: `${FOCUS_TABLE} is not declared` })
  }
  const columns = Tables.columnsOf(declared).filter(({ name }) => !COLUMNS_BESIDE_FOCUS.includes(name))
  return { ruleSet, table: { name: declared.name, columns } }
})
