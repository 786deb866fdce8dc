import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { dependencies } from "../../src/pipelines/Dag.ts"
import { resolve } from "../../src/pipelines/Variables.ts"

describe("resolve", () => {
  const variables = { org: "acme", days: 3, list: [1, 2], nested: "{org}" }
  it.each([
    ["{org}", "acme"],
    ["x-{org}-y", "x-acme-y"],
    ["{unknown}", "{unknown}"],
    ["${days}", 3],
    ["${list}", [1, 2]],
    ["n=${days}", "n=3"],
    ["${unknown}", null],
    ["a ${unknown}", "a null"],
    ["{nested}", "{org}"],
    ["{toString}", "{toString}"],
    [{ a: ["{org}", 1, null] }, { a: ["acme", 1, null] }]
  ])("%j becomes %j", (value, expected) => expect(resolve(value, variables)).toEqual(expected))
})

describe("dependencies", () => {
  it("accepts exactly the graphs that have an order", () => {
    const graph = FastCheck.integer({ min: 1, max: 7 }).chain((size) =>
      FastCheck.array(FastCheck.uniqueArray(FastCheck.integer({ min: 0, max: size - 1 }), { maxLength: 3 }), {
        minLength: size,
        maxLength: size
      })
    )
    FastCheck.assert(
      FastCheck.property(graph, (edges) => {
        const steps = edges.map((to, index) => ({ stepId: `s${index}`, dependsOn: to.map((each) => `s${each}`) }))
        const reaches = (from: number, goal: number, seen: ReadonlySet<number>): boolean =>
          (edges[from] ?? []).some((to) => to === goal || (!seen.has(to) && reaches(to, goal, new Set([...seen, to]))))
        const cyclic = edges.some((_, index) => reaches(index, index, new Set()))
        expect("reason" in dependencies(steps)).toBe(cyclic)
      }),
      { numRuns: 500 }
    )
  })
})
