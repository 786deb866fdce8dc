/**
 * Retries, throttling, quiet hours and the looks of messages. Time is the test's; the mail server is real.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import { Channels, type Rule } from "../../src/notifier/Channels.ts"
import { AddressBook } from "../../src/notifier/AddressBook.ts"
import { type Message, toHtml, toSlack, toText } from "../../src/notifier/Message.ts"
import { Notifier, type Subject } from "../../src/notifier/Notifier.ts"
import { afterQuietHours } from "../../src/notifier/QuietHours.ts"
import * as NotifierWorld from "../support/NotifierWorld.ts"
import { org } from "../support/pipelines.ts"
import { smtpError, smtpServer } from "../support/smtpServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const message: Message = { title: "Title", severity: "error", text: ["Text"], facts: [] }
const destination = { type: "email", channelId: "default", to: ["a@acme.test"], cc: [], subjectPrefix: "[X]" } as const
const subject = (source: string, more: Partial<Subject> = {}): Subject => ({
  org,
  event: "pipeline_failure",
  pipeline: "p",
  source,
  ...more
})

type Mail = Effect.Effect.Success<ReturnType<typeof smtpServer>>

/** The notifier's services, not at work by themselves. */
const inWorld = <A, E>(
  server: Parameters<typeof smtpServer>[0],
  use: (mail: Mail) => Effect.Effect<A, E, Notifier | Channels | AddressBook>,
  variables: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const mail = yield* smtpServer(server)
    const folder = yield* temporaryFolder
    const world = NotifierWorld.layer({ folder, variables: { ...NotifierWorld.mailTo(mail.port), ...variables } })
    return yield* Effect.provide(use(mail), world)
  })

/** Queues one mail and lets the clock run until it has ended. */
const sent = (source: string, to: ReadonlyArray<string> = destination.to) =>
  Effect.gen(function* () {
    const { queue, settle } = yield* Notifier
    const ids = yield* queue(subject(source), [{ destination: { ...destination, to }, message }])
    const settled = yield* Effect.fork(settle(ids))
    for (let second = 0; (yield* Fiber.poll(settled))._tag === "None" && second < 2_000; second++) {
      // Real input and output needs real turns of the event loop between the test's seconds.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      if (second % 20 === 19) yield* TestClock.adjust("1 second")
    }
    const [result] = yield* Fiber.join(settled)
    return result ?? expect.fail("no notification")
  })

describe("deliveries", () => {
  it.scoped("are tried again when the server says later, with the same id, and not when it says never", () =>
    inWorld({ answer: (n) => (n <= 2 ? smtpError(451) : n === 4 ? smtpError(550) : undefined) }, (mail) =>
      Effect.gen(function* () {
        expect(yield* sent("one")).toMatchObject({ status: "sent", attempts: 3 })
        const first = yield* Queue.take(mail.mails)
        expect(mail.attempts()).toBe(3)
        expect(yield* sent("two")).toMatchObject({
          status: "failed",
          attempts: 1,
          problem: "the mail server did not take the message (EMESSAGE 550)"
        })
        expect(yield* sent("three")).toMatchObject({ status: "sent" })
        expect((yield* Queue.take(mail.mails)).mail.messageId).not.toBe(first.mail.messageId)
      })
    )
  )

  it.scoped("are given up after so many attempts; those that some recipients did not get say so", () =>
    inWorld({ answer: (n) => (n <= 3 ? smtpError(421) : undefined), refusedRecipients: ["b@acme.test"] }, () =>
      Effect.gen(function* () {
        expect(yield* sent("one")).toMatchObject({ status: "failed", attempts: 3 })
        expect(yield* sent("two", ["a@acme.test", "b@acme.test"])).toMatchObject({
          status: "sent",
          problem: "not taken for b@acme.test"
        })
        expect(yield* sent("three", ["b@acme.test"])).toMatchObject({ status: "failed", attempts: 1 })
      })
    )
  )

  it.scoped("log in where the server wants it; a wrong password is no reason to try again, and is never told", () =>
    Effect.gen(function* () {
      const login = { user: "service", password: "very-secret-word" }
      yield* inWorld({ login }, () => Effect.map(sent("one"), (result) => expect(result.status).toBe("sent")), {
        EMAIL_SMTP_USERNAME: login.user,
        EMAIL_SMTP_PASSWORD: login.password
      })
      yield* inWorld(
        { login },
        () =>
          Effect.map(sent("one"), (result) => {
            expect(result).toMatchObject({ status: "failed", attempts: 1 })
            expect(JSON.stringify(result)).not.toContain("wrong-secret-word")
          }),
        { EMAIL_SMTP_USERNAME: login.user, EMAIL_SMTP_PASSWORD: "wrong-secret-word" }
      )
    })
  )

  it.scoped("are not sent in the clear where TLS is wanted, and not at all while notifications are off", () =>
    Effect.gen(function* () {
      yield* inWorld(
        {},
        (mail) =>
          Effect.map(sent("one"), (result) => {
            expect(result.status).toBe("failed")
            expect(mail.attempts()).toBe(0)
          }),
        { EMAIL_SMTP_USE_TLS: "true", NOTIFICATION_RETRY_MAX_ATTEMPTS: "1" }
      )
      yield* inWorld(
        {},
        () =>
          Effect.map(sent("one"), (result) =>
            expect(result).toMatchObject({
              status: "skipped",
              problem: "notifications are off: set NOTIFICATIONS_ENABLED"
            })
          ),
        { NOTIFICATIONS_ENABLED: "false" }
      )
    })
  )
})

