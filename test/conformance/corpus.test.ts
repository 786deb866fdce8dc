/**
 * The GoogleSQL adapter against answers recorded from BigQuery, and the judge itself against wrong answers.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { readCases, type Case } from "./corpusCases.ts"
import { runCases } from "./corpusRun.ts"

const file = fileURLToPath(new URL("../../../shared/samples/googlesql/corpus.jsonl", import.meta.url))
const absent = !existsSync(file) && process.env["CI"] !== "true"

describe("corpus", () => {
  it.effect.skipIf(absent)(
    "gives no wrong answer, and more than half of the right ones (needs the shared samples)",
    () =>
      Effect.gen(function* () {
        const cases = yield* readCases(readFileSync(file, "utf8"))
        const verdicts = yield* runCases(cases)
        const of = (verdict: string) => verdicts.filter((each) => each.verdict === verdict)
        expect(of("WRONG")).toEqual([])
        expect(of("passed").length + of("unsupported").length).toBe(cases.length)
        expect(of("passed").length).toBeGreaterThan(cases.length * 0.9)
      })
  )
})

const field = (name: string, type: string) => ({ name, type, mode: "NULLABLE" })
const one = (
  query_sql: string,
  schema: ReadonlyArray<ReturnType<typeof field>>,
  ...rows: ReadonlyArray<Record<string, unknown>>
): Case => ({
  name: "one",
  setup_sql: null,
  query_sql,
  expected: { schema, rows }
})
const failing = (query_sql: string, message_pattern: string): Case => ({
  name: "failing",
  setup_sql: null,
  query_sql,
  expected: { error: { reason: "invalidQuery", http_status: 400, message_pattern } }
})

describe("the judge", () => {
  const verdictOf = (each: Case) => Effect.map(runCases([each]), ([verdict]) => verdict?.verdict)

  it.effect("passes what is equal", () =>
    Effect.gen(function* () {
      expect(yield* verdictOf(one("SELECT NUMERIC '1.50' AS n", [field("n", "NUMERIC")], { n: "1.5" }))).toBe("passed")
      expect(
        yield* verdictOf(one("SELECT x FROM UNNEST([1, 2]) AS x", [field("x", "INTEGER")], { x: 2 }, { x: 1 }))
      ).toBe("passed")
      expect(yield* verdictOf(failing("SELECT 1 / 0 AS x", "division by zero: 1 / 0"))).toBe("passed")
    })
  )

  it.effect("calls wrong a value, a type, a name, an order, a missing row and a missing error", () =>
    Effect.gen(function* () {
      expect(yield* verdictOf(one("SELECT 1 AS n", [field("n", "INTEGER")], { n: 2 }))).toBe("WRONG")
      expect(yield* verdictOf(one("SELECT 1 AS n", [field("n", "NUMERIC")], { n: "1" }))).toBe("WRONG")
      expect(yield* verdictOf(one("SELECT 1 AS n", [field("m", "INTEGER")], { m: 1 }))).toBe("WRONG")
      expect(
        yield* verdictOf(
          one("SELECT x FROM UNNEST([1, 2]) AS x ORDER BY x", [field("x", "INTEGER")], { x: 2 }, { x: 1 })
        )
      ).toBe("WRONG")
      expect(yield* verdictOf(one("SELECT x FROM UNNEST([1, 2]) AS x", [field("x", "INTEGER")], { x: 1 }))).toBe(
        "WRONG"
      )
      expect(yield* verdictOf(failing("SELECT 1 AS n", "."))).toBe("WRONG")
      expect(yield* verdictOf(one("SELECT CAST('x' AS INT64) AS n", [field("n", "INTEGER")], { n: null }))).toBe(
        "WRONG"
      )
    })
  )

  it.effect("calls unsupported what the adapter refuses by name", () =>
    Effect.gen(function* () {
      expect(yield* verdictOf(one("SELECT ST_GEOGPOINT(1, 2) AS g", [field("g", "GEOGRAPHY")], { g: null }))).toBe(
        "unsupported"
      )
    })
  )

  it("names the line that is no case", () => {
    expect(Either.isLeft(readCases('{"name": "x"}'))).toBe(true)
    expect(Either.getLeft(readCases("\nnonsense")).toString()).toContain("line 2")
  })
})
