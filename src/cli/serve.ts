/**
 * `serve` among the commands.
 */
import * as Command from "@effect/cli/Command"
import * as Service from "./service.ts"

/** The command. */
export const serve = Command.make("serve", {}, () => Service.run).pipe(
  Command.withDescription("Serve the HTTP API until stopped; unfinished runs go on.")
)
