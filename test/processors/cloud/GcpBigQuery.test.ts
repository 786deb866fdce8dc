/**
 * Google Cloud's billing exports read from BigQuery, against a local counterpart that checks the protocol.
 */
import { generateKeyPairSync } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import { bigQueryServer, type BigQueryWorld } from "../../support/bigQueryServer.ts"
import { extract } from "./gcpSupport.ts"
import { days, org, query, world } from "./support.ts"

const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" }
})

const record = (name: string, ...fields: ReadonlyArray<string>) => ({
  name,
  type: "RECORD",
  fields: fields.map((field) => ({ name: field, type: "STRING" }))
})
const scalar = (name: string, type = "STRING") => ({ name, type })

const fields = [
  scalar("billing_account_id"),
  record("service", "id", "description"),
  record("sku", "id", "description"),
  scalar("usage_start_time", "TIMESTAMP"),
  scalar("usage_end_time", "TIMESTAMP"),
  record("invoice", "month"),
  scalar("cost", "FLOAT"),
  scalar("currency"),
  scalar("export_time", "TIMESTAMP"),
  { ...record("credits", "name", "amount", "type"), mode: "REPEATED" },
  scalar("brand_new_column")
]

const cell = (v: unknown) => ({ v })
const row = (month: string, cost: string, credit?: string): ReadonlyArray<unknown> => [
  "0AAAAA-111111-222222",
  { f: [cell("6F81-5844-456A"), cell("Compute Engine")] },
  { f: [cell("2E27"), cell("Core")] },
  "1773104400123456",
  "1773108000000000",
  { f: [cell(month)] },
  cost,
  "USD",
  "1773220391000000",
  credit === undefined ? [] : [cell({ f: [cell("Free"), cell(credit), cell("FREE_TIER")] })],
  "x"
]

const newWorld = (): BigQueryWorld => ({
  project: "acme-jobs",
  table: "acme-billing.exports.gcp_billing_export_v1_0AAAAA",
  fields,
  publicKey,
  clientEmail: "reader@acme.example",
  rows: {
    "202602": [row("202602", "1")],
    "202603": [row("202603", "0.1"), row("202603", "1.234567890123456789", "-0.1"), row("202603", "5E-06")]
  },
  refusals: [],
  pageRows: 2,
  bytes: 4096
})

const credential = (bigQuery: BigQueryWorld, endpoint: string, over: object = {}) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId: "gcp",
      provider: "GCP_SA",
      credentialName: "gcp",
      metadata: { billing_export_table: bigQuery.table, billing_project: bigQuery.project, endpoint, ...over },
      secret: Redacted.make(
        JSON.stringify({
          type: "service_account",
          project_id: "acme-billing",
          private_key: privateKey,
          client_email: bigQuery.clientEmail,
          token_uri: "http://127.0.0.1:1/never"
        })
      )
    })
  )

const totals =
  "SELECT billing_period_start AS period, COUNT(*) AS n, SUM(cost) AS cost FROM cloud_gcp_billing_raw_daily GROUP BY billing_period_start ORDER BY 1"

const march = days("2026-03-01", "2026-03-31")

const withServer = <A, E, R>(
  body: (given: {
    readonly bigQuery: BigQueryWorld
    readonly asked: (part: string) => number
  }) => Effect.Effect<A, E, R>
) =>
  world(() =>
    Effect.gen(function* () {
      const bigQuery = newWorld()
      const { endpoint, journal } = yield* bigQueryServer(bigQuery)
      yield* credential(bigQuery, endpoint)
      return yield* body({
        bigQuery,
        asked: (part) => journal.filter(({ body, url }) => body.includes(part) || url.pathname.includes(part)).length
      })
    })
  )

