/**
 * What people get when runs end: real runs, a real mail server, a real HTTP server in Slack's place.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Channels } from "../../src/notifier/Channels.ts"
import { Notifier } from "../../src/notifier/Notifier.ts"
import * as Worker from "../../src/notifier/Worker.ts"
import { type Pipeline } from "../../src/pipelines/Pipeline.ts"
import { StepError } from "../../src/pipelines/Processor.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { httpServer } from "../support/httpServer.ts"
import * as NotifierWorld from "../support/NotifierWorld.ts"
import { org, pipeline, step } from "../support/pipelines.ts"
import type { Script } from "../support/RunsWorld.ts"
import { smtpServer } from "../support/smtpServer.ts"
import { bytesOf } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const broken = new StepError({
  errorType: "PERMANENT",
  code: "MANIFEST_FILE_MISSING",
  message: 'the manifest names <b>"june"</b>.csv, which is not there',
  suggestedAction: "ask the provider for the export again"
})
const failing: Script = { extract: () => broken }
const email = (id: string, more: Partial<Pipeline["steps"][number]> = {}) =>
  step(id, ["extract"], { psType: "notify_systems.email_notification", trigger: "on_failure", ...more })
const slack = (id: string, more: Partial<Pipeline["steps"][number]> = {}) =>
  step(id, ["extract"], { psType: "notify_systems.slack_notification", trigger: "on_failure", ...more })

interface World {
  readonly script?: Script
  readonly pipelines?: ReadonlyArray<Pipeline>
  readonly variables?: Record<string, string>
}

/** A working service with a mail server. */
const inWorld = <A, E>(
  world: World,
  use: (
    mail: Effect.Effect.Success<ReturnType<typeof smtpServer>>,
    folder: string
  ) => Effect.Effect<A, E, Runs | Notifier | Channels | Scope.Scope>
) =>
  Effect.gen(function* () {
    const mail = yield* smtpServer()
    const folder = yield* temporaryFolder
    return yield* use(mail, folder).pipe(
      Effect.provide(
        Worker.layer.pipe(
          Layer.provideMerge(
            NotifierWorld.layer({
              folder,
              variables: { ...NotifierWorld.mailTo(mail.port), ...world.variables },
              pipelines: world.pipelines ?? [pipeline([step("extract", [])])],
              script: world.script ?? {}
            })
          )
        )
      )
    )
  })

const finished = (configId = "cloud/test/cost/demo") =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const { runId } = yield* runs.request({ org, configId, trigger: "api", triggerBy: "test" })
    return yield* runs.awaitEnd(runId)
  })

/** The notifications of a run, when there are so many and all have ended. */
const told = (runId: string, count: number) =>
  Effect.flatMap(Notifier, (notifier) => notifier.history(org, { limit: 10, runId })).pipe(
    Effect.filterOrFail((all) => all.length === count && all.every(({ status }) => status !== "queued")),
    Effect.retry(Schedule.spaced("20 millis"))
  )

