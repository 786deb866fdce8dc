import { expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { createHash } from "node:crypto"
import { ensureFirstOrganization } from "../../src/organizations/firstOrganization.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { bytesOf, installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const acme = OrgSlug.make("acme")
const globex = OrgSlug.make("globex")
const profile = { companyName: "Acme Ltd", adminEmail: "ops@acme.example" }

const process = (folder: string, variables?: Record<string, string>) =>
  OrganizationsSql.layer.pipe(
    Layer.provideMerge(EncryptionLocal.layer),
    Layer.provideMerge(installation(folder, variables))
  )

const withOrganizations = <A, E>(body: (folder: string) => Effect.Effect<A, E, Organizations | SqlClient.SqlClient>) =>
  Effect.flatMap(temporaryFolder, (folder) => Effect.provide(body(folder), process(folder)))

/** In another process, which has a connection of its own. */
const elsewhere = <A, E>(folder: string, body: Effect.Effect<A, E, Organizations | SqlClient.SqlClient>) =>
  Effect.provide(body, Layer.fresh(process(folder)))

it.scoped("a key opens its organisation, and it is stored as a hash and sealed", () =>
  withOrganizations((folder) =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* organizations.create({ org: acme, ...profile })
      const { key, secret } = yield* organizations.createKey(acme)

      expect(Redacted.value(secret)).toMatch(/^acme_api_[0-9A-Za-z]{16}$/)
      expect(String(secret)).not.toContain("acme_api_")
      expect(yield* organizations.authenticate(secret)).toEqual({
        org: "acme",
        keyId: key.keyId,
        scopes: ["pipelines:execute", "pipelines:read", "pipelines:write"]
      })

      const stored = bytesOf(folder)
      expect(stored).not.toContain(Redacted.value(secret))
      expect(stored).toContain(createHash("sha256").update(Redacted.value(secret)).digest("hex"))
    })
  )
)

it.scoped("a wrong key is refused without saying why", () =>
  withOrganizations(() =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* organizations.create({ org: acme, ...profile })
      const { secret } = yield* organizations.createKey(acme)
      const good = Redacted.value(secret)
      const wrong = [
        "",
        "acme",
        `${good}x`,
        good.slice(0, -1),
        good.toUpperCase(),
        `globex${good.slice(4)}`,
        "a".repeat(100_000)
      ]
      for (const text of wrong) {
        const refused = yield* Effect.flip(organizations.authenticate(Redacted.make(text)))
        expect(refused._tag).toBe("InvalidApiKey")
      }
    })
  )
)

it.scoped("a key ends: revoked, expired, or with its organisation", () =>
  withOrganizations((folder) =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* organizations.create({ org: acme, ...profile })
      const revoked = yield* organizations.createKey(acme)
      const expiring = yield* organizations.createKey(acme, { expiresAt: "1970-01-01T00:00:02Z" })
      const suspended = yield* organizations.createKey(acme)
      for (const { secret } of [revoked, expiring, suspended]) yield* organizations.authenticate(secret)

      yield* organizations.revokeKey(revoked.key.keyId)
      expect((yield* Effect.flip(organizations.authenticate(revoked.secret)))._tag).toBe("InvalidApiKey")

      yield* TestClock.adjust("2 seconds")
      expect((yield* Effect.flip(organizations.authenticate(expiring.secret)))._tag).toBe("InvalidApiKey")

      yield* elsewhere(
        folder,
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`update org_profiles set status = 'SUSPENDED'`)
      )
      yield* TestClock.adjust("10 seconds")
      expect((yield* Effect.flip(organizations.authenticate(suspended.secret)))._tag).toBe("InvalidApiKey")

      expect((yield* organizations.listKeys(acme)).map((key) => key.isActive).sort()).toEqual([false, true, true])
    })
  )
)

it.scoped("the service's own key is the newest that lives and may execute", () =>
  withOrganizations(() =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      const sql = yield* SqlClient.SqlClient
      const own = Effect.map(organizations.ownKey(acme), (key) => key && Redacted.value(key))
      yield* organizations.create({ org: acme, ...profile })
      expect(yield* own).toBeUndefined()
      const keys: Array<{ readonly key: { readonly keyId: string }; readonly secret: Redacted.Redacted }> = []
      for (const options of [{}, { expiresAt: "1970-01-01T00:01:00Z" }, {}, { scopes: ["pipelines:read"] }]) {
        keys.push(yield* organizations.createKey(acme, options))
        yield* TestClock.adjust("1 second")
      }
      const [oldest, expiring, newest] = keys
      expect(yield* own).toBe(newest && Redacted.value(newest.secret))
      yield* organizations.revokeKey(newest?.key.keyId ?? "")
      expect(yield* own).toBe(expiring && Redacted.value(expiring.secret))
      yield* TestClock.adjust("1 minute")
      expect(yield* own).toBe(oldest && Redacted.value(oldest.secret))
      yield* sql`update org_profiles set status = 'SUSPENDED'`
      expect(yield* own).toBeUndefined()
    })
  )
)

it.scoped("a key that another process revokes dies within seconds", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.gen(function* () {
      const server = yield* Organizations
      yield* server.create({ org: acme, ...profile })
      const { key, secret } = yield* server.createKey(acme)
      yield* server.authenticate(secret)

      yield* elsewhere(
        folder,
        Effect.flatMap(Organizations, (admin) => admin.revokeKey(key.keyId))
      )
      yield* TestClock.adjust("5 seconds")
      expect((yield* Effect.flip(server.authenticate(secret)))._tag).toBe("InvalidApiKey")
    }).pipe(Effect.provide(process(folder)))
  })
)

