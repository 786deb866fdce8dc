/**
 * Credentials in the service database, each secret in its own envelope.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { Encryption, type EncryptionFailed } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"
import {
  type Credential,
  CredentialInvalid,
  CredentialMissing,
  type CredentialRequest,
  Credentials,
  type CredentialsService,
  CredentialsUnavailable,
  type OpenCredential
} from "./Credentials.ts"
import * as Shapes from "./shapes.ts"

const ID_RANDOM_BYTES = 4
const HOURS_UNTIL_DEACTIVATION = 24
/** The value of x_credential_id where a pipeline needs no credential. */
const RESERVED_ID = "default"

/** The layer over the service database; creates its table. */
export const layer: Layer.Layer<Credentials, CredentialsUnavailable, SqlClient.SqlClient | Encryption> = Layer.effect(
  Credentials,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const encryption = yield* Encryption
    yield* createTable(sql)

    const put: CredentialsService["put"] = Effect.fn("Credentials.put")(function* (request) {
      const provider = Shapes.providerName(request.provider)
      const { credentialType, secret } = yield* Shapes.check(request)
      const credentialId = yield* checkId(
        request.credentialId ?? `${provider.toLowerCase()}_${randomBytes(ID_RANDOM_BYTES).toString("hex")}`
      )
      const expiresAt = yield* checkExpiry(request.expiresAt)
      const createdAt = DateTime.formatIso(yield* DateTime.now)
      const envelope = yield* encryption
        .seal(Redacted.make(JSON.stringify(Redacted.value(secret))), { org: request.org, id: credentialId })
        .pipe(Effect.mapError(encryptionFailed))
      const account = Shapes.accountOf({ ...request, provider, secret })
      const store = sql<CredentialRow>`insert into org_integration_credentials ${sql.insert({
        org_slug: request.org,
        credential_id: credentialId,
        provider,
        credential_type: credentialType,
        credential_name: request.credentialName,
        metadata: JSON.stringify(request.metadata),
        encrypted_credential: envelope,
        is_active: 1,
        validation_status: "VALID",
        expires_at: expiresAt ?? null,
        account_identity: account,
        created_at: createdAt,
        updated_at: createdAt
      })} on conflict (org_slug, credential_id) do update set credential_type = excluded.credential_type,
          credential_name = excluded.credential_name, metadata = excluded.metadata,
          encrypted_credential = excluded.encrypted_credential, is_active = 1, validation_status = 'VALID',
          expires_at = excluded.expires_at, account_identity = excluded.account_identity,
          deactivation_scheduled_at = null, last_error = null, updated_at = excluded.updated_at
        where org_integration_credentials.provider = excluded.provider returning *`
      const [stored] = yield* Effect.tap(store, ([row]) => (row === undefined ? Effect.void : retireOthers(row))).pipe(
        sql.withTransaction,
        Effect.mapError(unavailable("written"))
      )
      if (stored === undefined) {
        return yield* new CredentialInvalid({
          message: `${request.org} has a credential ${credentialId} of another provider: choose another id`
        })
      }
      return yield* credential(stored)
    })

    /** The older ones of the account have a day left, in which a mistake can be undone. */
    const retireOthers = Effect.fnUntraced(function* (row: CredentialRow) {
      const end = DateTime.formatIso(DateTime.add(yield* DateTime.now, { hours: HOURS_UNTIL_DEACTIVATION }))
      yield* sql`update org_integration_credentials set deactivation_scheduled_at = ${end}
        where org_slug = ${row.org_slug} and account_identity = ${row.account_identity} and is_active = 1
          and credential_id <> ${row.credential_id} and created_at <= ${row.created_at}
          and deactivation_scheduled_at is null`
    })

    const list: CredentialsService["list"] = Effect.fn("Credentials.list")((org) =>
      sql<CredentialRow>`select * from org_integration_credentials where org_slug = ${org}
        order by created_at, credential_id`.pipe(
        Effect.mapError(unavailable("read")),
        Effect.flatMap(Effect.forEach(credential))
      )
    )

    const deactivate: CredentialsService["deactivate"] = Effect.fn("Credentials.deactivate")(
      function* (org, credentialId) {
        const updatedAt = DateTime.formatIso(yield* DateTime.now)
        const updated = yield* sql`update org_integration_credentials set is_active = 0, updated_at = ${updatedAt}
          where org_slug = ${org} and credential_id = ${credentialId} returning credential_id`.pipe(
          Effect.mapError(unavailable("written"))
        )
        if (updated.length === 0) return yield* unknownCredential(org, credentialId)
      }
    )

    const decrypt = Effect.fnUntraced(function* (row: CredentialRow, superseded: ReadonlyArray<string>) {
      const text = yield* encryption
        .open(row.encrypted_credential, { org: row.org_slug, id: row.credential_id })
        .pipe(Effect.mapError(encryptionFailed))
      const secret = yield* decodeObject(Redacted.value(text)).pipe(Effect.mapError(() => damaged(row)))
      return {
        credential: yield* credential(row),
        superseded,
        secret: Redacted.make(secret)
      } satisfies OpenCredential
    })

    /** The usable ones, newest of each account only, oldest first; with the others of their accounts. */
    const chosen = Effect.fnUntraced(function* ({ credentialId, org, ...request }: CredentialRequest) {
      const providers = request.providers.map(Shapes.providerName)
      const now = DateTime.formatIso(yield* DateTime.now)
      const rows = yield* sql<CredentialRow>`select * from org_integration_credentials where org_slug = ${org}
        order by created_at desc, updated_at desc, deactivation_scheduled_at is not null, credential_id`.pipe(
        Effect.mapError(unavailable("read"))
      )
      const found = credentialId === undefined ? undefined : rows.find((row) => row.credential_id === credentialId)
      if (credentialId !== undefined && found === undefined) return yield* unknownCredential(org, credentialId)
      const fitting = rows.filter((row) => providers.includes(row.provider))
      const newest = newestOfEachAccount(fitting.filter((row) => unusable(row, now) === undefined))
      const wanted = found === undefined ? newest : newest.filter((row) => row === found)
      if (wanted.length === 0) {
        const problem =
          found === undefined
            ? `${org} has no active, valid credential of ${providers.join(" or ")}`
            : `the credential ${found.credential_id} of ${org} ${problemOf(found, providers, newest, now)}`
        return yield* new CredentialMissing({ message: `${problem}: ${howToAdd(org, providers)}` })
      }
      return wanted.toReversed().map((row) => ({
        row,
        superseded: fitting
          .filter((other) => other !== row && accountOf(other) === accountOf(row))
          .map((other) => other.credential_id)
      }))
    })

    const open: CredentialsService["open"] = Effect.fn("Credentials.open")(function* (request) {
      const found = yield* chosen(request)
      for (const { row, superseded } of found.filter((each) => each.superseded.length > 0)) {
        yield* Effect.logInfo(
          `the credentials ${superseded.join(", ")} of ${row.org_slug} rest: ${row.credential_id} reads the same account`
        )
      }
      return yield* Effect.forEach(found, ({ row, superseded }) => decrypt(row, superseded))
    })

    const check: CredentialsService["check"] = Effect.fn("Credentials.check")((request) =>
      Effect.asVoid(chosen(request))
    )

    const setValidation: CredentialsService["setValidation"] = Effect.fn("Credentials.setValidation")(
      function* (org, credentialId, status, lastError) {
        const now = DateTime.formatIso(yield* DateTime.now)
        const updated = yield* sql`update org_integration_credentials set validation_status = ${status},
            last_error = ${lastError ?? null}, last_validated_at = ${now}, updated_at = ${now}
          where org_slug = ${org} and credential_id = ${credentialId} returning credential_id`.pipe(
          Effect.mapError(unavailable("written"))
        )
        if (updated.length === 0) return yield* unknownCredential(org, credentialId)
      }
    )

    return { put, list, deactivate, setValidation, check, open }
  })
)

