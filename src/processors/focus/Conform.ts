/**
 * `focus.conformance`: judges the FOCUS rows of the affected billing periods, and the contract commitments, against the rules of FOCUS 1.3.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Conformance from "../../focus/Conformance.ts"
import { FOCUS_TABLE, Judge, type RulesUnreadable } from "../../focus/Judge.ts"
import { StepError, type Processor, type StepContext } from "../../pipelines/Processor.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { periodsOf } from "./Periods.ts"

/** A message names at most so many rules. */
const MAX_NAMED_RULES = 5

const Config = Schema.Struct({
  provider: Schema.String.pipe(Schema.pattern(/^[a-z]+$/)),
  /** Fails the step when a rule is violated. */
  fail_on_violation: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** Makes the processor. `details.conformance` is the report of the charges, its `contractCommitment` that of the commitments. */
export const make: Effect.Effect<Processor, never, Warehouse | Judge> = Effect.gen(function* () {
  const warehouse = yield* Warehouse
  const { judge } = yield* Judge

  const execute = Effect.fn("Conform.execute")(function* (step: StepContext) {
    const config = yield* Schema.decodeUnknown(Config)(step.config).pipe(Effect.mapError(invalidConfig))
    const billingPeriods = periodsOf(step)
    const scope = {
      billingPeriods,
      sourcePrefix: ["genai", "subscription"].includes(config.provider)
        ? `${config.provider}_`
        : `cloud_${config.provider}_`
    }
    const report = yield* warehouse.org(step.org).pipe(
      Effect.flatMap((org) => judge(org, scope)),
      Effect.mapError((error) =>
        error._tag === "RuleSetInvalid" || error._tag === "InvalidTable"
          ? unreadableRules(error)
          : StepFailure.ofWarehouse(error)
      )
    )
    const violated = [...report.violated, ...report.contractCommitment.violated]
    if (config.fail_on_violation && violated.length > 0) return yield* nonConformant(step, violated)
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

const nonConformant = (context: StepContext, violated: ReadonlyArray<Conformance.Violation>) => {
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

const unreadableRules = ({ message }: RulesUnreadable) =>
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
