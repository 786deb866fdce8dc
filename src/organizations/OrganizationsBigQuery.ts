/**
 * Organisations in BigQuery, in the tables that the service shares with the API service (service contract, section 7.2). All active keys, and
 * all organisations, are read at once and kept for half a minute, so that neither many callers nor wrong keys cost a query each. With a
 * remote validator the API service keeps them, and changes are refused.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { Encryption, storedBytes, storedText } from "../platform/Encryption.ts"
import { datasetOf, OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import { keepsOrganizations, Settings } from "../platform/Settings.ts"
import * as Snapshot from "../platform/Snapshot.ts"
import { CentralDataset, type Change } from "../warehouse/CentralDataset.ts"
import type { WarehouseError } from "../warehouse/Warehouse.ts"
import * as Checks from "./checks.ts"
import * as Keys from "./keys.ts"
import {
  type ApiKey,
  type Caller,
  InvalidApiKey,
  type Organization,
  OrganizationError,
  Organizations,
  type OrganizationsService,
  OrganizationsUnavailable,
  Plan,
  planLimits,
  type Subscription,
  SubscriptionStatus
} from "./Organizations.ts"

/** So long a revoked key, a suspended organisation or an old plan may live on. */
const SNAPSHOT_SECONDS = 30
/** A key that nobody knows is looked for again when the keys are older than this: a new one works so soon. */
const NEW_KEY_SECONDS = 5
/** Active keys and organisations that are kept in memory; more stop the service from reading them. */
const MAX_ROWS = 50_000
/** A snapshot has one key. */
const all = "all"

const nullable = <A, I>(schema: Schema.Schema<A, I>) => Schema.NullOr(schema)

const KeyRow = Schema.Struct({
  org_api_key_id: Schema.String,
  org_slug: OrgSlug,
  org_api_key_hash: Schema.String,
  scopes: Schema.Array(Schema.String),
  is_active: Schema.Boolean,
  expires_at: nullable(Schema.String),
  created_at: Schema.String,
  encrypted_org_api_key: nullable(Schema.String)
})
type KeyRow = typeof KeyRow.Type

const OrganizationRow = Schema.Struct({
  org_slug: OrgSlug,
  company_name: Schema.String,
  admin_email: Schema.String,
  profile_status: Schema.String,
  default_currency: nullable(Schema.String),
  default_timezone: nullable(Schema.String),
  default_country: nullable(Schema.String),
  created_at: Schema.String,
  plan_name: Plan,
  status: SubscriptionStatus,
  daily_limit: Schema.Number,
  monthly_limit: Schema.Number,
  concurrent_limit: Schema.Number
})
type OrganizationRow = typeof OrganizationRow.Type

