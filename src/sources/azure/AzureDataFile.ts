/**
 * The data files of Azure cost exports and reports: which format a file's header shows, and which cost its name says it has.
 */
import * as Effect from "effect/Effect"
import { basename } from "node:path"
import { type FileFormat, reduced } from "../../warehouse/FileMapping.ts"
import { SourceError } from "../SourceError.ts"

/** The formats: cost details of any agreement, and FOCUS. */
export type AzureFormat = "cost-details" | "focus"

/** Which cost the rows of a file have: as billed, or with commitments spread over what they cover. FOCUS rows have both. */
export type CostView = "actual" | "amortized"

/** The reader that a data file needs, by its name; undefined for a file that holds no rows. */
export const fileOf = (key: string): FileFormat | undefined =>
  /\.csv(\.gz)?$/i.test(key) ? "csv" : /\.parquet$/i.test(key) ? "parquet" : undefined

/** The view that a file's name or the folder it lies in tells. */
export const viewOf = (key: string): CostView | undefined =>
  [basename(key), key].flatMap((name): ReadonlyArray<CostView> =>
    /amorti[sz]ed/i.test(name) ? ["amortized"] : /actual/i.test(name) ? ["actual"] : []
  )[0]

const detailKeys: ReadonlyArray<ReadonlyArray<string>> = [
  ["Date", "UsageDateTime", "UsageDate"],
  ["CostInBillingCurrency", "Cost", "PreTaxCost"]
]
const focusKeys = ["BillingPeriodStart", "ChargePeriodStart", "ChargeCategory", "BilledCost", "BillingCurrency"]

/** Tells a file's format by its column names. Fails, naming the missing key columns, when it is none that is known. */
export const formatOf = (file: string, columns: ReadonlyArray<string>): Effect.Effect<AzureFormat, SourceError> => {
  const present = new Set(columns.map(reduced))
  const missingFocus = focusKeys.filter((key) => !present.has(reduced(key)))
  if (missingFocus.length === 0) return Effect.succeed("focus")
  const missingDetails = detailKeys.filter((names) => !names.some((name) => present.has(reduced(name))))
  if (missingDetails.length === 0) return Effect.succeed("cost-details")
  const looksLikeFocus = missingFocus.length < focusKeys.length - 1
  const lacks = looksLikeFocus ? missingFocus : missingDetails.map((names) => names.join(" or "))
  return Effect.fail(
    new SourceError({
      kind: "permanent",
      code: "FORMAT_UNKNOWN",
      message: `${file} is neither cost details nor FOCUS: as ${looksLikeFocus ? "FOCUS" : "cost details"} it lacks ${lacks.join(", ")}`,
      suggestedAction: "export all columns, and check that the file is a cost export of Azure"
    })
  )
}
