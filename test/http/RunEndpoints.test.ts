/**
 * Runs over HTTP: ask, look, list, cancel; what is wrong with a request, and in which order it is found.
 */
import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RunId } from "../../src/platform/Identifiers.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as World from "../support/HttpWorld.ts"

const demo = "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo"
const slow = "/api/v1/pipelines/run/acme_corp/cloud/test/slow"
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const unknownRun = "11111111-1111-4111-8111-111111111111"

const idOf = (answer: World.Answer): RunId =>
  Schema.decodeUnknownSync(Schema.Struct({ pipeline_logging_id: RunId }))(answer.json).pipeline_logging_id

const errorOf = (answer: World.Answer) => [
  answer.status,
  Schema.decodeUnknownSync(Schema.Struct({ error_code: Schema.String }))(answer.json).error_code
]

/** Asks for a run of the demo pipeline and waits for its end. */
const endedRun = Effect.gen(function* () {
  const keys = yield* World.Keys
  const runId = idOf(yield* World.call("POST", demo, World.withKey(keys.acme)))
  const runs = yield* Runs
  yield* runs.awaitEnd(runId)
  return runId
})

layer(World.layer({ script: { slow: () => Effect.never } }), { excludeTestServices: true })("runs over HTTP", (it) => {
  describe("asking for a run", () => {
    it.effect("answers PENDING with a run id, and the run ends", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const accepted = yield* World.call("POST", demo, World.withKey(keys.acme))
        expect(accepted.status).toBe(200)
        expect(accepted.headers.get("content-type")).toBe("application/json")
        expect(accepted.headers.get("content-length")).toBe(String(JSON.stringify(accepted.json).length))
        const runId = idOf(accepted)
        expect(runId).toMatch(uuid)
        expect(accepted.json).toEqual({
          pipeline_logging_id: runId,
          pipeline_id: "acme_corp-cloud-test-cost-demo",
          org_slug: "acme_corp",
          status: "PENDING",
          message: `pipeline acme_corp-cloud-test-cost-demo accepted: follow it at /api/v1/pipelines/acme_corp/runs/${runId}/events/live`
        })
        const runs = yield* Runs
        expect((yield* runs.awaitEnd(runId)).status).toBe("COMPLETED")
      })
    )

    it.effect("takes three path parts as well as four", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const accepted = yield* World.call("POST", slow, World.withKey(keys.acme))
        expect(accepted.status).toBe(200)
        expect(accepted.json).toMatchObject({ pipeline_id: "acme_corp-cloud-test-slow" })
        yield* World.call("DELETE", `/api/v1/pipelines/runs/${idOf(accepted)}`, World.withKey(keys.acme))
        const runs = yield* Runs
        yield* runs.awaitEnd(idOf(accepted))
      })
    )

    it.effect("fills the dates from body and query, the query first", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runs = yield* Runs
        const rangeOf = (query: string, body: unknown) =>
          Effect.gen(function* () {
            const accepted = yield* World.call("POST", demo + query, { ...World.withKey(keys.acme), body })
            expect(accepted.status).toBe(200)
            const { parameters, runDate } = yield* runs.awaitEnd(idOf(accepted))
            expect(runDate).toBe(parameters["start_date"])
            return [parameters["start_date"], parameters["end_date"]]
          })
        expect(yield* rangeOf("", { date: "2026-03-05" })).toEqual(["2026-03-05", "2026-03-05"])
        expect(yield* rangeOf("", { start_date: "2026-03-01", end_date: "2026-03-31" })).toEqual([
          "2026-03-01",
          "2026-03-31"
        ])
        expect(yield* rangeOf("?start_date=2026-02-01", { start_date: "2026-03-01", end_date: "2026-03-31" })).toEqual([
          "2026-02-01",
          "2026-03-31"
        ])
        expect(yield* rangeOf("?date=2024-02-29", { date: "2026-03-01" })).toEqual(["2024-02-29", "2024-02-29"])
        expect(yield* rangeOf("", { start_date: "2026-03-01", date: null })).toEqual(["2026-03-01", "2026-03-01"])
      })
    )

    it.effect("answers a second request with the live run, and says so", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runs = yield* Runs
        const first = yield* World.call("POST", slow, World.withKey(keys.acme))
        const second = yield* World.call("POST", slow, World.withKey(keys.acme))
        expect(second.status).toBe(200)
        expect(idOf(second)).toBe(idOf(first))
        expect(second.json).toMatchObject({ status: "RUNNING", message: expect.stringContaining("already running") })
        yield* World.call("DELETE", `/api/v1/pipelines/runs/${idOf(first)}`, World.withKey(keys.acme))
        yield* runs.awaitEnd(idOf(first))
      })
    )

    it.effect("gives the first answer again for the same Idempotency-Key", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runs = yield* Runs
        const ask = World.call("POST", demo, World.withKey(keys.acme, { "Idempotency-Key": "order-1" }))
        const runId = idOf(yield* ask)
        yield* runs.awaitEnd(runId)
        expect(idOf(yield* ask)).toBe(runId)
        const another = World.call("POST", demo, World.withKey(keys.acme, { "Idempotency-Key": "order-2" }))
        const other = idOf(yield* another)
        expect(other).not.toBe(runId)
        yield* runs.awaitEnd(other)
      })
    )

    it.effect("refuses what it cannot run, with the code of the fault", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runs = yield* Runs
        const before = (yield* runs.list({ org: World.acme, limit: 1, offset: 0 })).total
        const ask = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
          Effect.map(World.call("POST", path, { ...World.withKey(keys.acme, headers), body }), errorOf)
        const run = "/api/v1/pipelines/run/acme_corp"
        expect(yield* ask(`${run}/cloud`)).toEqual([400, "INVALID_PATH"])
        expect(yield* ask(`${run}/cloud/test`)).toEqual([400, "INVALID_PATH"])
        expect(yield* ask(`${run}/cloud/test/cost/demo/x`)).toEqual([400, "INVALID_PATH"])
        expect(yield* ask(`${run}/cloud/te-st/cost`)).toEqual([400, "INVALID_PATH"])
        expect(yield* ask(`${run}/cloud/${"x".repeat(51)}/cost`)).toEqual([400, "INVALID_PATH"])
        expect(yield* ask(`${run}/cloud%2Ftest/cost/demo`)).toEqual([400, "INVALID_PATH"])
        expect(yield* ask(`${run}/cloud/no/such`)).toEqual([404, "TEMPLATE_NOT_FOUND"])
        expect(yield* ask(demo, "{")).toEqual([400, "INVALID_JSON"])
        expect(yield* ask(demo, [])).toEqual([422, "REQUEST_INVALID"])
        expect(yield* ask(demo, { unknown: 1 })).toEqual([422, "REQUEST_INVALID"])
        expect(yield* ask(demo, { force_refresh: "yes" })).toEqual([422, "REQUEST_INVALID"])
        for (const date of ["2026-02-30", "2026-13-01", "yesterday", "", "2026-1-1", "2026-01-01T00:00:00Z"]) {
          expect(yield* ask(demo, { date })).toEqual([400, "INVALID_DATE"])
          expect(yield* ask(`${demo}?end_date=${date}`)).toEqual([400, "INVALID_DATE"])
        }
        expect(yield* ask(demo, { start_date: "2026-03-02", end_date: "2026-03-01" })).toEqual([
          400,
          "INVALID_DATE_RANGE"
        ])
        expect(yield* ask(demo, { end_date: "2026-03-01" })).toEqual([400, "INVALID_DATE_RANGE"])
        expect(yield* ask(demo, { start_date: "2020-01-01", end_date: "2026-01-01" })).toEqual([
          400,
          "INVALID_DATE_RANGE"
        ])
        expect(yield* ask(demo, { date: "2999-01-01" })).toEqual([400, "INVALID_DATE"])
        expect(yield* ask(demo, {}, { "Idempotency-Key": "x".repeat(256) })).toEqual([400, "INVALID_HEADERS"])
        expect((yield* runs.list({ org: World.acme, limit: 1, offset: 0 })).total).toBe(before)
      })
    )

    it.effect("finds faults in the order syntax, key, organisation, body, pipeline", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const ask = (path: string, headers: Record<string, string>, body: unknown) =>
          Effect.map(World.call("POST", path, { headers, body }), errorOf)
        const bad = { date: "2026-02-30" }
        const key = { "X-API-Key": keys.acme }
        const nowhere = "cloud/no/such"
        expect(yield* ask("/api/v1/pipelines/run/BAD!/x", {}, bad)).toEqual([400, "INVALID_PATH"])
        expect(yield* ask(`/api/v1/pipelines/run/BAD!/${nowhere}`, {}, bad)).toEqual([401, "MISSING_API_KEY"])
        expect(yield* ask(`/api/v1/pipelines/run/BAD!/${nowhere}`, key, bad)).toEqual([400, "INVALID_ORG_SLUG"])
        expect(yield* ask(`/api/v1/pipelines/run/other_org/${nowhere}`, key, bad)).toEqual([403, "ORG_MISMATCH"])
        expect(yield* ask(`/api/v1/pipelines/run/acme_corp/${nowhere}`, key, bad)).toEqual([400, "INVALID_DATE"])
        expect(yield* ask(`/api/v1/pipelines/run/acme_corp/${nowhere}`, key, {})).toEqual([404, "TEMPLATE_NOT_FOUND"])
        const readOnly = { "X-API-Key": keys.readOnly }
        expect(yield* ask(`/api/v1/pipelines/run/BAD!/${nowhere}`, readOnly, bad)).toEqual([403, "INSUFFICIENT_SCOPE"])
      })
    )
  })

  describe("looking at runs", () => {
    it.effect("shows a run in short, in full, its steps and its history", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runId = yield* endedRun
        const short = yield* World.call("GET", `/api/v1/pipelines/runs/${runId}`, World.withKey(keys.acme))
        expect(short.status).toBe(200)
        expect(short.json).toMatchObject({
          pipeline_logging_id: runId,
          pipeline_id: "acme_corp-cloud-test-cost-demo",
          org_slug: "acme_corp",
          status: "COMPLETED",
          trigger_type: "api",
          trigger_by: "api_user"
        })
        expect(Object.keys(Object(short.json)).sort()).toEqual(
          [
            "pipeline_logging_id",
            "pipeline_id",
            "org_slug",
            "status",
            "trigger_type",
            "trigger_by",
            "start_time",
            "end_time",
            "duration_ms"
          ].sort()
        )

        const own = `/api/v1/pipelines/acme_corp/runs/${runId}`
        const full = yield* World.call("GET", own, World.withKey(keys.acme))
        expect(full.json).toMatchObject({
          status: "COMPLETED",
          error_message: null,
          steps: [
            { step_name: "extract", step_index: 0, status: "COMPLETED", rows_processed: 1 },
            { step_name: "convert", step_index: 1, status: "COMPLETED" }
          ]
        })
        expect(JSON.stringify(full.json)).toContain('"attempts"')

        const steps = yield* World.call("GET", `${own}/steps?limit=1&offset=1`, World.withKey(keys.acme))
        expect(steps.json).toMatchObject({ total: 2, limit: 1, offset: 1, steps: [{ step_name: "convert" }] })
        const none = yield* World.call("GET", `${own}/steps?status_filter=FAILED`, World.withKey(keys.acme))
        expect(none.json).toEqual({ steps: [], total: 0, limit: 100, offset: 0 })

        const runs = yield* Runs
        const recorded = yield* runs.events(runId)
        const events = yield* World.call("GET", `${own}/events`, World.withKey(keys.acme))
        expect(events.json).toEqual({
          events: recorded.map((event) => ({
            version: event.version,
            type: event.type,
            recorded_at: new Date(event.recordedAt).toISOString(),
            data: event.data,
            hash: event.hash
          })),
          total: recorded.length,
          limit: 100,
          offset: 0
        })
        const page = yield* World.call("GET", `${own}/events?limit=2&offset=1`, World.withKey(keys.acme))
        expect(page.json).toMatchObject({ events: [{ version: 2 }, { version: 3 }], total: recorded.length })
      })
    )

    it.effect("lists newest first, filters and pages", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const older = yield* endedRun
        const newer = yield* endedRun
        const list = yield* World.call("GET", "/api/v1/pipelines/runs?limit=2", World.withKey(keys.acme))
        expect(list.json).toMatchObject([{ pipeline_logging_id: newer }, { pipeline_logging_id: older }])
        const page = yield* World.call(
          "GET",
          "/api/v1/pipelines/acme_corp/runs?limit=1&offset=1&status_filter=COMPLETED&pipeline_id=test-cost&trigger_type=api",
          World.withKey(keys.acme)
        )
        expect(page.json).toMatchObject({ runs: [{ pipeline_logging_id: older }], limit: 1, offset: 1 })
        const literal = yield* World.call("GET", "/api/v1/pipelines/runs?pipeline_id=%25", World.withKey(keys.acme))
        expect(literal.json).toEqual([])
        const nobody = yield* World.call(
          "GET",
          "/api/v1/pipelines/acme_corp/runs?trigger_by=nobody",
          World.withKey(keys.acme)
        )
        expect(nobody.json).toEqual({ runs: [], total: 0, limit: 20, offset: 0 })
        const empty = yield* World.call("GET", "/api/v1/pipelines/runs", World.withKey(keys.other))
        expect(empty.json).toEqual([])
      })
    )

    it.effect("refuses a limit beyond the maximum, naming the parameter", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        for (const limit of ["101", "0", "-1", "x", "1.5", "", "1&limit=2"]) {
          const answer = yield* World.call("GET", `/api/v1/pipelines/runs?limit=${limit}`, World.withKey(keys.acme))
          expect(errorOf(answer), limit).toEqual([422, "REQUEST_INVALID"])
          expect(answer.json).toMatchObject({
            detail: [{ loc: ["query", "limit"], msg: expect.any(String), type: "value_error" }]
          })
        }
        const range = yield* World.call(
          "GET",
          "/api/v1/pipelines/acme_corp/runs?start_date=2026-02-30",
          World.withKey(keys.acme)
        )
        expect(errorOf(range)).toEqual([400, "INVALID_DATE"])
      })
    )

    it.effect("does not find another organisation's run, an unknown one or no run id at all", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runId = yield* endedRun
        for (const id of [runId, unknownRun, "not-a-uuid"]) {
          for (const path of [
            `/api/v1/pipelines/runs/${id}`,
            `/api/v1/pipelines/other_org/runs/${id}`,
            `/api/v1/pipelines/other_org/runs/${id}/steps`,
            `/api/v1/pipelines/other_org/runs/${id}/events`,
            `/api/v1/pipelines/other_org/runs/${id}/events/live`
          ]) {
            expect(errorOf(yield* World.call("GET", path, World.withKey(keys.other)))).toEqual([404, "RUN_NOT_FOUND"])
          }
        }
        const upper = yield* World.call(
          "GET",
          `/api/v1/pipelines/runs/${runId.toUpperCase()}`,
          World.withKey(keys.acme)
        )
        expect(upper.status).toBe(200)
      })
    )
  })

  describe("cancelling a run", () => {
    it.effect("cancels a running run, and leaves a finished one as it is", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runs = yield* Runs
        const runId = idOf(yield* World.call("POST", slow, World.withKey(keys.acme)))
        const cancel = World.call("DELETE", `/api/v1/pipelines/runs/${runId}`, World.withKey(keys.acme))
        const first = yield* cancel
        expect(first.status).toBe(200)
        expect(first.json).toMatchObject({ pipeline_logging_id: runId })
        expect((yield* runs.awaitEnd(runId)).status).toBe("CANCELLED")
        expect((yield* cancel).json).toMatchObject({ status: "CANCELLED" })
        const done = yield* endedRun
        const late = yield* World.call("DELETE", `/api/v1/pipelines/runs/${done}`, World.withKey(keys.acme))
        expect(late.json).toEqual({
          pipeline_logging_id: done,
          status: "COMPLETED",
          message: "the run has already ended: COMPLETED"
        })
      })
    )

    it.effect("is not possible for another organisation, but for the root key", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runs = yield* Runs
        const runId = idOf(yield* World.call("POST", slow, World.withKey(keys.acme)))
        const path = `/api/v1/pipelines/runs/${runId}`
        const foreign = yield* World.call("DELETE", path, World.withKey(keys.other))
        expect(foreign.status).toBe(404)
        expect(foreign.json).toMatchObject({
          detail: { error: "pipeline_not_found", message: expect.any(String) },
          error_code: "RUN_NOT_FOUND"
        })
        const unknown = yield* World.call("DELETE", `/api/v1/pipelines/runs/${unknownRun}`, World.withKey(keys.other))
        expect(unknown.status).toBe(404)
        expect({ ...Object(unknown.json), request_id: "" }).toEqual({ ...Object(foreign.json), request_id: "" })
        expect((yield* runs.get(runId)).run.status).not.toBe("CANCELLING")
        const wrong = yield* World.call("DELETE", path, {
          headers: { "X-CA-Root-Key": "wrong", "X-API-Key": keys.acme }
        })
        expect(errorOf(wrong)).toEqual([403, "ROOT_KEY_INVALID"])
        expect(errorOf(yield* World.call("DELETE", path))).toEqual([401, "MISSING_API_KEY"])
        expect((yield* World.call("DELETE", path, World.asRoot)).status).toBe(200)
        expect((yield* runs.awaitEnd(runId)).status).toBe("CANCELLED")
      })
    )
  })
})
