/**
 * Judges an organisation's FOCUS rows by the rules of the installation.
 */
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../platform/Settings.ts"
import * as Shared from "../platform/Shared.ts"
import * as Tables from "../warehouse/Tables.ts"
import type { OrgWarehouse, WarehouseError } from "../warehouse/Warehouse.ts"
import * as Conformance from "./Conformance.ts"
import * as RuleSet from "./RuleSet.ts"

/** The table of the rows that are judged. */
export const FOCUS_TABLE = "cost_data_standard_1_3"
const FOCUS_VERSION = "1.3"
/** Columns of the table that are not of the FOCUS dataset: readers of the table know them, exports leave them out. */
const COLUMNS_BESIDE_FOCUS: ReadonlyArray<string> = ["ChargeType"]

const COMMITMENT_TABLE = "contract_commitment_1_3"

/** The judgement of the charges, and of the contract commitments of the same sources whatever their periods. */
export type Judgement = Conformance.ConformanceReport & { readonly contractCommitment: Conformance.ConformanceReport }

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
    ) => Effect.Effect<Judgement, RulesUnreadable | WarehouseError>
  }
>() {
  /** Reads the rules at the first use: they are the largest of the package's data, and a start should not wait for them. */
  static readonly layer = Layer.effect(
    Judge,
    Effect.gen(function* () {
      const { configsPath } = yield* Settings
      const read = yield* Shared.once(lawOf(configsPath))
      return {
        judge: Effect.fn("Judge.judge")(function* (warehouse: OrgWarehouse, scope: Scope) {
          const { charges, commitments, ruleSet } = yield* read
          const { billingPeriods: _, ...ofSource } = scope
          const judged = yield* Conformance.evaluate(warehouse, ruleSet, {
            dataset: "CostAndUsage",
            table: charges,
            ...scope
          })
          const contractCommitment = yield* Conformance.evaluate(warehouse, ruleSet, {
            dataset: "ContractCommitment",
            table: commitments,
            ...ofSource
          })
          return { ...judged, contractCommitment }
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
  const declared = yield* Tables.load(tablesFolder)
  const table = (name: string) => {
    const found = declared.get(name)
    return found === undefined
      ? new Tables.InvalidTable({ file: tablesFolder, line: 1, reason: `${name} is not declared` })
      : Effect.succeed({
          name,
          columns: Tables.columnsOf(found).filter((column) => !COLUMNS_BESIDE_FOCUS.includes(column.name))
        })
  }
  return { ruleSet, charges: yield* table(FOCUS_TABLE), commitments: yield* table(COMMITMENT_TABLE) }
})
