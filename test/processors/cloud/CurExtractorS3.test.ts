import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import { httpServer } from "../../support/httpServer.ts"
import { s3Server } from "../../support/s3Server.ts"
import { curFile, extract, org, query, world } from "./support.ts"

const total = "SELECT SUM(unblended_cost) AS cost, COUNT(*) AS n FROM cloud_aws_billing_raw_daily"

const bucketCredential = (endpoint: string) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId: "aws_s3",
      provider: "AWS_KEYS",
      credentialName: "bucket",
      metadata: { cur_bucket: "acme-billing", cur_prefix: "exports/acme", endpoint },
      secret: Redacted.make(JSON.stringify({ access_key_id: "AKIAEXAMPLE", secret_access_key: "not-a-real-secret" }))
    })
  )

const dataKey = (month: string) => `exports/acme/data/BILLING_PERIOD=${month}/acme-00001.csv.gz`

it.scoped("loads a bucket, downloads nothing that is unchanged, and leaves no file behind", () =>
  world((folder) =>
    Effect.gen(function* () {
      const { endpoint, put, downloads } = yield* s3Server("acme-billing")
      const deliver = (month: string, costs: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          yield* put(dataKey(month), gzipSync(curFile(month, costs)))
          yield* put(
            `exports/acme/metadata/BILLING_PERIOD=${month}/acme-Manifest.json`,
            JSON.stringify({ dataFiles: [`s3://acme-billing/${dataKey(month)}`] })
          )
        })
      yield* deliver("2026-03", ["1.5", "2"])
      yield* deliver("2026-04", ["4"])
      yield* bucketCredential(endpoint)

      expect(yield* extract()).toMatchObject({ rowsWritten: 3, affectedPeriods: ["2026-03-01", "2026-04-01"] })
      expect(yield* query(total)).toEqual([{ cost: "7.5", n: 3 }])
      expect(yield* query("SELECT DISTINCT x_source_file AS file FROM cloud_aws_billing_raw_daily ORDER BY 1")).toEqual(
        [{ file: `s3://acme-billing/${dataKey("2026-03")}` }, { file: `s3://acme-billing/${dataKey("2026-04")}` }]
      )
      expect((yield* downloads).filter((key) => key.includes("/data/")).length).toBe(2)
      expect(yield* Effect.promise(() => readdir(join(folder, "downloads")))).toEqual([])

      yield* extract()
      expect((yield* downloads).filter((key) => key.includes("/data/"))).toEqual([])

      yield* deliver("2026-04", ["5"])
      yield* extract()
      expect((yield* downloads).filter((key) => key.includes("/data/"))).toEqual([dataKey("2026-04")])
      expect(yield* query(total)).toEqual([{ cost: "8.5", n: 3 }])
    })
  )
)

it.scoped("refuses a manifest of another bucket, and one beyond the credential's prefix", () =>
  world(() =>
    Effect.gen(function* () {
      const { endpoint, put } = yield* s3Server("acme-billing")
      yield* bucketCredential(endpoint)
      for (const named of [
        `s3://other-bucket/${dataKey("2026-03")}`,
        "s3://acme-billing/elsewhere/acme-00001.csv.gz"
      ]) {
        yield* put(
          "exports/acme/metadata/BILLING_PERIOD=2026-03/acme-Manifest.json",
          JSON.stringify({ dataFiles: [named] })
        )
        const failure = yield* Effect.flip(extract())
        expect(failure).toMatchObject({ errorType: "PERMANENT", code: "MANIFEST_OUTSIDE" })
        expect(failure.message).toContain(named)
      }
    })
  )
)

it.scoped("tells a refused from a throttled bucket, and says how long to wait", () =>
  world(() =>
    Effect.gen(function* () {
      let answer = { status: 403, code: "AccessDenied" }
      const { endpoint } = yield* httpServer((_request, response) => {
        response.writeHead(answer.status, { "content-type": "application/xml", "retry-after": "1" })
        response.end(`<Error><Code>${answer.code}</Code><Message>no</Message></Error>`)
      })
      yield* bucketCredential(endpoint)
      expect(yield* Effect.flip(extract())).toMatchObject({ errorType: "PERMANENT", code: "AWS_ACCESS_DENIED" })
      answer = { status: 503, code: "SlowDown" }
      const busy = yield* Effect.flip(extract())
      expect(busy).toMatchObject({ errorType: "TRANSIENT", code: "AWS_UNAVAILABLE", retryAfterSeconds: 1 })
      expect(JSON.stringify(busy)).not.toContain("not-a-real-secret")
    })
  )
)

it.scoped("discovers anew when a file was replaced between its listing and its download", () =>
  world(() =>
    Effect.gen(function* () {
      const body = gzipSync(curFile("2026-03", ["3.5"]))
      const manifestKey = "exports/acme/metadata/BILLING_PERIOD=2026-03/acme-Manifest.json"
      const manifest = JSON.stringify({ dataFiles: [`s3://acme-billing/${dataKey("2026-03")}`] })
      const entry = (key: string, size: number, etag: string) =>
        `<Contents><Key>${key}</Key><Size>${size}</Size><ETag>&quot;${etag}&quot;</ETag></Contents>`
      let listings = 0
      const { endpoint } = yield* httpServer(({ url, headers }, response) => {
        if (url.searchParams.has("list-type")) {
          listings += 1
          const data = entry(dataKey("2026-03"), body.length, listings === 1 ? "old" : "new")
          return void response.end(
            `<ListBucketResult><IsTruncated>false</IsTruncated>${data}${entry(manifestKey, manifest.length, "m")}</ListBucketResult>`
          )
        }
        if (url.pathname.endsWith("Manifest.json")) return void response.end(manifest)
        response.writeHead(headers["if-match"] === '"new"' ? 200 : 412)
        response.end(headers["if-match"] === '"new"' ? body : "<Error><Code>PreconditionFailed</Code></Error>")
      })
      yield* bucketCredential(endpoint)
      expect(yield* extract()).toMatchObject({ rowsWritten: 1 })
      expect(listings).toBe(2)
      expect(yield* query(total)).toEqual([{ cost: "3.5", n: 1 }])
    })
  )
)
