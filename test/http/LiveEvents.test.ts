/**
 * Live events: the whole history in order, resumed where the caller left off, ended with the run.
 */
import { expect, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import { EventLogUnavailable } from "../../src/eventlog/EventLog.ts"
import type { RunId } from "../../src/platform/Identifiers.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as World from "../support/HttpWorld.ts"
import { done } from "../support/RunsWorld.ts"

const gate = Deferred.unsafeMake<void>(FiberId.none)
const slow = "/api/v1/pipelines/run/acme_corp/cloud/test/slow"

interface Message {
  readonly id: number
  readonly event: string
  readonly data: unknown
}

const messagesOf = (text: string): ReadonlyArray<Message> =>
  text
    .split("\n\n")
    .filter((block) => block.startsWith("id:"))
    .map((block) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? ""
      return { id: Number(field("id")), event: field("event"), data: JSON.parse(field("data")) }
    })

layer(World.layer({ script: { slow: () => Effect.as(Deferred.await(gate), done) } }), { excludeTestServices: true })(
  "live events",
  (it) => {
    it.scoped("come as they are recorded, end with the run, and resume after the last one seen", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const runs = yield* Runs
        const accepted = yield* World.call("POST", slow, World.withKey(keys.acme))
        const runId = Object(accepted.json).pipeline_logging_id
        const path = `/api/v1/pipelines/acme_corp/runs/${runId}/events/live`

        const live = yield* World.openStream(path, { "X-API-Key": keys.acme })
        expect(live.status).toBe(200)
        expect(live.headers.get("content-type")).toBe("text/event-stream")
        expect(live.headers.get("cache-control")).toContain("no-cache")
        let text = ""
        while (!text.includes("event: StepStarted")) text += yield* live.next
        expect(text).not.toContain("RunCompleted")
        expect((yield* runs.get(runId)).run.status).toBe("RUNNING")
        yield* Deferred.succeed(gate, undefined)
        for (let more = yield* live.next; more !== undefined; more = yield* live.next) text += more

        const messages = messagesOf(text)
        expect(messages.at(-1)?.event).toBe("RunCompleted")
        const recorded = (yield* runs.events(runId)).slice(0, messages.length)
        expect(messages.map(({ id, event }) => [id, event])).toEqual(recorded.map((each) => [each.version, each.type]))
        expect(messages[0]?.data).toMatchObject({ version: 1, type: "RunRequested", hash: recorded[0]?.hash })

        const from = (id: string) => World.call("GET", path, World.withKey(keys.acme, { "Last-Event-ID": id }))
        expect(messagesOf((yield* from("3")).text).map(({ id }) => id)).toContain(4)
        expect(messagesOf((yield* from("3")).text).map(({ id }) => id)).not.toContain(3)
        expect(messagesOf((yield* from("")).text).slice(0, messages.length)).toEqual(messages)
        yield* completionReported(runId)
        const total = (yield* runs.events(runId)).length
        expect((yield* from(String(total))).status).toBe(204)
        expect((yield* from(String(total + 5))).status).toBe(204)
        for (const id of ["x", "-1", "1.5", "99999999999"]) {
          expect((yield* from(id)).json, id).toMatchObject({ error_code: "INVALID_HEADERS" })
        }
      })
    )
  }
)

const broken = new EventLogUnavailable({ operation: "read", cause: new Error("disk /dev/secret is gone") })

layer(World.layer({ runs: (runs) => ({ ...runs, watch: () => Stream.fail(broken) }) }), { excludeTestServices: true })(
  "live events of a store that fails",
  (it) => {
    it.effect("end with an error event in the one shape, without what is inside", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        const path = "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo"
        const runId = Object((yield* World.call("POST", path, World.withKey(keys.acme))).json).pipeline_logging_id
        const live = yield* World.call(
          "GET",
          `/api/v1/pipelines/acme_corp/runs/${runId}/events/live`,
          World.withKey(keys.acme, { "X-Request-ID": "live-1" })
        )
        expect(live.text).toBe(
          'retry: 1000\n\nevent: error\ndata: {"detail":"a store of the service does not answer: try again in a few seconds",' +
            '"error_code":"STORE_UNAVAILABLE","request_id":"live-1"}\n\n'
        )
      })
    )
  }
)

/** The last event of a run's stream comes after the run's end. */
const completionReported = (runId: RunId) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    while (!(yield* runs.events(runId)).some(({ type }) => type === "CompletionReported")) yield* Effect.yieldNow()
  })
