/**
 * Summaries of costs by schedule: real costs in a real warehouse, a real mail server; only the clock is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { CostSummaries } from "../../src/alerts/CostSummaries.ts"
import { Summaries, Summary } from "../../src/notifier/Summaries.ts"
import * as World from "../support/HttpWorld.ts"
import { mailTo } from "../support/NotifierWorld.ts"
import { smtpServer } from "../support/smtpServer.ts"
import { spend } from "../support/spend.ts"

const weekly = {
  summaryId: "weekly",
  name: "Weekly costs",
  type: "weekly",
  schedule: { cron: "0 8 * * 1", timezone: "Europe/Berlin" }
} as const

/** A service on Monday, 11 May 2026, at this time, with summaries of Acme's. */
const inWorld = <A, E, R>(
  time: string,
  summaries: ReadonlyArray<typeof Summary.Encoded>,
  use: (mail: Effect.Effect.Success<ReturnType<typeof smtpServer>>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const mail = yield* smtpServer({ answer: () => undefined })
    yield* TestClock.setTime(Date.parse(`2026-05-11T${time}Z`))
    const put = Effect.flatMap(Summaries, (store) =>
      Effect.forEach(summaries, (each) =>
        Effect.flatMap(Schema.decode(Summary)(each), (one) => store.put(World.acme, one))
      )
    )
    const world = Layer.fresh(World.layer({ variables: mailTo(mail.port) }))
    return yield* Effect.provide(Effect.zipRight(put, use(mail)), world)
  })

describe("summaries", () => {
  it.scoped("come once for each time, with each currency apart, the largest first, and the change", () =>
    inWorld("05:59:00", [weekly], (mail) =>
      Effect.gen(function* () {
        const { send } = yield* CostSummaries
        yield* spend(
          World.acme,
          ["04", "100.004"],
          ["10", "20.005", { provider: "OpenAI", system: "genai_costs_daily_unified" }],
          ["10", "7", { currency: "EUR" }],
          // Of the week before, and of a week that is not over.
          ["03", "60"],
          ["11", "1000"]
        )
        expect(yield* send).toBe(0)
        yield* TestClock.adjust("1 minutes")
        expect(yield* send).toBe(1)
        const { mail: seen, recipients } = yield* Queue.take(mail.mails)
        expect(recipients).toEqual(["admin@acme-corp.test"])
        expect(seen.subject).toBe("[CloudAct.AI] Weekly costs: 7.00 EUR, 120.01 USD (acme_corp)")
        expect(seen.text).toContain("2026-05-04 to 2026-05-10: 7.00 EUR.")
        expect(seen.text).toContain("120.01 USD, 60.01 (100.02 %) more than in the period before.")
        const lines = seen.text?.split("\n").filter((line) => line.startsWith("Provider")) ?? []
        expect(lines).toEqual([
          "Provider Amazon Web Services: 7.00 EUR",
          "Provider Amazon Web Services: 100.00 USD",
          "Provider OpenAI: 20.01 USD"
        ])
        expect(yield* send).toBe(0)
        yield* TestClock.adjust("7 days")
        expect(yield* send).toBe(1)
        expect((yield* Queue.take(mail.mails)).mail.subject).toContain("1000.00 USD")
        expect(mail.attempts()).toBe(2)
      })
    )
  )

  it.scoped("are of the month before, of some providers only, and say so when there are no costs", () =>
    inWorld(
      "09:00:00",
      [
        { ...weekly, summaryId: "monthly", name: "Monthly", type: "monthly", schedule: { cron: "0 8 * * *" } },
        {
          ...weekly,
          summaryId: "ai",
          name: "AI",
          type: "daily",
          schedule: { cron: "0 8 * * *" },
          providers: ["OpenAI"]
        },
        { ...weekly, summaryId: "off", name: "Off", isActive: false }
      ],
      (mail) =>
        Effect.gen(function* () {
          yield* spend(World.acme, ["10", "5"], ["10", "3", { provider: "OpenAI" }])
          expect(yield* (yield* CostSummaries).send).toBe(2)
          const subjects = [yield* Queue.take(mail.mails), yield* Queue.take(mail.mails)].map(
            ({ mail }) => mail.subject
          )
          expect(subjects).toEqual([
            "[CloudAct.AI] AI: 3.00 USD (acme_corp)",
            "[CloudAct.AI] Monthly: no costs (acme_corp)"
          ])
        })
    )
  )

  it.scoped("are refused with a channel or a schedule that is none", () =>
    inWorld("09:00:00", [], () =>
      Effect.gen(function* () {
        const { list, put } = yield* Summaries
        const summary = yield* Schema.decode(Summary)(weekly)
        const noChannel = yield* Effect.flip(put(World.acme, { ...summary, channelIds: ["none"] }))
        expect(noChannel.message).toBe("acme_corp has no channel none")
        const noCron = yield* Effect.flip(put(World.acme, { ...summary, schedule: { cron: "8 Uhr", timezone: "UTC" } }))
        expect(noCron.message).toContain("is no cron expression")
        expect(yield* list(World.acme)).toEqual([])
      })
    )
  )
})
