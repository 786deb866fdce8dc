/**
 * Replaces billing periods of a cloud's native tables by files of an object store. A cloud may deliver one bill in several formats, each
 * with a table of its own; a period that is loaded in one of them is taken out of the others, so that no money is there twice.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Credential } from "../../credentials/Credentials.ts"
import type { StepContext } from "../../pipelines/Processor.ts"
import type { Day } from "../../platform/Identifiers.ts"
import type { ObjectStore, StoredObject } from "../../sources/object-store/ObjectStore.ts"
import { SourceError } from "../../sources/SourceError.ts"
import type { FileFormat, FileMapping } from "../../warehouse/FileMapping.ts"
import type { OrgWarehouse, Slice, SliceReport, SliceSource, WarehouseService } from "../../warehouse/Warehouse.ts"
import { clouds, type CloudName } from "./Clouds.ts"

/** Bytes of the files of one billing period. */
const periodLimitBytes = 100 * 1024 ** 3

/** A native table, and how files of one format fill it. */
export interface Target {
  readonly table: string
  readonly periodColumn: string
  readonly runDateColumn: string
  readonly mapping: FileMapping
}

/** One replacement that was made. */
export interface Load {
  readonly table: string
  readonly report: SliceReport
}

/** For whom and with what an extractor loads. */
export interface LoadRequest {
  readonly cloud: CloudName
  readonly warehouse: WarehouseService
  readonly org: OrgWarehouse
  readonly credential: Credential
  /** Other credentials of the same account: a period that is loaded is taken out of their slices. */
  readonly superseded: ReadonlyArray<string>
  readonly context: StepContext
  /** Exists, for downloads; emptied with the step. */
  readonly folder: string
  readonly onLoaded: (loaded: { readonly rows: number; readonly bytes: number }) => Effect.Effect<void>
}

/** A file that the warehouse can read. */
export interface DataFile {
  readonly path: string
  readonly uri: string
  readonly format: FileFormat
}

/** Files that replace periods together. */
export interface FileSet {
  readonly store: Pick<ObjectStore, "location" | "uri" | "localFile">
  readonly files: ReadonlyArray<StoredObject>
  /** Saved with the period; absent: the content cannot be told unchanged. */
  readonly token?: string
  /** The format to read a file in, by its key. */
  readonly fileFormat: (key: string) => FileFormat
  /** Makes the downloaded file one that the warehouse reads; absent: it is as it is. */
  readonly prepare?: (file: DataFile) => Effect.Effect<DataFile, SourceError, Scope.Scope>
  /** Tells a file's format by its columns. */
  readonly classify: (
    uri: string,
    columns: ReadonlyArray<string>
  ) => Effect.Effect<{ readonly format: string; readonly target: Target }, SourceError>
  /** Texts for columns that a file of this format itself has not, the same for all its rows. */
  readonly values?: (object: StoredObject, format: string) => Readonly<Record<string, string>>
  /** Every table that this cloud's bill may be in; the first takes a period without files. */
  readonly targets: readonly [Target, ...ReadonlyArray<Target>]
}

/** Replaces one period, or all periods that the files have, and takes the same periods out of the other formats' tables. */
export const replaceByFiles = Effect.fn("PeriodLoad.replaceByFiles")(function* (
  request: LoadRequest,
  set: FileSet,
  period: Day | undefined
) {
  const { store } = set
  if (bytesOf(set.files) > periodLimitBytes) {
    return yield* new SourceError({
      kind: "permanent",
      code: "PERIOD_TOO_LARGE",
      message: `${store.location} has more than ${periodLimitBytes} bytes for ${period ?? "its files"}`,
      suggestedAction: "let the export write daily instead of hourly rows, or split it by account"
    })
  }
  return yield* Effect.gen(function* () {
    const files = yield* Effect.forEach(
      set.files,
      (object) =>
        store.localFile(object, periodLimitBytes).pipe(
          Effect.map((path): DataFile => ({ path, uri: store.uri(object.key), format: set.fileFormat(object.key) })),
          Effect.flatMap((file) => set.prepare?.(file) ?? Effect.succeed(file)),
          Effect.map((file) => ({ object, file }))
        ),
      { concurrency: 4 }
    )
    const known = yield* Effect.forEach(files, ({ file, object }) =>
      request.warehouse.columnsOf(file).pipe(
        Effect.flatMap((columns) =>
          Effect.map(set.classify(file.uri, columns), (kind) => ({
            file: { ...file, columns, values: set.values?.(object, kind.format) ?? {} },
            kind
          }))
        )
      )
    )
    const first = known[0]
    const other = known.find(
      ({ file, kind }) => kind.format !== first?.kind.format || file.format !== first.file.format
    )
    if (other !== undefined) {
      return yield* new SourceError({
        kind: "permanent",
        code: "SEVERAL_FORMATS",
        message: `${first?.file.uri} and ${other.file.uri} have different formats; together they would count costs twice`,
        suggestedAction: "give each format its own folder and credential"
      })
    }
    const target = first?.kind.target ?? set.targets[0]
    const source: SliceSource =
      first === undefined
        ? { _tag: "Rows", rows: Stream.empty }
        : { _tag: "Files", format: first.file.format, files: known.map(({ file }) => file), mapping: target.mapping }
    const token = set.token === undefined ? {} : { token: set.token }
    const load = yield* replacePeriods(request, { target, others: set.targets, source, ...token }, period)
    return { load, format: first?.kind.format }
  }).pipe(Effect.scoped)
})

