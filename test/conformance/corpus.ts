/**
 * `npm run corpus -- [FILE.jsonl]`: holds the GoogleSQL adapter against recorded BigQuery answers, lists every case that is not passed,
 * and fails when one is wrong.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { readCases } from "./corpusCases.ts"
import { runCases } from "./corpusRun.ts"

const standard = fileURLToPath(new URL("../../../shared/samples/googlesql/corpus.jsonl", import.meta.url))

const program = Effect.gen(function* () {
  const file = process.argv[2] ?? standard
  const text = yield* Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: (cause) => `${file} cannot be read: ${String(cause)}`
  })
  const cases = yield* Either.mapLeft(readCases(text), (reason) => `${file}: ${reason}`)
  const verdicts = yield* runCases(cases)
  const count = (verdict: string): number => verdicts.filter((each) => each.verdict === verdict).length
  for (const each of verdicts)
    if (each.verdict !== "passed") console.log(`${each.verdict} ${each.name}: ${each.reason}`)
  console.log(`corpus: ${count("passed")} passed, ${count("unsupported")} unsupported, ${count("WRONG")} wrong`)
  return count("WRONG") === 0 ? 0 : 1
})

process.exitCode = await Effect.runPromise(
  Effect.catchAll(program, (error) =>
    Effect.sync(() => {
      console.error(typeof error === "string" ? error : error.message)
      return 1
    })
  )
)
