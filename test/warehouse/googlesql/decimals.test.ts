/**
 * NUMERIC and BIGNUMERIC are exact or refused.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as GoogleSql from "../../../src/warehouse/googlesql/GoogleSql.ts"
import { errorOf, openSession, rowOf } from "./fixture.ts"

const decimalText = (digits: bigint, scale: number): string => {
  const sign = digits < 0n ? "-" : ""
  const padded = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, "0")
  return `${sign}${padded.slice(0, padded.length - scale)}.${padded.slice(padded.length - scale)}`
}

/** Half away from zero, written differently from the code under test: add half a unit to the size and cut. */
const roundedQuotient = (numerator: bigint, denominator: bigint): bigint => {
  const size = (value: bigint) => (value < 0n ? -value : value)
  const doubled = (size(numerator) * 20n) / size(denominator)
  const cut = (doubled + 10n) / 20n
  return numerator < 0n === denominator < 0n ? cut : -cut
}

describe("decimals", () => {
  it.effect("multiplies BIGNUMERIC exactly: prices of 12 decimals by quantities of 12, over many pairs", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const session = yield* openSession
        const pairs = FastCheck.sample(
          FastCheck.tuple(
            FastCheck.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }),
            FastCheck.bigInt({ min: -(10n ** 18n), max: 10n ** 18n })
          ),
          { numRuns: 300, seed: 7 }
        )
        const items = pairs.map(
          ([a, b]) => `STRUCT(BIGNUMERIC '${decimalText(a, 12)}' AS a, BIGNUMERIC '${decimalText(b, 12)}' AS b)`
        )
        const result = yield* GoogleSql.runScript(
          session,
          `SELECT a * b AS product FROM UNNEST([${items.join(", ")}]) WITH OFFSET AS position ORDER BY position`
        )
        expect(result.rows.map(([value]) => String(value))).toEqual(pairs.map(([a, b]) => decimalText(a * b, 24)))
      })
    )
  )

  it.effect("rounds BIGNUMERIC half away from zero to a written number of decimals, over many values", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const session = yield* openSession
        const values = [
          ...FastCheck.sample(FastCheck.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }), { numRuns: 300, seed: 5 }),
          5n * 10n ** 11n,
          -5n * 10n ** 11n,
          5n * 10n ** 11n - 1n
        ]
        const items = values.map((value) => `BIGNUMERIC '${decimalText(value, 24)}'`)
        const result = yield* GoogleSql.runScript(
          session,
          `SELECT ROUND(value, 12) AS rounded FROM UNNEST([${items.join(", ")}]) AS value WITH OFFSET AS position ORDER BY position`
        )
        const unit = 10n ** 12n
        expect(result.rows.map(([value]) => String(value))).toEqual(
          values.map((value) => decimalText(roundedQuotient(value, unit) * unit, 24))
        )
      })
    )
  )

  it.effect("divides NUMERIC half away from zero at nine decimals, over many pairs", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const session = yield* openSession
        const pairs = FastCheck.sample(
          FastCheck.tuple(
            FastCheck.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
            FastCheck.bigInt({ min: 1n, max: 10n ** 12n })
          ),
          { numRuns: 300, seed: 11 }
        )
        const items = pairs.map(
          ([a, b]) => `STRUCT(NUMERIC '${decimalText(a, 9)}' AS a, NUMERIC '${decimalText(b, 9)}' AS b)`
        )
        const result = yield* GoogleSql.runScript(
          session,
          `SELECT a / b AS quotient FROM UNNEST([${items.join(", ")}]) WITH OFFSET AS position ORDER BY position`
        )
        expect(result.rows.map(([value]) => String(value))).toEqual(
          pairs.map(([a, b]) => decimalText(roundedQuotient(a * 10n ** 9n, b), 9))
        )
      })
    )
  )

  it.effect("refuses a BIGNUMERIC product or quotient that 24 decimals cannot hold", () =>
    Effect.gen(function* () {
      for (const script of [
        "SELECT BIGNUMERIC '0.0000000000001' * BIGNUMERIC '0.0000000000001' AS x",
        "SELECT BIGNUMERIC '1' / 3 AS x",
        "SELECT BIGNUMERIC '10000000' * BIGNUMERIC '10000000' AS x",
        "SELECT BIGNUMERIC '99999999999999' + 1 AS x",
        "SELECT CAST('0.1234567890123456789012345' AS BIGNUMERIC) AS x",
        "SELECT SAFE_CAST('123456789012345' AS BIGNUMERIC) AS x",
        "SELECT SAFE_DIVIDE(BIGNUMERIC '1', 3) AS x",
        "SELECT AVG(x) AS x FROM UNNEST([BIGNUMERIC '1', BIGNUMERIC '1', BIGNUMERIC '2']) AS x",
        "SELECT CAST(0.1 AS BIGNUMERIC) AS x"
      ]) {
        expect((yield* errorOf(script))._tag, script).toBe("UnsupportedSql")
      }
    })
  )

  it.effect("rounds and compares a product or quotient with BigQuery's 38 decimals", () =>
    Effect.gen(function* () {
      expect(
        yield* rowOf(
          "SELECT ROUND(BIGNUMERIC '2' / 3, 10) AS a, ROUND(SAFE_DIVIDE(BIGNUMERIC '2', BIGNUMERIC '0'), 2) AS b, CAST(BIGNUMERIC '2' / 3 AS NUMERIC) AS c"
        )
      ).toEqual(["0.666666666700000000000000", null, "0.666666667"])
      const small = "BIGNUMERIC '0.000000000000001'"
      expect(
        yield* rowOf(
          `SELECT ${small} * ${small} = 0 AS a, ${small} * ${small} > 0 AS b, 0 < ${small} * ${small} AS c, ROUND(${small} * ${small}, 3) AS d`
        )
      ).toEqual(["false", "true", "true", "0.000000000000000000000000"])
      // The product of NUMERICs is rounded to nine decimals before it is compared.
      expect(yield* rowOf("SELECT NUMERIC '0.00001' * NUMERIC '0.00001' = BIGNUMERIC '0' AS a")).toEqual(["true"])
    })
  )

  it.effect("finds the common type before a digit is lost", () =>
    Effect.gen(function* () {
      expect(
        yield* rowOf(
          "SELECT COALESCE(NUMERIC '1.5', BIGNUMERIC '1') AS a, IF(FALSE, NUMERIC '1', BIGNUMERIC '0.123456789012') AS b, [NUMERIC '1', BIGNUMERIC '0.123456789012'][OFFSET(1)] AS c, GREATEST(NUMERIC '0', BIGNUMERIC '0.123456789012') AS d"
        )
      ).toEqual(["1.500000000000000000000000", ...Array.from({ length: 3 }, () => "0.123456789012000000000000")])
      expect(
        yield* rowOf("SELECT SUM(x) AS s FROM (SELECT NUMERIC '1' AS x UNION ALL SELECT BIGNUMERIC '0.123456789012')")
      ).toEqual(["1.123456789012000000000000"])
    })
  )

  it.effect("adds, sums, rounds and casts without binary floating point", () =>
    Effect.gen(function* () {
      expect(
        yield* rowOf(
          "SELECT NUMERIC '0.1' + NUMERIC '0.2' AS a, ROUND(NUMERIC '2.345', 2) AS b, ROUND(NUMERIC '2.345', 2, 'ROUND_HALF_EVEN') AS c, TRUNC(NUMERIC '-2.349', 2) AS d, CEIL(NUMERIC '-1.5') AS e, FLOOR(NUMERIC '-1.5') AS f, CAST('1.23456789051' AS NUMERIC) AS g, CAST(NUMERIC '1.50' AS STRING) AS h, CAST(BIGNUMERIC '1.81E-8' AS STRING) AS i"
        )
      ).toEqual([
        "0.300000000",
        "2.350000000",
        "2.340000000",
        "-2.340000000",
        "-1.000000000",
        "-2.000000000",
        "1.234567891",
        "1.5",
        "0.0000000181"
      ])
      expect(
        yield* rowOf("SELECT SUM(x) AS s, AVG(x) AS a FROM UNNEST([NUMERIC '0.1', NUMERIC '0.2', NUMERIC '0.4']) AS x")
      ).toEqual(["0.700000000", "0.233333333"])
    })
  )

  it.effect("fails as BigQuery does where NUMERIC overflows or divides by zero", () =>
    Effect.gen(function* () {
      expect((yield* errorOf("SELECT NUMERIC '99999999999999999999' * NUMERIC '99999999999' AS x")).message).toContain(
        "numeric overflow"
      )
      expect((yield* errorOf("SELECT NUMERIC '1' / NUMERIC '0' AS x")).message).toContain("division by zero: 1 / 0")
    })
  )
})