interface CredentialRow {
  readonly org_slug: OrgSlug
  readonly credential_id: string
  readonly provider: string
  readonly credential_type: string
  readonly credential_name: string
  readonly metadata: string
  readonly encrypted_credential: string
  readonly is_active: number
  readonly validation_status: Credential["validationStatus"]
  readonly expires_at: string | null
  readonly account_identity: string | null
  readonly deactivation_scheduled_at: string | null
  readonly last_error: string | null
  readonly created_at: string
}

const createTable = (sql: SqlClient.SqlClient) =>
  sql`create table if not exists org_integration_credentials (
    org_slug text not null, credential_id text not null, provider text not null, credential_type text not null,
    credential_name text not null, metadata text not null, encrypted_credential text not null,
    is_active integer not null, validation_status text not null, expires_at text, created_at text not null,
    updated_at text not null, account_identity text, deactivation_scheduled_at text, last_error text,
    last_validated_at text, primary key (org_slug, credential_id))`.pipe(
    Effect.zipRight(addMissingColumns(sql)),
    Effect.mapError(unavailable("prepared"))
  )

/** Columns that databases of earlier versions lack. */
const addMissingColumns = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const columns = yield* sql<{
    readonly name: string
  }>`select name from pragma_table_info('org_integration_credentials')`
  for (const name of ["account_identity", "deactivation_scheduled_at", "last_error", "last_validated_at"]) {
    if (columns.some((column) => column.name === name)) continue
    yield* sql`alter table org_integration_credentials add column ${sql(name)} text`
  }
})

