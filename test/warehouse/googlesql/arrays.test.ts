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
