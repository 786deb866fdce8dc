/**
 * Loads months of OCI's Usage API into the table of cost reports, for a tenancy that has none: days by service, product and compartment.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Day } from "../../platform/Identifiers.ts"
import * as Json from "../../platform/Json.ts"
import type { UsageApi } from "../../sources/oci/UsageApi.ts"
import { SourceError } from "../../sources/SourceError.ts"
import { monthsOf } from "../focus/Periods.ts"
import { ingestionId } from "../genai/PaygRows.ts"
import type { CredentialReport } from "./BillingExtractor.ts"
import { clouds } from "./Clouds.ts"
import { type Load, type LoadRequest, replacePeriods, type Target } from "./PeriodLoad.ts"

const millisPerDay = 86_400_000
const isDay = Schema.is(Day)
const decimal = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

/** Members of an item that have a column of their own, by column. */
const columns: Readonly<Record<string, string>> = {
  usage_start_time: "timeUsageStarted",
  usage_end_time: "timeUsageEnded",
  service_name: "service",
  compartment_id: "compartmentId",
  compartment_name: "compartmentName",
  compartment_path: "compartmentPath",
  region: "region",
  availability_domain: "ad",
  resource_id: "resourceId",
  resource_name: "resourceName",
  tenancy_name: "tenantName",
  subscription_id: "subscriptionId",
  sku_part_number: "skuPartNumber",
  sku_name: "skuName",
  platform_type: "platform",
  unit: "unit",
  usage_quantity: "computedQuantity",
  computed_quantity: "computedQuantity",
  unit_price: "unitPrice",
  list_rate: "listRate",
  cost: "computedAmount",
  my_cost: "computedAmount",
  attributed_cost: "attributedCost",
  attributed_usage: "attributedUsage",
  overage_flag: "overagesFlag"
}
const known = new Set([...Object.values(columns), "tenantId", "currency", "isForecast", "tags"])

/**
 * Replaces the months that the run's dates touch; of a run that reaches to yesterday the month before too, since costs come late. Forecasts
 * are left out and counted.
 */
export const loadUsage = Effect.fn("OciUsage.loadUsage")(function* (
  request: LoadRequest,
  usage: UsageApi,
  { kind, targets }: { readonly kind: string; readonly targets: readonly [Target, ...ReadonlyArray<Target>] }
) {
  if (kind === "universal_credits") {
    return yield* new SourceError({
      kind: "permanent",
      code: "COST_REPORTS_NEEDED",
      message: `credential ${request.credential.credentialId}: with universal credits only overage is billed, which the Usage API does not tell`,
      suggestedAction: "let the tenancy's cost reports be read: see the policy for tenancy usage-report"
    })
  }
  const loads: Array<Load> = []
  const periods: Array<Json.JsonObject> = []
  let forecasts = 0
  for (const month of yield* monthsToRead(request)) {
    const { end, next } = yield* endOf(month)
    const rows = usage.costs({ from: month, to: end < next ? end : next }).pipe(
      Stream.filter((item) => {
        const isForecast = item["isForecast"] === true
        if (isForecast) forecasts++
        return !isForecast
      }),
      Stream.zipWithIndex,
      Stream.mapEffect(([item, index]) => rowOf(request, usage, { month, kind, index }, item))
    )
    const load = yield* replacePeriods(
      request,
      { target: targets[0], others: targets, source: { _tag: "Rows", rows } },
      month
    )
    loads.push(load)
    yield* request.onLoaded({ rows: load.report.rowsRead, bytes: 0 })
    periods.push({ period: month, files: 0, rows: load.report.rowsWritten, bytes: 0, skipped: false })
  }
  const report: CredentialReport = {
    location: usage.location,
    format: "usage-api",
    periods,
    loads,
    details: { forecasts_left_out: forecasts }
  }
  return report
})

const monthsToRead = Effect.fnUntraced(function* ({ context }: LoadRequest) {
  const now = yield* Clock.currentTimeMillis
  const [today, yesterday] = [dayOf(now), dayOf(now - millisPerDay)]
  const previous = dayOf(Date.UTC(Number(today.slice(0, 4)), Number(today.slice(5, 7)) - 2, 1))
  const late = context.endDate >= yesterday ? [previous] : []
  return [...new Set([...monthsOf(context), ...late])].filter(isDay).sort()
})

/** The first day that is not in the month, and the first that has not begun. */
const endOf = (month: Day) =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    next: dayOf(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 1)),
    end: dayOf(now + millisPerDay)
  }))

const dayOf = (millis: number): string => new Date(millis).toISOString().slice(0, 10)

interface Place {
  readonly month: Day
  readonly kind: string
  readonly index: number
}

const rowOf = (
  { context, credential }: LoadRequest,
  { location, tenancy }: UsageApi,
  { index, kind, month }: Place,
  item: Json.JsonObject
): Effect.Effect<Json.JsonObject, SourceError> => {
  const texts = Object.fromEntries(
    Object.entries(columns).map(([column, member]) => [column, textAt(item, member)] as const)
  )
  const currency = textAt(item, "currency")
  const amount = texts["cost"] ?? null
  if (amount !== null && (!decimal.test(amount) || currency === null)) {
    return Effect.fail(
      new SourceError({
        kind: "permanent",
        code: "SOURCE_REJECTED",
        message: `${location}: item ${index + 1} of ${month} has the amount ${JSON.stringify(amount)} and the currency ${JSON.stringify(currency)}`,
        suggestedAction: "ask OCI; what was loaded before is unchanged"
      })
    )
  }
  const key = [texts["usage_start_time"] ?? null, currency, ...grouping.map((column) => texts[column] ?? null)]
  const id = ingestionId([context.org, clouds.oci.pipelineId, credential.credentialId, ...key])
  const others = Object.entries(item).filter(([member, value]) => value !== null && !known.has(member))
  return Effect.succeed({
    ...texts,
    currency,
    reference_no: id,
    x_ingestion_id: id,
    tenancy_id: textAt(item, "tenantId") ?? tenancy,
    subscription_kind: kind,
    billing_period_start: month,
    defined_tags_json: tagsOf(item["tags"]),
    native_columns_json: others.length === 0 ? null : Object.fromEntries(others),
    x_source_file: location,
    x_source_row: index + 1,
    x_cloud_provider: "oci",
    x_cloud_account_id: tenancy
  })
}

/** What tells the items of a day apart. */
const grouping = ["service_name", "sku_name", "sku_part_number", "compartment_id", "region", "resource_id", "unit"]

/** OCI writes what it has no value for as null or as a blank. */
const textAt = (item: Json.JsonObject, member: string): string | null => {
  const value = item[member] ?? null
  const text = typeof value === "object" ? "" : String(value).trim()
  return text === "" ? null : text
}

const tagsOf = (tags: Json.Json | undefined): Json.Json => {
  const named = (Array.isArray(tags) ? tags : []).flatMap((tag: Json.Json) => {
    const [key, value] = Json.isObject(tag) ? [textAt(tag, "key"), textAt(tag, "value")] : [null, null]
    const space = Json.isObject(tag) ? textAt(tag, "namespace") : null
    return key === null ? [] : [[space === null ? key : `${space}.${key}`, value] as const]
  })
  return named.length === 0 ? null : { tags: Object.fromEntries(named) }
}
