/**
 * Costs in one currency: real rows, real rates, the amounts worked out by hand.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { importRates } from "../../src/focus/ExchangeRates.ts"
import { Day, RunId } from "../../src/platform/Identifiers.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import * as World from "../support/HttpWorld.ts"

const charge = (date: string, currency: string, billed: string, effective = billed) => ({
  BilledCost: billed,
  EffectiveCost: effective,
  ListCost: billed,
  ContractedCost: billed,
  BillingAccountId: "1",
  BillingCurrency: currency,
  BillingPeriodStart: "2026-03-01T00:00:00Z",
  BillingPeriodEnd: "2026-04-01T00:00:00Z",
  ChargePeriodStart: `${date}T00:00:00Z`,
  ChargePeriodEnd: `${date}T01:00:00Z`,
  ChargeCategory: "Usage",
  InvoiceIssuerName: "AWS",
  ServiceCategory: "Compute",
  ServiceName: "Amazon EC2",
  ServiceProviderName: "AWS",
  ProviderName: "AWS",
  PublisherName: "AWS",
  x_source_system: "cloud_aws_billing_raw_daily"
})

const get = (query: string) =>
  Effect.flatMap(World.Keys, (keys) =>
    World.call("GET", `/api/v1/focus/acme_corp/converted-costs?${query}`, World.withKey(keys.acme))
  )

const rates = (...rows: ReadonlyArray<readonly [date: string, from: string, rate: string]>) =>
  Effect.gen(function* () {
    const org = yield* (yield* Warehouse).org(World.acme)
    return yield* importRates(
      org,
      rows.map(([rate_date, from_currency, rate], index) => ({
        line: index + 2,
        cells: { rate_date, from_currency, to_currency: "EUR", rate }
      }))
    )
  })

layer(World.layer({ variables: { CONFIGS_BASE_PATH: "configs" } }))("costs in one currency", (it) => {
  it.effect("each day takes its rate; without one the sum is null and says so, and the FOCUS rows stay", () =>
    Effect.gen(function* () {
      const org = yield* (yield* Warehouse).org(World.acme)
      yield* org.replaceSlice({
        slice: {
          table: "cost_data_standard_1_3",
          pipelineId: "cloud_aws_cost_billing",
          credentialId: "main",
          extent: { kind: "day", date: Schema.decodeSync(Day)("2026-03-02") }
        },
        source: {
          _tag: "Rows",
          rows: Stream.make(
            charge("2026-03-02", "USD", "10.000000000000000000000001", "4"),
            charge("2026-03-03", "USD", "1"),
            charge("2026-03-02", "EUR", "5"),
            charge("2026-03-02", "CAD", "-3")
          )
        },
        runId: Schema.decodeSync(RunId)("7f8a52d1-3f43-4a53-9d0c-1a2b3c4d5e6f")
      })
      const days = [
        ["2026-02-27", "USD", "0.9"],
        ["2026-03-03", "USD", "0.8"]
      ] as const
      // The rate of Canada is eight days old.
      yield* rates(...days, ["2026-02-22", "CAD", "0.7"])
      const usd = {
        billing_period: "2026-03-01",
        original_currency: "USD",
        original_billed: "11.000000000000000000000001",
        original_effective: "5",
        billed: "9.8",
        effective: "4.4",
        days_without_rate: 0,
        first_day_without_rate: null
      }
      const eur = { original_currency: "EUR", original_billed: "5", billed: "5", effective: "5", days_without_rate: 0 }
      const open = yield* get("currency=EUR&billing_period=2026-03-01")
      expect(open.json).toMatchObject({
        currency: "EUR",
        billed: null,
        effective: null,
        entries: [
          { original_currency: "CAD", original_billed: "-3", billed: null, effective: null, days_without_rate: 1 },
          eur,
          usd
        ],
        findings: [
          expect.stringContaining(
            "no rate from CAD to EUR for 1 days of billing period 2026-03-01, first for 2026-03-02"
          )
        ]
      })
      yield* rates(...days, ["2026-02-23", "CAD", "0.6"])
      expect((yield* get("currency=EUR")).json).toMatchObject({
        billed: "13",
        effective: "7.6",
        entries: [{ original_currency: "CAD", billed: "-1.8" }, eur, usd],
        findings: []
      })
      // A period without charges costs nothing that is known: null, not 0.
      expect((yield* get("currency=EUR&billing_period=2026-04-01")).json).toEqual({
        currency: "EUR",
        billed: null,
        effective: null,
        entries: [],
        findings: []
      })
      expect((yield* get("currency=euro")).status).toBe(422)
      expect(
        yield* org.query("SELECT SUM(BilledCost) AS usd FROM cost_data_standard_1_3 WHERE BillingCurrency = 'USD'")
      ).toEqual([{ usd: "11.000000000000000000000001" }])
    })
  )

  it.effect("a file with a wrong or a doubled rate changes nothing", () =>
    Effect.gen(function* () {
      const org = yield* (yield* Warehouse).org(World.acme)
      yield* rates(["2026-03-01", "USD", "0.9"])
      for (const bad of [
        ["2026-03-01", "USD", "0"],
        ["2026-13-01", "USD", "1"],
        ["2026-03-01", "usd", "1"],
        ["2026-03-01", "EUR", "1"],
        ["2026-03-01", "USD", "1.0000000001"],
        ["2026-03-01", "USD", "-1"]
      ] as const) {
        const error = yield* Effect.flip(rates(["2026-03-02", "USD", "1"], bad))
        expect(error.message).toContain("line 3: is no rate")
      }
      const twice = yield* Effect.flip(rates(["2026-03-02", "USD", "1"], ["2026-03-02", "USD", "2"]))
      expect(twice.message).toContain("line 3: 2026-03-02 USD EUR stands in line 2 too")
      expect(yield* org.query("SELECT rate FROM exchange_rates")).toEqual([{ rate: "0.9" }])
    })
  )
})