describe("throttling", () => {
  it.scoped("holds for an event of a pipeline, from another source, for its time", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const { history, queue } = yield* Notifier
        const tell = (source: string, more: Partial<Subject> = {}) =>
          queue(subject(source, { cooldownSeconds: 300, ...more }), [{ destination, message }])
        const statuses = Effect.map(history(org, { limit: 20 }), (all) => all.map(({ status }) => status).sort())
        yield* tell("one")
        // The same source once more, as after a crash, is the same notification.
        yield* tell("one")
        expect(yield* statuses).toEqual(["queued"])
        yield* TestClock.adjust("299 seconds")
        yield* tell("two")
        expect(yield* statuses).toEqual(["queued", "skipped"])
        yield* tell("other pipeline", { pipeline: "q" })
        yield* tell("other event", { event: "data_quality_failure" })
        expect(yield* statuses).toEqual(["queued", "queued", "queued", "skipped"])
        yield* TestClock.adjust("2 seconds")
        yield* tell("three")
        expect(yield* statuses).toEqual(["queued", "queued", "queued", "queued", "skipped"])
        const skipped = (yield* history(org, { limit: 20 })).find(({ status }) => status === "skipped")
        expect(skipped?.problem).toBe("throttled: the last one of this kind is of 1970-01-01T00:00:00.000Z")
      })
    )
  )
})

