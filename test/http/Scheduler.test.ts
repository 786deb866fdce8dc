/**
 * The scheduler over HTTP: schedules, what an operator's clock calls, backfills, batches.
 */
import { expect, layer } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Runs } from "../../src/runs/Runs.ts"
import { RunId } from "../../src/platform/Identifiers.ts"
import { QuotaAdmin } from "../../src/validator/QuotaAdmin.ts"
import * as QuotaAdminLayers from "../../src/validator/QuotaAdminLayers.ts"
import * as HttpClientNode from "../../src/platform/HttpClientNode.ts"
import * as World from "../support/HttpWorld.ts"
import { httpServer } from "../support/httpServer.ts"
import { settings } from "../support/ServiceDatabase.ts"

const scheduler = "/api/v1/scheduler"
const own = `${scheduler}/org/acme_corp`

const demo = {
  provider: "test",
  domain: "cost",
  pipeline_template: "cloud/test/cost/demo",
  schedule_cron: "30 2 * * *",
  timezone: "Europe/Berlin"
}

const answerOf = (answer: World.Answer) => [answer.status, Object(answer.json).error_code]

/** One call with Acme's key. */
const send = (method: string, path: string, body?: unknown) =>
  Effect.flatMap(World.Keys, (keys) =>
    World.call(method, path, { ...World.withKey(keys.acme), ...(body === undefined ? {} : { body }) })
  )

