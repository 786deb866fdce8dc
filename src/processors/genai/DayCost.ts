/**
 * What the processors that price days have in common: each credential's days are read, priced row by row and replaced, by the owner of the
 * rows and as the hierarchy was on the day. What has no price is left out and reported.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Credentials } from "../../credentials/Credentials.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { type JsonObject, textOrNull } from "../../platform/Json.ts"
import { Settings } from "../../platform/Settings.ts"
import { type SliceReport, Warehouse } from "../../warehouse/Warehouse.ts"
import { monthsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import * as Allocation from "./Allocation.ts"
import { filledDays, replaceDay, totalOf } from "./DaySlices.ts"
import { Findings } from "./Findings.ts"
import { ingestionId } from "./PaygRows.ts"
import * as PriceFile from "./PriceFile.ts"

/** How rows of one kind are priced. */
export interface CostKind<Price, Config, Encoded> {
  /** `ps_type` of the step. */
  readonly type: string
  readonly usageTable: string
  readonly costTable: string
  readonly prices: PriceFile.PriceKind<Price>
  readonly config: Schema.Schema<Config, Encoded>
  /** What `config` must be, for people. */
  readonly configHelp: string
  /** The templates that own the rows of a config. */
  readonly ownersOf: (config: Config) => ReadonlyArray<string>
  /** Columns of the usage, in their order and with counts as text, that the cost keeps. */
  readonly kept: ReadonlyArray<string>
  /** Kept columns that are counts: a whole number in JSON may be larger than a JavaScript number holds. */
  readonly counts: ReadonlyArray<string>
  /** What a map of the hierarchy may name of a row. */
  readonly keysOf: (row: JsonObject) => ReadonlyArray<string | null>
  /** The columns of the cost of a row, or none when it has no price. */
  readonly price: (
    prices: ReadonlyArray<Price>,
    row: JsonObject,
    config: Config,
    findings: Findings
  ) => JsonObject | undefined
}

/** Makes the processor. Output: `details` has the findings by check, also kept in org_meta_dq_results. */
export const make = <Price, Config, Encoded>(
  kind: CostKind<Price, Config, Encoded>
): Effect.Effect<Processor, never, Warehouse | Credentials | Settings | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const credentials = yield* Credentials
    const { configsPath } = yield* Settings
    const files = yield* FileSystem.FileSystem
    const decode = Schema.decodeUnknown(kind.config)

    const execute = Effect.fn("DayCost.execute")(
      function* (context: StepContext) {
        const config = yield* Effect.mapError(decode(context.config), () => invalidConfig(kind.type))
        const org = yield* warehouse.org(context.org)
        const prices = yield* PriceFile.load(org, configsPath, context.runId, kind.prices).pipe(
          Effect.provideService(FileSystem.FileSystem, files)
        )
        const allocate = yield* Allocation.load(org, credentials, context.org)
        const calculatedAt = new Date(yield* Clock.currentTimeMillis).toISOString()
        const findings = new Findings()
        const reports: Array<SliceReport> = []
        let read = 0
        const selected = kind.kept.map((column) =>
          kind.counts.includes(column) ? `CAST(${column} AS STRING) AS ${column}` : column
        )
        for (const pipelineId of kind.ownersOf(config)) {
          for (const { credentialId, day } of yield* filledDays(
            org,
            context,
            [kind.usageTable, kind.costTable],
            pipelineId
          )) {
            const usage = yield* org.query(
              `SELECT x_ingestion_id, ${selected.join(", ")} FROM ${kind.usageTable}
              WHERE x_pipeline_id = @pipeline_id AND x_credential_id = @credential_id AND x_pipeline_run_date = @day
              ORDER BY x_ingestion_id`,
              {
                pipeline_id: { type: "STRING", value: pipelineId },
                credential_id: { type: "STRING", value: credentialId },
                day: { type: "DATE", value: day }
              }
            )
            read += usage.length
            const rows = usage.flatMap((row): ReadonlyArray<JsonObject> => {
              const cost = kind.price(prices, { ...row, day }, config, findings)
              if (cost === undefined) return []
              return [
                {
                  ...Object.fromEntries(kind.kept.map((column) => [column, row[column] ?? null])),
                  ...cost,
                  ...allocate({ credentialId, day, keys: kind.keysOf(row) }),
                  cost_date: day,
                  calculated_at: calculatedAt,
                  x_ingestion_id: ingestionId([context.org, kind.costTable, textOrNull(row["x_ingestion_id"])])
                }
              ]
            })
            const slice = { table: kind.costTable, pipelineId, credentialId, date: day }
            reports.push(yield* replaceDay(org, context, slice, rows))
            yield* context.progress({ rows: totalOf(reports).written })
          }
        }
        yield* findings.record(org, context, kind.usageTable)
        const { quarantine, quarantined, written } = totalOf(reports)
        return {
          rowsProcessed: read,
          rowsWritten: written,
          outputTable: kind.costTable,
          affectedPeriods: monthsOf(context),
          details: { findings: findings.report(), quarantined, quarantine }
        }
      },
      Effect.mapError((error) => {
        if (error._tag === "StepError") return error
        return error._tag === "CredentialsUnavailable"
          ? StepFailure.ofCredentials(error)
          : StepFailure.ofWarehouse(error)
      })
    )

    return {
      type: kind.type,
      check: (config) => (Option.isSome(Schema.decodeUnknownOption(kind.config)(config)) ? undefined : kind.configHelp),
      execute
    }
  })

const invalidConfig = (type: string) =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: `the step's config is no config of ${type}`,
    suggestedAction: "correct the pipeline's file"
  })
