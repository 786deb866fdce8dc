/**
 * The command line: reads the arguments and the settings, runs one command.
 */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PlatformConfigProvider from "@effect/platform/PlatformConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { command } from "./command.ts"

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const start = Command.run(command, { name: "pipeline-service", version: "0.1.0" })

start(process.argv).pipe(
  // A wrong command line has been explained already.
  Effect.tapError((error) =>
    ValidationError.isValidationError(error) ? Effect.void : Console.error(messageOf(error))
  ),
  Effect.provide(Layer.provideMerge(PlatformConfigProvider.layerDotEnvAdd(".env.local"), NodeContext.layer)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
