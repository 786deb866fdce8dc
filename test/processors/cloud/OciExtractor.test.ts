/**
 * OCI's reports: months of numbered files, from a folder and from the tenancy's bucket.
 */
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import type { StepContext } from "../../../src/pipelines/Processor.ts"
import * as HttpClientNode from "../../../src/platform/HttpClientNode.ts"
import type { JsonObject } from "../../../src/platform/Json.ts"
import * as OciExtractor from "../../../src/processors/cloud/OciExtractor.ts"
import { ociServer, secret } from "../../support/ociServer.ts"
import { contextOf, days, org, query, world, write } from "./support.ts"

const extract = (over: Partial<StepContext> = {}) =>
  Effect.flatMap(OciExtractor.make, (extractor) =>
    extractor.execute(contextOf({ pipelineId: "cloud_oci_cost_billing", config: { provider: "oci" }, ...over }))
  ).pipe(Effect.provide(HttpClientNode.layer))

const credential = (provider: string, metadata: JsonObject, own: JsonObject = {}) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId: "oci_1",
      provider,
      credentialName: "reports",
      metadata,
      secret: Redacted.make(JSON.stringify(own))
    })
  )

const put = (path: string, content: string | Uint8Array) => Effect.promise(() => write(path, content))

/** A cost report: one line per time of usage and cost; a time with `!` is a correction. */
const report = (...lines: ReadonlyArray<readonly [time: string, cost: string]>) =>
  [
    "lineItem/referenceNo,lineItem/tenantId,lineItem/intervalUsageStart,lineItem/intervalUsageEnd,cost/myCost,cost/currencyCode,lineItem/isCorrection, tags/Finance.CostCenter",
    ...lines.map(([time, cost], index) => {
      const start = time.replace("!", "")
      return `r-${index},ocid1.tenancy.oc1..t,${start}T10:00Z,${start}T11:00:00Z,${cost},USD,${time.endsWith("!")},CC-7`
    })
  ].join("\n")

const totals = query(
  "SELECT billing_period_start AS period, SUM(cost) AS cost, COUNT(*) AS n FROM cloud_oci_billing_raw_daily GROUP BY billing_period_start ORDER BY 1"
)

describe("a folder of cost reports", () => {
  it.scoped("each report is of the month of its newest usage, corrections aside; a month is all of its reports", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "reports/cost-csv")
        yield* put(join(place, "0001.csv"), report(["2026-02-27", "1.5"], ["2026-02-28", "2.000000000000000001"]))
        yield* put(join(place, "0002.csv.gz"), gzipSync(report(["2026-03-01", "4"], ["2026-02-27!", "-0.025"])))
        yield* credential("OCI_FILES", { path: folder })
        expect(yield* extract(days("2026-02-01", "2026-03-31"))).toMatchObject({
          affectedPeriods: ["2026-02-01", "2026-03-01"],
          rowsWritten: 4
        })
        expect(yield* totals).toEqual([
          { period: "2026-02-01", cost: "3.500000000000000001", n: 2 },
          { period: "2026-03-01", cost: "3.975", n: 2 }
        ])
        const [tags] = yield* query("SELECT defined_tags_json AS tags FROM cloud_oci_billing_raw_daily LIMIT 1")
        expect(tags).toEqual({ tags: { "Finance.CostCenter": "CC-7" } })

        yield* put(join(place, "0003.csv"), report(["2026-03-02", "8"]))
        const again = yield* extract(days("2026-03-02", "2026-03-02"))
        expect(again.affectedPeriods).toEqual(["2026-02-01", "2026-03-01"])
        expect(again.details["credentials"]).toMatchObject([
          {
            periods: [
              { period: "2026-02-01", skipped: true },
              { period: "2026-03-01", files: 2, rows: 3, skipped: false }
            ]
          }
        ])
        expect((yield* totals)[1]).toEqual({ period: "2026-03-01", cost: "11.975", n: 3 })
      })
    )
  )

  it.scoped("a report that is cut, empty, or has no cost column leaves what was loaded", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "reports/cost-csv")
        yield* put(join(place, "0001.csv"), report(["2026-03-01", "1"]))
        yield* put(join(place, "0002.csv"), report())
        yield* credential("OCI_FILES", { path: folder })
        yield* extract(days("2026-03-01", "2026-03-01"))
        const packed = gzipSync(report(["2026-03-02", "2"]).repeat(50))
        yield* put(join(place, "0003.csv.gz"), packed.subarray(0, packed.length / 2))
        const cut = yield* Effect.flip(extract(days("2026-03-01", "2026-03-02")))
        expect([cut.code, cut.message]).toEqual(["SOURCE_REJECTED", expect.stringContaining("0003.csv.gz")])
        yield* put(join(place, "0003.csv.gz"), Buffer.from("a,b\n1,2\n"))
        const headless = yield* Effect.flip(extract(days("2026-03-01", "2026-03-02")))
        expect(headless.errorType).toBe("PERMANENT")
        expect(yield* totals).toEqual([{ period: "2026-03-01", cost: "1", n: 1 }])
      })
    )
  )
})

describe("the tenancy's bucket", () => {
  it.scopedLive(
    "is read with signed requests, page by page, through throttling and cut connections",
    () =>
      world(() =>
        Effect.gen(function* () {
          const server = yield* ociServer
          for (const day of ["01", "02", "03"]) {
            server.objects.set(`reports/cost-csv/00 ${day}.csv.gz`, gzipSync(report([`2026-03-${day}`, "1.25"])))
          }
          server.objects.set("reports/usage-csv/0001.csv.gz", gzipSync("a,b\n1,2"))
          server.faults.push(
            (_request, response) => {
              response.writeHead(429, { "retry-after": "0" }).end("{}")
              return true
            },
            ({ url }, response) => {
              if (!url.pathname.includes("cost-csv")) return false
              response.destroy()
              return true
            }
          )
          yield* credential("OCI", { endpoint: server.endpoint }, secret)
          expect(yield* extract(days("2026-03-01", "2026-03-03"))).toMatchObject({ rowsWritten: 3 })
          expect(yield* totals).toEqual([{ period: "2026-03-01", cost: "3.75", n: 3 }])
          expect(server.faults).toEqual([])
        })
      ),
    20_000
  )

  it.scopedLive("a key that OCI does not accept is one clear permanent error", () =>
    world(() =>
      Effect.gen(function* () {
        const server = yield* ociServer
        yield* credential(
          "OCI",
          { endpoint: server.endpoint },
          { ...secret, fingerprint: "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00" }
        )
        const refused = yield* Effect.flip(extract())
        expect([refused.errorType, refused.message, refused.suggestedAction]).toEqual([
          "PERMANENT",
          expect.stringContaining("HTTP 401, NotAuthenticated"),
          expect.stringContaining("fingerprint")
        ])
        expect(refused.message).not.toContain("do not show")
        expect(server.journal).toHaveLength(1)
      })
    )
  )
})
