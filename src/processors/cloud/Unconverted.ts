/**
 * Which billing periods were loaded but not yet converted: their native rows are newer than their FOCUS rows, or only one of the two
 * exists. The tables themselves are the record, so nothing can get lost between a load and its conversion.
 */
import * as Effect from "effect/Effect"
import type { OrgWarehouse, Rows } from "../../warehouse/Warehouse.ts"
import { clouds, type CloudName } from "./Clouds.ts"

/** First days of the periods of one cloud, or of some of its credentials, that await conversion, ascending. */
export const unconvertedPeriods = Effect.fn("Unconverted.unconvertedPeriods")(function* (
  org: OrgWarehouse,
  provider: CloudName,
  credentialIds: ReadonlyArray<string> | undefined
) {
  const waiting = new Set<string>()
  for (const { table, period } of clouds[provider].nativeTables) {
    const native = yield* org.query(
      `SELECT x_credential_id AS credential, ${period} AS period, UNIX_MICROS(MAX(x_ingested_at)) AS written FROM ${table} GROUP BY x_credential_id, ${period}`
    )
    const focus = yield* org.query(
      `SELECT x_credential_id AS credential, DATE(BillingPeriodStart) AS period, UNIX_MICROS(MIN(x_ingested_at)) AS written FROM cost_data_standard_1_3 WHERE x_source_system = @table GROUP BY x_credential_id, DATE(BillingPeriodStart)`,
      { table: { type: "STRING", value: table } }
    )
    const loaded = writtenBySlice(native, credentialIds)
    const converted = writtenBySlice(focus, credentialIds)
    for (const slice of new Set([...loaded.keys(), ...converted.keys()])) {
      const [from, to] = [loaded.get(slice), converted.get(slice)]
      if (from === undefined || to === undefined || from > to) waiting.add(slice.slice(0, 10))
    }
  }
  return [...waiting].sort()
})

const writtenBySlice = (rows: Rows, credentialIds: ReadonlyArray<string> | undefined) =>
  new Map(
    rows
      .filter((row) => credentialIds === undefined || credentialIds.includes(String(row["credential"])))
      .map((row) => [`${row["period"]} ${row["credential"]}`, Number(row["written"])])
  )
