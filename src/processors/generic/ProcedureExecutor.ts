/**
 * `generic.procedure_executor`: calls a stored procedure of the central dataset, once or for each day of the run. The warehouse gives its
 * first two arguments, project and dataset of the run's organisation; `config.parameters` are the others, in call order.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { AuditLog, type AuditEntry, type AuditLogUnavailable } from "../../audit/AuditLog.ts"
import { type DateRules, type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { resolveObject } from "../../pipelines/Variables.ts"
import { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { type OrgWarehouse, Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { bind, ProcedureParameter } from "./ProcedureParameters.ts"

/** Result rows that the step's output keeps; `rows_returned` counts all. */
const MAX_KEPT_ROWS = 100
/** Days of one run. */
const MAX_DAYS = 730
const MILLISECONDS_PER_DAY = 86_400_000

const identifier = Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]*$/))

const Config = Schema.Struct({
  procedure: Schema.Struct({
    name: identifier,
    dataset: Schema.optionalWith(Schema.Literal("organizations"), { default: () => "organizations" as const })
  }),
  parameters: Schema.optionalWith(Schema.Array(ProcedureParameter), { default: () => [] }),
  /** `day`: one call for each day of the run; `${date}` is that day. */
  iterate: Schema.optionalWith(Schema.Literal("day"), { exact: true }),
  /** The dates of a run of this pipeline that names none: from the earliest value of this column to today. Future days are allowed. */
  default_start: Schema.optionalWith(Schema.Struct({ table: identifier, column: identifier }), { exact: true })
})
type Config = typeof Config.Type

const decode = Schema.decodeUnknownOption(Config, { onExcessProperty: "error" })
const decodeDay = Schema.decodeUnknownOption(Day)

/** Makes the processor. `details` has `results` (at most 100 rows) and `rows_returned`. */
export const make: Effect.Effect<Processor, never, Warehouse | AuditLog> = Effect.gen(function* () {
  const warehouse = yield* Warehouse
  const audit = yield* AuditLog

  const execute = Effect.fn("ProcedureExecutor.execute")(function* (context: StepContext) {
    const config = yield* Option.match(decode(context.config), {
      onNone: () => Effect.fail(invalid("the step's config is no config of generic.procedure_executor")),
      onSome: Effect.succeed
    })
    const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
    const entry = (status: AuditEntry["status"], details: JsonObject, errorMessage?: string) =>
      audit
        .record({
          org: context.org,
          action: "EXECUTE_PROCEDURE",
          resourceType: "PROCEDURE",
          resourceId: `${config.procedure.dataset}.${config.procedure.name}`,
          status,
          ...(errorMessage === undefined ? {} : { errorMessage }),
          details: { run_id: context.runId, step_id: context.stepId, attempt: context.attempt, ...details }
        })
        .pipe(Effect.mapError(unrecorded))
    yield* entry("START", { start_date: context.startDate, end_date: context.endDate })
    const rows = yield* calls(org, config, context).pipe(
      Effect.tapError(({ message }) => entry("FAILURE", {}, message)),
      Effect.onInterrupt(() => Effect.ignoreLogged(entry("FAILURE", {}, "the step was interrupted")))
    )
    yield* entry("SUCCESS", { rows_returned: rows.length })
    const written = rows.reduce((total, row) => total + Number(row["rows_inserted"] ?? 0), 0)
    const table = rows.at(-1)?.["target_table"]
    return {
      rowsProcessed: written,
      rowsWritten: written,
      ...(typeof table === "string" ? { outputTable: table.slice(table.lastIndexOf(".") + 1) } : {}),
      details: { procedure: config.procedure.name, rows_returned: rows.length, results: rows.slice(0, MAX_KEPT_ROWS) }
    }
  })

  /** The rules of a pipeline's dates that a step's config sets. */
  const dateRules = (config: JsonObject): DateRules | undefined => {
    const start = Option.getOrUndefined(decode(config))?.default_start
    if (start === undefined) return undefined
    return {
      allowsFuture: true,
      earliest: (slug) =>
        warehouse.org(slug).pipe(
          Effect.flatMap((org) => org.query(`SELECT MIN(${start.column}) AS day FROM ${start.table}`)),
          Effect.mapBoth({
            onFailure: StepFailure.ofWarehouse,
            onSuccess: ([row]) => Option.getOrUndefined(decodeDay(row?.["day"]))
          })
        )
    }
  }

  return {
    type: "generic.procedure_executor",
    check: (config) =>
      Option.isSome(decode(config))
        ? undefined
        : "config has procedure {name}, parameters [{name, type, value, optional, default}], iterate: day, default_start {table, column}",
    dateRules,
    execute
  }
})

/** All calls of the step; rows of every call. */
const calls = Effect.fn("ProcedureExecutor.calls")(function* (org: OrgWarehouse, config: Config, context: StepContext) {
  const rows: Array<JsonObject> = []
  const days = config.iterate === "day" ? yield* daysOf(context) : [undefined]
  for (const day of days) {
    const now = yield* Clock.currentTimeMillis
    const parameters = config.parameters.map((parameter) =>
      day === undefined ? parameter : { ...parameter, ...resolveObject({ value: parameter.value }, { date: day }) }
    )
    const bound = yield* Effect.forEach(parameters, (parameter) => Either.mapLeft(bind(parameter, now), invalid))
    rows.push(...(yield* Effect.mapError(org.call(config.procedure.name, bound), StepFailure.ofWarehouse)))
    yield* context.progress({ rows: rows.length })
  }
  return rows
})

const daysOf = ({ endDate, startDate }: StepContext): Effect.Effect<ReadonlyArray<string>, StepError> => {
  const first = Date.parse(startDate)
  const count = (Date.parse(endDate) - first) / MILLISECONDS_PER_DAY + 1
  return count > MAX_DAYS
    ? Effect.fail(invalid(`iterate: day over ${count} days is more than ${MAX_DAYS}`))
    : Effect.succeed(
        Array.from({ length: count }, (_, index) =>
          new Date(first + index * MILLISECONDS_PER_DAY).toISOString().slice(0, 10)
        )
      )
}

const invalid = (message: string) =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message,
    suggestedAction: "correct the parameters of the step in the pipeline's file, or give the run what they need"
  })

const unrecorded = (error: AuditLogUnavailable) =>
  new StepError({ errorType: "TRANSIENT", code: "AUDIT_LOG_UNAVAILABLE", message: error.message })
