/**
 * Loads the exports that one credential can read, whatever cloud delivers them: decides which billing periods have changed, and replaces
 * those. A cloud says only what its place holds and how its files are told apart.
 */
import * as Effect from "effect/Effect"
import type { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import type { StoredObject } from "../../sources/object-store/ObjectStore.ts"
import type { SourceError } from "../../sources/SourceError.ts"
import type { CredentialReport } from "./BillingExtractor.ts"
import { bytesOf, type FileSet, type Load, type LoadRequest, replaceByFiles, sliceOf, touches } from "./PeriodLoad.ts"

/** The data files of one period, or of a set of bare files. Without a token the content cannot be told unchanged. */
export interface Content {
  readonly files: ReadonlyArray<StoredObject>
  readonly token?: string
}

/** What a place holds: periods whose content is read when it is needed, or bare data files with the periods they contain. */
export type Found =
  | {
      readonly _tag: "Periods"
      readonly periods: ReadonlyArray<{ readonly period: Day; readonly content: Effect.Effect<Content, SourceError> }>
    }
  | { readonly _tag: "BareFiles"; readonly content: Content }

/**
 * Loads the periods that the run's dates touch and those loaded before whose content has changed since (late restatements); with
 * `all_periods: true` in the credential's metadata every period that the place holds. Bare files are loaded with the periods they contain.
 */
export const loadFound = Effect.fn("ExportLoad.loadFound")(function* (
  request: LoadRequest,
  found: Found,
  how: Omit<FileSet, "files" | "token">
) {
  const { context, credential } = request
  const reports: Array<JsonObject> = []
  const loads: Array<Load> = []
  let format: string | undefined

  const replace = Effect.fnUntraced(function* (content: Content, period: Day | undefined) {
    const replaced = yield* replaceByFiles(request, { ...how, ...content }, period)
    const { report } = replaced.load
    const bytes = bytesOf(content.files)
    format = replaced.format ?? format
    loads.push(replaced.load)
    yield* request.onLoaded({ rows: report.rowsRead, bytes })
    const periods = period === undefined ? report.periods : [period]
    reports.push({
      period: periods.join(" "),
      files: content.files.length,
      rows: report.rowsWritten,
      bytes,
      skipped: false
    })
  })

  if (found._tag === "BareFiles") yield* replace(found.content, undefined)
  else {
    const all = credential.metadata["all_periods"] === true
    for (const { period, content: read } of found.periods) {
      const isWanted = all || touches(period, context)
      const tokens = yield* Effect.forEach(how.targets, (target) => request.org.token(sliceOf(request, target, period)))
      if (!isWanted && tokens.every((token) => token === undefined)) continue
      const content = yield* read
      if (content.token !== undefined && tokens.includes(content.token) && !(context.forceRefresh && isWanted)) {
        reports.push({ period, files: content.files.length, rows: 0, bytes: 0, skipped: true })
        continue
      }
      yield* replace(content, period)
    }
  }
  const report: CredentialReport = { location: how.store.location, format, periods: reports, loads }
  return report
})
