/**
 * Sends the summaries of costs that organisations want, when they are due. Which time a summary is of is part of its notifications' ids,
 * so a crash, a second process or a second look sends none twice.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { EventLogUnavailable } from "../eventlog/EventLog.ts"
import { AddressBook } from "../notifier/AddressBook.ts"
import { announce } from "../notifier/Announce.ts"
import type { ChannelsUnavailable } from "../notifier/Channels.ts"
import { Notifier } from "../notifier/Notifier.ts"
import { Summaries, type Summary } from "../notifier/Summaries.ts"
import * as CronSchedule from "../platform/CronSchedule.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import { lastSlot } from "./DueSlot.ts"
import { summaryDays } from "./Periods.ts"
import { itemSums } from "./CostQuery.ts"
import { summaryMessage } from "./SummaryMessage.ts"

const TICK = "1 minute"

export interface CostSummariesService {
  /** Sends what is due; answers how many summaries were. One that fails is logged and tried again at the next look, for a day. */
  readonly send: Effect.Effect<number, ChannelsUnavailable | EventLogUnavailable>
  /** Sends what is due, every minute, for ever. */
  readonly run: Effect.Effect<never>
}

/** The sender of summaries. */
export class CostSummaries extends Context.Tag("pipeline-service/CostSummaries")<
  CostSummaries,
  CostSummariesService
>() {}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const summaries = yield* Summaries
  const warehouse = yield* Warehouse
  const context = yield* Effect.context<AddressBook | Notifier>()

  const isTold = (source: string) =>
    sql`select 1 from notifications where source = ${source} limit 1`.pipe(
      Effect.mapBoth({
        onSuccess: (rows) => rows.length > 0,
        onFailure: (cause) => new EventLogUnavailable({ operation: "read the notifications", cause })
      })
    )

  const tell = Effect.fn("CostSummaries.tell")(function* (
    org: OrgSlug,
    summary: Summary,
    slot: number,
    source: string
  ) {
    const { current, previous } = summaryDays(summary.type, slot)
    const dataset = yield* warehouse.org(org)
    const [now, before] = yield* Effect.all([itemSums(dataset, summary, current), itemSums(dataset, summary, previous)])
    yield* announce({
      org,
      event: "summary",
      source,
      message: summaryMessage(summary, org, current, now, before),
      kinds: summary.channelIds.length === 0 ? ["email"] : [],
      channelIds: summary.channelIds,
      summaryId: summary.summaryId
    }).pipe(Effect.provide(context))
  })

  const send: CostSummariesService["send"] = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    let sent = 0
    for (const { org, summary } of yield* summaries.active) {
      const { cron, timezone } = summary.schedule
      const schedule = CronSchedule.parse(cron, timezone, now)
      const slot = schedule._tag === "Right" ? lastSlot(schedule.right.next, 0, now) : null
      if (slot === null) continue
      const source = `summary/${org}/${summary.summaryId}@${new Date(slot).toISOString()}`
      if (yield* isTold(source)) continue
      sent += yield* tell(org, summary, slot, source).pipe(
        Effect.as(1),
        Effect.catchAll((error) =>
          Effect.as(Effect.logWarning(`summary ${summary.summaryId} of ${org} waits: ${error.message}`), 0)
        )
      )
    }
    return sent
  })

  return {
    send,
    run: send.pipe(
      Effect.catchAllCause((cause) => Effect.logError("summaries were not sent", cause)),
      Effect.delay(TICK),
      Effect.forever
    )
  } satisfies CostSummariesService
})

/** The sender; nothing is sent by itself until `run` is. */
export const layer = Layer.effect(CostSummaries, make)
