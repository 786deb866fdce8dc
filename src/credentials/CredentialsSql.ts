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
  Credentials,
  type CredentialsService,
  CredentialsUnavailable,
  type OpenCredential
} from "./Credentials.ts"
import * as Shapes from "./shapes.ts"

const ID_RANDOM_BYTES = 4
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
      const [stored] = yield* sql<CredentialRow>`insert into org_integration_credentials ${sql.insert({
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
        created_at: createdAt,
        updated_at: createdAt
      })} on conflict (org_slug, credential_id) do update set credential_type = excluded.credential_type,
          credential_name = excluded.credential_name, metadata = excluded.metadata,
          encrypted_credential = excluded.encrypted_credential, is_active = 1, validation_status = 'VALID',
          expires_at = excluded.expires_at, updated_at = excluded.updated_at
        where org_integration_credentials.provider = excluded.provider returning *`.pipe(
        Effect.mapError(unavailable("written"))
      )
      if (stored === undefined) {
        return yield* new CredentialInvalid({
          message: `${request.org} has a credential ${credentialId} of another provider: choose another id`
        })
      }
      return yield* credential(stored)
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

    const decrypt = Effect.fnUntraced(function* (row: CredentialRow) {
      const text = yield* encryption
        .open(row.encrypted_credential, { org: row.org_slug, id: row.credential_id })
        .pipe(Effect.mapError(encryptionFailed))
      const secret = yield* decodeObject(Redacted.value(text)).pipe(Effect.mapError(() => damaged(row)))
      return { credential: yield* credential(row), secret: Redacted.make(secret) } satisfies OpenCredential
    })

    const openNamed = Effect.fnUntraced(function* (
      org: OrgSlug,
      providers: ReadonlyArray<string>,
      credentialId: string
    ) {
      const [row] = yield* sql<CredentialRow>`select * from org_integration_credentials
        where org_slug = ${org} and credential_id = ${credentialId}`.pipe(Effect.mapError(unavailable("read")))
      if (row === undefined) return yield* unknownCredential(org, credentialId)
      const problem = providers.includes(row.provider)
        ? unusable(row, DateTime.formatIso(yield* DateTime.now))
        : `is of ${row.provider}, but this pipeline reads ${providers.join(" or ")}`
      if (problem !== undefined) {
        return yield* new CredentialMissing({
          message: `the credential ${credentialId} of ${org} ${problem}: ${howToAdd(org, providers)}`
        })
      }
      return [yield* decrypt(row)]
    })

    const openAll = Effect.fnUntraced(function* (org: OrgSlug, providers: ReadonlyArray<string>) {
      const now = DateTime.formatIso(yield* DateTime.now)
      const rows = yield* sql<CredentialRow>`select * from org_integration_credentials
        where org_slug = ${org} and ${sql.in("provider", providers)}
        order by created_at desc, updated_at desc, credential_id`.pipe(Effect.mapError(unavailable("read")))
      const opened = yield* Effect.forEach(
        rows.filter((row) => unusable(row, now) === undefined),
        decrypt
      )
      if (opened.length === 0) {
        return yield* new CredentialMissing({
          message: `${org} has no active, valid credential of ${providers.join(" or ")}: ${howToAdd(org, providers)}`
        })
      }
      return yield* newestOfEachAccount(opened)
    })

    const open: CredentialsService["open"] = Effect.fn("Credentials.open")((request) => {
      const providers = request.providers.map(Shapes.providerName)
      return request.credentialId === undefined
        ? openAll(request.org, providers)
        : openNamed(request.org, providers, request.credentialId)
    })

    return { put, list, deactivate, open }
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
  readonly created_at: string
}

const createTable = (sql: SqlClient.SqlClient) =>
  sql`create table if not exists org_integration_credentials (
    org_slug text not null, credential_id text not null, provider text not null, credential_type text not null,
    credential_name text not null, metadata text not null, encrypted_credential text not null,
    is_active integer not null, validation_status text not null, expires_at text, created_at text not null,
    updated_at text not null, primary key (org_slug, credential_id))`.pipe(Effect.mapError(unavailable("prepared")))

const credential = (row: CredentialRow): Effect.Effect<Credential, CredentialsUnavailable> =>
  decodeObject(row.metadata).pipe(
    Effect.mapBoth({
      onSuccess: (metadata) => ({
        credentialId: row.credential_id,
        org: row.org_slug,
        provider: row.provider,
        credentialType: row.credential_type,
        credentialName: row.credential_name,
        metadata,
        isActive: row.is_active === 1,
        validationStatus: row.validation_status,
        expiresAt: row.expires_at ?? undefined,
        createdAt: row.created_at
      }),
      onFailure: () => damaged(row)
    })
  )

/** Rows arrive newest first. */
const newestOfEachAccount = Effect.fnUntraced(function* (opened: ReadonlyArray<OpenCredential>) {
  const newest = new Map<string, OpenCredential>()
  for (const candidate of opened) {
    const account = Shapes.accountOf(candidate)
    const chosen = newest.get(account)
    if (chosen === undefined) newest.set(account, candidate)
    else {
      const { credentialId, org } = candidate.credential
      yield* Effect.logInfo(
        `the credential ${credentialId} of ${org} rests: ${chosen.credential.credentialId} is newer and reads the same account`
      )
    }
  }
  return [...newest.values()].toReversed()
})

const unusable = (row: CredentialRow, now: string): string | undefined => {
  if (row.is_active !== 1) return "is not active"
  if (row.validation_status !== "VALID") return `is ${row.validation_status}`
  return row.expires_at !== null && row.expires_at <= now ? `expired at ${row.expires_at}` : undefined
}

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
