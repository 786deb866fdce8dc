/**
 * `admin summary`: the summaries of costs that an organisation wants.
 */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { Summaries, Summary } from "../../notifier/Summaries.ts"
import { table } from "../table.ts"
import { answer, decodeJson, json, jsonFile, knownOrg, org, readSecret } from "./shared.ts"

const decode = decodeJson(Summary)

const put = Command.make(
  "put",
  { org, file: jsonFile, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const summary = yield* Effect.flatMap(readSecret(options.file), decode)
    yield* (yield* Summaries).put(options.org, summary)
    yield* answer(options.json, summary, `Stored ${summary.summaryId} (${summary.type}) for ${options.org}.`)
  })
).pipe(
  Command.withDescription(
    "Store a summary: {summaryId, name, type: daily|weekly|monthly, schedule: {cron, timezone}, channelIds, providers, topItems ...}."
  )
)

const list = Command.make(
  "list",
  { org, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const summaries = yield* (yield* Summaries).list(options.org)
    yield* answer(
      options.json,
      summaries,
      summaries.length === 0
        ? `${options.org} wants no summary`
        : table(
            ["summary id", "type", "when", "zone", "active", "channels"],
            summaries.map((each) => [
              each.summaryId,
              each.type,
              each.schedule.cron,
              each.schedule.timezone,
              each.isActive ? "yes" : "no",
              each.channelIds.length === 0 ? "owners" : each.channelIds.join(" ")
            ])
          )
    )
  })
).pipe(Command.withDescription("List an organisation's summaries."))

/** The command. */
export const summaryCommand = Command.make("summary").pipe(
  Command.withDescription("Summaries of an organisation's costs, by schedule."),
  Command.withSubcommands([put, list])
)
