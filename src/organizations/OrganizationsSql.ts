/**
 * Organisations in the service database, beside the event log. Not in the warehouse: an embedded DuckDB file belongs to one process, and
 * `admin` commands must work while a server runs.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { Encryption, type EncryptionFailed } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import * as Snapshot from "../platform/Snapshot.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import * as Checks from "./checks.ts"
import * as Keys from "./keys.ts"
import {
  type ApiKey,
  type Caller,
  InvalidApiKey,
  type Organization,
  Organizations,
  OrganizationsUnavailable,
  Plan,
  planLimits,
  type Subscription,
  SubscriptionStatus
} from "./Organizations.ts"

/** How long a change by another process may go unnoticed: of keys and of plans, each with the time that the database's version is kept. */
const CALLER_SECONDS = 2
const SUBSCRIPTION_SECONDS = 1
const VERSION_SECONDS = 1
const SNAPSHOT_KEYS = 10_000

/** The layer over the service database; creates its tables. */
export const layer: Layer.Layer<Organizations, OrganizationsUnavailable, SqlClient.SqlClient | Encryption> =
  Layer.effect(
    Organizations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const encryption = yield* Encryption
      yield* createTables(sql)

      const callerOf = Effect.fnUntraced(function* (hash: string) {
        const [row] = yield* Sqlite.use((session) => selectCaller(session, [[hash]])).pipe(
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.mapError(unavailable("read"))
        )
        if (row === undefined || !Keys.sameHash(row.org_api_key_hash, hash)) return yield* new InvalidApiKey()
        const caller: Caller = { org: row.org_slug, keyId: row.org_api_key_id, scopes: yield* decodeScopes(row.scopes) }
        return {
          caller,
          expiresAtMillis: row.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(row.expires_at)
        }
      })
      // Of all organisations together, but they seldom change, and to ask once for all costs less than to read each again. Without an answer
      // everything is read again: no number equals NaN.
      const versions = yield* Snapshot.make({ seconds: VERSION_SECONDS, keys: 1 }, () =>
        Sqlite.use((session) => selectVersion(session, [[]])).pipe(
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.mapBoth({ onFailure: unavailable("read"), onSuccess: ([row]) => row?.version ?? Number.NaN })
        )
      )
      const version = versions.get("")
      // Refusals are not kept, so that a key works as soon as an administrator has made it.
      const callers = yield* Snapshot.make({ seconds: CALLER_SECONDS, keys: SNAPSHOT_KEYS }, callerOf, version)

      const subscriptionOf = (org: OrgSlug) =>
        Sqlite.use((session) => selectSubscription(session, [[org]])).pipe(
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.map(([row]): Subscription | undefined =>
            row === undefined
              ? undefined
              : {
                  org: row.org_slug,
                  plan: row.plan_name,
                  status: row.status,
                  dailyLimit: row.daily_limit,
                  monthlyLimit: row.monthly_limit,
                  concurrentLimit: row.concurrent_limit
                }
          ),
          Effect.mapError(unavailable("read"))
        )

      const subscriptions = yield* Snapshot.make(
        { seconds: SUBSCRIPTION_SECONDS, keys: SNAPSHOT_KEYS },
        subscriptionOf,
        version
      )

      // Without a span: it is part of every request, and most often a look into what is kept.
      const authenticate = (key: Redacted.Redacted) =>
        Keys.looksLikeKey(key)
          ? Effect.flatMap(callers.get(Keys.hash(key)), ({ caller, expiresAtMillis }) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) =>
                expiresAtMillis <= now ? new InvalidApiKey() : Effect.succeed(caller)
              )
            )
          : new InvalidApiKey()

      const list = sql<OrganizationRow>`select p.*, s.plan_name from org_profiles p
      join org_subscriptions s on s.org_slug = p.org_slug order by p.org_slug`.pipe(
        Effect.map((rows) => rows.map(organization)),
        Effect.mapError(unavailable("read")),
        Effect.withSpan("Organizations.list")
      )

      const get = Effect.fn("Organizations.get")((org: OrgSlug) =>
        sql<OrganizationRow>`select p.*, s.plan_name from org_profiles p
        join org_subscriptions s on s.org_slug = p.org_slug where p.org_slug = ${org}`.pipe(
          Effect.map(([row]) => (row === undefined ? undefined : organization(row))),
          Effect.mapError(unavailable("read"))
        )
      )

      const known = (org: OrgSlug) =>
        Effect.flatMap(get(org), (found) =>
          found === undefined ? Checks.unknownOrganization(org) : Effect.succeed(found)
        )

      const create = Effect.fn("Organizations.create")(function* (request: {
        readonly org: OrgSlug
        readonly companyName: string
        readonly adminEmail: string
        readonly plan?: string
        readonly defaultCurrency?: string
      }) {
        const plan = yield* Checks.plan(request.plan ?? "STARTER")
        const defaultCurrency = yield* Checks.currency(request.defaultCurrency ?? "USD")
        const createdAt = yield* now
        const limits = planLimits[plan]
        const created = yield* sql
          .withTransaction(
            Effect.gen(function* () {
              const inserted = yield* sql`insert into org_profiles ${sql.insert({
                org_slug: request.org,
                company_name: request.companyName,
                admin_email: request.adminEmail,
                status: "ACTIVE",
                default_currency: defaultCurrency,
                created_at: createdAt,
                updated_at: createdAt
              })} on conflict (org_slug) do nothing returning org_slug`
              if (inserted.length === 0) return false
              yield* sql`insert into org_subscriptions ${sql.insert({
                subscription_id: randomUUID(),
                org_slug: request.org,
                plan_name: plan,
                status: "ACTIVE",
                daily_limit: limits.dailyLimit,
                monthly_limit: limits.monthlyLimit,
                concurrent_limit: limits.concurrentLimit,
                created_at: createdAt,
                updated_at: createdAt
              })}`
              return true
            })
          )
          .pipe(Effect.mapError(unavailable("written")))
        if (!created) {
          return yield* Checks.existsAlready(request.org)
        }
        yield* subscriptions.forget(request.org)
        const { companyName, adminEmail, org } = request
        return { org, companyName, adminEmail, status: "ACTIVE" as const, plan, defaultCurrency, createdAt }
      })

      const subscribe = Effect.fn("Organizations.subscribe")(function* (
        org: OrgSlug,
        planName: string,
        statusName: string = "ACTIVE"
      ) {
        const plan = yield* Checks.plan(planName)
        const status = yield* Checks.status(statusName)
        yield* known(org)
        const limits = planLimits[plan]
        yield* sql`update org_subscriptions set ${sql.update({
          plan_name: plan,
          status,
          daily_limit: limits.dailyLimit,
          monthly_limit: limits.monthlyLimit,
          concurrent_limit: limits.concurrentLimit,
          updated_at: yield* now
        })} where org_slug = ${org}`.pipe(Effect.mapError(unavailable("written")))
        yield* subscriptions.forget(org)
        return { org, plan, status, ...limits }
      })

      const createKey = Effect.fn("Organizations.createKey")(function* (
        org: OrgSlug,
        options?: { readonly scopes?: ReadonlyArray<string>; readonly expiresAt?: string }
      ) {
        const createdAt = yield* now
        const scopes = yield* Keys.checkScopes(options?.scopes ?? [])
        const expiresAt =
          options?.expiresAt === undefined ? undefined : yield* Keys.checkExpiry(options.expiresAt, createdAt)
        yield* known(org)
        const keyId = randomUUID()
        const secret = Keys.generate(org)
        yield* sql`insert into org_api_keys ${sql.insert({
          org_api_key_id: keyId,
          org_slug: org,
          org_api_key_hash: Keys.hash(secret),
          encrypted_org_api_key: yield* encryption
            .seal(secret, { org, id: keyId })
            .pipe(Effect.mapError(encryptionFailed)),
          scopes: JSON.stringify(scopes),
          is_active: 1,
          expires_at: expiresAt ?? null,
          created_at: createdAt
        })}`.pipe(Effect.mapError(unavailable("written")))
        return { key: { keyId, org, scopes, isActive: true, expiresAt, createdAt } satisfies ApiKey, secret }
      })

      const listKeys = Effect.fn("Organizations.listKeys")((org: OrgSlug) =>
        sql<ApiKeyRow>`select org_api_key_id, org_slug, scopes, is_active, expires_at, created_at
        from org_api_keys where org_slug = ${org} order by created_at, org_api_key_id`.pipe(
          Effect.mapError(unavailable("read")),
          Effect.flatMap(
            Effect.forEach((row) =>
              Effect.map(decodeScopes(row.scopes), (scopes): ApiKey => ({
                keyId: row.org_api_key_id,
                org: row.org_slug,
                scopes,
                isActive: row.is_active === 1,
                expiresAt: row.expires_at ?? undefined,
                createdAt: row.created_at
              }))
            )
          )
        )
      )

      const ownKey = Effect.fn("Organizations.ownKey")(function* (org: OrgSlug) {
        const rows = yield* sql<CallerRow & { readonly encrypted_org_api_key: string }>`select k.* from org_api_keys k
        join org_profiles p on p.org_slug = k.org_slug and p.status = 'ACTIVE'
        where k.org_slug = ${org} and k.is_active = 1 and k.encrypted_org_api_key is not null
          and (k.expires_at is null or k.expires_at > ${yield* now})
        order by k.created_at desc, k.org_api_key_id`.pipe(Effect.mapError(unavailable("read")))
        for (const row of rows) {
          if (!Keys.mayExecute(yield* decodeScopes(row.scopes))) continue
          return yield* encryption
            .open(row.encrypted_org_api_key, { org, id: row.org_api_key_id })
            .pipe(Effect.mapError(encryptionFailed))
        }
        return undefined
      })

      const revokeKey = Effect.fn("Organizations.revokeKey")(function* (keyId: string) {
        const [revoked] = yield* sql<Pick<CallerRow, "org_api_key_hash">>`update org_api_keys set is_active = 0
        where org_api_key_id = ${keyId} returning org_api_key_hash`.pipe(Effect.mapError(unavailable("written")))
        if (revoked === undefined) {
          return yield* Checks.unknownKey(keyId)
        }
        yield* callers.forget(revoked.org_api_key_hash)
      })

      return {
        authenticate,
        create,
        get,
        list,
        subscription: subscriptions.get,
        subscribe,
        createKey,
        ownKey,
        listKeys,
        revokeKey
      }
    })
  )

