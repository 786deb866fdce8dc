/**
 * Loads what one AWS credential can read: decides which billing periods have changed, fetches their files and replaces their slices.
 */
import * as Effect from "effect/Effect"
import type { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import * as AwsExports from "../../sources/aws/AwsExports.ts"
import { fileOf, formatOf, type AwsFormat } from "../../sources/aws/AwsDataFile.ts"
import type { ObjectStore } from "../../sources/object-store/ObjectStore.ts"
import { curMapping } from "./aws/CurMapping.ts"
import { focusMapping } from "./aws/FocusMapping.ts"
import type { CredentialReport } from "./BillingExtractor.ts"
import { bytesOf, type Load, type LoadRequest, replaceByFiles, sliceOf, type Target, touches } from "./PeriodLoad.ts"

const cur: Target = {
  table: "cloud_aws_billing_raw_daily",
  periodColumn: "billing_period_start",
  runDateColumn: "usage_date",
  mapping: curMapping
}
const focus: Target = {
  table: "cloud_aws_focus_raw_daily",
  periodColumn: "billing_period_start_date",
  runDateColumn: "ChargePeriodStart",
  mapping: focusMapping
}
const targetOf: Readonly<Record<AwsFormat, Target>> = { cur1: cur, cur2: cur, focus }

/**
 * Loads the periods that the run's dates touch and those loaded before whose content has changed since (late restatements); with
 * `all_periods: true` in the credential's metadata every period that the place holds. Bare files are loaded with the periods they contain.
 */
export const loadExports = Effect.fn("AwsLoad.loadExports")(function* (request: LoadRequest, store: ObjectStore) {
  const { context, credential } = request
  const found = yield* AwsExports.discover(store)
  const reports: Array<JsonObject> = []
  const loads: Array<Load> = []
  let format: string | undefined

  const replace = Effect.fnUntraced(function* (content: AwsExports.ExportContent, period: Day | undefined) {
    const replaced = yield* replaceByFiles(
      request,
      {
        store,
        files: content.files,
        token: content.token,
        fileFormat: (key) => fileOf(key) ?? "csv",
        classify: (uri, columns) =>
          Effect.map(formatOf(uri, columns), (format) => ({ format, target: targetOf[format] })),
        targets: [cur, focus]
      },
      period
    )
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
  const report: CredentialReport = { location: store.location, format, periods: reports, loads }
  return report
})
