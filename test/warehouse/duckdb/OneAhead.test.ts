import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { oneAhead } from "../../../src/warehouse/duckdb/OneAhead.ts"

it.effect("what was begun in vain ends before what it holds is given back", () =>
  Effect.gen(function* () {
    const events: Array<string> = []
    const note = (event: string) => Effect.sync(() => void events.push(event))
    const second = Effect.zipRight(
      Effect.addFinalizer(() => note("given back")),
      Effect.onInterrupt(Effect.never, () => note("ended"))
    )
    yield* Effect.gen(function* () {
      const [first] = yield* oneAhead([Effect.void, second])
      yield* first ?? Effect.dieMessage("one for each effect")
      yield* Effect.yieldNow()
    }).pipe(Effect.scoped)
    expect(events).toEqual(["ended", "given back"])
  })
)