describe("quiet hours", () => {
  const at = (time: string, start: string, end: string, timezone = "UTC") =>
    new Date(afterQuietHours(Date.parse(time), { start, end, timezone })).toISOString()

  it.each([
    ["2026-05-11T12:00:00Z", "22:00", "07:00", "UTC", "2026-05-11T12:00:00.000Z"],
    ["2026-05-11T21:59:59Z", "22:00", "07:00", "UTC", "2026-05-11T21:59:59.000Z"],
    ["2026-05-11T22:00:00Z", "22:00", "07:00", "UTC", "2026-05-12T07:00:00.000Z"],
    ["2026-05-12T06:59:00Z", "22:00", "07:00", "UTC", "2026-05-12T07:00:00.000Z"],
    ["2026-05-12T07:00:00Z", "22:00", "07:00", "UTC", "2026-05-12T07:00:00.000Z"],
    ["2026-05-12T13:30:00Z", "13:00", "14:00", "UTC", "2026-05-12T14:00:00.000Z"],
    // 23:30 in Berlin is 21:30 UTC in summer; 07:00 there is 05:00 UTC.
    ["2026-05-11T21:30:00Z", "22:00", "07:00", "Europe/Berlin", "2026-05-12T05:00:00.000Z"],
    // The night of 29 March 2026 has 02:00 to 03:00 left out: 07:00 is 05:00 UTC, not 06:00.
    ["2026-03-28T22:30:00Z", "22:00", "07:00", "Europe/Berlin", "2026-03-29T05:00:00.000Z"],
    ["2026-05-11T12:00:00Z", "00:00", "00:00", "UTC", "2026-05-11T12:00:00.000Z"]
  ])("at %s, quiet from %s to %s in %s: %s", (time, start, end, timezone, expected) => {
    expect(at(time, start, end, timezone)).toBe(expected)
  })

  it.scoped("of a rule hold back what is not critical; the rule has its own channels and cooldown", () =>
    inWorld({}, () =>
      Effect.gen(function* () {
        const { putChannel, putRule } = yield* Channels
        const { find } = yield* AddressBook
        const channel = {
          type: "email",
          isActive: true,
          emailCcRecipients: [],
          slackMentionUsers: [],
          slackMentionChannel: false,
          webhookMethod: "POST"
        } as const
        yield* putChannel(org, {
          ...channel,
          channelId: "night",
          name: "Night",
          isDefault: false,
          emailRecipients: ["n@acme.test"]
        })
        yield* putChannel(org, {
          ...channel,
          channelId: "all",
          name: "All",
          isDefault: true,
          emailRecipients: ["d@acme.test"]
        })
        const rule: Rule = {
          ruleId: "r",
          name: "Rule",
          category: "pipeline",
          type: "pipeline_failure",
          isActive: true,
          channelIds: ["night"],
          escalateToChannelIds: [],
          providers: ["aws"],
          cooldownMinutes: 10,
          quietHours: { start: "22:00", end: "07:00", timezone: "UTC" }
        }
        yield* putRule(org, rule)
        yield* TestClock.setTime(Date.parse("2026-05-11T23:00:00Z"))
        const wanted = { org, event: "pipeline_failure", category: "pipeline", severity: "error" } as const
        const night = yield* find({ ...wanted, provider: "aws" })
        expect(night.cooldownSeconds).toBe(600)
        expect(night.recipients).toMatchObject([
          { ruleId: "r", dueAt: Date.parse("2026-05-12T07:00:00Z"), destination: { to: ["n@acme.test"] } }
        ])
        const critical = yield* find({ ...wanted, provider: "aws", severity: "critical" })
        expect(critical.recipients.map(({ dueAt }) => dueAt)).toEqual([undefined])
        const others = yield* find({ ...wanted, provider: "gcp" })
        expect(others.cooldownSeconds).toBe(300)
        expect(others.recipients).toMatchObject([{ destination: { to: ["d@acme.test"] } }])
        const refused = yield* Effect.flip(putRule(org, { ...rule, channelIds: ["none"] }))
        expect(refused.message).toBe("acme_corp has no channel none")
      })
    )
  )
})

describe("messages", () => {
  const hostile: Message = {
    title: "A\r\nB <!channel> & </title>",
    severity: "critical",
    text: ["<script>alert('x')</script>\nsecond line"],
    action: 'click "here" <https://evil.test|now>',
    facts: [["<i>", "a & b"]],
    link: { label: "Look", url: 'https://x.test/"onclick="y' }
  }

  it("are escaped in each form", () => {
    const html = toHtml(hostile)
    expect(html).not.toMatch(/<script|<i>|"onclick=|<!channel>/)
    expect(html).toContain("&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;<br>second line")
    expect(toText(hostile).split("\n")[0]).toBe("A  B <!channel> & </title>".replace("  ", " "))
    const slack = JSON.stringify(toSlack(hostile, ["<!channel>"]))
    expect(slack.match(/<!channel>/g)).toHaveLength(3)
    expect(slack).toContain("A B &lt;!channel&gt; &amp; &lt;/title&gt;")
    expect(slack).not.toContain("<https://evil.test|now>")
  })

  it("stay within what Slack takes", () => {
    const long: Message = {
      title: "t".repeat(500),
      severity: "info",
      text: ["&".repeat(10_000)],
      facts: Array.from({ length: 30 }, (_, index) => [`f${index}`, "<".repeat(5_000)] as const)
    }
    const { blocks } = toSlack(long, [])
    const all = Array.isArray(blocks) ? blocks : []
    const texts = JSON.stringify(all)
    expect(Math.max(...(texts.match(/(&amp;)+/g) ?? []).map(({ length }) => length))).toBeLessThanOrEqual(3000)
    expect(Math.max(...(texts.match(/(&lt;)+/g) ?? []).map(({ length }) => length))).toBeLessThanOrEqual(2000)
    expect(all.find((block) => Array.isArray(block.fields))?.fields).toHaveLength(10)
    expect(all[0]?.text.text).toHaveLength(150)
  })
})
