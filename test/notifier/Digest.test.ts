/**
 * Messages of a rule that become one, and those that nobody acknowledges. Time is the test's; the mail server is real.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { AddressBook } from "../../src/notifier/AddressBook.ts"
import { Channel, Channels, Rule } from "../../src/notifier/Channels.ts"
import type { Severity } from "../../src/notifier/Message.ts"
import { Notifier } from "../../src/notifier/Notifier.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import * as NotifierWorld from "../support/NotifierWorld.ts"
import { org } from "../support/pipelines.ts"
import { smtpError, smtpServer } from "../support/smtpServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const begin = Date.parse("2026-05-11T12:00:00Z")
const wanted = { org, event: "pipeline_failure", category: "pipeline" } as const

/** An organisation with the channels `ops` and `boss`, and this rule. */
const inWorld = <A, E>(
  rule: Omit<typeof Rule.Encoded, "ruleId" | "name" | "category" | "type" | "channelIds">,
  use: (mail: Effect.Effect.Success<ReturnType<typeof smtpServer>>) => Effect.Effect<A, E, Notifier | AddressBook>,
  server: Parameters<typeof smtpServer>[0] = { answer: () => undefined }
) =>
  Effect.gen(function* () {
    const mail = yield* smtpServer(server)
    yield* TestClock.setTime(begin)
    const world = NotifierWorld.layer({ folder: yield* temporaryFolder, variables: NotifierWorld.mailTo(mail.port) })
    const set = Effect.gen(function* () {
      const { putChannel, putRule } = yield* Channels
      for (const channelId of ["ops", "boss"]) {
        const channel = {
          channelId,
          type: "email",
          name: channelId,
          emailRecipients: [`${channelId}@acme.test`]
        } as const
        yield* putChannel(org, yield* Schema.decode(Channel)({ ...channel, isDefault: false }))
      }
      const stored = {
        ruleId: "r",
        name: "Rule",
        category: "pipeline",
        type: "pipeline_failure",
        channelIds: ["ops"]
      } as const
      yield* putRule(org, yield* Schema.decode(Rule)({ ...stored, ...rule }))
    })
    return yield* Effect.provide(Effect.zipRight(set, use(mail)), world)
  })

/** Tells the rule's channels of one event. */
const tell = (title: string, severity: Severity = "error") =>
  Effect.gen(function* () {
    const { recipients } = yield* (yield* AddressBook).find({ ...wanted, severity })
    const message = { title, severity, text: [`${title} happened`], facts: [] }
    const subject = { org, event: "pipeline_failure", source: title, pipeline: title } as const
    return yield* (yield* Notifier).queue(
      subject,
      recipients.map((recipient) => ({ ...recipient, message }))
    )
  })

const statuses = Effect.flatMap(Notifier, ({ history }) =>
  Effect.map(history(org, { limit: 20 }), (all) => all.map(({ status }) => status))
)

describe("a rule with a window", () => {
  it.scoped("tells what comes in it as one message, when it ends; what is critical does not wait", () =>
    inWorld({ batchWindowMinutes: 10 }, (mail) =>
      Effect.gen(function* () {
        const { settle } = yield* Notifier
        const ids = [...(yield* tell("one"))]
        yield* TestClock.adjust("9 minutes")
        ids.push(...(yield* tell("two")), ...(yield* tell("three")))
        yield* settle(yield* tell("urgent", "critical"))
        expect((yield* Queue.take(mail.mails)).mail.subject).toContain("urgent")
        expect((yield* statuses).filter((status) => status === "queued")).toHaveLength(3)
        yield* TestClock.adjust("1 minutes")
        expect((yield* settle(ids)).map(({ status }) => status)).toEqual(["sent", "sent", "sent"])
        const { mail: digest } = yield* Queue.take(mail.mails)
        expect(digest.subject).toContain("3 messages: one, ...")
        for (const title of ["one", "two", "three"]) expect(digest.text).toContain(`${title} happened`)
        expect(mail.attempts()).toBe(2)
        // The next one opens a window of its own.
        yield* settle(yield* tell("four"))
        expect((yield* statuses).filter((status) => status === "queued")).toHaveLength(1)
      })
    )
  )

  it.scoped("tries the whole again when the server says later, and gives up all of it together", () =>
    inWorld(
      { batchWindowMinutes: 1 },
      (mail) =>
        Effect.gen(function* () {
          const { settle } = yield* Notifier
          const ids = [...(yield* tell("one")), ...(yield* tell("two"))]
          yield* TestClock.adjust("1 minutes")
          const settled = yield* Effect.fork(settle(ids))
          while (mail.attempts() < 1) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          for (let turn = 0; turn < 400; turn++) {
            yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
            if (turn % 20 === 19) yield* TestClock.adjust("1 second")
          }
          expect((yield* settled).map(({ attempts, status }) => [status, attempts])).toEqual([
            ["sent", 2],
            ["sent", 2]
          ])
          expect((yield* Queue.take(mail.mails)).mail.subject).toContain("2 messages")
          expect(mail.attempts()).toBe(2)
        }),
      { answer: (n) => (n === 1 ? smtpError(451) : undefined) }
    )
  )
})

describe("a rule that escalates", () => {
  const escalating = { escalateAfterMinutes: 15, escalateToChannelIds: ["boss"] }

  it.scoped("tells the next channels when nobody has acknowledged in time", () =>
    inWorld(escalating, (mail) =>
      Effect.gen(function* () {
        const { settle } = yield* Notifier
        const ids = yield* tell("down")
        yield* settle(ids)
        const first = yield* Queue.take(mail.mails)
        expect(first.recipients).toEqual(["ops@acme.test"])
        expect(first.mail.text).toContain(`pipeline-service notifications acknowledge ${ids[0]}`)
        expect(first.mail.text).toContain("Acknowledge before: 2026-05-11T12:15:00.000Z")
        yield* TestClock.adjust("13 minutes")
        yield* settle(ids)
        expect(yield* statuses).toEqual(expect.arrayContaining(["sent", "queued"]))
        yield* TestClock.adjust("2 minutes")
        yield* settle(ids)
        const second = yield* Queue.take(mail.mails)
        expect(second.recipients).toEqual(["boss@acme.test"])
        expect(second.mail.subject).toContain("Not acknowledged: down")
      })
    )
  )

  it.scoped("tells nobody else when somebody has; only the organisation's own, and only what was sent", () =>
    inWorld(escalating, (mail) =>
      Effect.gen(function* () {
        const { acknowledge, settle } = yield* Notifier
        const ids = yield* tell("down")
        const id = ids[0] ?? ""
        const early = yield* Effect.flip(acknowledge(org, id, "me"))
        expect(early.message).toBe(`notification ${id} has not been sent yet`)
        yield* settle(ids)
        const other = yield* Schema.decode(OrgSlug)("other_org")
        expect(yield* Effect.flip(acknowledge(other, id, "me"))).toMatchObject({ isKnown: false })
        expect(yield* acknowledge(org, id, "me")).toMatchObject({ status: "sent", acknowledgedBy: "me" })
        expect(yield* acknowledge(org, id, "somebody else")).toMatchObject({ acknowledgedBy: "me" })
        yield* TestClock.adjust("1 hours")
        const settled = yield* settle(ids)
        expect(settled.map(({ problem, status }) => [status, problem])).toEqual([
          ["sent", undefined],
          ["skipped", "acknowledged in time"]
        ])
        expect(mail.attempts()).toBe(1)
      })
    )
  )
})
