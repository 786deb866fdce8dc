/**
 * Loads what one AWS credential can read: decides which billing periods have changed, fetches their files and replaces their slices.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Credential } from "../../credentials/Credentials.ts"
import type { StepContext } from "../../pipelines/Processor.ts"
import type { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import * as AwsExports from "../../sources/aws/AwsExports.ts"
import { fileOf, formatOf, type AwsFormat } from "../../sources/aws/AwsDataFile.ts"
import type { ObjectStore, StoredObject } from "../../sources/object-store/ObjectStore.ts"
import { SourceError } from "../../sources/SourceError.ts"
import type { OrgWarehouse, Slice, SliceReport, WarehouseService } from "../../warehouse/Warehouse.ts"
import { curMapping } from "./aws/CurMapping.ts"
import { focusMapping } from "./aws/FocusMapping.ts"

/** The template that owns AWS's billing data, whoever executes the step. */
const pipelineId = "cloud_aws_cost_billing"

/** Bytes of the files of one billing period. */
const periodLimitBytes = 100 * 1024 ** 3

const cur = {
  table: "cloud_aws_billing_raw_daily",
  periodColumn: "billing_period_start",
  runDateColumn: "usage_date",
  mapping: curMapping
}
const focus = {
  table: "cloud_aws_focus_raw_daily",
  periodColumn: "billing_period_start_date",
  runDateColumn: "ChargePeriodStart",
  mapping: focusMapping
}
type Target = typeof cur
const targetOf: Readonly<Record<AwsFormat, Target>> = { cur1: cur, cur2: cur, focus }

/** One replacement that was made. */
export interface Load {
  readonly table: string
  readonly report: SliceReport
}

/** What was found for one credential, and what was made of it. `format` is absent when nothing had to be read. */
export interface CredentialReport {
  readonly credentialId: string
  readonly location: string
  readonly format: AwsFormat | undefined
  /** `{period, files, rows, bytes, skipped}` each; rows are those written, skipped means unchanged. */
  readonly periods: ReadonlyArray<JsonObject>
  readonly loads: ReadonlyArray<Load>
}

interface Request {
  readonly warehouse: WarehouseService
  readonly org: OrgWarehouse
  readonly store: ObjectStore
  readonly credential: Credential
  readonly context: StepContext
  readonly onLoaded: (loaded: { readonly rows: number; readonly bytes: number }) => Effect.Effect<void>
}

/**
 * Loads the periods that the run's dates touch and those loaded before whose content has changed since (late restatements); with
 * `all_periods: true` in the credential's metadata every period that the place holds. Bare files are loaded with the periods they contain.
 */
export const loadExports = Effect.fn("AwsLoad.loadExports")(function* (request: Request) {
  const { store, context, credential } = request
  const found = yield* AwsExports.discover(store)
  const reports: Array<JsonObject> = []
  const loads: Array<Load> = []
  let format: AwsFormat | undefined

  const replace = Effect.fnUntraced(function* (content: AwsExports.ExportContent, period: Day | undefined) {
    const loaded = yield* replaceContent(request, content, period)
    const rows = loaded.report.rowsWritten
    const bytes = bytesOf(content.files)
    format = loaded.format ?? format
    loads.push(loaded)
    yield* request.onLoaded({ rows: loaded.report.rowsRead, bytes })
    const periods = period === undefined ? loaded.report.periods : [period]
    reports.push({ period: periods.join(" "), files: content.files.length, rows, bytes, skipped: false })
  })

  if (found._tag === "BareFiles") {
    yield* replace({ files: found.files, token: AwsExports.tokenOfFiles(found.files) }, undefined)
  } else {
    const all = credential.metadata["all_periods"] === true
    for (const period of found.periods) {
      const isWanted = all || touches(period.period, context)
      const tokens = yield* Effect.forEach([cur, focus], (target) =>
        request.org.token(sliceOf(request, target, period.period))
      )
      if (!isWanted && tokens.every((token) => token === undefined)) continue
      const content = yield* AwsExports.contentOf(store, found.objects, period)
      if (tokens.includes(content.token) && !(context.forceRefresh && isWanted)) {
        reports.push({ period: period.period, files: content.files.length, rows: 0, bytes: 0, skipped: true })
        continue
      }
      yield* replace(content, period.period)
    }
  }
  const report: CredentialReport = {
    credentialId: credential.credentialId,
    location: store.location,
    format,
    periods: reports,
    loads
  }
  return report
})