const selectCaller = Sqlite.statement<CallerRow>(`
  select k.org_api_key_id, k.org_slug, k.org_api_key_hash, k.scopes, k.expires_at
  from org_api_keys k join org_profiles p on p.org_slug = k.org_slug
  where k.org_api_key_hash = ? and k.is_active = 1 and p.status = 'ACTIVE'`)

/** Another number after each change of an organisation, its subscription or its keys, whoever makes it. */
const selectVersion = Sqlite.statement<{ readonly version: number }>("select version from org_version")

const selectSubscription = Sqlite.statement<SubscriptionRow>("select * from org_subscriptions where org_slug = ?")

interface CallerRow {
  readonly org_api_key_id: string
  readonly org_slug: OrgSlug
  readonly org_api_key_hash: string
  readonly scopes: string
  readonly expires_at: string | null
}

interface ApiKeyRow extends Omit<CallerRow, "org_api_key_hash"> {
  readonly is_active: number
  readonly created_at: string
}

interface OrganizationRow {
  readonly org_slug: OrgSlug
  readonly company_name: string
  readonly admin_email: string
  readonly status: "ACTIVE" | "SUSPENDED"
  readonly plan_name: Plan
  readonly default_currency: string
  readonly created_at: string
}

interface SubscriptionRow {
  readonly org_slug: OrgSlug
  readonly plan_name: Plan
  readonly status: SubscriptionStatus
  readonly daily_limit: number
  readonly monthly_limit: number
  readonly concurrent_limit: number
}

