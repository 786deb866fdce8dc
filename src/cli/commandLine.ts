/**
 * The command line: reads the arguments, runs one command.
 */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { command } from "./command.ts"

const runOf = Command.run(command, { name: "pipeline-service", version: "0.1.0" })

/** Runs the command of the arguments, as the process has them. */
export const run = (args: ReadonlyArray<string>) => Effect.provide(runOf(args), NodeContext.layer)

/** A wrong command line has been explained already. */
export const isExplained = ValidationError.isValidationError