/** Replaces one period, or all periods that the source has, in one table, and empties them in the others and for superseded credentials. */
export const replacePeriods = Effect.fn("PeriodLoad.replacePeriods")(function* <E = never>(
  request: LoadRequest,
  write: {
    readonly target: Target
    readonly others: ReadonlyArray<Target>
    readonly source: SliceSource<E>
    readonly token?: string
  },
  period: Day | undefined
) {
  const { context, org } = request
  const own = write.others.filter(({ table }) => table !== write.target.table).map((target) => ({ request, target }))
  const others = request.superseded.reduce(
    (places, credentialId) => [
      ...places,
      ...write.others.map((target) => ({
        request: { ...request, credential: { ...request.credential, credentialId } },
        target
      }))
    ],
    own
  )
  const filled = yield* Effect.filter(others, (other) =>
    period === undefined ? Effect.succeed(false) : hasRows(other.request, other.target, period)
  )
  // Written without its token while another slice still has the period: a kill in between makes the next run load it again.
  const isSafe = period !== undefined && filled.length === 0
  const report = yield* org.replaceSlice({
    slice: sliceOf(request, write.target, period),
    source: write.source,
    runId: context.runId,
    ...(isSafe && write.token !== undefined ? { token: write.token } : {})
  })
  for (const replaced of report.periods) {
    for (const other of others) {
      if (!(yield* hasRows(other.request, other.target, replaced))) continue
      yield* org.replaceSlice({
        slice: sliceOf(other.request, other.target, replaced),
        source: { _tag: "Rows", rows: Stream.empty },
        runId: context.runId
      })
    }
  }
  const load: Load = { table: write.target.table, report }
  return load
})

/** The slice of one period of a credential, or of all periods that a source has. */
export const sliceOf = ({ cloud, credential }: LoadRequest, target: Target, period: Day | undefined): Slice => ({
  table: target.table,
  pipelineId: clouds[cloud].pipelineId,
  credentialId: credential.credentialId,
  extent: {
    kind: "periods",
    periodColumn: target.periodColumn,
    runDateColumn: target.runDateColumn,
    ...(period === undefined ? {} : { expected: [period] })
  }
})

const hasRows = ({ cloud, credential, org }: LoadRequest, target: Target, period: Day) =>
  org
    .query(
      `SELECT COUNT(*) AS n FROM ${target.table} WHERE x_pipeline_id = @pipeline_id AND x_credential_id = @credential_id AND ${target.periodColumn} = @period`,
      {
        pipeline_id: { type: "STRING", value: clouds[cloud].pipelineId },
        credential_id: { type: "STRING", value: credential.credentialId },
        period: { type: "DATE", value: period }
      }
    )
    .pipe(Effect.map((rows) => rows[0]?.["n"] !== 0))

/** Whether the month that starts on `period` has a day in the run's range. */
export const touches = (period: Day, { startDate, endDate }: StepContext): boolean =>
  period <= endDate && period.slice(0, 7) >= startDate.slice(0, 7)

export const bytesOf = (files: ReadonlyArray<StoredObject>): number =>
  files.reduce((total, { size }) => total + size, 0)
