/**
 * `focus.conformance`: judges the FOCUS rows of the affected billing periods against the rules of FOCUS 1.3.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Conformance from "../../focus/Conformance.ts"
import * as RuleSet from "../../focus/RuleSet.ts"
import { StepError, type Processor, type StepContext } from "../../pipelines/Processor.ts"
import { Settings } from "../../platform/Settings.ts"
import * as Tables from "../../warehouse/Tables.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { periodsOf } from "./Periods.ts"

const FOCUS_VERSION = "1.3"
const FOCUS_TABLE = "cost_data_standard_1_3"
/** Columns of the table that are not of the FOCUS dataset: readers of the table know them, exports leave them out. */
const COLUMNS_BESIDE_FOCUS: ReadonlyArray<string> = ["ChargeType"]
/** A message names at most so many rules. */
const MAX_NAMED_RULES = 5

const Config = Schema.Struct({
  provider: Schema.String.pipe(Schema.pattern(/^[a-z]+$/)),
  /** Fails the step when a rule is violated. */
  fail_on_violation: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** Makes the processor. `details.conformance` is the report. */
export const make: Effect.Effect<Processor, never, Warehouse | Settings | FileSystem.FileSystem | Path.Path> =
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const { configsPath } = yield* Settings
    const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
    // Read at the first use: the rules are the largest of the package's data, and a start should not wait for them.
    const readJudge = yield* Effect.cached(Effect.provide(judgeOf(configsPath), context))

    const execute = Effect.fn("Conform.execute")(function* (step: StepContext) {
      const config = yield* Schema.decodeUnknown(Config)(step.config).pipe(Effect.mapError(invalidConfig))
      const billingPeriods = periodsOf(step)
      const { ruleSet, table } = yield* Effect.mapError(readJudge, unreadableRules)
      const report = yield* warehouse.org(step.org).pipe(
        Effect.flatMap((org) =>
          Conformance.evaluate(org, ruleSet, {
            dataset: "CostAndUsage",
            table,
            billingPeriods,
            sourcePrefix: config.provider === "subscription" ? "subscription_" : `cloud_${config.provider}_`
          })
        ),
        Effect.mapError(StepFailure.ofWarehouse)
      )
      if (config.fail_on_violation && report.violated.length > 0) return yield* nonConformant(step, report)
      return {
        rowsProcessed: report.rows,
        rowsWritten: 0,
        outputTable: FOCUS_TABLE,
        affectedPeriods: billingPeriods,
        details: { conformance: report }
      }
    })

    return {
      type: "focus.conformance",
      check: (config) =>
        Option.isSome(Schema.decodeUnknownOption(Config)(config))
          ? undefined
          : "config.provider must be a cloud, config.fail_on_violation true or false",
      execute
    }
  })

const nonConformant = (context: StepContext, { violated }: Conformance.ConformanceReport) => {
  const named = violated
    .slice(0, MAX_NAMED_RULES)
    .map((violation) => `${violation.rule} by ${violation.rows} rows (${violation.example})`)
  return new StepError({
    errorType: "PERMANENT",
    code: "FOCUS_NOT_CONFORMANT",
    message: `FOCUS rows of ${context.org} violate ${violated.length} rules: ${named.join("; ")}`,
    suggestedAction: "look at the rows that the message names"
  })
}

/** The rules, and the columns that they are held against. */
const judgeOf = Effect.fnUntraced(function* (configsPath: string) {
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

const unreadableRules = ({ message }: RuleSet.RuleSetInvalid | Tables.InvalidTable) =>
  new StepError({
    errorType: "PERMANENT",
    code: "RULES_INVALID",
    message,
    suggestedAction: "correct the rules below CONFIGS_BASE_PATH, or leave the variable unset to use the package's own"
  })

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of focus.conformance",
    suggestedAction: "correct the pipeline's file"
  })
