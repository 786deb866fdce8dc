/**
 * Organisations, keys, credentials, channels and hierarchies in BigQuery: written by the API service or by this one, seen by everybody.
 */
import { describe, expect, it } from "@effect/vitest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import * as CredentialsBigQuery from "../../../src/credentials/CredentialsBigQuery.ts"
import { Hierarchies } from "../../../src/hierarchy/Hierarchies.ts"
import * as HierarchiesBigQuery from "../../../src/hierarchy/HierarchiesBigQuery.ts"
import { importHierarchy } from "../../../src/hierarchy/HierarchyImport.ts"
import * as Server from "../../../src/http/Server.ts"
import * as Installation from "../../../src/Installation.ts"
import { Channels } from "../../../src/notifier/Channels.ts"
import * as ChannelsBigQuery from "../../../src/notifier/ChannelsBigQuery.ts"
import * as WebhookClient from "../../../src/notifier/WebhookClient.ts"
import { ensureFirstOrganization } from "../../../src/organizations/firstOrganization.ts"
import * as Keys from "../../../src/organizations/keys.ts"
import { Organizations } from "../../../src/organizations/Organizations.ts"
import * as OrganizationsBigQuery from "../../../src/organizations/OrganizationsBigQuery.ts"
import { Encryption, storedBytes } from "../../../src/platform/Encryption.ts"
import * as EncryptionLocal from "../../../src/platform/EncryptionLocal.ts"
import { OrgSlug } from "../../../src/platform/Identifiers.ts"
import { ProcedureSync } from "../../../src/warehouse/ProcedureSync.ts"
import * as CentralDatasetBigQuery from "../../../src/warehouse/bigquery/CentralDatasetBigQuery.ts"
import { CentralDataset } from "../../../src/warehouse/CentralDataset.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import type { Counterpart } from "../../support/bigquery/Counterpart.ts"
import { real } from "../../support/bigquery/OnBigQuery.ts"
import { call } from "../../support/HttpWorld.ts"
import { kms, service as encryptionKms } from "../../support/kmsServer.ts"
import { settings } from "../../support/ServiceDatabase.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"
import { project } from "./support.ts"

const [acme, globex] = ["acme_corp", "globex_inc"].map((name) => Schema.decodeSync(OrgSlug)(name)) as [OrgSlug, OrgSlug]
const acmeKey = Redacted.make("acme_corp_api_0123456789abcdef")
const globexKey = Redacted.make("globex_inc_api_0123456789abcdef")

/** The central dataset in real time, so that the test's clock moves what is kept only. */
const central = Layer.effect(
  CentralDataset,
  Effect.map(CentralDataset, (found) => ({
    query: (...args) => real(found.query(...args)),
    change: (...args) => real(found.change(...args))
  }))
).pipe(Layer.provide(CentralDatasetBigQuery.layer))

const settingsOf = (folder: string, counterpart: Counterpart, more: Record<string, string> = {}) =>
  settings(folder, {
    WAREHOUSE: "bigquery",
    BIGQUERY_ENDPOINT: counterpart.url,
    ENVIRONMENT: "test",
    API_PORT: "0",
    ...more
  })

const accounts = Layer.mergeAll(
  OrganizationsBigQuery.layer,
  CredentialsBigQuery.layer,
  ChannelsBigQuery.layer.pipe(Layer.provide(WebhookClient.layer)),
  HierarchiesBigQuery.layer
).pipe(Layer.provideMerge(central))

/** What an installation with this project keeps there. */
const accountsOf = (folder: string, counterpart: Counterpart, more: Record<string, string> = {}) =>
  accounts.pipe(
    Layer.provideMerge(EncryptionLocal.layer),
    Layer.provideMerge(Layer.merge(settingsOf(folder, counterpart, more), NodeContext.layer)),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
  )

const at = "TIMESTAMP '2026-01-02T03:04:05Z'"

/** Rows as the API service writes them; the tables must be there. */
const organisation = (org: string, key: Redacted.Redacted, status = "ACTIVE") => `
  INSERT INTO org_profiles (org_slug, company_name, admin_email, org_dataset_id, status, created_at)
  SELECT '${org}', 'Company', 'ops@${org.replaceAll("_", "-")}.test', '${org}_test', '${status}', ${at};
  INSERT INTO org_subscriptions (org_slug, subscription_id, plan_name, status, daily_limit, monthly_limit, concurrent_limit, created_at)
  SELECT '${org}', '${org}-1', 'SCALE', 'ACTIVE', 100, 3000, 5, ${at};
  INSERT INTO org_api_keys (org_slug, org_api_key_id, org_api_key_hash, is_active, created_at)
  SELECT '${org}', '${org}-key', '${Keys.hash(key)}', TRUE, ${at};`

