/**
 * The endpoints of notifications, with a real mail server and a real HTTP server in Slack's place.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Channel, Channels } from "../../src/notifier/Channels.ts"
import { Notifier } from "../../src/notifier/Notifier.ts"
import { httpServer } from "../support/httpServer.ts"
import * as World from "../support/HttpWorld.ts"
import { mailTo } from "../support/NotifierWorld.ts"
import { smtpServer } from "../support/smtpServer.ts"

const post = (path: string, body: unknown) =>
  World.call("POST", `/api/v1/notifications/${path}`, { ...World.asRoot, body })
const org_slug = "acme_corp"

/** A service whose mail goes to a server of this test. */
const inWorld = <A, E, R>(
  use: (mail: Effect.Effect.Success<ReturnType<typeof smtpServer>>) => Effect.Effect<A, E, R>,
  variables: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const mail = yield* smtpServer()
    const layer = World.layer({ variables: { ...mailTo(mail.port), ...variables } })
    return yield* Effect.provide(use(mail), layer)
  })

describe("notifications over HTTP", () => {
  it.scopedLive("send: to the administrator, to addresses, to Slack, each with its own result", () =>
    inWorld((mail) =>
      Effect.gen(function* () {
        const slack = yield* httpServer((_request, response) => response.end("ok"))
        const answer = yield* post("send", {
          org_slug,
          severity: "high",
          title: "Budget\r\nBcc: evil@evil.test",
          message: "Spent <script>alert(1)</script>",
          channels: ["email", "slack"],
          slack_webhook_url: `${slack.endpoint}/services/secret`,
          slack_channel: "#costs",
          total_cost: "1234567890123456789.123456789",
          threshold: 1000
        })
        expect(answer.status, answer.text).toBe(200)
        expect(answer.json).toMatchObject({
          success: true,
          channels_sent: 2,
          channels_total: 2,
          org_slug,
          results: [
            { channel_type: "email", status: "sent", attempts: 1, recipients: ["admin@acme-corp.test"], error: null },
            { channel_type: "slack", status: "sent", attempts: 1, error: null }
          ]
        })
        const { mail: seen, recipients, source } = yield* Queue.take(mail.mails)
        expect(recipients).toEqual(["admin@acme-corp.test"])
        expect(seen.subject).toBe("[CloudAct.AI] Budget Bcc: evil@evil.test")
        expect(source.split("\r\n\r\n")[0]).not.toMatch(/^Bcc:/im)
        expect(seen.text).toContain("Cost: 1234567890123456789.123456789")
        expect(seen.html).not.toContain("<script>")
        expect(slack.journal.map(({ body }) => JSON.parse(body).channel)).toEqual(["#costs"])

        const direct = yield* post("send", { org_slug, title: "Hi", message: "There", recipients: ["cfo@acme.test"] })
        expect(direct.json).toMatchObject({ success: true, results: [{ recipients: ["cfo@acme.test"] }] })
        expect((yield* Queue.take(mail.mails)).recipients).toEqual(["cfo@acme.test"])
        const metrics = yield* World.call("GET", "/metrics")
        expect(metrics.text).toMatch(/^pipeline_notifications_total\{channel="slack",outcome="sent"\} [1-9]/m)
      })
    )
  )

  it.scopedLive("send: says what failed, and the history of an organisation is its own", () =>
    inWorld(
      () =>
        Effect.gen(function* () {
          const gone = yield* httpServer((_request, response) => response.writeHead(404).end())
          const answer = yield* post("send", {
            org_slug,
            title: "Title",
            message: "Message",
            channels: ["slack", "webhook"],
            slack_webhook_url: `${gone.endpoint}/hook`
          })
          expect(answer.json).toMatchObject({
            success: false,
            channels_sent: 0,
            channels_total: 2,
            results: [
              { status: "failed", attempts: 1, error: "the webhook answered 404" },
              { status: "skipped", error: "nobody to tell: acme_corp has no webhook" }
            ]
          })
          const notifier = yield* Notifier
          expect(yield* notifier.history(World.acme, { limit: 10 })).toHaveLength(2)
          expect(yield* notifier.history(World.other, { limit: 10 })).toEqual([])
        }),
      { EMAIL_SMTP_PORT: "1" }
    )
  )

  it.scopedLive("test: tries a channel without storing anything", () =>
    inWorld((mail) =>
      Effect.gen(function* () {
        const hook = yield* httpServer((_request, response) => response.writeHead(204).end())
        const webhook = yield* post("test", {
          org_slug,
          channel_type: "webhook",
          webhook_url: hook.endpoint,
          webhook_headers: { "X-Token": "t" }
        })
        expect(webhook.json).toEqual({
          success: true,
          message: "the test message was taken",
          channel_type: "webhook",
          org_slug
        })
        expect(hook.journal.map(({ headers }) => headers["x-token"])).toEqual(["t"])
        const email = yield* post("test", { org_slug, channel_type: "email", recipients: ["me@acme.test"] })
        expect(email.json).toMatchObject({ success: true })
        expect((yield* Queue.take(mail.mails)).recipients).toEqual(["me@acme.test"])
        const slack = yield* post("test", { org_slug, channel_type: "slack" })
        expect(slack.json).toMatchObject({ success: false, message: expect.stringContaining("nobody to tell") })
      })
    )
  )

  it.scopedLive("test: does not reach what is private", () =>
    inWorld(
      () =>
        Effect.gen(function* () {
          const inside = yield* httpServer((_request, response) => response.end("ok"))
          for (const url of [
            inside.endpoint,
            inside.endpoint.replace("http:", "https:"),
            "https://169.254.169.254/latest/meta-data/",
            "https://[::ffff:10.0.0.1]/",
            "https://0x7f000001/"
          ]) {
            const answer = yield* post("test", { org_slug, channel_type: "webhook", webhook_url: url })
            expect(answer.json, url).toMatchObject({ success: false })
          }
          expect(inside.journal).toEqual([])
        }),
      { NOTIFICATION_ALLOW_LOOPBACK: "false" }
    )
  )

  it.scopedLive("summary: goes to the addresses given, with exact amounts", () =>
    inWorld((mail) =>
      Effect.gen(function* () {
        const answer = yield* post("summary", {
          org_slug,
          summary_id: "weekly",
          summary_name: "Weekly",
          recipients: ["cfo@acme.test"],
          channel_ids: ["nowhere"],
          content: {
            period: "last_7_days",
            total_cost: "10.10",
            currency: "EUR",
            top_providers: [{ name: "AWS", cost: "7.000000001" }]
          }
        })
        expect(answer.json).toMatchObject({
          success: false,
          summary_id: "weekly",
          results: [
            { status: "skipped", error: "acme_corp has no channel nowhere" },
            { status: "sent", recipients: ["cfo@acme.test"] }
          ]
        })
        const { mail: seen } = yield* Queue.take(mail.mails)
        expect(seen.subject).toBe("[CloudAct.AI] Weekly: 10.10 EUR")
        expect(seen.text).toContain("AWS: 7.000000001 EUR")
      })
    )
  )

  it.scopedLive("an organisation's channels are out of the reach of another", () =>
    inWorld(() =>
      Effect.gen(function* () {
        const hook = yield* httpServer((_request, response) => response.end("ok"))
        const channels = yield* Channels
        const secret = { url: Redacted.make(hook.endpoint), headers: {} }
        const channel = yield* Schema.decode(Channel)({ channelId: "ops", type: "webhook", name: "Ops" })
        yield* channels.putChannel(World.acme, channel, secret)
        const summary = (org: string) =>
          post("summary", {
            org_slug: org,
            summary_id: "s",
            summary_name: "S",
            channel_ids: ["ops"],
            content: { period: "p", total_cost: "1", currency: "USD" }
          })
        expect((yield* summary("other_org")).json).toMatchObject({
          success: false,
          results: [{ status: "skipped", error: "other_org has no channel ops" }]
        })
        expect((yield* Effect.flip(channels.secret(World.other, "ops"))).message).toContain("no channel ops")
        expect(hook.journal).toEqual([])
        expect((yield* summary("acme_corp")).json).toMatchObject({ success: true })
        expect(hook.journal).toHaveLength(1)
      })
    )
  )

  it.scopedLive("refuse what the schema does not know, unknown organisations and kinds", () =>
    inWorld(() =>
      Effect.gen(function* () {
        const code = (answer: World.Answer) => [answer.status, Object(answer.json).error_code]
        const send = { org_slug, title: "Title", message: "Message" }
        expect(code(yield* post("send", {}))).toEqual([422, "REQUEST_INVALID"])
        expect(code(yield* post("send", { ...send, to: "x" }))).toEqual([422, "REQUEST_INVALID"])
        expect(code(yield* post("send", { ...send, recipients: ["a@b.test\r\nBcc: c@d.test"] }))).toEqual([
          422,
          "REQUEST_INVALID"
        ])
        expect(code(yield* post("send", { ...send, org_slug: "nobody_here" }))).toEqual([404, "NOT_FOUND"])
        expect(code(yield* post("test", { org_slug, channel_type: "pager" }))).toEqual([400, "INVALID_PARAMETER"])
        const hook = { org_slug, channel_type: "webhook", webhook_url: "https://x.test" }
        expect(code(yield* post("test", { ...hook, webhook_headers: { Host: "y.test" } }))).toEqual([
          422,
          "REQUEST_INVALID"
        ])
      })
    )
  )
})