describe("a run that fails", () => {
  it.scopedLive("is told of by e-mail: what failed, why, what to do, and where to look", () =>
    inWorld({ script: failing, pipelines: [pipeline([step("extract", [])], { name: "AWS <billing>" })] }, (mail) =>
      Effect.gen(function* () {
        const run = yield* finished()
        const seen = yield* Queue.take(mail.mails)
        expect(seen.recipients).toEqual(["admin@acme.test"])
        expect(seen.mail.subject).toBe("[CloudAct.AI] AWS <billing> failed (acme_corp)")
        expect(seen.mail.from?.text).toBe("pipelines@service.test")
        const url = `https://pipelines.test/api/v1/pipelines/acme_corp/runs/${run.runId}`
        const text = seen.mail.text ?? ""
        expect(text).toContain('Step extract failed: the manifest names <b>"june"</b>.csv, which is not there')
        expect(text).toContain("What to do: ask the provider for the export again")
        expect(text).toContain("Status: FAILED")
        expect(text).toContain("Failed step: extract")
        expect(text).toContain("Error: MANIFEST_FILE_MISSING")
        expect(text).toContain(url)
        const html = String(seen.mail.html)
        expect(html).toContain("&#60;b&#62;&#34;june&#34;&#60;/b&#62;.csv")
        expect(html).not.toContain("<b>&#34;june")
        expect(html).toContain(`<a href="${url}">`)
        expect(seen.source).toMatch(/^Message-ID: <[0-9a-f-]{36}@service\.test>\r$/m)
        expect(seen.source).toMatch(/^Auto-Submitted: auto-generated\r$/m)
      })
    )
  )

  it.scopedLive("is told of to the channels of the organisation, and the history says so", () =>
    inWorld({ script: failing }, (mail, folder) =>
      Effect.gen(function* () {
        const server = yield* httpServer((_request, response) => response.end("ok"))
        const channels = yield* Channels
        const secret = (path: string) => ({
          url: Redacted.make(`${server.endpoint}/${path}`),
          headers: { Authorization: "Bearer hook-token-12345" }
        })
        const channel = {
          isDefault: true,
          isActive: true,
          emailRecipients: [],
          emailCcRecipients: [],
          slackMentionUsers: ["U123"],
          slackMentionChannel: true,
          webhookMethod: "POST" as const
        }
        yield* channels.putChannel(
          org,
          { ...channel, channelId: "ops", type: "slack", name: "Ops", slackChannel: "#ops" },
          secret("services/T0/B0/very-secret-path")
        )
        yield* channels.putChannel(
          org,
          { ...channel, channelId: "siem", type: "webhook", name: "SIEM" },
          secret("hook/very-secret-path")
        )
        yield* channels.putChannel(org, {
          ...channel,
          channelId: "team",
          type: "email",
          name: "Team",
          emailRecipients: ["team@acme.test"],
          emailCcRecipients: ["boss@acme.test"],
          emailSubjectPrefix: "[Acme]"
        })
        const run = yield* finished()
        const seen = yield* Queue.take(mail.mails)
        expect(seen.recipients).toEqual(["team@acme.test", "boss@acme.test"])
        expect(seen.mail.subject).toBe("[Acme] Demo failed (acme_corp)")
        const ended = yield* told(run.runId, 3)
        expect(ended.map(({ channelId, recipients }) => [channelId, recipients]).sort()).toEqual([
          ["ops", []],
          ["siem", []],
          ["team", ["team@acme.test", "boss@acme.test"]]
        ])
        const [toSlack] = server.journal.filter(({ url }) => url.pathname.startsWith("/services/"))
        const blocks = JSON.parse(toSlack?.body ?? "{}")
        expect(blocks.channel).toBe("#ops")
        expect(JSON.stringify(blocks)).toContain('the manifest names &lt;b&gt;\\"june\\"&lt;/b&gt;.csv')
        // An error is not critical: nobody is woken up.
        expect(JSON.stringify(blocks)).not.toMatch(/<!channel>|<@U123>/)
        const [hook] = server.journal.filter(({ url }) => url.pathname === "/hook/very-secret-path")
        expect(hook?.headers["authorization"]).toBe("Bearer hook-token-12345")
        expect(hook?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/)
        expect(JSON.parse(hook?.body ?? "{}")).toMatchObject({
          event: "pipeline_failure",
          severity: "error",
          title: "Demo failed (acme_corp)",
          org_slug: "acme_corp",
          alert_id: null,
          data: { run_id: run.runId, failed_step: "extract", error_code: "MANIFEST_FILE_MISSING" }
        })
        expect(bytesOf(folder)).not.toMatch(/very-secret-path|hook-token-12345/)
      })
    )
  )

  it.scopedLive("is told of once when the pipeline, its file and its notify steps all say so", () =>
    inWorld(
      {
        script: failing,
        variables: { SLACK_NOTIFICATIONS_ENABLED: "false" },
        pipelines: [
          pipeline(
            [
              step("extract", []),
              email("own_words", {
                config: { subject: "{template_name}: {status}", message: "{error_code} {nobody}" }
              }),
              email("own_people", {
                config: { to_emails: ["{admin_email}", "{unknown}", "a@b.test\r\nBcc: x@y.test", "cfo@acme.test"] }
              }),
              slack("to_slack"),
              email("not_due", { trigger: "on_success", config: { to_emails: ["cfo@acme.test"] } })
            ],
            { notifications: { onFailure: ["email"], onSuccess: ["email"] } }
          )
        ]
      },
      (mail) =>
        Effect.gen(function* () {
          const run = yield* finished()
          const history = yield* told(run.runId, 2)
          // The administrator gets the mail of the step that names him, and not a second one from the organisation's settings.
          const seen = yield* Queue.take(mail.mails)
          expect(seen.recipients).toEqual(["admin@acme.test", "cfo@acme.test"])
          expect(yield* Queue.size(mail.mails)).toBe(0)
          expect(history.map(({ channelType, problem, status }) => [channelType, status, problem]).sort()).toEqual([
            ["email", "sent", undefined],
            ["slack", "skipped", "nobody to tell: acme_corp has no Slack channel, and the installation has none"]
          ])
        })
    )
  )

  it.scopedLive("by its time is told of too, in the words of its notify step", () =>
    inWorld(
      {
        script: { extract: () => Effect.never },
        pipelines: [
          pipeline(
            [
              step("extract", []),
              email("words", { config: { subject: "{template_name}: {status}", message: "why: {error_message}" } })
            ],
            { timeoutSeconds: 0.05 }
          )
        ]
      },
      (mail) =>
        Effect.gen(function* () {
          expect((yield* finished()).status).toBe("TIMEOUT")
          const { mail: seen } = yield* Queue.take(mail.mails)
          expect(seen.subject).toBe("[CloudAct.AI] Demo: TIMEOUT")
          expect(seen.text).toContain("why: the run took longer than its 0.05 s")
          expect(seen.text).toContain("What to do: raise timeout_minutes of the pipeline")
        })
    )
  )
})

