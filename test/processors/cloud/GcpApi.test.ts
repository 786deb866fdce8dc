/**
 * Snapshots of Google Cloud's lists, from the pipelines' files to their tables.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Catalogue } from "../../../src/pipelines/Catalogue.ts"
import * as HttpClientNode from "../../../src/platform/HttpClientNode.ts"
import * as GcpApiExtractor from "../../../src/processors/cloud/GcpApiExtractor.ts"
import type { Fault } from "../../support/httpServer.ts"
import { googleServer, keyFile, project } from "../../support/googleServer.ts"
import { credential, installedWith, org, query, run } from "../../support/InstalledWorld.ts"
import { contextOf } from "./support.ts"

const named = (names: ReadonlyArray<string>, member = "name") => names.map((name) => ({ [member]: name, size: 12.5 }))

const five = ["a", "b", "c", "d", "e"]
const accounts = named(five.map((name) => `billingAccounts/${name}`))
const zones = {
  "europe-west1-b": named(["i1", "i2"], "selfLink"),
  "europe-west1-c": [],
  "us-central1-a": named(["i3"], "selfLink")
}

/** What a list is asked for, its items, and the number of pages that the server makes of them. */
const lists = [
  { name: "billing_accounts", asked: "pageSize=50", keys: accounts.map(({ name }) => name), pages: 3 },
  { name: "compute_instances", asked: "maxResults=500", keys: ["i1", "i2", "i3"], pages: 2 },
  { name: "iam_service_accounts", asked: "pageSize=100", keys: five, pages: 3 },
  { name: "storage_buckets", asked: `maxResults=1000&project=${project}`, keys: five, pages: 3 }
]

const start = (credentialId = "google") =>
  Effect.gen(function* () {
    const server = yield* googleServer
    server.state.billingAccounts = accounts
    server.state.zones = zones
    server.state.serviceAccounts = named(five)
    server.state.buckets = named(five, "id")
    yield* credential(credentialId, "GCP_SA", { endpoint: server.endpoint }, keyFile)
    return server
  })

const rowsOf = (name: string) =>
  query(`SELECT resource_key AS name, JSON_VALUE(raw_data, '$.size') AS size, x_pipeline_id AS pipeline, x_credential_id AS credential,
    x_pipeline_run_date = DATE(extracted_at) AS isToday FROM gcp_${name}_raw ORDER BY resource_key`)

layer(installedWith({}), { excludeTestServices: true })("lists of Google Cloud", (it) => {
  it.scoped.each(lists)("$name: every page of it, once, on the day of the run", ({ asked, keys, name, pages }) =>
    Effect.gen(function* () {
      const { journal } = yield* start()
      for (const again of [false, true]) {
        const ended = yield* run(`cloud/gcp/api/${name}`)
        expect([again, ended.run.status, ended.run.errorMessage]).toEqual([again, "COMPLETED", null])
        expect(yield* rowsOf(name)).toEqual(
          keys.map((key) => ({
            name: key,
            size: "12.5",
            pipeline: `cloud_gcp_api_${name}`,
            credential: "google",
            isToday: true
          }))
        )
      }
      expect(journal).toHaveLength(2 * pages)
      expect(journal.every(({ url }) => url.search.startsWith(`?${asked}`))).toBe(true)
    })
  )

  const answer =
    (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Fault =>
    (_, response) => {
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(body)
      return true
    }
  const limited = answer(403, '{"error":{"code":403,"errors":[{"reason":"rateLimitExceeded"}]}}', {
    "retry-after": "0"
  })

  it.scoped("a call that is throttled, cut or refused for a moment is made again", () =>
    Effect.gen(function* () {
      const { faults } = yield* start()
      const cut: Fault = (_, response) => {
        response.destroy()
        return true
      }
      faults.push(cut, answer(429, "{}", { "retry-after": "0" }), answer(503, "", { "retry-after": "0" }), limited)
      const ended = yield* run("cloud/gcp/api/iam_service_accounts")
      expect([ended.run.status, faults]).toEqual(["COMPLETED", []])
    })
  )

  const broken = [
    {
      what: "a key that is not the account's",
      secret: { ...keyFile, client_email: "somebody@else.iam.gserviceaccount.com" },
      error: /HTTP 401, UNAUTHENTICATED/
    },
    { what: "a project of somebody else", secret: { ...keyFile, project_id: "globex" }, error: /HTTP 403, forbidden/ },
    { what: "an answer that is no JSON", fault: answer(200, "<html>"), error: /not of the documented form/ },
    { what: "an answer that is cut", fault: answer(200, '{"accounts":[{"na'), error: /not of the documented form/ },
    { what: "an item without its name", fault: answer(200, '{"accounts":[{"email":"x"}]}'), error: /item has no name/ },
    {
      what: "pages that do not end",
      fault: answer(200, '{"accounts":[],"nextPageToken":"same"}'),
      times: 2,
      error: /list does not end/
    }
  ]
  it.scoped.each(broken)("$what fails the run, and leaves what was there", ({ error, fault, secret, times = 1 }) =>
    Effect.gen(function* () {
      const server = yield* start()
      yield* run("cloud/gcp/api/iam_service_accounts")
      const before = yield* rowsOf("iam_service_accounts")
      if (secret !== undefined) yield* credential("google", "GCP_SA", { endpoint: server.endpoint }, secret)
      if (fault !== undefined) server.faults.push(...Array.from({ length: times }, () => fault))
      const { run: ended } = yield* run("cloud/gcp/api/iam_service_accounts")
      expect([ended.status, ended.errorMessage]).toEqual(["FAILED", expect.stringMatching(error)])
      expect(ended.errorMessage).not.toMatch(/never show this|PRIVATE/)
      expect(yield* rowsOf("iam_service_accounts")).toEqual(before)
      expect(before).toHaveLength(5)
    })
  )

  const partial = [
    { what: "a zone that could not be reached", zones: { ...zones, "asia-east1-a": "UNREACHABLE" }, unreachables: [] },
    { what: "a list of zones that are missing", zones, unreachables: ["zones/asia-east1-a"] }
  ]
  it.scoped.each(partial)("$what makes the snapshot incomplete: nothing is written, and it is tried again", (given) =>
    Effect.gen(function* () {
      const { state } = yield* start()
      yield* run("cloud/gcp/api/compute_instances")
      const before = yield* rowsOf("compute_instances")
      state.zones = given.zones
      state.unreachables = given.unreachables
      const { steps } = yield* Effect.flatMap(Catalogue, (catalogue) =>
        catalogue.load(org, "cloud/gcp/api/compute_instances")
      )
      const error = yield* Effect.flatMap(GcpApiExtractor.make, ({ execute }) =>
        Effect.flip(execute(contextOf({ config: steps[0].config })))
      ).pipe(Effect.provide(HttpClientNode.layer))
      expect(error).toMatchObject({ errorType: "TRANSIENT", code: "GOOGLE_PLACES_UNREACHABLE" })
      expect(error.message).toMatch(/asia-east1-a/)
      expect(yield* rowsOf("compute_instances")).toEqual(before)
    })
  )
})
