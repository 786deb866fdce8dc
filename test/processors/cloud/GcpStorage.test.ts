/**
 * Billing exports of Google Cloud in a bucket of Cloud Storage.
 */
import { gzipSync } from "node:zlib"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Fault } from "../../support/httpServer.ts"
import { bucket, googleServer, keyFile } from "../../support/googleServer.ts"
import { cli } from "../../support/commandLine.ts"
import { credential, installedWith, query, run } from "../../support/InstalledWorld.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"

const line = (month: string, day: string, cost: string, service = "Compute Engine") =>
  `{"billing_account_id":"0AAAAA-111111-222222","service":{"id":"6F81","description":"${service}"},"sku":{"id":"2E27","description":"Core"},` +
  `"usage_start_time":"${month}-${day}T01:00:00Z","usage_end_time":"${month}-${day}T02:00:00Z","invoice":{"month":"${month.replace("-", "")}"},` +
  `"cost":${cost},"currency":"USD","cost_type":"regular","export_time":"${month}-${day}T09:00:00Z","credits":[],"project":{"id":"acme"},` +
  `"usage":{"amount":3,"unit":"seconds","amount_in_pricing_units":3,"pricing_unit":"second"}}`

const start = Effect.gen(function* () {
  const server = yield* googleServer
  server.objects.set("exports/2026-03-a.json", Buffer.from(`${line("2026-03", "01", "1.234567890123456789")}\n`))
  server.objects.set("exports/2026-03-b.json.gz", gzipSync(`${line("2026-03", "02", "5e-06")}\n`))
  server.objects.set("exports/2026-04.json", Buffer.from(`${line("2026-04", "02", "7")}\n`))
  server.objects.set("exports/readme.txt", Buffer.from("not data"))
  server.objects.set("elsewhere/2026-05.json", Buffer.from(`${line("2026-05", "02", "9")}\n`))
  return server
})

const totals = query(
  "SELECT BillingPeriodStart AS period, SUM(BilledCost) AS billed, ANY_VALUE(x_source_file) AS file FROM cost_data_standard_1_3 GROUP BY 1 ORDER BY 1"
)

// Google's months are those of US Pacific time.
layer(installedWith({}), { excludeTestServices: true })("a bucket of exports", (it) => {
  it.scoped(
    "below its prefix, listed page by page, becomes FOCUS rows; a call that fails for a moment is made again",
    () =>
      Effect.gen(function* () {
        const { endpoint, faults, journal, objects } = yield* start
        const cut: Fault = ({ url }, response) => {
          const isDownload = url.searchParams.get("alt") === "media"
          if (isDownload) response.destroy()
          return isDownload
        }
        faults.push(cut)
        yield* credential("files", "GCP_SA", { endpoint, bucket, prefix: "exports" }, keyFile)
        const ended = yield* run("cloud/gcp/cost/billing", "2026-03-01", "2026-04-30")
        expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
        expect(faults).toEqual([])
        expect(yield* totals).toMatchObject([
          { period: "2026-03-01T08:00:00Z", billed: "1.234572890123456789" },
          { period: "2026-04-01T07:00:00Z", billed: "7", file: `gs://${bucket}/exports/2026-04.json` }
        ])
        expect(journal.filter(({ url }) => url.searchParams.has("maxResults"))).toHaveLength(2)

        // One month restated: it alone changes. An object that is replaced between listing and reading is not mixed in.
        objects.set("exports/2026-04.json", Buffer.from(`${line("2026-04", "02", "-0.5")}\n`))
        faults.push(({ url }, response) => {
          if (url.searchParams.get("alt") !== "media") return false
          objects.set("exports/2026-04.json", Buffer.from(`${line("2026-04", "02", "8.25", "Brand New")}\n`))
          response.writeHead(412).end()
          return true
        })
        const restated = yield* run("cloud/gcp/cost/billing", "2026-03-01", "2026-04-30")
        expect(restated.steps[1]?.metadata["output"]).toMatchObject({
          conversions: [{ unknown_services: null }, { unknown_services: "Brand New" }]
        })
        expect((yield* totals).map(({ billed }) => billed)).toEqual(["1.234572890123456789", "8.25"])
      })
  )

  const broken = [
    { what: "a bucket that is not there", metadata: { bucket: "acme-other" }, error: /HTTP 403, forbidden/ },
    { what: "a prefix without exports", metadata: { prefix: "nothing" }, error: /holds no billing export/ },
    { what: "a name that is no bucket's", metadata: { bucket: "../b" }, error: /lacks a valid metadata/ },
    {
      what: "an object that Google would unpack on its way",
      body: '{"items":[{"name":"exports/a.json","size":"3","generation":"1","contentEncoding":"gzip"}]}',
      error: /Content-Encoding: gzip/
    },
    { what: "a listing that is no JSON", body: "<html>", error: /not of the documented form/ },
    { what: "a listing without end", body: '{"items":[],"nextPageToken":"x"}', error: /listing does not end/ }
  ]
  it.scoped.each(broken)("$what is one clear error, and nothing changes", ({ body, error, metadata }) =>
    Effect.gen(function* () {
      const { endpoint, faults } = yield* start
      const before = yield* totals
      if (body !== undefined) {
        const answer: Fault = (_, response) => {
          response.writeHead(200).end(body)
          return true
        }
        faults.push(answer, answer)
      }
      yield* credential("files", "GCP_SA", { endpoint, bucket, prefix: "exports", ...metadata }, keyFile)
      const { run: ended } = yield* run("cloud/gcp/cost/billing", "2026-03-01", "2026-04-30")
      expect([ended.status, ended.errorMessage]).toEqual(["FAILED", expect.stringMatching(error)])
      expect(yield* totals).toEqual(before)
    })
  )

  it.scoped("is what `convert` reads at gs://", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* start
      const keyPath = join(yield* temporaryFolder, "key.json")
      yield* Effect.promise(() => writeFile(keyPath, JSON.stringify(keyFile)))
      const input = ["--provider", "gcp", "--input", `gs://${bucket}/exports`, "--json"]
      const environment = { GOOGLE_APPLICATION_CREDENTIALS: keyPath, STORAGE_EMULATOR_HOST: endpoint }
      const { failure, out } = yield* cli(environment, "convert", ...input)
      expect(failure).toBeUndefined()
      expect(JSON.parse(out)).toMatchObject({ rowsIn: 3, quarantined: 0, conformance: { violated: [] } })
      const without = yield* cli({ STORAGE_EMULATOR_HOST: endpoint }, "convert", ...input)
      expect(without.failure).toMatch(/gs:\/\/ needs GOOGLE_APPLICATION_CREDENTIALS/)
    })
  )
})
