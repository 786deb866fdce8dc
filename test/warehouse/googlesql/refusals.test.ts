/**
 * What is not known is refused with its place, before the engine could guess.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { errorOf, rowOf, rowsOf } from "./fixture.ts"

describe("refusals", () => {
  it.effect("names line and column", () =>
    Effect.gen(function* () {
      const error = yield* errorOf("SELECT 1;\n-- a comment\nSELECT\n  FARM_FINGERPRINT('x') AS h")
      expect(error).toMatchObject({ _tag: "UnsupportedSql", source: "test.sql", line: 4, column: 3 })
    })
  )

  it.effect("refuses functions of the engine that GoogleSQL has not", () =>
    Effect.gen(function* () {
      for (const call of [
        "list_sort([1])",
        "getvariable('x')",
        "read_csv('x')",
        "regexp_matches('a', 'b')",
        "bq_trim('x')"
      ]) {
        expect((yield* errorOf(`SELECT ${call} AS x`))._tag, call).not.toBe("OtherTenant")
      }
      expect((yield* errorOf("SELECT * FROM read_csv('/etc/passwd')"))._tag).toBe("UnsupportedSql")
      expect((yield* errorOf("COPY t TO 'x'"))._tag).toBe("UnsupportedSql")
      expect((yield* errorOf("ATTACH 'x'"))._tag).toBe("UnsupportedSql")
    })
  )

  it.effect("refuses what the engine would answer in another way", () =>
    Effect.gen(function* () {
      for (const script of [
        "SELECT 1 = '1' AS x",
        "SELECT 'a' + 1 AS x",
        "SELECT FORMAT('%i%q', 1) AS x",
        "SELECT FORMAT_DATE('%Z', DATE '2024-01-01') AS x",
        "SELECT REGEXP_EXTRACT('a', r'(a)|(b)') AS x",
        "SELECT CAST('x' AS GEOGRAPHY) AS x",
        "SELECT CAST(1 AS NUMERIC(10, 2)) AS x",
        "SELECT DATE '2024-01-01' = TIMESTAMP '2024-01-01' AS x",
        "SELECT ROUND(1.45, 1) AS x",
        "SELECT CAST(1e300 AS STRING) AS x",
        "SELECT BIGNUMERIC '1' * x * 0.1 AS x FROM UNNEST([BIGNUMERIC '1']) AS x",
        "SELECT [1] = [1] AS x",
        "SELECT * FROM UNNEST([1, 2]) AS x TABLESAMPLE SYSTEM (1 PERCENT)",
        "FROM t |> SELECT 1",
        "SELECT ST_ASTEXT(ST_GEOGPOINT(1, 2)) AS x",
        "SELECT S2_CELLIDFROMPOINT(NULL) AS x",
        "SELECT schema_name FROM `region-us.INFORMATION_SCHEMA.SCHEMATA`",
        "SELECT JSON_VALUE('{}', '$..a') AS x"
      ]) {
        expect((yield* errorOf(script))._tag, script).toBe("UnsupportedSql")
      }
    })
  )

  it.effect("orders NULL first when ascending, NaN before numbers, and compares NaN with nothing", () =>
    Effect.gen(function* () {
      const values = "UNNEST([1.5, NULL, CAST('nan' AS FLOAT64), CAST('-inf' AS FLOAT64)]) AS x"
      expect((yield* rowsOf(`SELECT x FROM ${values} ORDER BY x`)).map(([x]) => x)).toEqual([
        null,
        "NaN",
        "-Infinity",
        "1.5"
      ])
      expect((yield* rowsOf(`SELECT x FROM ${values} ORDER BY x DESC`)).map(([x]) => x)).toEqual([
        "1.5",
        "-Infinity",
        "NaN",
        null
      ])
      expect(yield* rowOf(`SELECT COUNTIF(x = x) AS same, COUNTIF(x > 1) AS more, MAX(x) AS m FROM ${values}`)).toEqual(
        ["2", "1", "NaN"]
      )
    })
  )

  it.effect("groups by the alias where a column has the same name", () =>
    Effect.gen(function* () {
      expect(
        yield* rowsOf("SELECT UPPER(x) AS x, COUNT(*) AS n FROM UNNEST(['a', 'A', 'b']) AS x GROUP BY x ORDER BY x")
      ).toEqual([
        ["A", "2"],
        ["B", "1"]
      ])
    })
  )

  it.effect("reads text by code points and white space by Unicode", () =>
    Effect.gen(function* () {
      expect(
        yield* rowOf(
          "SELECT SUBSTR('a😀b', -2, 1) AS a, LENGTH('a😀b') AS b, STRPOS('a😀b', 'b') AS c, TRIM('\\u00a0 x\\u2003') AS d, REVERSE('😀a') AS e, LPAD('😀', 3, 'ab') AS f, UPPER('straße') AS g"
        )
      ).toEqual(["😀", "3", "3", "x", "a😀", "ab😀", "STRASSE"])
    })
  )

  it.effect("keeps a JSON number's source text and the first of equal keys", () =>
    Effect.gen(function* () {
      expect(
        yield* rowOf(
          `SELECT JSON_VALUE('{"cost": 0.1234567890123456789012, "cost": 2}', '$.cost') AS a, JSON_VALUE('{"a.b": "x"}', "$['a.b']") AS b, JSON_VALUE('{"a": null}', '$.a') AS c, JSON_VALUE('no json', '$.a') AS d`
        )
      ).toEqual(["0.1234567890123456789012", "x", null, null])
    })
  )

  it.effect("counts time in UTC and in the zone that is named", () =>
    Effect.gen(function* () {
      expect(
        yield* rowOf(
          "SELECT TIMESTAMP_TRUNC(TIMESTAMP '2024-03-10 12:00:00+00', DAY, 'America/New_York') AS a, DATE(TIMESTAMP '2024-01-01 02:00:00+00', '-05:00') AS b, TIMESTAMP('2024-03-10 02:30:00', 'America/New_York') AS c, DATE_DIFF(DATE '2024-03-03', DATE '2024-03-02', WEEK) AS d"
        )
      ).toEqual(["2024-03-10 05:00:00+00", "2023-12-31", "2024-03-10 07:30:00+00", "1"])
    })
  )

  it.effect("turns values into columns and columns into rows", () =>
    Effect.gen(function* () {
      const sales =
        "(SELECT * FROM UNNEST([STRUCT('a' AS shop, 'q1' AS quarter, 1 AS n), ('a', 'q2', 2), ('b', 'q1', 4)]))"
      expect(
        yield* rowsOf(
          `SELECT * FROM ${sales} PIVOT (SUM(n) AS total, COUNT(*) AS rows_ FOR quarter IN ('q1', 'q2' AS second)) ORDER BY shop`
        )
      ).toEqual([
        ["a", "1", "1", "2", "1"],
        ["b", "4", "1", null, "0"]
      ])
      expect(
        yield* rowsOf(
          "SELECT * FROM (SELECT 7 AS id, 1 AS x, NULL AS y, 3 AS z) UNPIVOT (n FOR name IN (x, z AS 'zed')) ORDER BY n"
        )
      ).toEqual([
        ["7", null, "1", "x"],
        ["7", null, "3", "zed"]
      ])
    })
  )
})
