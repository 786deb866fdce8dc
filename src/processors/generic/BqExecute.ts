/**
 * `generic.bq_execute`: one DELETE, UPDATE, INSERT or MERGE on the organisation's own tables, with bound values. It happens once for a step of
 * a run, however often the step is tried; a table that is not there is no error.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Processor, StepContext } from "../../pipelines/Processor.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { bindAll, invalid, Parameters } from "./StatementParameters.ts"

const Config = Schema.Struct({ query: Schema.NonEmptyString, parameters: Parameters })
const decode = Schema.decodeUnknownOption(Config, { onExcessProperty: "error" })

const help =
  "config has query (one DELETE, UPDATE, INSERT or MERGE; values as @name) and parameters [{name, type, value, optional, default}]"

/** Makes the processor. `details.table_missing` says that there was no such table. */
export const make: Effect.Effect<Processor, never, Warehouse> = Effect.gen(function* () {
  const warehouse = yield* Warehouse

  const execute = Effect.fn("BqExecute.execute")(function* (context: StepContext) {
    const config = yield* Effect.mapError(decode(context.config), () => invalid(help))
    const parameters = yield* bindAll(context, config.parameters)
    const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
    const { rows, table } = yield* Effect.mapError(
      org.change({
        sql: config.query,
        parameters,
        pipelineId: context.pipelineId,
        credentialId: context.credentialId ?? "default",
        date: context.startDate,
        runId: context.runId,
        workId: `${context.runId} ${context.stepId}`
      }),
      StepFailure.ofWarehouse
    )
    return {
      rowsProcessed: rows ?? 0,
      rowsWritten: rows ?? 0,
      outputTable: table,
      details: { table_missing: rows === undefined }
    }
  })

  return {
    type: "generic.bq_execute",
    check: (config) => (Option.isSome(decode(config)) ? undefined : help),
    execute
  }
})