const make = Effect.gen(function* () {
  const central = yield* CentralDataset
  const encryption = yield* Encryption
  const settings = yield* Settings

  const read = <A, I>(what: string, row: Schema.Schema<A, I>, sql: string, parameters: JsonObject = {}) =>
    central
      .query(
        what,
        `${sql} LIMIT ${MAX_ROWS + 1}`,
        Object.fromEntries(
          Object.entries(parameters).map(([name, value]) => [name, { type: "STRING", value: String(value) } as const])
        )
      )
      .pipe(
        Effect.mapError(unavailable),
        Effect.filterOrFail(
          (rows) => rows.length <= MAX_ROWS,
          () => new OrganizationsUnavailable({ message: `${what}: there are more than ${MAX_ROWS} rows` })
        ),
        Effect.flatMap(Effect.forEach(usable(what, row))),
        Effect.map((rows) => rows.flatMap(Option.toArray))
      )

  const keys = yield* Snapshot.make({ seconds: SNAPSHOT_SECONDS, keys: 1 }, () =>
    Effect.map(
      read(
        "read the API keys",
        KeyRow,
        `SELECT k.* EXCEPT (encrypted_org_api_key), CAST(NULL AS STRING) AS encrypted_org_api_key
         FROM org_api_keys AS k JOIN org_profiles AS p ON p.org_slug = k.org_slug
         WHERE k.is_active AND p.status = 'ACTIVE' ORDER BY k.created_at, k.org_api_key_id`
      ),
      (rows) => new Map(rows.map((row) => [row.org_api_key_hash.toLowerCase(), row]))
    )
  )
  const organizations = yield* Snapshot.make({ seconds: SNAPSHOT_SECONDS, keys: 1 }, () =>
    Effect.map(
      read(
        "read the organisations",
        OrganizationRow,
        `SELECT p.org_slug, p.company_name, p.admin_email, p.status AS profile_status, p.default_currency,
           p.default_timezone, p.default_country, p.created_at,
           s.plan_name, s.status, s.daily_limit, s.monthly_limit, s.concurrent_limit
         FROM org_profiles AS p JOIN org_subscriptions AS s ON s.org_slug = p.org_slug
         ORDER BY p.org_slug, s.created_at, s.subscription_id`
      ),
      // Of several subscriptions the newest counts.
      (rows) => new Map(rows.map((row) => [row.org_slug, row]))
    )
  )
  const forget = Effect.zipRight(keys.forget(all), organizations.forget(all))

  const change = (what: string, changes: ReadonlyArray<Change>) =>
    Effect.zipRight(Effect.mapError(central.change(what, changes), unavailable), forget)
  const mayChange = keepsOrganizations(settings) ? Effect.void : notOurs

  const authenticate: OrganizationsService["authenticate"] = Effect.fnUntraced(function* (key) {
    if (!Keys.looksLikeKey(key)) return yield* new InvalidApiKey()
    const hash = Keys.hash(key)
    const row = (yield* keys.get(all)).get(hash) ?? (yield* keys.younger(all, NEW_KEY_SECONDS)).get(hash)
    if (row === undefined || !Keys.sameHash(row.org_api_key_hash.toLowerCase(), hash)) {
      return yield* new InvalidApiKey()
    }
    if (row.expires_at !== null && Date.parse(row.expires_at) <= (yield* Clock.currentTimeMillis)) {
      return yield* new InvalidApiKey()
    }
    return { org: row.org_slug, keyId: row.org_api_key_id, scopes: scopesOf(row) } satisfies Caller
  })

  const known = Effect.fnUntraced(function* (org: OrgSlug) {
    const row = (yield* organizations.younger(all, 0)).get(org)
    return row ?? (yield* Checks.unknownOrganization(org))
  })

  const create: OrganizationsService["create"] = Effect.fn("Organizations.create")(function* (request) {
    yield* mayChange
    const plan = yield* Checks.plan(request.plan ?? "STARTER")
    const defaultCurrency = yield* Checks.currency(request.defaultCurrency ?? "USD")
    const { adminEmail, companyName, org } = request
    if ((yield* organizations.younger(all, 0)).has(org)) return yield* Checks.existsAlready(org)
    const createdAt = yield* now
    yield* change(`create the organisation ${org}`, [
      {
        kind: "insert",
        table: "org_profiles",
        rows: [
          {
            org_slug: org,
            company_name: companyName,
            admin_email: adminEmail,
            org_dataset_id: datasetOf(org, settings.environment),
            status: "ACTIVE",
            subscription_plan: plan,
            default_currency: defaultCurrency,
            created_at: createdAt,
            updated_at: createdAt
          }
        ]
      },
      {
        kind: "insert",
        table: "org_subscriptions",
        rows: [
          {
            subscription_id: randomUUID(),
            org_slug: org,
            status: "ACTIVE",
            created_at: createdAt,
            ...planColumns(plan, createdAt)
          }
        ]
      }
    ])
    return { org, companyName, adminEmail, status: "ACTIVE" as const, plan, defaultCurrency, createdAt }
  })

  const subscribe: OrganizationsService["subscribe"] = Effect.fn("Organizations.subscribe")(function* (
    org,
    planName,
    statusName = "ACTIVE"
  ) {
    yield* mayChange
    const plan = yield* Checks.plan(planName)
    const status = yield* Checks.status(statusName)
    yield* known(org)
    yield* change(`change the plan of ${org}`, [
      {
        kind: "update",
        table: "org_subscriptions",
        set: { status, ...planColumns(plan, yield* now) },
        where: { org_slug: org }
      }
    ])
    return { org, plan, status, ...planLimits[plan] }
  })

  const createKey: OrganizationsService["createKey"] = Effect.fn("Organizations.createKey")(function* (org, options) {
    yield* mayChange
    const createdAt = yield* now
    const scopes = yield* Keys.checkScopes(options?.scopes ?? [])
    const expiresAt =
      options?.expiresAt === undefined ? undefined : yield* Keys.checkExpiry(options.expiresAt, createdAt)
    yield* known(org)
    const keyId = randomUUID()
    const secret = Keys.generate(org)
    const sealed = yield* Effect.mapError(encryption.seal(secret, { org, id: keyId }), unavailable)
    yield* change(`create an API key of ${org}`, [
      {
        kind: "insert",
        table: "org_api_keys",
        rows: [
          {
            org_api_key_id: keyId,
            org_slug: org,
            org_api_key_hash: Keys.hash(secret),
            encrypted_org_api_key: storedBytes(sealed),
            scopes,
            is_active: true,
            created_at: createdAt,
            ...(expiresAt === undefined ? {} : { expires_at: expiresAt })
          }
        ]
      }
    ])
    return { key: { keyId, org, scopes, isActive: true, expiresAt, createdAt } satisfies ApiKey, secret }
  })

  const keysOf = (org: OrgSlug) =>
    read(
      `read the API keys of ${org}`,
      KeyRow,
      "SELECT * FROM org_api_keys WHERE org_slug = @org ORDER BY created_at, org_api_key_id",
      { org }
    )

  const ownKey: OrganizationsService["ownKey"] = Effect.fn("Organizations.ownKey")(function* (org) {
    const active = yield* keys.get(all)
    const at = yield* Clock.currentTimeMillis
    const usable = (yield* keysOf(org)).filter(
      (row) =>
        row.is_active &&
        active.has(row.org_api_key_hash.toLowerCase()) &&
        Keys.mayExecute(scopesOf(row)) &&
        (row.expires_at === null || Date.parse(row.expires_at) > at)
    )
    for (const { encrypted_org_api_key: sealed, org_api_key_id: id } of usable.toReversed()) {
      if (sealed !== null) return yield* Effect.mapError(encryption.open(storedText(sealed), { org, id }), unavailable)
    }
    return undefined
  })

  const revokeKey: OrganizationsService["revokeKey"] = Effect.fn("Organizations.revokeKey")(function* (keyId) {
    yield* mayChange
    const where = { org_api_key_id: keyId }
    const found = yield* read(
      "look for an API key",
      KeyRow,
      "SELECT * FROM org_api_keys WHERE org_api_key_id = @org_api_key_id",
      where
    )
    if (found.length === 0) return yield* Checks.unknownKey(keyId)
    yield* change(`revoke the API key ${keyId}`, [
      { kind: "update", table: "org_api_keys", set: { is_active: false }, where }
    ])
  })

  return {
    authenticate,
    create,
    get: Effect.fn("Organizations.get")((org) =>
      Effect.map(organizations.get(all), (found) => Option.getOrUndefined(Option.map(rowOf(found, org), organization)))
    ),
    list: Effect.map(organizations.get(all), (found) => [...found.values()].map(organization)).pipe(
      Effect.withSpan("Organizations.list")
    ),
    subscription: Effect.fn("Organizations.subscription")((org) =>
      Effect.map(organizations.get(all), (found) => Option.getOrUndefined(Option.map(rowOf(found, org), subscription)))
    ),
    subscribe,
    createKey,
    ownKey,
    listKeys: Effect.fn("Organizations.listKeys")((org) =>
      Effect.map(keysOf(org), (rows) =>
        rows.map((row) => ({
          keyId: row.org_api_key_id,
          org,
          scopes: scopesOf(row),
          isActive: row.is_active,
          expiresAt: row.expires_at ?? undefined,
          createdAt: row.created_at
        }))
      )
    ),
    revokeKey
  } satisfies OrganizationsService
})

