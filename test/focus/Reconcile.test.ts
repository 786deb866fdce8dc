import { expect, it, layer } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { difference, sum } from "../../src/focus/DecimalText.ts"
import type { StepContext } from "../../src/pipelines/Processor.ts"
import { Day, OrgSlug } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import * as Reconcile from "../../src/processors/focus/Reconcile.ts"
import type { OrgWarehouse } from "../../src/warehouse/Warehouse.ts"
import * as support from "../procedures/support.ts"

const day = Schema.decodeSync(Day)

const context = (slug: string, affectedPeriods?: ReadonlyArray<string>): StepContext => ({
  org: Schema.decodeSync(OrgSlug)(slug),
  runId: support.firstRun,
  pipelineId: "cloud_aws_cost_billing",
  stepId: "reconcile",
  attempt: 1,
  config: { provider: "aws" },
  outputs:
    affectedPeriods === undefined
      ? {}
      : { convert: { rowsProcessed: 0, rowsWritten: 0, affectedPeriods, details: {} } },
  startDate: day("2026-03-05"),
  endDate: day("2026-03-05"),
  forceRefresh: false,
  progress: () => Effect.void
})

const reconcile = (slug: string, affectedPeriods?: ReadonlyArray<string>) =>
  Effect.flatMap(Reconcile.make, (processor) => processor.execute(context(slug, affectedPeriods)))

/** A FOCUS row made of a report line. */
const focusRow = (change: JsonObject): JsonObject => ({
  BilledCost: "0.096",
  EffectiveCost: "0.096",
  ListCost: "0.096",
  ContractedCost: "0.096",
  BillingAccountId: "111111111111",
  BillingCurrency: "USD",
  BillingPeriodStart: "2026-03-01T00:00:00Z",
  BillingPeriodEnd: "2026-04-01T00:00:00Z",
  ChargePeriodStart: "2026-03-02T00:00:00Z",
  ChargePeriodEnd: "2026-03-02T01:00:00Z",
  ChargeCategory: "Usage",
  InvoiceIssuerName: "AWS",
  ServiceCategory: "Compute",
  ServiceName: "Amazon EC2",
  ServiceProviderName: "AWS",
  ProviderName: "AWS",
  PublisherName: "AWS",
  x_SplitPart: 1,
  x_source_system: "cloud_aws_billing_raw_daily",
  x_source_file: "report.csv",
  x_source_row: 1,
  ...change
})

const loadFocusRows = (dataset: OrgWarehouse, rows: ReadonlyArray<JsonObject>) =>
  dataset.replaceSlice({
    slice: {
      table: "cost_data_standard_1_3",
      pipelineId: "cloud_aws_cost_billing",
      credentialId: "main",
      extent: { kind: "day", date: day("2026-03-02") }
    },
    source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
    runId: support.firstRun
  })

