import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { faults, killRounds, roundsForAnEnd } from "./KillRounds.ts"

const rounds = 50

describe("a service that is killed at random points", () => {
  it.scopedLive(
    `loses, doubles and repeats nothing in ${rounds} rounds`,
    () =>
      Effect.gen(function* () {
        const report = yield* killRounds(yield* temporaryFolder, rounds)
        expect(report.accepted.size).toBeGreaterThan(rounds / roundsForAnEnd)
        expect(faults(report)).toEqual([])
        expect(new Set(Object.values(report.findings.runs))).toContain("COMPLETED")
      }),
    600_000
  )
})