/** A row that somebody else wrote may be of no use: it is told in the log, and its organisation is not known. */
const usable = <A, I>(what: string, schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknown(schema)
  return (row: JsonObject): Effect.Effect<Option.Option<A>> =>
    Effect.matchEffect(decode(row), {
      onFailure: (error) =>
        Effect.as(
          Effect.logWarning(
            `${what}: a row of ${String(row["org_slug"])} cannot be used because of ${ParseResult.ArrayFormatter.formatErrorSync(
              error
            )
              .map(({ path }) => path.join("."))
              .join(", ")}`
          ),
          Option.none()
        ),
      onSuccess: (found) => Effect.succeed(Option.some(found))
    })
}

const rowOf = (rows: ReadonlyMap<OrgSlug, OrganizationRow>, org: OrgSlug) => Option.fromNullable(rows.get(org))

const scopesOf = ({ scopes }: KeyRow): ReadonlyArray<string> => (scopes.length === 0 ? Keys.ALL_SCOPES : scopes)

const organization = (row: OrganizationRow): Organization => ({
  org: row.org_slug,
  companyName: row.company_name,
  adminEmail: row.admin_email,
  status: row.profile_status === "ACTIVE" ? "ACTIVE" : "SUSPENDED",
  plan: row.plan_name,
  defaultCurrency: row.default_currency ?? "USD",
  defaultTimezone: row.default_timezone ?? undefined,
  defaultCountry: row.default_country ?? undefined,
  createdAt: row.created_at
})

const subscription = (row: OrganizationRow): Subscription => ({
  org: row.org_slug,
  plan: row.plan_name,
  status: row.status,
  dailyLimit: row.daily_limit,
  monthlyLimit: row.monthly_limit,
  concurrentLimit: row.concurrent_limit
})

const planColumns = (plan: Plan, updatedAt: string): JsonObject => ({
  plan_name: plan,
  daily_limit: planLimits[plan].dailyLimit,
  monthly_limit: planLimits[plan].monthlyLimit,
  concurrent_limit: planLimits[plan].concurrentLimit,
  updated_at: updatedAt
})

const notOurs = new OrganizationError({
  message:
    "the API service keeps organisations, plans and API keys (WAREHOUSE=bigquery with VALIDATOR=remote): change them there; " +
    "here the change is seen within half a minute"
})

const now = Effect.map(DateTime.now, DateTime.formatIso)

const unavailable = (error: WarehouseError | { readonly message: string }) =>
  new OrganizationsUnavailable({ message: error.message })

/** The layer over the central dataset. */
export const layer: Layer.Layer<Organizations, never, CentralDataset | Encryption | Settings> = Layer.effect(
  Organizations,
  make
)
