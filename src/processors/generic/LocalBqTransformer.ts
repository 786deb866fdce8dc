/**
 * `generic.local_bq_transformer`: a SELECT over the organisation's own tables becomes rows of another of them. `overwrite` replaces the slice
 * of this pipeline on the run's first day, `append` adds to what is there, once for each run.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Processor, StepContext } from "../../pipelines/Processor.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { bindAll, Identifier, invalid, Parameters } from "./StatementParameters.ts"
import { isConsistent, Names, write } from "./TableDestination.ts"

const Config = Schema.Struct({
  query: Schema.NonEmptyString,
  parameters: Parameters,
  destination: Schema.Struct({
    table: Identifier,
    write_mode: Schema.Literal("overwrite", "append"),
    columns: Names
  }).pipe(Schema.filter(({ columns, write_mode }) => isConsistent({ columns, keys: [], mode: write_mode })))
})
const decode = Schema.decodeUnknownOption(Config, { onExcessProperty: "error" })

const help =
  "config has query (one SELECT; values as @name), parameters, and destination {table, write_mode: overwrite or append, columns (for append)}"

/** Makes the processor. */
export const make: Effect.Effect<Processor, never, Warehouse> = Effect.gen(function* () {
  const warehouse = yield* Warehouse

  const execute = Effect.fn("LocalBqTransformer.execute")(function* (context: StepContext) {
    const { destination, parameters, query } = yield* Effect.mapError(decode(context.config), () => invalid(help))
    const bound = yield* bindAll(context, parameters)
    const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
    const { columns, table, write_mode } = destination
    const { quarantined, rows } = yield* write(
      org,
      context,
      { table, mode: write_mode, columns, keys: [] },
      query,
      bound
    )
    return {
      rowsProcessed: rows + quarantined,
      rowsWritten: rows,
      outputTable: table,
      details: { quarantined }
    }
  })

  return {
    type: "generic.local_bq_transformer",
    check: (config) => (Option.isSome(decode(config)) ? undefined : help),
    execute
  }
})
