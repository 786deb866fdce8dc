/**
 * `generic.bq_loader`: what a step before wrote in this run becomes rows of another table, column by column. A column may be taken out of a
 * JSON column of the source: `mapped.amount`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { bindAll, Identifier, invalid } from "./StatementParameters.ts"
import { isConsistent, Names, write } from "./TableDestination.ts"

const Column = Schema.Struct({
  name: Identifier,
  /** A column of the source, or a member of its JSON column. */
  from: Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,8}$/)),
  /** What it is cast to; as it is when absent, a member of JSON as text. */
  type: Schema.optionalWith(
    Schema.Literal("STRING", "INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64", "BOOL", "DATE", "TIMESTAMP"),
    { exact: true }
  )
})

const modes = { truncate: "overwrite", append: "append", merge: "merge" } as const

const Config = Schema.Struct({
  source_step: Schema.NonEmptyString,
  columns: Schema.NonEmptyArray(Column),
  destination: Schema.Struct({
    table: Identifier,
    write_mode: Schema.Literal("truncate", "append", "merge"),
    merge_keys: Names
  })
}).pipe(
  Schema.filter(({ columns, destination: { merge_keys, write_mode } }) =>
    isConsistent({ columns: columns.map(({ name }) => name), keys: merge_keys, mode: modes[write_mode] })
  )
)
const decode = Schema.decodeUnknownOption(Config, { onExcessProperty: "error" })

const help =
  "config has source_step, columns [{name, from, type}], and destination {table, write_mode: truncate, append or merge, merge_keys (for merge, of the columns)}"

/** Makes the processor. */
export const make: Effect.Effect<Processor, never, Warehouse> = Effect.gen(function* () {
  const warehouse = yield* Warehouse

  const execute = Effect.fn("BqLoader.execute")(function* (context: StepContext) {
    const config = yield* Effect.mapError(decode(context.config), () => invalid(help))
    const source = context.outputs[config.source_step]?.outputTable
    if (source === undefined || !Schema.is(Identifier)(source)) {
      return yield* new StepError({
        errorType: "DEPENDENCY_FAILURE",
        code: "SOURCE_STEP_WITHOUT_TABLE",
        message: `the step ${config.source_step} gave no table to load from`,
        suggestedAction: `let the step depend on ${config.source_step}, which must be one that writes a table`
      })
    }
    const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
    const { merge_keys, table, write_mode } = config.destination
    const sql = `SELECT ${config.columns.map(expression).join(", ")} FROM ${source} WHERE x_run_id = @run_id`
    const { quarantined, rows } = yield* write(
      org,
      context,
      { table, mode: modes[write_mode], columns: config.columns.map(({ name }) => name), keys: merge_keys },
      sql,
      yield* bindAll(context, [])
    )
    return {
      rowsProcessed: rows + quarantined,
      rowsWritten: rows,
      outputTable: table,
      details: { source_table: source, quarantined }
    }
  })

  return {
    type: "generic.bq_loader",
    check: (config) => (Option.isSome(decode(config)) ? undefined : help),
    execute
  }
})

const expression = ({ from, name, type }: typeof Column.Type): string => {
  const [column = "", ...members] = from.split(".")
  const value = members.length === 0 ? column : `JSON_VALUE(${column}, '$.${members.join(".")}')`
  return `${type === undefined ? value : `CAST(${value} AS ${type})`} AS ${name}`
}