describe("an export table", () => {
  it.scoped("is read month by month, page by page, to the last digit", () =>
    withServer(() =>
      Effect.gen(function* () {
        const output = yield* extract(march)
        expect(output).toMatchObject({
          rowsWritten: 3,
          affectedPeriods: ["2026-03-01"],
          details: {
            unmapped_columns: ["brand_new_column"],
            credentials: [
              {
                location: "bigquery://acme-billing.exports.gcp_billing_export_v1_0AAAAA",
                format: "standard",
                estimated_bytes: { "202603": 4096 }
              }
            ]
          }
        })
        expect(yield* query(totals)).toEqual([{ period: "2026-03-01", n: 3, cost: "1.334572890123456789" }])
        expect(
          yield* query(
            "SELECT usage_start_time AS started, credits_json AS credits, x_source_file AS file FROM cloud_gcp_billing_raw_daily WHERE cost > 1"
          )
        ).toEqual([
          {
            started: "2026-03-10T01:00:00.123456Z",
            credits: '[{"name":"Free","amount":"-0.1","type":"FREE_TIER"}]',
            file: "bigquery://acme-billing.exports.gcp_billing_export_v1_0AAAAA/202603"
          }
        ])
      })
    )
  )

  it.scoped("is not read again while its months are unchanged, and only where they changed", () =>
    withServer(({ asked, bigQuery }) =>
      Effect.gen(function* () {
        yield* extract(days("2026-02-01", "2026-03-31"))
        const before = asked("month = @month")
        const again = yield* extract(march)
        expect(again.rowsProcessed).toBe(0)
        expect(asked("month = @month")).toBe(before)
        bigQuery.rows = { ...bigQuery.rows, "202602": [row("202602", "1"), row("202602", "-0.25")] }
        const late = yield* extract(march)
        expect(late.affectedPeriods).toContain("2026-02-01")
        expect(late.rowsWritten).toBe(2)
        expect(yield* query(totals)).toEqual([
          { period: "2026-02-01", n: 2, cost: "0.75" },
          { period: "2026-03-01", n: 3, cost: "1.334572890123456789" }
        ])
        bigQuery.rows = { "202602": bigQuery.rows["202602"] ?? [] }
        yield* extract(march)
        expect(yield* query(totals)).toEqual([{ period: "2026-02-01", n: 2, cost: "0.75" }])
      })
    )
  )

  it.scoped("leaves out partitions that the months' rows cannot be in", () =>
    withServer(({ asked }) =>
      Effect.gen(function* () {
        yield* extract(march)
        expect(asked("2026-02-22T00:00:00Z")).toBeGreaterThan(0)
        expect(asked("2025-11-24T00:00:00Z")).toBe(1)
        expect(asked("_PARTITIONTIME >= @arrived")).toBeGreaterThan(1)
      })
    )
  )
})

describe("what goes wrong", () => {
  const failing: Readonly<
    Record<string, readonly [refusal: readonly [number, string], code: string, type: string, action: RegExp]>
  > = {
    "no permission": [[403, "accessDenied"], "BIGQUERY_ACCESS_DENIED", "PERMANENT", /Data Viewer/],
    "no such table": [[404, "notFound"], "BIGQUERY_NOT_FOUND", "PERMANENT", /check project, dataset and table/],
    "a used up quota": [[403, "quotaExceeded"], "BIGQUERY_QUOTA_EXCEEDED", "PERMANENT", /quota/]
  }
  for (const [what, [refusal, code, errorType, action]] of Object.entries(failing)) {
    it.scoped(`${what} is an error that says what to do, and none of Google's own words`, () =>
      withServer(({ bigQuery }) =>
        Effect.gen(function* () {
          bigQuery.refusals = [refusal]
          const error = yield* Effect.flip(extract(march))
          expect(error).toMatchObject({ code, errorType })
          expect(error.suggestedAction).toMatch(action)
          expect(JSON.stringify(error)).not.toMatch(/vendor's own words|BEGIN/)
        })
      )
    )
  }

  it.scoped("a query that would process too much is not started", () =>
    withServer(({ asked, bigQuery }) =>
      Effect.gen(function* () {
        bigQuery.bytes = 5000
        const config = { provider: "gcp", maximum_bytes_billed: 5000 }
        yield* extract({ ...march, config })
        bigQuery.rows = { "202603": [row("202603", "9")] }
        bigQuery.bytes = 4999
        yield* extract({ ...march, config })
        const before = asked("requestId")
        bigQuery.rows = { "202603": [row("202603", "8")] }
        bigQuery.rows = { "202603": [...(bigQuery.rows["202603"] ?? []), row("202603", "8")] }
        bigQuery.bytes = 5001
        const error = yield* Effect.flip(extract({ ...march, config }))
        expect(error.message).toMatch(/bytesBilledLimitExceeded|5001 bytes, more than 5000/)
        expect(error.suggestedAction).toMatch(/maximum_bytes_billed/)
        expect(asked("requestId")).toBe(before + 1)
        expect(yield* query(totals)).toEqual([{ period: "2026-03-01", n: 1, cost: "9" }])
      })
    )
  )

  it.scoped("a table name that is none never gets into a statement", () =>
    world(() =>
      Effect.gen(function* () {
        const bigQuery = newWorld()
        for (const table of ["a.b", "acme.x.y`; DROP TABLE z", "acme.x..y", "acme.x.y--"]) {
          yield* credential(bigQuery, "http://127.0.0.1:9", { billing_export_table: table })
          const error = yield* Effect.flip(extract(march))
          expect(error.message, table).toMatch(/lacks a valid billing_export_table/)
        }
      })
    )
  )
})