it.scoped(
  "a plan counts at once where it is changed, within seconds in other processes, and again after a change back",
  () =>
    withOrganizations((folder) =>
      Effect.gen(function* () {
        const organizations = yield* Organizations
        const plan = Effect.map(organizations.subscription(acme), (found) => found?.plan)
        const subscribeElsewhere = (name: string) =>
          elsewhere(
            folder,
            Effect.flatMap(Organizations, (admin) => admin.subscribe(acme, name))
          )
        expect(yield* plan).toBeUndefined()
        yield* organizations.create({ org: acme, ...profile })
        expect(yield* plan).toBe("STARTER")
        yield* organizations.subscribe(acme, "SCALE")
        expect(yield* plan).toBe("SCALE")
        for (const name of ["ENTERPRISE", "SCALE", "ENTERPRISE"]) {
          yield* subscribeElsewhere(name)
          yield* TestClock.adjust("2 seconds")
          expect(yield* plan).toBe(name)
          yield* TestClock.adjust("1 minute")
          expect(yield* plan).toBe(name)
        }
      })
    )
)

it.scoped("bad names, plans, scopes and times are refused and leave nothing behind", () =>
  withOrganizations(() =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* organizations.create({ org: acme, ...profile })
      const messages = yield* Effect.forEach(
        [
          organizations.create({ org: acme, ...profile }),
          organizations.create({ org: globex, ...profile, plan: "GOLD" }),
          organizations.create({ org: globex, ...profile, defaultCurrency: "dollars" }),
          organizations.createKey(globex),
          organizations.createKey(acme, { scopes: ["pipeline:read"] }),
          organizations.createKey(acme, { expiresAt: "soon" }),
          organizations.createKey(acme, { expiresAt: "1969-12-31" }),
          organizations.subscribe(globex, "SCALE"),
          organizations.subscribe(acme, "SCALE", "ASLEEP"),
          organizations.revokeKey("nobody")
        ],
        (refused) => Effect.map(Effect.flip(refused), (error) => error.message)
      )
      expect(messages).toMatchInlineSnapshot(`
        [
          "organisation acme exists already: choose another name, or change its plan with admin org plan",
          ""GOLD" is no plan: choose one of STARTER, PROFESSIONAL, SCALE, ENTERPRISE",
          ""dollars" is no currency: give three letters as in USD",
          "organisation globex does not exist: see admin org list, or make it with admin org create",
          ""pipeline:read" is no scope: choose among pipelines:execute, pipelines:read, pipelines:write, pipelines:* and *",
          ""soon" is no time: give ISO 8601 as in 2027-01-31 or 2027-01-31T12:00:00Z",
          "the end 1969-12-31T00:00:00.000Z has passed already",
          "organisation globex does not exist: see admin org list, or make it with admin org create",
          ""ASLEEP" is no subscription status: choose one of ACTIVE, TRIAL, SUSPENDED, CANCELLED, EXPIRED",
          "no API key has the id "nobody": see admin key list",
        ]
      `)
      expect((yield* organizations.list).map((org) => org.org)).toEqual(["acme"])
      expect(yield* organizations.listKeys(acme)).toEqual([])
    })
  )
)

it.scoped("a plan brings its limits", () =>
  withOrganizations(() =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* organizations.create({ org: acme, ...profile })
      expect(yield* organizations.subscription(acme)).toEqual({
        org: "acme",
        plan: "STARTER",
        status: "ACTIVE",
        dailyLimit: 6,
        monthlyLimit: 180,
        concurrentLimit: 1
      })
      yield* organizations.subscribe(acme, "scale", "trial")
      expect(yield* organizations.subscription(acme)).toMatchObject({
        plan: "SCALE",
        status: "TRIAL",
        concurrentLimit: 5
      })
      expect((yield* organizations.get(acme))?.plan).toBe("SCALE")
      expect(yield* organizations.subscription(globex)).toBeUndefined()
    })
  )
)

it.scoped("the first start makes an organisation and shows its key once", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const start = Effect.provide(
      Effect.gen(function* () {
        const first = yield* ensureFirstOrganization
        const organizations = yield* Organizations
        if (first !== undefined) expect((yield* organizations.authenticate(first.secret)).org).toBe("first_org")
        return {
          first,
          orgs: yield* organizations.list,
          keys: yield* organizations.listKeys(OrgSlug.make("first_org"))
        }
      }),
      process(folder, { DEFAULT_ORG_SLUG: "first_org" })
    )
    const first = yield* start
    expect(first.first?.org).toBe("first_org")
    expect(first.orgs).toMatchObject([{ org: "first_org", plan: "ENTERPRISE", status: "ACTIVE" }])
    const second = yield* start
    expect(second.first).toBeUndefined()
    expect(second.keys).toHaveLength(1)
  })
)

it.scoped("a first start that died before the key was made is finished by the next", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const first = yield* Effect.provide(
      Effect.gen(function* () {
        const organizations = yield* Organizations
        yield* organizations.create({ org: OrgSlug.make("first_org"), ...profile, plan: "ENTERPRISE" })
        return yield* ensureFirstOrganization
      }),
      process(folder, { DEFAULT_ORG_SLUG: "first_org" })
    )
    expect(first?.org).toBe("first_org")
  })
)
