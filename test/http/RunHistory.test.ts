/**
 * What is left of a run over HTTP: its transitions, its download, its retry.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { StepError } from "../../src/pipelines/Processor.ts"
import { RunId } from "../../src/platform/Identifiers.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as World from "../support/HttpWorld.ts"

let isCured = false
let message = "no access"
const executed: Array<string> = []
const script = {
  extract: () =>
    Effect.sync(() => {
      executed.push("extract")
      return { rowsProcessed: 3, rowsWritten: 3, details: {} }
    }),
  convert: () =>
    Effect.suspend(() => {
      executed.push("convert")
      return isCured
        ? Effect.succeed({ rowsProcessed: 1, rowsWritten: 1, details: {} })
        : new StepError({ errorType: "PERMANENT", code: "AUTH", message })
    }),
  slow: () => Effect.never
}

const idIn = (answer: World.Answer, name = "pipeline_logging_id"): RunId =>
  Schema.decodeUnknownSync(RunId)(Object(answer.json)[name])

const failedRun = Effect.gen(function* () {
  const keys = yield* World.Keys
  isCured = false
  executed.length = 0
  const answer = yield* World.call(
    "POST",
    "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo?start_date=2026-05-01&end_date=2026-05-02",
    { ...World.withKey(keys.acme), body: { trigger_by: '=HYPERLINK("http://evil")' } }
  )
  yield* (yield* Runs).awaitEnd(idIn(answer))
  return idIn(answer)
})

const get = (path: string) =>
  Effect.flatMap(World.Keys, (keys) =>
    World.call("GET", `/api/v1/pipelines/acme_corp/runs/${path}`, World.withKey(keys.acme))
  )

layer(World.layer({ script }), { excludeTestServices: true })("the history of a run over HTTP", (it) => {
  it.effect("transitions tell each change of state with its cause, filtered and in pages", () =>
    Effect.gen(function* () {
      const id = yield* failedRun
      const all = yield* get(`${id}/transitions`)
      const { transitions, total } = Object(all.json)
      expect(total).toBe(6)
      expect(
        transitions.map((each: Record<string, string>) => [each.entity_type, each.from_state, each.to_state])
      ).toEqual([
        ["STEP", "PENDING", "RUNNING"],
        ["PIPELINE", "PENDING", "RUNNING"],
        ["STEP", "RUNNING", "COMPLETED"],
        ["STEP", "PENDING", "RUNNING"],
        ["STEP", "RUNNING", "FAILED"],
        ["PIPELINE", "RUNNING", "FAILED"]
      ])
      expect(transitions[4]).toMatchObject({
        pipeline_logging_id: id,
        step_logging_id: `${id}:convert`,
        error_type: "PERMANENT",
        error_message: "no access",
        retry_count: 0
      })
      expect(new Set(transitions.map((each: Record<string, string>) => each.transition_id)).size).toBe(6)
      const page = Object((yield* get(`${id}/transitions?entity_type=PIPELINE&limit=1&offset=1`)).json)
      expect([page.total, page.transitions.length, page.transitions[0].to_state]).toEqual([2, 1, "FAILED"])
      expect((yield* get(`${id}/transitions?entity_type=X`)).status).toBe(422)
      expect((yield* get(`${id}/transitions?limit=1001`)).status).toBe(422)
    })
  )

  it.effect("the download is an attachment whose cells are no formulas", () =>
    Effect.gen(function* () {
      message = '=cmd|"/c calc"!A1, then @SUM(1)'
      const id = yield* failedRun
      message = "no access"
      const json = yield* get(`${id}/download`)
      expect(json.headers.get("content-disposition")).toBe(`attachment; filename="pipeline_run_${id}.json"`)
      expect(Object(json.json).steps).toHaveLength(2)
      const csv = yield* get(`${id}/download?format=csv`)
      expect(csv.headers.get("content-type")).toMatch(/^text\/csv/)
      expect(csv.headers.get("content-disposition")).toBe(`attachment; filename="pipeline_run_${id}.csv"`)
      expect(csv.text).toContain(`pipeline_logging_id,${id}\r\n`)
      expect(csv.text).toContain(`trigger_by,"'=HYPERLINK(""http://evil"")"\r\n`)
      expect(csv.text).toContain(`"'=cmd|""/c calc""!A1, then @SUM(1)"`)
      expect(csv.text).toMatch(/\r\n\r\nstep_logging_id,step_name,step_type,/)
      expect(csv.text.split("\r\n").filter((line) => line.startsWith(`${id}:`))).toHaveLength(2)
      for (const cell of csv.text.split(/[,\r\n]+/)) expect(cell).not.toMatch(/^"?[=+@]/)
      const wrong = yield* get(`${id}/download?format=xml`)
      expect([wrong.status, Object(wrong.json).error_code]).toEqual([400, "INVALID_PARAMETER"])
    })
  )

  it.effect("a retry goes on at the failed step and names the original", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const runs = yield* Runs
      const id = yield* failedRun
      isCured = true
      const path = `/api/v1/pipelines/acme_corp/runs/${id}/retry`
      const answer = yield* World.call("POST", path, World.withKey(keys.acme))
      expect(answer.status).toBe(200)
      const retried = idIn(answer, "new_pipeline_logging_id")
      expect(answer.json).toMatchObject({ success: true, original_pipeline_logging_id: id })
      expect((yield* runs.awaitEnd(retried)).status).toBe("COMPLETED")
      expect(executed).toEqual(["extract", "convert", "convert"])
      const detail = Object((yield* get(retried)).json)
      expect(detail.trigger_type).toBe("retry")
      expect(detail.run_metadata.original_pipeline_logging_id).toBe(id)
      expect(detail.parameters).toEqual({ start_date: "2026-05-01", end_date: "2026-05-02" })
      const foreign = yield* World.call(
        "POST",
        `/api/v1/pipelines/other_org/runs/${id}/retry`,
        World.withKey(keys.other)
      )
      expect([foreign.status, Object(foreign.json).error_code]).toEqual([404, "RUN_NOT_FOUND"])
      const slow = yield* World.call(
        "POST",
        "/api/v1/pipelines/run/acme_corp/cloud/test/slow",
        World.withKey(keys.acme)
      )
      const live = yield* World.call(
        "POST",
        `/api/v1/pipelines/acme_corp/runs/${idIn(slow)}/retry`,
        World.withKey(keys.acme)
      )
      expect([live.status, Object(live.json).error_code]).toEqual([400, "INVALID_REQUEST"])
    })
  )
})
