/**
 * `npm run test:kill -- --rounds 1000`: the kill test by hand, as long as one likes.
 */
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { faults, killRounds } from "./KillRounds.ts"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "50" } } })

const found = await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const report = yield* killRounds(yield* temporaryFolder, Number(values.rounds))
      const problems = faults(report)
      const statuses = Object.groupBy(Object.values(report.findings.runs), (status) => status)
      console.log(
        `${values.rounds} rounds, ${report.accepted.size} accepted runs:`,
        Object.fromEntries(Object.entries(statuses).map(([status, runs]) => [status, runs?.length])),
        `${problems.length} faults`
      )
      for (const problem of problems) console.log(problem)
      return problems.length
    })
  )
)
process.exitCode = found === 0 ? 0 : 1