const credential = (org: string, id: string, provider: string, secret: Buffer, more: Record<string, string> = {}) => {
  const row: Record<string, string> = {
    org_slug: `'${org}'`,
    credential_id: `'${id}'`,
    provider: `'${provider}'`,
    credential_type: "'API_KEY'",
    validation_status: "'VALID'",
    is_active: "TRUE",
    encrypted_credential: `FROM_BASE64('${secret.toString("base64")}')`,
    created_at: at,
    ...more
  }
  return `INSERT INTO org_integration_credentials (${Object.keys(row).join(", ")}) SELECT ${Object.values(row).join(", ")};`
}

const written = (counterpart: Counterpart, sql: string) => Effect.promise(() => counterpart.run("organizations", sql))

/** Has the tables made. */
const tables = Effect.flatMap(CentralDataset, (dataset) => dataset.query("open", "SELECT 1 AS one"))

const given = <A, E, R>(
  use: (world: { readonly folder: string; readonly counterpart: Counterpart }) => Effect.Effect<A, E, R>
) => Effect.flatMap(Effect.all({ folder: temporaryFolder, counterpart: project }), use)

describe("organisations and keys of the API service", () => {
  it.scoped("are known within seconds, and no longer than half a minute after their end", () =>
    given(({ counterpart, folder }) =>
      Effect.gen(function* () {
        yield* tables
        yield* written(counterpart, organisation(acme, acmeKey) + organisation(globex, globexKey, "SUSPENDED"))
        const organizations = yield* Organizations
        expect(yield* organizations.authenticate(acmeKey)).toEqual({
          org: acme,
          keyId: "acme_corp-key",
          scopes: ["pipelines:execute", "pipelines:read", "pipelines:write"]
        })
        expect(yield* organizations.subscription(acme)).toEqual({
          org: acme,
          plan: "SCALE",
          status: "ACTIVE",
          dailyLimit: 100,
          monthlyLimit: 3000,
          concurrentLimit: 5
        })
        expect(yield* Effect.flip(organizations.authenticate(globexKey))).toMatchObject({ _tag: "InvalidApiKey" })

        // However many callers and wrong keys there are, the keys are read again after seconds only.
        const queries = counterpart.jobs().length
        const strangers = Array.from({ length: 50 }, (_, index) =>
          Redacted.make(`acme_corp_api_${index}aaaaaaaaaaaaaa`)
        )
        yield* Effect.forEach(strangers, (key) => Effect.flip(organizations.authenticate(key)))
        yield* Effect.forEach(strangers, () => organizations.authenticate(acmeKey))
        expect(counterpart.jobs().length).toBe(queries)

        // A new key is known after five seconds, a revoked one for thirty.
        yield* written(counterpart, `UPDATE org_profiles SET status = 'ACTIVE' WHERE org_slug = '${globex}'`)
        yield* written(counterpart, `UPDATE org_api_keys SET is_active = FALSE WHERE org_slug = '${acme}'`)
        yield* organizations.authenticate(acmeKey)
        yield* TestClock.adjust("6 seconds")
        expect(yield* organizations.authenticate(globexKey)).toMatchObject({ org: globex })
        yield* TestClock.adjust("31 seconds")
        expect(yield* Effect.flip(organizations.authenticate(acmeKey))).toMatchObject({ _tag: "InvalidApiKey" })
      }).pipe(Effect.provide(accountsOf(folder, counterpart)))
    )
  )

  it.scoped("are not changed here when it validates the runs", () =>
    given(({ counterpart, folder }) =>
      Effect.gen(function* () {
        yield* Effect.provide(tables, accountsOf(folder, counterpart))
        yield* written(counterpart, organisation(acme, acmeKey))
        const remote = Effect.gen(function* () {
          expect(yield* ensureFirstOrganization).toBeUndefined()
          const organizations = yield* Organizations
          expect((yield* organizations.list).map(({ org }) => org)).toEqual([acme])
          const refused = yield* Effect.all(
            [
              organizations.create({ org: globex, companyName: "Globex", adminEmail: "ops@globex.test" }),
              organizations.createKey(acme),
              organizations.revokeKey("acme_corp-key"),
              organizations.subscribe(acme, "ENTERPRISE"),
              (yield* Credentials).put({
                org: acme,
                provider: "OPENAI",
                credentialName: "main",
                metadata: {},
                secret: Redacted.make("sk-admin-1")
              }),
              (yield* Credentials).deactivate(acme, "any"),
              (yield* Channels).putRule(acme, {
                ruleId: "r",
                name: "r",
                category: "pipeline",
                type: "pipeline_failure",
                isActive: true,
                channelIds: [],
                escalateToChannelIds: [],
                providers: []
              }),
              importHierarchy(acme, [
                { line: 2, cells: { entity_id: "D", entity_name: "D", level_code: "d", start_date: "2026-01-01" } }
              ])
            ].map((effect) => Effect.flip<unknown, { readonly message: string }, Organizations | Hierarchies>(effect))
          )
          for (const { message } of refused) expect(message).toMatch(/^the API service keeps .* change them there/)
        })
        yield* Effect.provide(remote, accountsOf(folder, counterpart, { VALIDATOR: "remote" }))
        expect(yield* written(counterpart, "SELECT org_slug FROM org_profiles")).toEqual([[acme]])
      })
    )
  )
})

