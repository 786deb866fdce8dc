/**
 * What the process does: one command, on the settings of its environment.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PlatformConfigProvider from "@effect/platform/PlatformConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeFiles from "../platform/NodeFiles.ts"

const print = (error: unknown) => Console.error(error instanceof Error ? error.message : String(error))

const service = Effect.flatMap(
  Effect.promise(() => import("./start.ts")),
  ({ run }) => Effect.tapError(run, print)
)

const commandLine = Effect.flatMap(
  Effect.promise(() => import("./commandLine.ts")),
  ({ isExplained, run }) =>
    Effect.tapError(run(process.argv), (error) => (isExplained(error) ? Effect.void : print(error)))
)

// The service starts without the other commands, and what only they need.
const program = process.argv[2] === "serve" && process.argv.length === 3 ? service : commandLine

program.pipe(
  Effect.provide(Layer.provideMerge(PlatformConfigProvider.layerDotEnvAdd(".env.local"), NodeFiles.layer)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
