/**
 * The program as its users start it: a process of its own on a data folder; and its command line within the test's process, which is faster.
 */
import { execFile, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as CommandLine from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { command } from "../../src/cli/command.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** What a command printed, and its exit code. */
export interface Finished {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Settings of the process beside the test's own environment. */
export type Environment = Readonly<Record<string, string>>

/** Runs one command to its end. */
export const commandLine = (environment: Environment, ...args: ReadonlyArray<string>): Effect.Effect<Finished> =>
  Effect.async<Finished>((resume) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { env: { ...process.env, ...environment } },
      (error, out, err) =>
        resume(
          Effect.succeed({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1, out, err })
        )
    )
    return Effect.sync(() => child.kill())
  })

/** Starts the service on a free port, uses it, and stops it as an operator would. */
export const withService = <A, E, R>(
  environment: Environment,
  use: (base: string) => Effect.Effect<A, E, R>,
  program = main
) =>
  Effect.acquireUseRelease(
    Effect.async<{ readonly base: string; readonly stop: Effect.Effect<number | null> }, Error>((resume) => {
      const child = spawn(process.execPath, [program, "serve"], {
        env: { ...process.env, API_PORT: "0", ...environment },
        stdio: ["ignore", "pipe", "inherit"]
      })
      const stop = Effect.async<number | null>((stopped) => {
        child.once("close", (code) => stopped(Effect.succeed(code)))
        child.kill("SIGTERM")
      })
      let output = ""
      child.once("close", (code) => resume(Effect.fail(new Error(`the service ended with ${code}: ${output}`))))
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        const port = /Listening on http:\/\/localhost:(\d+)/.exec(output)?.[1]
        if (port !== undefined) resume(Effect.succeed({ base: `http://127.0.0.1:${port}`, stop }))
      })
    }),
    ({ base }) => use(base),
    ({ stop }) => stop
  )

/** Runs one command line in this process on the settings of `environment`; its failure is the message that a user sees. */
export const cli = (environment: Environment, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const printed: Array<string> = []
    const print = (...parts: ReadonlyArray<unknown>) => Effect.sync(() => void printed.push(parts.join(" ")))
    const real = yield* Console.consoleWith(Effect.succeed)
    const failure = yield* CommandLine.run(command, { name: "pipeline-service", version: "test" })([
      "node",
      "main",
      ...args
    ]).pipe(
      Effect.withConsole({ ...real, log: print, error: print }),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))),
      Effect.provide(NodeContext.layer),
      Effect.flip,
      Effect.option
    )
    return {
      out: printed.join("\n"),
      failure: failure._tag === "Some" ? String(failure.value instanceof Error ? failure.value.message : "") : undefined
    }
  })
