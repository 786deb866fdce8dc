/**
 * The groups of the API that the first request to one of them loads.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as World from "../support/HttpWorld.ts"

layer(World.layer(), { excludeTestServices: true })("groups that a start leaves out", (it) => {
  it.effect("are there for all who ask at once, also when the first one has hung up", () =>
    Effect.gen(function* () {
      const { acme } = yield* World.Keys
      yield* World.abandon("/api/v1/tables", acme)
      const paths = [
        "/api/v1/tables",
        "/api/v1/focus/acme_corp/reconciliation",
        "/api/v1/scheduler/org/acme_corp/pipelines"
      ]
      const answers = yield* Effect.forEach(
        [...paths, ...paths],
        (path) => World.call("GET", path, World.withKey(acme)),
        { concurrency: "unbounded" }
      )
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
    })
  )
})