describe("other ends", () => {
  it.scopedLive("a success is told of only where somebody wants it; a tolerated failure at once", () =>
    inWorld(
      {
        script: { flaky: () => broken, last: () => Effect.succeed({ rowsProcessed: 7, rowsWritten: 7, details: {} }) },
        pipelines: [
          pipeline([step("extract", [])]),
          pipeline([step("extract", []), step("flaky", ["extract"], { onFailure: "alert" }), step("last", ["flaky"])], {
            configId: "cloud/test/told",
            templateId: "cloud_test_told",
            name: "Told",
            notifications: { onFailure: [], onSuccess: ["email"] }
          })
        ]
      },
      (mail) =>
        Effect.gen(function* () {
          expect((yield* finished()).status).toBe("COMPLETED")
          expect((yield* finished("cloud/test/told")).status).toBe("COMPLETED")
          const mails = [yield* Queue.take(mail.mails), yield* Queue.take(mail.mails)].map((each) => each.mail)
          mails.sort((one, other) => String(one.subject).localeCompare(String(other.subject)))
          const [ended, alert] = mails
          expect(alert?.subject).toBe("[CloudAct.AI] Told had a failed step and goes on (acme_corp)")
          expect(alert?.text).toContain("Step flaky failed: the manifest names")
          expect(ended?.subject).toBe("[CloudAct.AI] Told completed (acme_corp)")
          // One row of `extract`, seven of `last`.
          expect(ended?.text).toContain("Rows: 8")
          expect(yield* Queue.size(mail.mails)).toBe(0)
        })
    )
  )
})