const credential = (row: CredentialRow): Effect.Effect<Credential, CredentialsUnavailable> =>
  Effect.zip(DateTime.now, decodeObject(row.metadata)).pipe(
    Effect.mapBoth({
      onSuccess: ([now, metadata]) => ({
        credentialId: row.credential_id,
        org: row.org_slug,
        provider: row.provider,
        credentialType: row.credential_type,
        credentialName: row.credential_name,
        metadata,
        isActive: row.is_active === 1 && !isPast(row.deactivation_scheduled_at, DateTime.formatIso(now)),
        validationStatus:
          row.validation_status === "VALID" && isPast(row.expires_at, DateTime.formatIso(now))
            ? ("EXPIRED" as const)
            : row.validation_status,
        expiresAt: row.expires_at ?? undefined,
        deactivationScheduledAt: row.deactivation_scheduled_at ?? undefined,
        lastError: row.last_error ?? undefined,
        createdAt: row.created_at
      }),
      onFailure: () => damaged(row)
    })
  )

/** Rows arrive newest first. */
const newestOfEachAccount = (rows: ReadonlyArray<CredentialRow>): ReadonlyArray<CredentialRow> => {
  const seen = new Set<string>()
  return rows.filter((row) => !seen.has(accountOf(row)) && seen.add(accountOf(row)))
}

/** A row of an older version knows no account: it is one of its own until it is stored again. */
const accountOf = (row: CredentialRow): string => row.account_identity ?? row.credential_id

const problemOf = (
  row: CredentialRow,
  providers: ReadonlyArray<string>,
  newest: ReadonlyArray<CredentialRow>,
  now: string
): string => {
  if (!providers.includes(row.provider))
    return `is of ${row.provider}, but this pipeline reads ${providers.join(" or ")}`
  const successor = newest.find((other) => accountOf(other) === accountOf(row))
  return (
    unusable(row, now) ?? `rests: ${successor?.credential_id} is newer and reads the same account, so name that one`
  )
}

const unusable = (row: CredentialRow, now: string): string | undefined => {
  if (row.is_active !== 1) return "is not active"
  if (row.validation_status !== "VALID") return `is ${row.validation_status}`
  if (isPast(row.deactivation_scheduled_at, now)) {
    return `was superseded and ended at ${row.deactivation_scheduled_at}`
  }
  return isPast(row.expires_at, now) ? `expired at ${row.expires_at}` : undefined
}

const isPast = (time: string | null, now: string): boolean => time !== null && time <= now

const checkId = (credentialId: string) =>
  /^[A-Za-z0-9_-]{1,64}$/.test(credentialId) && credentialId !== RESERVED_ID
    ? Effect.succeed(credentialId)
    : Effect.fail(
        new CredentialInvalid({
          message: `${JSON.stringify(credentialId)} is no credential id: give 1 to 64 letters, digits, _ and -, not "${RESERVED_ID}"`
        })
      )

const checkExpiry = (expiresAt: string | undefined) => {
  if (expiresAt === undefined) return Effect.succeed(undefined)
  const millis = /^\d{4}-\d{2}-\d{2}/.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN
  return Number.isNaN(millis)
    ? Effect.fail(
        new CredentialInvalid({
          message: `${JSON.stringify(expiresAt)} is no time: give ISO 8601 as in 2027-01-31T12:00:00Z`
        })
      )
    : Effect.succeed(new Date(millis).toISOString())
}

const howToAdd = (org: OrgSlug, providers: ReadonlyArray<string>) =>
  `see pipeline-service admin credential list ${org}, or add one with pipeline-service admin credential add ${org} ${providers[0]}`

const unknownCredential = (org: OrgSlug, credentialId: string) =>
  new CredentialMissing({
    message: `${org} has no credential ${JSON.stringify(credentialId)}: see pipeline-service admin credential list ${org}`
  })

const damaged = (row: CredentialRow) =>
  new CredentialsUnavailable({
    message: `the stored credential ${row.credential_id} of ${row.org_slug} is damaged: store it again (admin credential add)`
  })

const unavailable = (done: string) => (error: SqlError) =>
  new CredentialsUnavailable({
    message: `the store of credentials could not be ${done}: ${error.cause instanceof Error ? error.cause.message : error.message}`
  })

const encryptionFailed = (error: EncryptionFailed) => new CredentialsUnavailable({ message: error.message })

const decodeObject = Schema.decode(Schema.parseJson(JsonObject))