it.scoped("organisations and keys of this service are written to the same tables", () =>
  given(({ counterpart, folder }) =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      const made = { org: acme, companyName: "Acme", adminEmail: "ops@acme.test", plan: "PROFESSIONAL" } as const
      yield* organizations.create(made)
      expect(yield* Effect.flip(organizations.create(made))).toMatchObject({
        message: expect.stringMatching(/exists already/)
      })
      const { key, secret } = yield* organizations.createKey(acme, { scopes: ["pipelines:read"] })
      expect(yield* organizations.authenticate(secret)).toEqual({
        org: acme,
        keyId: key.keyId,
        scopes: ["pipelines:read"]
      })
      expect(yield* organizations.ownKey(acme)).toBeUndefined()
      yield* TestClock.adjust("1 second")
      const full = yield* organizations.createKey(acme)
      expect(Redacted.value((yield* organizations.ownKey(acme)) ?? secret)).toBe(Redacted.value(full.secret))
      yield* organizations.revokeKey(key.keyId)
      expect(yield* Effect.flip(organizations.authenticate(secret))).toMatchObject({ _tag: "InvalidApiKey" })
      expect((yield* organizations.listKeys(acme)).map(({ isActive }) => isActive)).toEqual([false, true])
      yield* organizations.subscribe(acme, "scale", "trial")
      expect(yield* organizations.subscription(acme)).toMatchObject({ plan: "SCALE", status: "TRIAL", dailyLimit: 100 })
      const stored = JSON.stringify([...counterpart.store.tables.values()].map(({ rows }) => rows))
      expect(stored).not.toContain(Redacted.value(full.secret))
    }).pipe(Effect.provide(accountsOf(folder, counterpart)))
  )
)

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

it.scopedLive(
  "a service on the tables of the API service lets in whom they name, and runs with their credentials",
  () =>
    given(({ counterpart, folder }) =>
      Effect.gen(function* () {
        const bill = join(folder, "bill.csv")
        writeFileSync(
          bill,
          "identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate," +
            "lineItem/UsageEndDate,lineItem/ProductCode,lineItem/CurrencyCode,lineItem/UnblendedCost\n" +
            "line-1,111111111111,2026-05-01T00:00:00Z,222222222222,Usage,2026-05-01T00:00:00Z,2026-05-01T01:00:00Z,AmazonEC2,USD,1.25\n"
        )
        yield* tables.pipe(Effect.provide(accountsOf(folder, counterpart)))
        const encryption = yield* Encryption
        const envelope = yield* encryption.seal(Redacted.make("{}"), { org: acme, id: "files" })
        yield* written(
          counterpart,
          organisation(acme, acmeKey) +
            organisation(globex, globexKey) +
            credential(acme, "files", "AWS_FILES", Buffer.from(storedBytes(envelope), "base64"), {
              credential_type: "'AWS_FOLDER'",
              metadata: `PARSE_JSON('${JSON.stringify({ path: bill, all_periods: true })}')`
            })
        )
        const headers = (key: Redacted.Redacted) => ({ headers: { "X-API-Key": Redacted.value(key) } })
        const use = Effect.gen(function* () {
          yield* (yield* ProcedureSync).sync()
          const runs = `/api/v1/pipelines/${acme}/runs`
          const start = `/api/v1/pipelines/run/${acme}/cloud/aws/cost/billing`
          expect((yield* call("GET", runs, headers(Redacted.make("acme_corp_api_ffffffffffffffff")))).status).toBe(401)
          expect((yield* call("GET", runs, headers(globexKey))).status).toBe(403)
          const accepted = yield* call("POST", start, headers(acmeKey))
          expect([accepted.status, accepted.text]).toEqual([200, expect.stringContaining("pipeline_logging_id")])
          const id = Schema.decodeUnknownSync(Schema.Struct({ pipeline_logging_id: Schema.String }))(accepted.json)
          const ended = yield* call("GET", `/api/v1/pipelines/runs/${id.pipeline_logging_id}`, headers(acmeKey)).pipe(
            Effect.delay("200 millis"),
            Effect.repeat({ until: ({ text }) => /"status":"(COMPLETED|FAILED|TIMEOUT)"/.test(text) })
          )
          expect(ended.text).toContain('"status":"COMPLETED"')
          expect(
            yield* Effect.promise(() =>
              counterpart.run(`${acme}_test`, "SELECT CAST(SUM(BilledCost) AS STRING) FROM cost_data_standard_1_3")
            )
          ).toEqual([["1.25"]])
        })
        yield* Effect.provide(
          use,
          Server.layer.pipe(
            Layer.provideMerge(Installation.layer),
            Layer.provideMerge(settingsOf(folder, counterpart)),
            Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
          )
        )
      }).pipe(Effect.provide(EncryptionLocal.layer.pipe(Layer.provide([settings(folder), NodeContext.layer]))))
    )
)

