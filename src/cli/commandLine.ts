/**
 * The command line: reads the arguments, runs one command.
 */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import { command } from "./command.ts"

/** Runs the command of the arguments. */
export const run = Command.run(command, { name: "pipeline-service", version: "0.1.0" })

/** A wrong command line has been explained already. */
export const isExplained = ValidationError.isValidationError
