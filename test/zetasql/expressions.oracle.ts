/**
 * The embedded engine's answers are ZetaSQL's, or there are none: over random expressions of every type the translator knows.
 */
import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as GoogleSql from "../../src/warehouse/googlesql/GoogleSql.ts"
import { openSession } from "../warehouse/googlesql/fixture.ts"
import { query } from "./expressions.ts"
import { ZetaSql } from "./ZetaSql.ts"

const RUNS = Number(process.env["ZETASQL_RUNS"] ?? 1500)
/** The same expressions in every run; another seed looks further. */
const SEED = Number(process.env["ZETASQL_SEED"] ?? 20261123)
/** More refusals than this share of what ZetaSQL answers would make the comparison say little. */
const REFUSED_LIMIT = 0.2
/** An engine need not evaluate what the answer does not depend on, so an error there may stay out; rarely. */
const UNRAISED_LIMIT = 0.002

describe("expressions", () => {
  layer(ZetaSql.layer, { timeout: "5 minutes" })("against ZetaSQL", (it) => {
    it.scoped("have the same answer, or are refused", () =>
      Effect.gen(function* () {
        const zeta = yield* ZetaSql
        const session = yield* openSession
        const counts = { equal: 0, refused: 0, bothFail: 0, unraised: 0 }
        const different: Array<string> = []
        for (const sql of FastCheck.sample(query, { numRuns: RUNS, seed: SEED })) {
          const wanted = yield* Effect.either(zeta.answer(sql))
          const found = yield* Effect.either(GoogleSql.runScript(session, sql))
          if (Either.isLeft(found)) {
            if (Either.isLeft(wanted)) counts.bothFail++
            else counts.refused++
            continue
          }
          const [value] = found.right.rows[0] ?? []
          const answer = value === null || value === undefined ? null : String(value)
          if (Either.isLeft(wanted) && wanted.left.message.startsWith("division by zero")) counts.unraised++
          else if (Either.isRight(wanted) && wanted.right === answer) counts.equal++
          else {
            const text = Either.isRight(wanted) ? JSON.stringify(wanted.right) : wanted.left.message
            different.push(`${sql}\n  ZetaSQL: ${text}\n  DuckDB:  ${JSON.stringify(answer)}`)
          }
        }
        expect(different.join("\n\n")).toBe("")
        expect(counts.unraised / RUNS, JSON.stringify(counts)).toBeLessThanOrEqual(UNRAISED_LIMIT)
        expect(counts.equal).toBeGreaterThan(RUNS / 2)
        expect(counts.refused / (counts.equal + counts.refused), JSON.stringify(counts)).toBeLessThan(REFUSED_LIMIT)
      })
    )
  })
})