it.scopedLive("a hierarchy is one table of all, of which each organisation sees its own rows", () =>
  given(({ counterpart, folder }) =>
    Effect.gen(function* () {
      const row = (entity_id: string, start_date: string, parent_id?: string) => ({
        line: 2,
        cells: { entity_id, entity_name: `${entity_id}'s`, level_code: "team", start_date, parent_id }
      })
      yield* importHierarchy(acme, [row("DEPT", "2026-01-01"), row("TEAM", "2026-02-01", "DEPT")])
      yield* importHierarchy(globex, [row("OTHER", "2026-01-01")])
      yield* written(
        counterpart,
        `INSERT INTO org_hierarchy (org_slug, id, entity_id, entity_name, level, level_code, depth, path, version, is_active, created_at, created_by)
         SELECT '${acme}', 'x', 'API', 'By the API service', 1, 'department', 0, '/API', 1, TRUE, ${at}, 'somebody'`
      )
      const dataset = yield* (yield* Warehouse).org(acme)
      const seen = dataset.query(
        "SELECT entity_id, entity_name, path, path_names, DATE(created_at) AS since, x_org_slug FROM org_hierarchy ORDER BY entity_id"
      )
      const own = { x_org_slug: acme }
      expect(yield* seen).toEqual([
        {
          ...own,
          entity_id: "API",
          entity_name: "By the API service",
          path: "/API",
          path_names: [],
          since: "2026-01-02"
        },
        {
          ...own,
          entity_id: "DEPT",
          entity_name: "DEPT's",
          path: "/DEPT",
          path_names: ["DEPT's"],
          since: "2026-01-01"
        },
        {
          ...own,
          entity_id: "TEAM",
          entity_name: "TEAM's",
          path: "/DEPT/TEAM",
          path_names: ["DEPT's", "TEAM's"],
          since: "2026-02-01"
        }
      ])
      // An import replaces the one before, not what the API service wrote.
      yield* importHierarchy(acme, [row("NEW", "2026-03-01")])
      expect((yield* seen).map((each) => each["entity_id"])).toEqual(["API", "NEW"])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(HierarchiesBigQuery.layer, Installation.warehouse).pipe(
          Layer.provide(CentralDatasetBigQuery.layer),
          Layer.provide(settingsOf(folder, counterpart))
        )
      )
    )
  )
)

it.scopedLive("a hierarchy whose table the API service has not created is empty, and is seen when it is there", () =>
  given(({ counterpart, folder }) =>
    Effect.gen(function* () {
      const remote = Installation.warehouse.pipe(
        Layer.provide(settingsOf(folder, counterpart, { VALIDATOR: "remote" })),
        Layer.provide(Logger.minimumLogLevel(LogLevel.None))
      )
      const entities = Effect.flatMap(Warehouse, (warehouse) => warehouse.org(acme)).pipe(
        Effect.flatMap((dataset) => dataset.query("SELECT entity_id, path_ids, metadata FROM org_hierarchy"))
      )
      yield* Effect.gen(function* () {
        expect(yield* entities).toEqual([])
        yield* Effect.provide(tables, accountsOf(folder, counterpart))
        yield* written(
          counterpart,
          `INSERT INTO org_hierarchy (org_slug, id, entity_id, entity_name, level, level_code, depth, path, version, is_active, created_at, created_by)
           SELECT '${acme}', 'x', 'TEAM', 'Team', 1, 'team', 0, '/TEAM', 1, TRUE, ${at}, 'somebody'`
        )
        const { org, procedures, projectId } = yield* Warehouse
        const text = `CREATE OR REPLACE PROCEDURE \`${projectId}.organizations\`.sp_convert(p_project_id STRING, p_dataset_id STRING)
          BEGIN SELECT 1 AS n; END;`
        yield* procedures.create({ name: "sp_convert", text, contentHash: text })
        yield* (yield* org(acme)).call("sp_convert", [])
        expect(yield* entities).toEqual([{ entity_id: "TEAM", path_ids: [], metadata: null }])
      }).pipe(Effect.provide(remote))
      // Gone again, as the next start of the service finds it.
      counterpart.store.tables.delete(`${counterpart.project}.organizations.org_hierarchy`)
      expect(yield* Effect.provide(entities, remote)).toEqual([])
    })
  )
)