layer(World.layer({ variables: { SCHEDULER_JITTER_SECONDS: "0" } }), { excludeTestServices: true })(
  "the scheduler over HTTP",
  (it) => {
    it.effect("stores, lists and disables schedules, and says what is wrong with one", () =>
      Effect.gen(function* () {
        const stored = yield* send("POST", `${own}/pipelines`, demo)
        expect(stored.status).toBe(200)
        const config = Object(stored.json)
        expect(config).toMatchObject({
          ...demo,
          org_slug: "acme_corp",
          is_active: true,
          parameters: {},
          last_run_time: null,
          last_run_status: null
        })
        expect(config.next_run_time).toMatch(/T0[01]:30:00\.000Z$/)
        const changed = yield* send("POST", `${own}/pipelines`, { ...demo, parameters: { force_refresh: true } })
        expect(Object(changed.json)).toMatchObject({ config_id: config.config_id, parameters: { force_refresh: true } })
        for (const [body, wanted] of [
          [{ ...demo, extra: 1 }, [422, "REQUEST_INVALID"]],
          [{ ...demo, parameters: { secret: "x" } }, [422, "REQUEST_INVALID"]],
          [{ ...demo, schedule_cron: "99 * * * *" }, [400, "INVALID_PARAMETER"]],
          [{ ...demo, timezone: "Berlin" }, [400, "INVALID_PARAMETER"]],
          [{ ...demo, schedule_cron: undefined }, [400, "INVALID_PARAMETER"]],
          [{ ...demo, pipeline_template: "cloud/test/cost/none" }, [404, "TEMPLATE_NOT_FOUND"]]
        ] as const) {
          expect(answerOf(yield* send("POST", `${own}/pipelines`, body))).toEqual(wanted)
        }
        expect(Object((yield* send("GET", `${own}/pipelines?is_active=false`)).json)).toEqual([])
        expect((yield* send("GET", `${own}/pipelines?is_active=maybe`)).status).toBe(422)
        const disabled = yield* send("DELETE", `${own}/pipelines/${config.config_id}`)
        expect(disabled.json).toMatchObject({ config_id: config.config_id, org_slug: "acme_corp" })
        expect(Object((yield* send("GET", `${own}/pipelines?is_active=false`)).json)).toMatchObject([
          { config_id: config.config_id, is_active: false, next_run_time: null }
        ])
        expect(answerOf(yield* send("DELETE", `${own}/pipelines/nothing`))).toEqual([404, "NOT_FOUND"])
      })
    )

    it.effect("triggers what is due, starts it, and counts it", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* send("POST", `${own}/pipelines`, demo)
        const past = Date.now() - 60_000
        yield* sql`update org_pipeline_configs set next_run_time = ${past}`
        const triggered = yield* World.call("POST", `${scheduler}/trigger?limit=10`, World.asRoot)
        expect(triggered.json).toMatchObject({
          triggered_count: 1,
          queued_count: 1,
          skipped_count: 0,
          details: [{ org_slug: "acme_corp", scheduled_times: [new Date(past).toISOString()] }]
        })
        expect(Date.parse(Object(triggered.json).next_trigger_time)).toBeGreaterThan(Date.now())
        const started = Object((yield* World.call("POST", `${scheduler}/process-queue`, World.asRoot)).json)
        expect(started).toMatchObject({
          processed: true,
          processed_count: 1,
          org_slug: "acme_corp",
          pipeline_id: "acme_corp-cloud-test-cost-demo",
          status: "BATCH_COMPLETE"
        })
        const run = yield* (yield* Runs).awaitEnd(RunId.make(started.pipeline_logging_id))
        expect([run.status, run.trigger]).toEqual(["COMPLETED", "scheduler"])
        const idle = yield* World.call("POST", `${scheduler}/process-queue`, World.asRoot)
        expect(idle.json).toMatchObject({
          processed: false,
          processed_count: 0,
          status: "IDLE",
          pipeline_logging_id: null
        })
        const status = Object((yield* World.call("GET", `${scheduler}/status`, World.asRoot)).json)
        expect(status).toMatchObject({ total_active_pipelines: 1, pipelines_due_now: 0, queue_length: 0 })
        expect((yield* World.call("POST", `${scheduler}/trigger?limit=0`, World.asRoot)).status).toBe(422)
      })
    )

    it.effect("pauses and resumes an organisation", () =>
      Effect.gen(function* () {
        expect((yield* send("POST", `${own}/pause`)).json).toMatchObject({ org_slug: "acme_corp", is_paused: true })
        expect((yield* send("POST", `${own}/resume`)).json).toMatchObject({ org_slug: "acme_corp", is_paused: false })
      })
    )

    it.effect("takes a backfill, shows how far it is, and lets it be withdrawn", () =>
      Effect.gen(function* () {
        const range = { pipelines: ["cloud/test/slow"], start_date: "2026-01-15", end_date: "2026-03-02" }
        const created = yield* send("POST", `${own}/backfills`, range)
        expect(created.json).toMatchObject({
          ...range,
          chunk: "month",
          max_parallel: 2,
          total_runs: 3,
          status: "QUEUED"
        })
        const id = Object(created.json).backfill_id
        const detail = Object((yield* send("GET", `${own}/backfills/${id}`)).json)
        expect(detail.progress_percent).toBe(0)
        expect(detail.runs.map((run: Record<string, string>) => [run.start_date, run.end_date, run.state])).toEqual([
          ["2026-01-15", "2026-01-31", "QUEUED"],
          ["2026-02-01", "2026-02-28", "QUEUED"],
          ["2026-03-01", "2026-03-02", "QUEUED"]
        ])
        const cancelled = yield* send("DELETE", `${own}/backfills/${id}`)
        expect(cancelled.json).toMatchObject({ status: "CANCELLED", failed_runs: 3, progress_percent: 100 })
        expect(Object((yield* send("GET", `${own}/backfills?limit=1`)).json)).toMatchObject({ total: 1, limit: 1 })
        for (const [body, wanted] of [
          [{ ...range, end_date: "2026-01-01" }, [400, "INVALID_DATE_RANGE"]],
          [{ ...range, end_date: "2999-01-01" }, [400, "INVALID_DATE"]],
          [{ ...range, end_date: "2026-02-30" }, [422, "REQUEST_INVALID"]],
          [{ ...range, pipelines: [] }, [422, "REQUEST_INVALID"]],
          [{ ...range, pipelines: ["no/such/one"] }, [404, "TEMPLATE_NOT_FOUND"]]
        ] as const) {
          expect(answerOf(yield* send("POST", `${own}/backfills`, body))).toEqual(wanted)
        }
        const keys = yield* World.Keys
        const foreign = yield* World.call(
          "GET",
          `${scheduler}/org/other_org/backfills/${id}`,
          World.withKey(keys.other)
        )
        expect(answerOf(foreign)).toEqual([404, "NOT_FOUND"])
      })
    )

    it.effect("publishes a batch and shows each organisation its own part", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const published = yield* World.call("POST", "/api/v1/pipelines/batch/publish", {
          ...World.asRoot,
          body: { org_slugs: ["acme_corp", "unknown_org"], pipeline_id: "cloud/test/cost/demo", max_jitter_seconds: 60 }
        })
        expect(published.json).toMatchObject({
          status: "published",
          pipeline_id: "cloud/test/cost/demo",
          published_count: 1,
          failed_count: 1,
          total_orgs: 2,
          message_ids: [expect.any(String)]
        })
        const part = Object((yield* send("GET", "/api/v1/pipelines/acme_corp/batch-runs")).json)
        expect(part).toMatchObject({ total: 1, runs: [{ pipeline_id: "cloud/test/cost/demo", status: "QUEUED" }] })
        expect(JSON.stringify(part)).not.toContain("unknown_org")
        const other = yield* World.call("GET", "/api/v1/pipelines/other_org/batch-runs", World.withKey(keys.other))
        expect(other.json).toEqual({ runs: [], total: 0 })
      })
    )

    it.effect("passes the clock of the quota on to whoever keeps it", () =>
      Effect.gen(function* () {
        const local = yield* World.call("POST", `${scheduler}/reset-daily-quotas`, World.asRoot)
        expect(local.json).toMatchObject({ status: "SUCCESS", executed_at: expect.any(String) })
        const wrong = yield* World.call("POST", `${scheduler}/reset-concurrent-counter/No-Org`, World.asRoot)
        expect(answerOf(wrong)).toEqual([400, "INVALID_ORG_SLUG"])
        let status = 200
        const api = yield* httpServer((_request, response) => {
          response.writeHead(status)
          response.end('{"reset": 3}')
        })
        const remote = QuotaAdminLayers.layerRemote.pipe(
          Layer.provide(HttpClientNode.layer),
          Layer.provide(settings("", { API_SERVICE_URL: api.endpoint, CA_ROOT_API_KEY: World.rootKey }))
        )
        const { reset } = yield* Effect.provide(QuotaAdmin, remote)
        expect(yield* reset("cleanup-stale", World.acme)).toEqual({ reset: 3 })
        yield* reset("reset-monthly")
        expect(
          api.journal.map(({ headers, method, url }) => [method, url.pathname + url.search, headers["x-ca-root-key"]])
        ).toEqual([
          ["POST", "/api/v1/quota/cleanup-stale?org_slug=acme_corp", World.rootKey],
          ["POST", "/api/v1/quota/reset-monthly", World.rootKey]
        ])
        status = 500
        expect((yield* Effect.flip(reset("reset-daily")))._tag).toBe("QuotaUnavailable")
      }).pipe(Effect.scoped)
    )
  }
)
