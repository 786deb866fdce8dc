/**
 * Loads what one AWS credential can read: the billing periods of an export, or bare files.
 */
import * as Effect from "effect/Effect"
import * as AwsExports from "../../sources/aws/AwsExports.ts"
import { fileOf, formatOf, type AwsFormat } from "../../sources/aws/AwsDataFile.ts"
import * as ZippedReport from "../../sources/aws/ZippedReport.ts"
import type { ObjectStore } from "../../sources/object-store/ObjectStore.ts"
import { curMapping } from "./aws/CurMapping.ts"
import { focusMapping } from "./aws/FocusMapping.ts"
import { type Found, loadFound } from "./ExportLoad.ts"
import type { LoadRequest, Target } from "./PeriodLoad.ts"

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

/** Loads the store's export, CUR 1.0, CUR 2.0 or FOCUS. */
export const loadExports = Effect.fn("AwsLoad.loadExports")(function* (request: LoadRequest, store: ObjectStore) {
  const exported = yield* AwsExports.discover(store)
  const found: Found =
    exported._tag === "BareFiles"
      ? { _tag: "BareFiles", content: { files: exported.files, token: AwsExports.tokenOfFiles(exported.files) } }
      : {
          _tag: "Periods",
          periods: exported.periods.map((period) => ({
            period: period.period,
            content: AwsExports.contentOf(store, exported.objects, period)
          }))
        }
  return yield* loadFound(request, found, {
    store,
    fileFormat: (key) => fileOf(key) ?? "csv",
    prepare: (file) =>
      ZippedReport.isZipped(file.uri)
        ? Effect.map(ZippedReport.unpack(file, request.folder), (path) => ({ ...file, path }))
        : Effect.succeed(file),
    classify: (uri, columns) => Effect.map(formatOf(uri, columns), (format) => ({ format, target: targetOf[format] })),
    targets: [cur, focus]
  })
})
