/**
 * Credentials and channels in BigQuery: written by the API service or by this one, opened by everybody who may.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import * as CredentialsBigQuery from "../../../src/credentials/CredentialsBigQuery.ts"
import { Channels } from "../../../src/notifier/Channels.ts"
import { Encryption } from "../../../src/platform/Encryption.ts"
import { kms, service as encryptionKms } from "../../support/kmsServer.ts"
import { accountsOf, acme, at, central, credential, given, globex, settingsOf, tables, written } from "./accounts.ts"

describe("credentials", () => {
  it.scoped(
    "of KMS itself and in envelopes are opened, as bytes and as base64, and the newest of an account runs",
    () =>
      given(({ counterpart, folder }) =>
        Effect.gen(function* () {
          const { direct, endpoint } = yield* kms()
          const encryption = yield* encryptionKms(endpoint)
          const opened = Effect.gen(function* () {
            yield* tables
            const envelope = yield* encryption.seal(Redacted.make('{"api_key":"sk-admin-envelope"}'), {
              org: acme,
              id: "envelope"
            })
            const named = (name: string, created: string) => ({
              credential_name: `'${name}'`,
              created_at: `TIMESTAMP '${created}T00:00:00Z'`
            })
            yield* written(
              counterpart,
              [
                credential(acme, "bytes", "OPENAI", direct("sk-admin-bytes"), named("first", "2026-01-01")),
                credential(
                  acme,
                  "base64",
                  "openai",
                  Buffer.from(direct('{"api_key":"sk-admin-base64"}').toString("base64")),
                  named("second", "2026-01-02")
                ),
                credential(acme, "envelope", "OPENAI", Buffer.from(envelope), named("third", "2026-01-03")),
                credential(acme, "rotated", "OPENAI", direct("sk-admin-rotated"), named("first", "2026-01-04")),
                credential(acme, "off", "OPENAI", Buffer.from("no ciphertext"), { is_active: "FALSE" }),
                credential(globex, "other", "OPENAI", direct("sk-admin-other"))
              ].join("\n")
            )
            const found = yield* (yield* Credentials).open({ org: acme, providers: ["OPENAI"] })
            return found.map(({ credential: { credentialId }, secret, superseded }) => [
              credentialId,
              Redacted.value(secret)["api_key"],
              superseded
            ])
          })
          expect(
            yield* Effect.provide(
              opened,
              CredentialsBigQuery.layer.pipe(
                Layer.provide(Layer.succeed(Encryption, encryption)),
                Layer.provideMerge(central),
                Layer.provideMerge(settingsOf(folder, counterpart)),
                Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
              )
            )
          ).toEqual([
            ["base64", "sk-admin-base64", []],
            ["envelope", "sk-admin-envelope", []],
            ["rotated", "sk-admin-rotated", ["bytes"]]
          ])
        })
      )
  )

  it.scoped("of this service are stored in an envelope, replaced, superseded and ended", () =>
    given(({ counterpart, folder }) =>
      Effect.gen(function* () {
        const credentials = yield* Credentials
        const put = (credentialId: string, secret: string, provider = "OPENAI") =>
          credentials.put({
            org: acme,
            credentialId,
            provider,
            credentialName: "main",
            metadata: { hierarchy_map: { project: "TEAM" } },
            secret: Redacted.make(secret)
          })
        yield* put("old", "sk-admin-old")
        yield* TestClock.adjust("1 minute")
        yield* put("new", "sk-admin-new")
        expect(
          (yield* credentials.list(acme)).map((each) => [each.credentialId, each.deactivationScheduledAt])
        ).toEqual([
          ["old", "1970-01-02T00:01:00Z"],
          ["new", undefined]
        ])
        expect(yield* Effect.flip(put("new", "sk-ant-admin-1", "ANTHROPIC"))).toMatchObject({
          message: expect.stringMatching(/has a credential new of another provider/)
        })
        yield* put("new", "sk-admin-newer")
        const [open] = yield* credentials.open({ org: acme, providers: ["OPENAI"] })
        expect(open && [open.superseded, Redacted.value(open.secret), open.credential.metadata]).toEqual([
          ["old"],
          { api_key: "sk-admin-newer" },
          { hierarchy_map: { project: "TEAM" } }
        ])
        yield* credentials.setValidation(acme, "new", "INVALID", "access denied")
        expect((yield* credentials.list(acme)).at(-1)).toMatchObject({
          validationStatus: "INVALID",
          lastError: "access denied"
        })
        yield* credentials.deactivate(acme, "old")
        expect(yield* Effect.flip(credentials.check({ org: acme, providers: ["OPENAI"] }))).toMatchObject({
          _tag: "CredentialMissing"
        })
        expect(yield* Effect.flip(credentials.deactivate(acme, "none"))).toMatchObject({ _tag: "CredentialMissing" })
      }).pipe(Effect.provide(accountsOf(folder, counterpart)))
    )
  )
})

it.scoped("channels and rules of both services are read, and their addresses opened", () =>
  given(({ counterpart, folder }) =>
    Effect.gen(function* () {
      const channels = yield* Channels
      const encryption = yield* Encryption
      yield* tables
      const url = yield* encryption.seal(Redacted.make("https://hooks.slack.test/services/T/B/X"), {
        org: acme,
        id: "slack"
      })
      yield* written(
        counterpart,
        `INSERT INTO org_notification_channels (org_slug, channel_id, channel_type, name, is_active, is_default,
           slack_webhook_url_encrypted, slack_channel, slack_mention_users, created_at)
         SELECT '${acme}', 'slack', 'slack', 'Team', TRUE, NULL, '${url}', '#costs', ['U123'], ${at};
         INSERT INTO org_notification_channels (org_slug, channel_id, channel_type, name, is_active, created_at)
         SELECT '${acme}', 'pager', 'pagerduty', 'Not known here', TRUE, ${at};
         INSERT INTO org_notification_rules (org_slug, rule_id, name, rule_category, rule_type, priority, conditions, is_active,
           notify_channel_ids, provider_filter, cooldown_minutes, batch_window_minutes, escalate_after_mins, escalate_to_channel_ids,
           quiet_hours_start, quiet_hours_end, created_at)
         SELECT '${acme}', 'failures', 'Failures', 'pipeline', 'pipeline_failure', 'high', '{}', TRUE, ['slack'], ['openai'], 15, 10, 30, ['slack'],
           '22:00', '06:00', ${at};`
      )
      expect(yield* channels.channels(acme)).toEqual([
        {
          channelId: "slack",
          type: "slack",
          name: "Team",
          isDefault: false,
          isActive: true,
          emailRecipients: [],
          emailCcRecipients: [],
          slackChannel: "#costs",
          slackMentionUsers: ["U123"],
          slackMentionChannel: false,
          webhookMethod: "POST"
        }
      ])
      const secret = yield* channels.secret(acme, "slack")
      expect([Redacted.value(secret.url), secret.headers]).toEqual(["https://hooks.slack.test/services/T/B/X", {}])
      expect(yield* channels.rules(acme)).toEqual([
        {
          ruleId: "failures",
          name: "Failures",
          category: "pipeline",
          type: "pipeline_failure",
          isActive: true,
          channelIds: ["slack"],
          escalateToChannelIds: ["slack"],
          escalateAfterMinutes: 30,
          batchWindowMinutes: 10,
          providers: ["openai"],
          cooldownMinutes: 15,
          quietHours: { start: "22:00", end: "06:00", timezone: "UTC" }
        }
      ])
      expect(yield* channels.channels(globex)).toEqual([])

      const [email] = yield* channels.channels(acme)
      yield* channels.putChannel(acme, {
        ...email!,
        channelId: "mail",
        type: "email",
        name: "Mail",
        emailRecipients: ["ops@acme.test"]
      })
      yield* channels.putRule(acme, { ...(yield* channels.rules(acme))[0]!, channelIds: ["mail"] })
      expect((yield* channels.channels(acme)).map(({ channelId }) => channelId)).toEqual(["mail", "slack"])
      expect((yield* channels.rules(acme)).map(({ channelIds }) => channelIds)).toEqual([["mail"]])
    }).pipe(Effect.provide(accountsOf(folder, counterpart)))
  )
)
