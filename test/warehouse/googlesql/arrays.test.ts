/**
 * Arrays as BigQuery joins them, whether the engine does it or the service.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { rowOf } from "./fixture.ts"

describe("ARRAY_TO_STRING", () => {
  it.effect.each([
    ["leaves out a NULL", "ARRAY_TO_STRING(['a', NULL, 'b'], ', ')", "a, b"],
    ["keeps an empty text", "ARRAY_TO_STRING(['a', ''], ',')", "a,"],
    ["is empty without an element", "ARRAY_TO_STRING(ARRAY<STRING>[], ',')", ""],
    ["is empty of NULL alone", "ARRAY_TO_STRING([CAST(NULL AS STRING), IF(FALSE, 'a', NULL)], ' ')", ""],
    ["is empty of a NULL without a type", "ARRAY_TO_STRING([NULL], ' ')", ""],
    ["has a text for NULL", "ARRAY_TO_STRING(['a', NULL], ',', '?')", "a,?"],
    ["joins an array of a query", "ARRAY_TO_STRING((SELECT ARRAY_AGG(x) FROM UNNEST(['a', 'b']) AS x), '')", "ab"],
    ["is NULL of no array", "ARRAY_TO_STRING(CAST(NULL AS ARRAY<STRING>), ',')", null]
  ] as const)("%s", ([, call, expected]) =>
    Effect.map(rowOf(`SELECT ${call}`), ([text]) => expect(text).toBe(expected))
  )
})

describe("EXISTS over the elements of an array", () => {
  it.effect.each([
    ["finds one", "EXISTS (SELECT 1 FROM UNNEST([1, 2]) AS x WHERE x = 2)", true],
    ["finds none", "EXISTS (SELECT 1 FROM UNNEST([1, 2]) AS x WHERE x = 3)", false],
    ["is false where the condition is NULL", "EXISTS (SELECT 1 FROM UNNEST([1, NULL]) AS x WHERE x > 1)", false],
    ["finds a NULL", "EXISTS (SELECT 1 FROM UNNEST([1, NULL]) AS x WHERE x IS NULL)", true],
    ["is false of no array", "EXISTS (SELECT 1 FROM UNNEST(CAST(NULL AS ARRAY<INT64>)) AS x WHERE TRUE)", false],
    ["sees the row outside", "EXISTS (SELECT 1 FROM UNNEST(xs) AS x WHERE x = y)", true],
    [
      "sees the fields of a struct",
      "EXISTS (SELECT 1 FROM UNNEST([STRUCT(1 AS a, 'n' AS b)]) WHERE a = 1 AND b = 'n')",
      true
    ],
    [
      "takes another within",
      "EXISTS (SELECT 1 FROM UNNEST(xs) AS x WHERE EXISTS (SELECT 1 FROM UNNEST(xs) AS other WHERE other = x + 1))",
      true
    ],
    [
      "takes a query within",
      "EXISTS (SELECT 1 FROM UNNEST(xs) AS x WHERE x = (SELECT MAX(other) FROM UNNEST(xs) AS other))",
      true
    ],
    ["needs a row alone", "EXISTS (SELECT 1 FROM UNNEST(xs))", true],
    ["counts the rows of a limit", "EXISTS (SELECT 1 FROM UNNEST(xs) AS x WHERE TRUE LIMIT 0)", false]
  ] as const)("%s", ([, call, expected]) =>
    Effect.map(rowOf(`SELECT ${call} FROM (SELECT [1, 2, 3] AS xs, 2 AS y)`), ([found]) =>
      expect(found).toBe(String(expected))
    )
  )
})
