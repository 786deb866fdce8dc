/**
 * Runs corpus cases, each in a fresh dataset of a database in memory.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as DuckDb from "../../src/warehouse/duckdb/DuckDb.ts"
import * as GoogleSql from "../../src/warehouse/googlesql/GoogleSql.ts"
import { parseScript } from "../../src/warehouse/googlesql/ParseStatement.ts"
import { quoteName } from "../../src/warehouse/googlesql/Types.ts"
import type { Case } from "./corpusCases.ts"
import { difference } from "./corpusCompare.ts"

export interface Verdict {
  readonly name: string
  readonly verdict: "passed" | "unsupported" | "WRONG"
  readonly reason: string
}

const project = "corpus-project"

/** Whether the rows' order is part of the answer: the last query has its own ORDER BY. */
const isOrdered = (sql: string): boolean =>
  Either.match(parseScript("corpus", sql), {
    onLeft: () => true,
    onRight: (script) => {
      const last = script.statements.at(-1)
      return last?.kind === "query" && last.query.orderBy.length > 0
    }
  })

const judge = (
  each: Case,
  outcome: Either.Either<
    DuckDb.ResultSet,
    { readonly _tag: string; readonly message: string; readonly reason?: string }
  >
): Verdict => {
  const verdict = (verdict: Verdict["verdict"], reason = ""): Verdict => ({ name: each.name, verdict, reason })
  if (Either.isLeft(outcome)) {
    const error = outcome.left
    if (error._tag === "UnsupportedSql") return verdict("unsupported", error.message)
    if (!("error" in each.expected))
      return verdict("WRONG", `expected ${JSON.stringify(each.expected.rows)}; got the error ${error.message}`)
    const { reason, http_status: status, message_pattern: pattern } = each.expected.error
    const expected = reason === "invalidQuery" && status === 400 && new RegExp(pattern, "m").test(error.reason ?? "")
    return expected
      ? verdict("passed")
      : verdict("unsupported", `fails as in BigQuery, in other words: /${pattern}/; got ${error.message}`)
  }
  if ("error" in each.expected) return verdict("WRONG", `expected an error; got ${outcome.right.rows.length} rows`)
  const found = difference(each.expected, outcome.right, isOrdered(each.query_sql))
  return found === undefined ? verdict("passed") : verdict("WRONG", found)
}

/** Runs every case in order. */
export const runCases = (cases: ReadonlyArray<Case>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = yield* DuckDb.open(":memory:", {})
      const connection = yield* database.connect
      yield* connection.query("SET TimeZone = 'UTC'")
      yield* GoogleSql.installPrelude(connection)
      const verdicts: Array<Verdict> = []
      for (const [index, each] of cases.entries()) {
        const dataset = `case_${index}`
        yield* connection.query(`CREATE SCHEMA ${dataset}`)
        const session: GoogleSql.SqlSession = {
          connection,
          source: each.name,
          resolveTable: (path) => {
            const parts = path[0] === project ? path.slice(1) : path
            return parts.length === 2 && parts[0] === dataset
              ? Either.right(`${quoteName(dataset)}.${quoteName(parts[1] ?? "")}`)
              : Either.left(`Not found: ${path.join(".")}`)
          },
          procedure: () => Effect.succeed(undefined)
        }
        const fill = (sql: string) => sql.replaceAll("${DATASET}", `${project}.${dataset}`)
        const setup =
          each.setup_sql === null ? Effect.void : Effect.asVoid(GoogleSql.runScript(session, fill(each.setup_sql)))
        verdicts.push(
          judge(each, yield* Effect.either(Effect.zipRight(setup, GoogleSql.runScript(session, fill(each.query_sql)))))
        )
      }
      return verdicts
    })
  )