layer(support.layer)("focus.reconcile", (it) => {
  it.effect("equal totals pass, with every row accounted for and the amortised total explained", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("equal_totals")
      const plan = { savings_plan_arn: "arn:aws:savingsplans::1:savingsplan/a", net_unblended_cost: "0" }
      yield* support.loadLines(dataset, [
        support.line({ unblended_cost: "0.1", net_unblended_cost: "0.090000000000000000000001" }),
        support.line({
          line_item_type: "EdpDiscount",
          unblended_cost: "-0.009999999999999999999999",
          net_unblended_cost: "0"
        }),
        support.line({
          ...plan,
          line_item_type: "SavingsPlanCoveredUsage",
          net_unblended_cost: "3",
          savings_plan_effective_cost: "2",
          savings_plan_net_effective_cost: "1.5"
        }),
        support.line({
          ...plan,
          line_item_type: "SavingsPlanNegation",
          unblended_cost: "-3",
          net_unblended_cost: "-3"
        }),
        support.line({
          ...plan,
          line_item_type: "SavingsPlanRecurringFee",
          net_unblended_cost: "5",
          savings_plan_total_commitment_to_date: "5",
          savings_plan_used_commitment: "1.5"
        })
      ])
      yield* loadFocusRows(dataset, [
        focusRow({ BilledCost: "0.090000000000000000000001", EffectiveCost: "0.090000000000000000000001" }),
        focusRow({ BilledCost: "0", EffectiveCost: "1.5" }),
        focusRow({ BilledCost: "5", EffectiveCost: "0", ChargeCategory: "Purchase" }),
        focusRow({ BilledCost: "0", EffectiveCost: "3.5", x_SplitPart: 2 })
      ])
      const output = yield* reconcile("equal_totals")
      expect(output.affectedPeriods).toEqual(["2026-03-01"])
      expect(output.details["rows"]).toEqual({
        in: 5,
        converted: 3,
        extra: 1,
        dropped: { discount_folded_into_net_cost: 1, savings_plan_negation: 1 },
        quarantined: 0
      })
      expect(output.details["reconciliation"]).toMatchObject([
        {
          billingPeriod: "2026-03-01",
          currency: "USD",
          source: "cloud_aws_billing_raw_daily",
          credentialId: "main",
          nativeBilled: "5.090000000000000000000001",
          focusBilled: "5.090000000000000000000001",
          difference: "0",
          nativeEffective: "5.090000000000000000000001",
          effectiveDifference: "0"
        }
      ])
    })
  )

  it.effect(
    "one unit of the last decimal fails the step for good, naming period, currency, both totals and the difference",
    () =>
      Effect.gen(function* () {
        const dataset = yield* support.org("last_decimal")
        yield* support.loadLines(dataset, [support.line({ unblended_cost: "0.096000000000000000000001" })])
        yield* loadFocusRows(dataset, [focusRow({})])
        const error = yield* Effect.flip(reconcile("last_decimal"))
        expect(error).toMatchObject({ errorType: "PERMANENT", code: "RECONCILIATION_MISMATCH" })
        for (const part of [
          "2026-03-01",
          "USD",
          "0.096000000000000000000001",
          "FOCUS billed 0.096,",
          "difference 0.000000000000000000000001"
        ]) {
          expect(error.message).toContain(part)
        }
      })
  )

  it.effect("a difference of the amortised totals is reported, not failed", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("amortised")
      yield* support.loadLines(dataset, [support.line({})])
      yield* loadFocusRows(dataset, [focusRow({ EffectiveCost: "0.1" })])
      const output = yield* reconcile("amortised")
      expect(output.details["reconciliation"]).toMatchObject([{ difference: "0", effectiveDifference: "-0.004" }])
    })
  )

  it.effect("a free row that was lost fails the step although the money agrees", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("lost_row")
      yield* support.loadLines(dataset, [support.line({}), support.line({ unblended_cost: "0", x_source_row: 2 })])
      yield* loadFocusRows(dataset, [focusRow({})])
      const error = yield* Effect.flip(reconcile("lost_row"))
      expect(error.message).toContain("2 native rows, 1 converted")
    })
  )

  it.effect("a period that has FOCUS rows and no native rows fails the step", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("no_native")
      yield* loadFocusRows(dataset, [focusRow({})])
      const error = yield* Effect.flip(reconcile("no_native"))
      expect(error.message).toContain("native billed 0, FOCUS billed 0.096, difference -0.096")
    })
  )

  it.effect("currencies are never added together, and only the affected periods are compared", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("two_currencies")
      yield* support.loadLines(dataset, [
        support.line({}),
        support.line({ currency: "EUR" }),
        support.line({ billing_period_start: "2026-02-01", unblended_cost: "7" })
      ])
      yield* loadFocusRows(dataset, [focusRow({}), focusRow({ BillingCurrency: "EUR" })])
      const output = yield* reconcile("two_currencies", ["2026-03-01"])
      expect(output.details["reconciliation"]).toMatchObject([
        { currency: "EUR", nativeBilled: "0.096", difference: "0" },
        { currency: "USD", nativeBilled: "0.096", difference: "0" }
      ])
      const error = yield* Effect.flip(reconcile("two_currencies", ["2026-02-01", "2026-03-01"]))
      expect(error.message).toContain("2026-02-01 USD")
    })
  )

  it.effect("every invoice is compared too: what one has too much of and another too little fails the step", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("invoices")
      yield* support.loadLines(dataset, [
        support.line({ invoice_id: "A", unblended_cost: "1" }),
        support.line({ invoice_id: "A", unblended_cost: "0.5", line_item_type: "Tax" }),
        support.line({ invoice_id: "B", unblended_cost: "2" }),
        support.line({ unblended_cost: "4" })
      ])
      const rows = (ofTax: string) => [
        focusRow({ InvoiceId: "A", BilledCost: "1", EffectiveCost: "1" }),
        focusRow({ InvoiceId: ofTax, BilledCost: "0.5", EffectiveCost: "0.5" }),
        focusRow({ InvoiceId: "B", BilledCost: "2", EffectiveCost: "2" }),
        focusRow({ BilledCost: "4", EffectiveCost: "4" })
      ]
      yield* loadFocusRows(dataset, rows("A"))
      const output = yield* reconcile("invoices")
      const invoice = {
        billingPeriod: "2026-03-01",
        currency: "USD",
        source: "cloud_aws_billing_raw_daily",
        credentialId: "main"
      }
      const invoices = [
        { ...invoice, invoiceId: null, nativeBilled: "4", focusBilled: "4", difference: "0" },
        { ...invoice, invoiceId: "A", nativeBilled: "1.5", focusBilled: "1.5", difference: "0" },
        { ...invoice, invoiceId: "B", nativeBilled: "2", focusBilled: "2", difference: "0" }
      ]
      expect(output.details["invoices"]).toEqual(invoices)
      expect(output.details["reconciliation"]).toMatchObject([
        {
          nativeBilled: "7.5",
          kinds: [
            { kind: "Tax", rows: 1 },
            { kind: "Usage", rows: 3, nativeBilled: "7" }
          ]
        }
      ])
      const kept = "SELECT invoice_id, native_billed, difference FROM focus_reconciliation_invoices ORDER BY invoice_id"
      expect(yield* dataset.query(kept)).toEqual(
        invoices.map((each) => ({ invoice_id: each.invoiceId, native_billed: each.nativeBilled, difference: "0" }))
      )

      yield* loadFocusRows(dataset, rows("B"))
      const error = yield* Effect.flip(reconcile("invoices"))
      expect(error).toMatchObject({ errorType: "PERMANENT", code: "RECONCILIATION_MISMATCH" })
      expect(error.message).toContain("invoice A: native billed 1.5, FOCUS billed 1, difference 0.5")
      expect(error.message).toContain("invoice B: native billed 2, FOCUS billed 2.5, difference -0.5")
      expect(yield* dataset.query(kept)).toMatchObject([
        { difference: "0" },
        { difference: "0.5" },
        { difference: "-0.5" }
      ])
    })
  )

  it.effect("rows of a FOCUS export are compared as they came", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("focus_export")
      yield* support.loadCharges(dataset, [
        support.charge({}),
        support.charge({ BilledCost: "-1", EffectiveCost: "-0.5" })
      ])
      const ofExport = { x_source_system: "cloud_aws_focus_raw_daily" }
      yield* loadFocusRows(dataset, [
        focusRow(ofExport),
        focusRow({ ...ofExport, BilledCost: "-1", EffectiveCost: "-0.5" })
      ])
      const output = yield* reconcile("focus_export")
      expect(output.details["reconciliation"]).toMatchObject([
        { source: "cloud_aws_focus_raw_daily", nativeBilled: "-0.904", difference: "0", nativeEffective: "-0.404" }
      ])
    })
  )

  it.effect("nothing loaded is nothing to compare", () =>
    Effect.gen(function* () {
      yield* support.org("nothing_loaded")
      const output = yield* reconcile("nothing_loaded")
      expect(output.details).toEqual({
        reconciliation: [],
        invoices: [],
        rows: { in: 0, converted: 0, extra: 0, dropped: {}, quarantined: 0 }
      })
    })
  )
})

it("sums of decimal texts are exact", () => {
  const decimal = FastCheck.tuple(
    FastCheck.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
    FastCheck.integer({ min: 0, max: 24 })
  ).map(([units, scale]) => BigDecimal.make(units, scale))
  const text = (value: BigDecimal.BigDecimal) => `${value.value}E-${value.scale}`
  FastCheck.assert(
    FastCheck.property(FastCheck.array(decimal), decimal, (values, other) => {
      const total = BigDecimal.sumAll(values)
      expect(BigDecimal.equals(BigDecimal.unsafeFromString(sum(values.map(text))), total)).toBe(true)
      expect(
        BigDecimal.equals(
          BigDecimal.unsafeFromString(difference(text(total), text(other))),
          BigDecimal.subtract(total, other)
        )
      ).toBe(true)
    })
  )
  expect(sum(["1.50", "-0.5"])).toBe("1")
  expect(sum(["1.81E-8"])).toBe("0.0000000181")
  expect(difference("5995.3178500002829", "5995.3178500002829")).toBe("0")
  expect(sum([])).toBe("0")
})
