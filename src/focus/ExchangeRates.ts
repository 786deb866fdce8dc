/**
 * Dated exchange rates of an organisation, and what its charges come to in one currency by them. The FOCUS rows stay as they are.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Day, RunId } from "../platform/Identifiers.ts"
import type { OrgWarehouse, Slice } from "../warehouse/Warehouse.ts"

/** Rates of one import. */
export const MAX_RATES_PER_IMPORT = 200_000
/** A rate counts for its day and as many after it: no market is closed for longer. */
export const MAX_RATE_AGE_DAYS = 7
const MAX_NAMED_FAULTS = 20

/** One row as somebody gave it: texts by column, and the line of the file that it begins on. */
export interface GivenRate {
  readonly line: number
  readonly cells: Readonly<Record<string, unknown>>
}

/** At least one row cannot be taken; nothing was changed. */
export class RatesRejected extends Schema.TaggedError<RatesRejected>()("RatesRejected", {
  faults: Schema.Array(Schema.Struct({ line: Schema.Number, reason: Schema.String }))
}) {
  override get message() {
    const named = this.faults.slice(0, MAX_NAMED_FAULTS).map(({ line, reason }) => `line ${line}: ${reason}`)
    const more = this.faults.length > named.length ? [`and ${this.faults.length - named.length} more`] : []
    return ["the rates were not imported:", ...named, ...more].join("\n")
  }
}

/** ISO 4217. */
export const Currency = Schema.String.pipe(Schema.pattern(/^[A-Z]{3}$/))

const Rate = Schema.Struct({
  rate_date: Day,
  from_currency: Currency,
  to_currency: Currency,
  rate: Schema.String.pipe(Schema.pattern(/^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,9})?$/)),
  rate_source: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(100)), { exact: true })
}).pipe(Schema.filter((each) => each.from_currency !== each.to_currency))
type Rate = typeof Rate.Type

/** Rates are no fact of a run's day: all that were imported are one slice, under a day that no usage has. */
const slice: Slice = {
  table: "exchange_rates",
  pipelineId: "exchange_rates_import",
  credentialId: "default",
  extent: { kind: "day", date: Schema.decodeSync(Day)("1970-01-01") }
}

/** Replaces the organisation's rates by these, all or none. */
export const importRates = Effect.fn("ExchangeRates.importRates")(function* (
  org: OrgWarehouse,
  given: ReadonlyArray<GivenRate>
) {
  if (given.length > MAX_RATES_PER_IMPORT) {
    return yield* rejected(given.length, `is more than ${MAX_RATES_PER_IMPORT} rows`)
  }
  const [broken, rates] = yield* Effect.partition(given, readRate)
  const lines = new Map<string, number>()
  const twice = rates.flatMap(({ line, rate }) => {
    const key = `${rate.rate_date} ${rate.from_currency} ${rate.to_currency}`
    const first = lines.get(key)
    lines.set(key, first ?? line)
    return first === undefined ? [] : [{ line, reason: `${key} stands in line ${first} too` }]
  })
  const faults = [...broken, ...twice]
  if (faults.length > 0) return yield* new RatesRejected({ faults })
  yield* org.replaceSlice({
    slice,
    source: { _tag: "Rows", rows: Stream.fromIterable(rates.map(({ rate }) => ({ ...rate }))) },
    runId: Schema.decodeSync(RunId)(crypto.randomUUID())
  })
  return { rates: rates.length }
})

const readRate = ({
  cells,
  line
}: GivenRate): Effect.Effect<{ line: number; rate: Rate }, { line: number; reason: string }> =>
  Schema.decodeUnknown(Rate)(cells).pipe(
    Effect.mapBoth({
      onSuccess: (rate) => ({ line, rate }),
      onFailure: () => ({
        line,
        reason:
          "is no rate: rate_date is a day, from_currency and to_currency are two ISO codes, rate is above 0 with up to 9 decimals"
      })
    })
  )

const rejected = (line: number, reason: string) => new RatesRejected({ faults: [{ line, reason }] })

/** One billing period in one billing currency; a converted amount is null as soon as one of its days has no rate. */
export const ConvertedCost = Schema.Struct({
  billing_period: Schema.String,
  original_currency: Schema.String,
  original_billed: Schema.String.annotations({ description: "SUM(BilledCost), exact" }),
  original_effective: Schema.String.annotations({ description: "SUM(EffectiveCost), exact" }),
  billed: Schema.NullOr(Schema.String).annotations({ description: "Converted; null: a day has no rate" }),
  effective: Schema.NullOr(Schema.String),
  days_without_rate: Schema.Number,
  first_day_without_rate: Schema.NullOr(Schema.String)
}).annotations({ identifier: "ConvertedCost" })

/**
 * What the charges of the period (undefined: of all) come to in the currency: those of a day by the newest rate of that day or of the
 * MAX_RATE_AGE_DAYS before, rounded half away from zero to 9 decimals per billing period, currency and day.
 */
export const convertedCosts = (org: OrgWarehouse, currency: string, period: Day | undefined) =>
  Effect.flatMap(
    org.query(convertedSql, {
      currency: { type: "STRING", value: currency },
      period: { type: "DATE", value: period ?? null }
    }),
    // The statement is our own: rows of another shape are a defect.
    (rows) => Effect.orDie(Schema.decodeUnknown(Schema.Array(ConvertedCost))(rows))
  )

const convertedSql = `
WITH day_cost AS (
  SELECT
    DATE(BillingPeriodStart) AS billing_period, BillingCurrency AS currency, DATE(ChargePeriodStart) AS charge_date,
    SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective
  FROM cost_data_standard_1_3
  WHERE @period IS NULL OR DATE(BillingPeriodStart) = @period
  GROUP BY billing_period, currency, charge_date
),
rated AS (
  SELECT day_cost.*, IF(day_cost.currency = @currency, NUMERIC '1', rates.rate) AS rate
  FROM day_cost
  LEFT JOIN exchange_rates AS rates
    ON rates.from_currency = day_cost.currency AND rates.to_currency = @currency
    AND rates.rate_date BETWEEN DATE_SUB(day_cost.charge_date, INTERVAL ${MAX_RATE_AGE_DAYS} DAY) AND day_cost.charge_date
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY day_cost.billing_period, day_cost.currency, day_cost.charge_date ORDER BY rates.rate_date DESC
  ) = 1
)
SELECT
  CAST(billing_period AS STRING) AS billing_period, currency AS original_currency,
  SUM(billed) AS original_billed, SUM(effective) AS original_effective,
  IF(COUNTIF(rate IS NULL) > 0, NULL, SUM(ROUND(billed * rate, 9))) AS billed,
  IF(COUNTIF(rate IS NULL) > 0, NULL, SUM(ROUND(effective * rate, 9))) AS effective,
  COUNTIF(rate IS NULL) AS days_without_rate,
  CAST(MIN(IF(rate IS NULL, charge_date, NULL)) AS STRING) AS first_day_without_rate
FROM rated
GROUP BY billing_period, original_currency
ORDER BY billing_period DESC, original_currency`