/** Replaces one period, or all periods of bare files, and takes the same periods out of the other format's table. */
const replaceContent = Effect.fnUntraced(function* (
  request: Request,
  content: AwsExports.ExportContent,
  period: Day | undefined
) {
  const { store, org, context } = request
  if (bytesOf(content.files) > periodLimitBytes) {
    return yield* new SourceError({
      kind: "permanent",
      code: "PERIOD_TOO_LARGE",
      message: `${store.location} has more than ${periodLimitBytes} bytes for ${period ?? "its files"}`,
      suggestedAction: "let the export write daily instead of hourly rows, or split it by account"
    })
  }
  return yield* Effect.gen(function* () {
    const files = yield* Effect.forEach(
      content.files,
      (object) =>
        Effect.map(store.localFile(object, periodLimitBytes), (path) => ({
          path,
          uri: store.uri(object.key),
          format: fileOf(object.key) ?? ("csv" as const)
        })),
      { concurrency: 4 }
    )
    const formats = yield* Effect.forEach(files, (file) =>
      Effect.flatMap(request.warehouse.columnsOf(file), (columns) => formatOf(file.uri, columns))
    )
    const format = formats[0]
    const other = files.find((file, index) => formats[index] !== format || file.format !== files[0]?.format)
    if (other !== undefined) {
      return yield* new SourceError({
        kind: "permanent",
        code: "SEVERAL_FORMATS",
        message: `${files[0]?.uri} and ${other.uri} have different formats; together they would count costs twice`,
        suggestedAction: "give each format its own folder and credential"
      })
    }
    const target = format === undefined ? cur : targetOf[format]
    const opposite = target === cur ? focus : cur
    // Written without its token while the other table still has the period: a kill in between makes the next run load it again.
    const isSwitch = period !== undefined && (yield* hasRows(request, opposite, period))
    const report = yield* org.replaceSlice({
      slice: sliceOf(request, target, period),
      source:
        files.length === 0
          ? { _tag: "Rows", rows: Stream.empty }
          : { _tag: "Files", format: files[0]?.format ?? "csv", files, mapping: target.mapping },
      runId: context.runId,
      ...(isSwitch || period === undefined ? {} : { token: content.token })
    })
    for (const replaced of report.periods) {
      if (!(yield* hasRows(request, opposite, replaced))) continue
      yield* org.replaceSlice({
        slice: sliceOf(request, opposite, replaced),
        source: { _tag: "Rows", rows: Stream.empty },
        runId: context.runId
      })
    }
    return { table: target.table, report, format }
  }).pipe(Effect.scoped)
})

const sliceOf = ({ credential }: Request, target: Target, period: Day | undefined): Slice => ({
  table: target.table,
  pipelineId,
  credentialId: credential.credentialId,
  extent: {
    kind: "periods",
    periodColumn: target.periodColumn,
    runDateColumn: target.runDateColumn,
    ...(period === undefined ? {} : { expected: [period] })
  }
})

const hasRows = ({ org, credential }: Request, target: Target, period: Day) =>
  org
    .query(
      `SELECT COUNT(*) AS n FROM ${target.table} WHERE x_pipeline_id = @pipeline_id AND x_credential_id = @credential_id AND ${target.periodColumn} = @period`,
      {
        pipeline_id: { type: "STRING", value: pipelineId },
        credential_id: { type: "STRING", value: credential.credentialId },
        period: { type: "DATE", value: period }
      }
    )
    .pipe(Effect.map((rows) => rows[0]?.["n"] !== 0))

/** Whether the month that starts on `period` has a day in the run's range. */
const touches = (period: Day, { startDate, endDate }: StepContext): boolean =>
  period <= endDate && period.slice(0, 7) >= startDate.slice(0, 7)

const bytesOf = (files: ReadonlyArray<StoredObject>): number => files.reduce((total, { size }) => total + size, 0)
