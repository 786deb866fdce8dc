/**
 * SIGKILLs a working service again and again, then lets it finish what it accepted and looks at what is left.
 */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { bundle } from "../support/Bundle.ts"
import type { Findings } from "./Victim.ts"

/** A victim that is not ready, or has not drained, after this time is a failure of the test. */
const patienceMilliseconds = 180_000

/**
 * Where a run takes longer than a victim lives, few are accepted: then there are up to so many times the rounds, until more runs than the
 * rounds that were asked for have been.
 */
const mostRounds = 3

/** All ids that some victim has answered with, and what the last process found. */
export interface KillReport {
  readonly rounds: number
  readonly accepted: ReadonlySet<string>
  readonly findings: Findings
}

/** A victim lives up to so long after it is ready; on a machine so slow that it took longer to be ready, up to as long as that. */
const longestLifeMilliseconds = 900

/** Kills at least so many times, each at a random moment after the victim is ready (one in five: while it starts). */
export const killRounds = (folder: string, rounds: number): Effect.Effect<KillReport, Error> =>
  Effect.gen(function* () {
    const program = yield* bundle(fileURLToPath(new URL("Victim.ts", import.meta.url)))
    const accepted = new Set<string>()
    const isEnough = (round: number) => round >= rounds && accepted.size > rounds
    let round = 0
    for (; round < rounds * mostRounds && !isEnough(round); round++) {
      const moment = yield* Random.next
      const early = round > 0 && (yield* Random.nextIntBetween(0, 5)) === 0
      const lines = yield* victim(program, folder, "work", { afterReady: !early, moment })
      for (const line of lines) if (line.startsWith("accepted ")) accepted.add(line.slice("accepted ".length))
    }
    const lines = yield* victim(program, folder, "drain", undefined)
    const findings: Findings = JSON.parse(lines.at(-1) ?? "{}")
    return { rounds: round, accepted, findings }
  }).pipe(Effect.scoped)

/** When a victim is killed: `moment`, from 0 to 1, of its longest life. */
interface Kill {
  readonly afterReady: boolean
  readonly moment: number
}

const victim = (program: string, folder: string, mode: string, kill: Kill | undefined) =>
  Effect.async<ReadonlyArray<string>, Error>((resume) => {
    const begun = performance.now()
    const child = spawn(process.execPath, [program, folder, mode], { stdio: ["ignore", "pipe", "inherit"] })
    let output = ""
    let doomed = false
    const doom = () => {
      doomed = true
      child.kill("SIGKILL")
    }
    const deadline = setTimeout(() => child.kill("SIGKILL"), patienceMilliseconds)
    if (kill !== undefined && !kill.afterReady) setTimeout(doom, 100 + kill.moment * longestLifeMilliseconds)
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const wasReady = output.includes("ready\n")
      output += text
      if (kill?.afterReady === true && !wasReady && output.includes("ready\n")) {
        setTimeout(doom, kill.moment * Math.max(longestLifeMilliseconds, performance.now() - begun))
      }
    })
    child.on("close", (code) => {
      clearTimeout(deadline)
      // A line that the kill cut off was never read by anybody.
      const lines = output.split("\n").slice(0, -1)
      const expected = kill === undefined ? code === 0 : doomed
      resume(expected ? Effect.succeed(lines) : Effect.fail(new Error(`the victim (${mode}) ended with ${code}`)))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** What must not be: accepted runs that did not end, work done twice, rows doubled or missing, quota leaked, a broken log. */
export const faults = ({ accepted, findings }: KillReport): ReadonlyArray<string> => {
  const ends = new Set(["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"])
  const completed = Object.values(findings.runs).filter((status) => status === "COMPLETED").length
  return [
    ...[...accepted]
      .filter((id) => !ends.has(findings.runs[id] ?? ""))
      .map((id) => `run ${id} was accepted and is ${findings.runs[id] ?? "lost"}`),
    ...findings.repeated.map((each) => `repeated: ${each}`),
    ...findings.slices,
    ...findings.log.map((each) => `${each.stream}: ${each.problem}`),
    ...(findings.openSlots === 0 ? [] : [`${findings.openSlots} slots of the quota are still taken`]),
    ...(findings.successes === completed
      ? []
      : [`${findings.successes} successes are counted for ${completed} completed runs`])
  ]
}
