/**
 * OCI's Usage API, where a tenancy has no reports: from the pipeline's file to FOCUS rows.
 */
import { gzipSync } from "node:zlib"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { credential, installedWith, query, run } from "../../support/InstalledWorld.ts"
import type { Fault } from "../../support/httpServer.ts"
import { ociServer, secret, tenancy } from "../../support/ociServer.ts"

/** An item as the API writes it: `amount` and `quantity` are JSON text. */
const item = (day: string, amount: string, more = "") =>
  `{"tenantId":"${tenancy}","service":"COMPUTE","skuName":"Standard - E4 - OCPU","skuPartNumber":"B93113","unit":"OCPU Hours",` +
  `"compartmentId":"ocid1.compartment.oc1..c","region":null,"computedAmount":${amount},"computedQuantity":4,"unitPrice":0.5,` +
  `"attributedCost":"1.000","currency":"USD","timeUsageStarted":"${day}T00:00:00.000Z","timeUsageEnded":"${dayAfter(day)}T00:00:00.000Z",` +
  `"isForecast":false,"tags":[{"namespace":null,"key":null,"value":null}]${more}}`

const dayAfter = (day: string) => new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)

const start = (metadata = {}) =>
  Effect.gen(function* () {
    const server = yield* ociServer
    server.usage.set("2026-02-27", [item("2026-02-27", "1.5")])
    server.usage.set("2026-03-01", [
      item("2026-03-01", "2E-9"),
      item("2026-03-01", "0.123456789012345678", ',"shape":"E4"')
    ])
    server.usage.set("2026-03-02", [
      item("2026-03-02", "-0.25").replace('"COMPUTE"', '"BRAND_NEW"'),
      item("2026-03-02", "9").replace('"isForecast":false', '"isForecast":true')
    ])
    yield* credential("oci", "OCI", { endpoint: server.endpoint, ...metadata }, secret)
    return server
  })

const totals = query(
  `SELECT CAST(BillingPeriodStart AS STRING) AS period, SUM(BilledCost) AS billed, COUNT(*) AS n
  FROM cost_data_standard_1_3 GROUP BY BillingPeriodStart ORDER BY BillingPeriodStart`
)
const march = { billed: "-0.126543208987654322", n: 3 }

