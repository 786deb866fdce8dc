/**
 * `serve` among the commands.
 */
import * as Command from "@effect/cli/Command"
import * as Start from "./start.ts"

/** The command. */
export const serve = Command.make("serve", {}, () => Start.run).pipe(
  Command.withDescription("Serve the HTTP API until stopped; unfinished runs go on.")
)
