/**
 * Child processes of the bench: what they print, how long they take, and their processor time and peak memory as the kernel counts them.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"

/** What a child did. `seconds` until it ended, or until the awaited line. */
export interface ChildReport {
  readonly seconds: number
  /** Of all its threads, in the kernel and outside: on a busy machine the fairer measure. */
  readonly processorSeconds: number
  readonly peakMegabytes: number
  readonly lines: ReadonlyArray<string>
}

const pollMilliseconds = 50
const patienceMilliseconds = 7_200_000
/** The unit of the processor times in /proc. */
const TICKS_PER_SECOND = 100

/** How the service is started, see `npm start` and the container. */
export const startOptions = ["--max-semi-space-size=16"]
export const startEnvironment = { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "65536" }

/** Runs a Node program, started as the service is, to its end; or, with `until`, to the first line that contains it, and ends it then. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  options: { readonly until?: string; readonly environment?: Readonly<Record<string, string>> } = {}
): Effect.Effect<ChildReport, Error> =>
  Effect.async((resume) => {
    const begun = performance.now()
    const child = spawn(process.execPath, [...startOptions, program, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...startEnvironment, ...options.environment }
    })
    let peakMegabytes = 0
    let processorSeconds = 0
    let output = ""
    let seconds: number | undefined
    const sample = () => {
      peakMegabytes = Math.max(peakMegabytes, peakOf(child.pid))
      processorSeconds = Math.max(processorSeconds, processorTimeOf(child.pid))
    }
    const poll = setInterval(sample, pollMilliseconds)
    const deadline = setTimeout(() => child.kill("SIGKILL"), patienceMilliseconds)
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (options.until !== undefined && seconds === undefined && output.includes(options.until)) {
        seconds = (performance.now() - begun) / 1000
        sample()
        child.kill("SIGTERM")
      }
    })
    child.on("close", (code) => {
      clearInterval(poll)
      clearTimeout(deadline)
      const reached = options.until === undefined ? code === 0 : seconds !== undefined
      resume(
        reached
          ? Effect.succeed({
              seconds: seconds ?? (performance.now() - begun) / 1000,
              processorSeconds,
              peakMegabytes,
              lines: output.split("\n")
            })
          : Effect.fail(new Error(`${program} ended with ${code}: ${output.slice(-500)}`))
      )
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** The kernel's high-water mark of a process's resident memory. */
const peakOf = (pid: number | undefined): number => {
  try {
    const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return Number(kilobytes ?? 0) / 1024
  } catch {
    return 0
  }
}

/** Seconds of processor time that a process has used; 0 where there is no /proc. */
export const processorTimeOf = (pid: number | undefined): number => {
  try {
    // The second field, the name in brackets, may hold spaces; user and system time are the 14th and 15th.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND
  } catch {
    return 0
  }
}