layer(installedWith({}), { excludeTestServices: true })("the Usage API", (it) => {
  it.scoped("gives the months of a tenancy without reports, to the last digit and without forecasts", () =>
    Effect.gen(function* () {
      const { faults, journal, usage } = yield* start()
      const cut: Fault = ({ method }, response) => {
        if (method !== "POST") return false
        response.destroy()
        return true
      }
      faults.push(cut)
      const ended = yield* run("cloud/oci/cost/billing", "2026-02-27", "2026-03-02")
      expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
      const outputs = ended.steps.map(({ metadata }) => metadata["output"])
      expect(outputs[0]).toMatchObject({
        rows_written: 4,
        affected_periods: ["2026-02-01", "2026-03-01"],
        quarantined: 0,
        credentials: [{ format: "usage-api", forecasts_left_out: 1 }]
      })
      expect(outputs[1]).toMatchObject({ conversions: [{}, { unknown_services: "BRAND_NEW" }] })
      expect(outputs[2]).toMatchObject({
        reconciliation: [{ difference: "0" }, { difference: "0", effectiveDifference: "0" }]
      })
      expect(outputs[3]).toMatchObject({ conformance: { violated: [] } })
      expect((yield* totals).map(({ billed, n }) => ({ billed, n }))).toEqual([{ billed: "1.5", n: 1 }, march])
      expect(
        yield* query(
          `SELECT ServiceName AS service, SkuId AS sku, PricingQuantity AS quantity, SubAccountId AS account, ChargePeriodEnd AS ended
          FROM cost_data_standard_1_3 WHERE BilledCost = BIGNUMERIC '2E-9'`
        )
      ).toEqual([
        {
          service: "OCI Compute",
          sku: "B93113",
          quantity: "4",
          account: "ocid1.compartment.oc1..c",
          ended: "2026-03-02T00:00:00Z"
        }
      ])
      expect(
        yield* query(
          "SELECT native_columns_json AS more FROM cloud_oci_billing_raw_daily WHERE native_columns_json IS NOT NULL"
        )
      ).toEqual([{ more: { shape: "E4" } }])
      expect(journal.filter(({ url }) => url.searchParams.has("page"))).toHaveLength(1)

      // A month that OCI restates, down to nothing: it alone changes.
      usage.delete("2026-02-27")
      yield* run("cloud/oci/cost/billing", "2026-02-28", "2026-02-28")
      expect((yield* totals).map(({ billed, n }) => ({ billed, n }))).toEqual([march])
    })
  )

  it.scoped("is not asked where there are reports, unless the credential says so; the month is there once", () =>
    Effect.gen(function* () {
      const { endpoint, journal, objects } = yield* start()
      objects.set(
        "reports/cost-csv/0001.csv.gz",
        gzipSync(
          "lineItem/referenceNo,lineItem/tenantId,lineItem/intervalUsageStart,lineItem/intervalUsageEnd,product/service,cost/myCost,cost/currencyCode\n" +
            `r-1,${tenancy},2026-03-01T10:00Z,2026-03-01T11:00Z,COMPUTE,77,USD`
        )
      )
      yield* run("cloud/oci/cost/billing", "2026-03-01")
      expect((yield* totals).map(({ billed }) => billed)).toEqual(["77"])
      expect(journal.filter(({ method }) => method === "POST")).toEqual([])
      yield* credential("oci", "OCI", { endpoint, source: "usage_api" }, secret)
      yield* run("cloud/oci/cost/billing", "2026-03-01")
      expect((yield* totals).map(({ billed, n }) => ({ billed, n }))).toEqual([march])
    })
  )

  const answer =
    (status: number, body: string): Fault =>
    ({ method }, response) => {
      if (method === "POST") response.writeHead(status, { "opc-next-page": "same" }).end(body)
      return method === "POST" ? "stays" : false
    }
  const broken = [
    {
      what: "a key that is not the user's",
      own: { fingerprint: "00:".repeat(15) + "00" },
      error: /HTTP 401, NotAuthenticated/
    },
    { what: "an answer that is no JSON", fault: answer(200, "<html>"), error: /not what OCI's contract says/ },
    { what: "an answer that is cut", fault: answer(200, '{"items":[{"ser'), error: /not what OCI's contract says/ },
    { what: "pages that do not end", fault: answer(200, '{"items":[]}'), error: /pages do not end/ },
    {
      what: "an amount that is no number",
      fault: answer(200, `{"items":[${item("2026-03-01", '"ten"')}]}`),
      error: /amount "ten"/
    },
    {
      what: "an amount without a currency",
      fault: answer(200, `{"items":[${item("2026-03-01", "1").replace('"USD"', '" "')}]}`),
      error: /the currency null/
    },
    { what: "universal credits", metadata: { subscription_kind: "universal_credits" }, error: /only overage is billed/ }
  ]
  it.scoped.each(broken)("$what: one clear error, and the month stays as it was", ({ error, fault, metadata, own }) =>
    Effect.gen(function* () {
      const server = yield* start()
      yield* run("cloud/oci/cost/billing", "2026-03-01")
      const before = yield* totals
      expect(before).toMatchObject([march])
      if (fault !== undefined) server.faults.push(fault)
      yield* credential(
        "oci",
        "OCI",
        { endpoint: server.endpoint, source: "usage_api", ...metadata },
        { ...secret, ...own }
      )
      const { run: ended } = yield* run("cloud/oci/cost/billing", "2026-03-01")
      expect([ended.status, ended.errorMessage]).toEqual(["FAILED", expect.stringMatching(error)])
      expect(ended.errorMessage).not.toMatch(/do not show/)
      expect(yield* totals).toEqual(before)
    })
  )

  it.scoped("puts an item without an amount into the quarantine, for null is not 0", () =>
    Effect.gen(function* () {
      const { usage } = yield* start()
      usage.set("2026-03-03", [item("2026-03-03", "null").replace('"USD"', '" "')])
      const ended = yield* run("cloud/oci/cost/billing", "2026-03-03")
      expect(ended.steps[0]?.metadata["output"]).toMatchObject({
        quarantined: 1,
        quarantine: [{ reason: "cost: has no value", rows: 1 }]
      })
      expect(yield* totals).toMatchObject([march])
    })
  )
})
