/**
 * `admin`: organisations, their API keys and their credentials. Works where the installation keeps them, also while a server runs.
 */
import * as Command from "@effect/cli/Command"
import { channelCommand, ruleCommand } from "./admin/channel.ts"
import { credentialCommand } from "./admin/credential.ts"
import { keyCommand } from "./admin/key.ts"
import { orgCommand } from "./admin/org.ts"
import { planCommand } from "./admin/plan.ts"
import { summaryCommand } from "./admin/summary.ts"

/** The command; needs the services `Organizations`, `Credentials`, `Channels` and `Summaries` of the installation it works on. */
export const admin = Command.make("admin").pipe(
  Command.withDescription("Organisations, API keys, credentials, channels and plans; also while the server runs."),
  Command.withSubcommands([
    orgCommand,
    keyCommand,
    credentialCommand,
    channelCommand,
    ruleCommand,
    summaryCommand,
    planCommand
  ])
)
