/**
 * Organisations and their keys in BigQuery: whoever wrote them, who is let in and what they may run.
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
import { Hierarchies } from "../../../src/hierarchy/Hierarchies.ts"
import { importHierarchy } from "../../../src/hierarchy/HierarchyImport.ts"
import * as Server from "../../../src/http/Server.ts"
import * as Installation from "../../../src/Installation.ts"
import { Channels } from "../../../src/notifier/Channels.ts"
import { ensureFirstOrganization } from "../../../src/organizations/firstOrganization.ts"
import { Organizations } from "../../../src/organizations/Organizations.ts"
import { Encryption, storedBytes } from "../../../src/platform/Encryption.ts"
import * as EncryptionLocal from "../../../src/platform/EncryptionLocal.ts"
import { ProcedureSync } from "../../../src/warehouse/ProcedureSync.ts"
import { call } from "../../support/HttpWorld.ts"
import { settings } from "../../support/ServiceDatabase.ts"
import {
  accountsOf,
  acme,
  acmeKey,
  credential,
  given,
  globex,
  globexKey,
  organisation,
  settingsOf,
  tables,
  written
} from "./accounts.ts"

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
