/**
 * The shipped processors, which are loaded one by one.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Throwaway from "../../src/cli/throwaway.ts"
import { Processors } from "../../src/pipelines/Processor.ts"

it.live("each is the one of its ps_type", () =>
  Effect.gen(function* () {
    const processors = yield* Processors
    const types = yield* Effect.forEach(processors.values(), (making) => Effect.map(making, ({ type }) => type))
    expect(types).toEqual([...processors.keys()])
    expect(types.length).toBeGreaterThan(0)
  }).pipe(Effect.provide(Throwaway.installation))
)
