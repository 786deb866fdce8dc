/**
 * SIGKILLs a working service again and again, then lets it finish what it accepted and looks at what is left.
 */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { bundle } from "../support/Bundle.ts"
import type { Findings } from "./Victim.ts"

/** A victim that is not ready, has not seen an end, or has not drained, after this time is a failure of the test. */
const patienceMilliseconds = 180_000

/** All ids that some victim has answered with, and what the last process found. */
export interface KillReport {
  readonly accepted: ReadonlySet<string>
  readonly findings: Findings
}

/** A victim is killed at a random moment of so long a time, which begins as its round says. */
const longestMilliseconds = 900

/** One round in so many is killed only after a run has ended in it: on the slowest machine, too, runs come to their ends. */
export const roundsForAnEnd = 3

/** When the time begins at the end of which a victim is killed. */
type Beginning = "at once" | "when ready" | "after an end"

/** Kills so many times. Where a victim need not see an end, one in five is killed while it starts. */
export const killRounds = (folder: string, rounds: number): Effect.Effect<KillReport, Error> =>
  Effect.gen(function* () {
    const program = yield* bundle(fileURLToPath(new URL("Victim.ts", import.meta.url)))
    const accepted = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      const startsOnly = (yield* Random.nextIntBetween(0, 5)) === 0
      const beginning = round % roundsForAnEnd === 0 ? "after an end" : startsOnly ? "at once" : "when ready"
      const delay = yield* Random.nextIntBetween(0, longestMilliseconds)
      const lines = yield* victim(program, folder, "work", { beginning, delay })
      for (const line of lines) if (line.startsWith("accepted ")) accepted.add(line.slice("accepted ".length))
    }
    const lines = yield* victim(program, folder, "drain", undefined)
    const findings: Findings = JSON.parse(lines.at(-1) ?? "{}")
    return { accepted, findings }
  }).pipe(Effect.scoped)

/** A victim is killed so many milliseconds after the beginning. */
interface Kill {
  readonly beginning: Beginning
  readonly delay: number
}

/** What a victim has printed where the time to its kill begins. */
const beginnings: Record<Beginning, string> = { "at once": "", "when ready": "ready\n", "after an end": "\nended " }

const victim = (program: string, folder: string, mode: string, kill: Kill | undefined) =>
  Effect.async<ReadonlyArray<string>, Error>((resume) => {
    const child = spawn(process.execPath, [program, folder, mode], { stdio: ["ignore", "pipe", "inherit"] })
    let output = ""
    let doom: NodeJS.Timeout | undefined
    const doomOnceBegun = () => {
      if (kill === undefined || doom !== undefined || !output.includes(beginnings[kill.beginning])) return
      doom = setTimeout(() => child.kill("SIGKILL"), kill.delay)
    }
    doomOnceBegun()
    const deadline = setTimeout(() => child.kill("SIGKILL"), patienceMilliseconds)
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      doomOnceBegun()
    })
    child.on("close", (code, signal) => {
      clearTimeout(deadline)
      // A line that the kill cut off was never read by anybody.
      const lines = output.split("\n").slice(0, -1)
      const expected = kill === undefined ? code === 0 : doom !== undefined && signal === "SIGKILL"
      resume(
        expected ? Effect.succeed(lines) : Effect.fail(new Error(`the victim (${mode}) ended with ${code ?? signal}`))
      )
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
