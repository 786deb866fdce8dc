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

/** One is loaded while the next one is downloaded and unpacked. */
const PERIODS_AT_A_TIME = 2

/** A billing period, whose content is read when it is needed. */
export interface FoundPeriod {
  readonly period: Day
  readonly content: Effect.Effect<Content, SourceError>
}

/** What a place holds: periods, or bare data files with the periods they contain. */
export type Found =
  | { readonly _tag: "Periods"; readonly periods: ReadonlyArray<FoundPeriod> }
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

  const replace = Effect.fnUntraced(function* (content: Content, period: Day | undefined) {
    const { format, load } = yield* replaceByFiles(request, { ...how, ...content }, period)
    const bytes = bytesOf(content.files)
    yield* request.onLoaded({ rows: load.report.rowsRead, bytes })
    const replaced: Replaced = {
      format,
      loads: [load],
      report: {
        period: (period === undefined ? load.report.periods : [period]).join(" "),
        files: content.files.length,
        rows: load.report.rowsWritten,
        bytes,
        skipped: false
      }
    }
    return replaced
  })

  const all = credential.metadata["all_periods"] === true
  const changed = Effect.fnUntraced(function* ({ content: read, period }: FoundPeriod) {
    const isWanted = all || touches(period, context)
    const tokens = yield* Effect.forEach(how.targets, (target) => request.org.token(sliceOf(request, target, period)))
    if (!isWanted && tokens.every((token) => token === undefined)) return undefined
    const content = yield* read
    const isKnown = content.token !== undefined && tokens.includes(content.token)
    return { content, isUnchanged: isKnown && !(context.forceRefresh && isWanted) }
  })

  // A place is asked for one period after the other: its owner may count the requests.
  const turn = yield* Effect.makeSemaphore(1)
  const replaceIfChanged = Effect.fnUntraced(function* (one: FoundPeriod) {
    const asked = yield* turn.withPermits(1)(changed(one))
    if (asked === undefined) return []
    const { content, isUnchanged } = asked
    if (!isUnchanged) return [yield* replace(content, one.period)]
    const report = { period: one.period, files: content.files.length, rows: 0, bytes: 0, skipped: true }
    const unchanged: Replaced = { format: undefined, loads: [], report }
    return [unchanged]
  })

  const replaced =
    found._tag === "BareFiles"
      ? [yield* replace(found.content, undefined)]
      : (yield* Effect.forEach(found.periods, replaceIfChanged, { concurrency: PERIODS_AT_A_TIME })).flat()
  const report: CredentialReport = {
    location: how.store.location,
    format: replaced.findLast(({ format }) => format !== undefined)?.format,
    periods: replaced.map((each) => each.report),
    loads: replaced.flatMap(({ loads }) => loads)
  }
  return report
})

interface Replaced {
  readonly format: string | undefined
  readonly loads: ReadonlyArray<Load>
  readonly report: JsonObject
}