const organization = (row: OrganizationRow): Organization => ({
  org: row.org_slug,
  companyName: row.company_name,
  adminEmail: row.admin_email,
  status: row.status,
  plan: row.plan_name,
  defaultCurrency: row.default_currency,
  createdAt: row.created_at
})

const createTables = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    yield* sql`create table if not exists org_profiles (
      org_slug text primary key, company_name text not null, admin_email text not null, status text not null,
      default_currency text not null, created_at text not null, updated_at text not null)`
    yield* sql`create table if not exists org_subscriptions (
      subscription_id text primary key, org_slug text not null unique references org_profiles (org_slug),
      plan_name text not null, status text not null, daily_limit integer not null, monthly_limit integer not null,
      concurrent_limit integer not null, created_at text not null, updated_at text not null)`
    yield* sql`create table if not exists org_api_keys (
      org_api_key_id text primary key, org_slug text not null references org_profiles (org_slug),
      org_api_key_hash text not null unique, scopes text not null, is_active integer not null, expires_at text,
      created_at text not null, encrypted_org_api_key text)`
    const columns = yield* sql`select name from pragma_table_info('org_api_keys') where name = 'encrypted_org_api_key'`
    if (columns.length === 0) yield* sql`alter table org_api_keys add column encrypted_org_api_key text`
    yield* sql`create table if not exists org_version (id integer primary key check (id = 1), version integer not null)`
    yield* sql`insert into org_version (id, version) values (1, 0) on conflict do nothing`
    for (const table of ["org_profiles", "org_subscriptions", "org_api_keys"]) {
      for (const change of ["insert", "update", "delete"]) {
        yield* sql.unsafe(`create trigger if not exists ${table}_${change} after ${change} on ${table}
          begin update org_version set version = version + 1; end`)
      }
    }
  }).pipe(Effect.mapError(unavailable("prepared")))

const unavailable = (done: string) => (error: SqlError) =>
  new OrganizationsUnavailable({
    message: `the store of organisations could not be ${done}: ${error.cause instanceof Error ? error.cause.message : error.message}`
  })

const encryptionFailed = (error: EncryptionFailed) => new OrganizationsUnavailable({ message: error.message })

const now = Effect.map(DateTime.now, DateTime.formatIso)

const scopesFromJson = Schema.decode(Schema.parseJson(Schema.Array(Schema.String)))

const decodeScopes = (text: string) =>
  scopesFromJson(text).pipe(
    Effect.mapError(() => new OrganizationsUnavailable({ message: "the stored scopes of an API key are damaged" }))
  )
