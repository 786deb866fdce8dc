import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Yaml from "../../src/platform/Yaml.ts"

const document = (text: string) => Either.getOrThrow(Yaml.parse(text))
const fault = (text: string) => {
  const { line, reason } = Either.getOrThrow(Either.flip(Yaml.parse(text)))
  return { line, reason }
}

describe("values", () => {
  it("are those of YAML 1.2: no dates, no words for true, members merged", () => {
    const text =
      'day: 2026-11-28\nyes: no\nnone: ~\nsum: 1_000\nrate: 0.5\nbase: &base { a: 1 }\nown: { <<: *base, b: "2" }\n'
    expect(document(text).value).toEqual({
      day: "2026-11-28",
      yes: "no",
      none: null,
      sum: "1_000",
      rate: 0.5,
      base: { a: 1 },
      own: { a: 1, b: "2" }
    })
    expect(document("# only a comment\n").value).toBeNull()
  })

  it("are bounded: more aliases than the limit are a fault", () => {
    const aliases = (count: number) => `a: &a 1\nb: [${Array(count).fill("*a").join(", ")}]\n`
    expect(document(aliases(32)).value).toHaveProperty("b.31", 1)
    expect(fault(aliases(33)).reason).toMatch(/alias/)
  })
})

describe("faults of the text", () => {
  it.each([
    ["a: 1\nb: [", 2, /flow/],
    ["a: 1\nb: 2\na: 3\n", 3, /duplicated/],
    ["a: *missing\n", 1, /missing|anchor|alias/],
    ["a: 1\n---\nb: 2\n", 1, /more than one document/]
  ])("%j", (text, line, reason) => {
    expect(fault(text)).toEqual({ line, reason: expect.stringMatching(reason) })
  })
})

describe("lineOf", () => {
  const { lineOf } = document(
    "# first\nname: x\n'quoted key': [a,\n  b]\nsteps:\n  - id: a\n    empty:\n\n    config: { deep: [1, { at: 2 }] }\n  - id: b\n"
  )

  it.each([
    [[], 1],
    [["name"], 2],
    [["quoted key", 1], 4],
    [["steps"], 5],
    [["steps", 0], 6],
    [["steps", 0, "empty"], 7],
    [["steps", 0, "config", "deep", 1, "at"], 9],
    [["steps", 1, "id"], 10]
  ])("%j", (path, line) => expect(lineOf(path)).toBe(line))

  it("is that of the innermost part there is", () => {
    expect(lineOf(["steps", 0, "retries"])).toBe(6)
    expect(lineOf(["steps", 7])).toBe(5)
    expect(lineOf(["nothing"])).toBe(1)
  })
})
