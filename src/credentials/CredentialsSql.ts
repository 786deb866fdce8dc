/**
 * Credentials in the service database, each secret in its own envelope.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Encryption } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"
import { type Credential, Credentials, CredentialsUnavailable } from "./Credentials.ts"
import { type CredentialStore, damaged, make, type StoredCredential } from "./CredentialStore.ts"

/** The layer over the service database; creates its table. */
export const layer: Layer.Layer<Credentials, CredentialsUnavailable, SqlClient.SqlClient | Encryption> = Layer.effect(
  Credentials,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const encryption = yield* Encryption
    yield* createTable(sql)

    const save: CredentialStore["save"] = (given) => {
      const store = sql<CredentialRow>`insert into org_integration_credentials ${sql.insert({
        org_slug: given.org,
        credential_id: given.credentialId,
        provider: given.provider,
        credential_type: given.credentialType,
        credential_name: given.credentialName,
        metadata: JSON.stringify(given.metadata),
        encrypted_credential: given.sealed,
        is_active: 1,
        validation_status: given.validationStatus,
        expires_at: given.expiresAt ?? null,
        account_identity: given.account,
        created_at: given.createdAt,
        updated_at: given.updatedAt
      })} on conflict (org_slug, credential_id) do update set credential_type = excluded.credential_type,
          credential_name = excluded.credential_name, metadata = excluded.metadata,
          encrypted_credential = excluded.encrypted_credential, is_active = 1, validation_status = 'VALID',
          expires_at = excluded.expires_at, account_identity = excluded.account_identity,
          deactivation_scheduled_at = null, last_error = null, updated_at = excluded.updated_at
        where org_integration_credentials.provider = excluded.provider returning *`
      /** The older ones of the account have a day left, in which a mistake can be undone. */
      const retireOthers = (row: CredentialRow) => sql`update org_integration_credentials
        set deactivation_scheduled_at = ${given.othersEnd}
        where org_slug = ${row.org_slug} and account_identity = ${row.account_identity} and is_active = 1
          and credential_id <> ${row.credential_id} and created_at <= ${row.created_at}
          and deactivation_scheduled_at is null`
      return Effect.tap(store, ([row]) => (row === undefined ? Effect.void : retireOthers(row))).pipe(
        sql.withTransaction,
        Effect.mapError(unavailable("written")),
        Effect.flatMap(([row]) => (row === undefined ? Effect.succeed(undefined) : stored(row)))
      )
    }

    const store: CredentialStore = {
      rows: (org) =>
        sql<CredentialRow>`select * from org_integration_credentials where org_slug = ${org}`.pipe(
          Effect.mapError(unavailable("read")),
          Effect.flatMap(Effect.forEach(stored))
        ),
      save,
      change: (org, credentialId, set) =>
        ("isActive" in set
          ? sql`update org_integration_credentials set is_active = 0, updated_at = ${set.updatedAt}
              where org_slug = ${org} and credential_id = ${credentialId} returning credential_id`
          : sql`update org_integration_credentials set validation_status = ${set.validationStatus},
              last_error = ${set.lastError ?? null}, last_validated_at = ${set.validatedAt}, updated_at = ${set.validatedAt}
              where org_slug = ${org} and credential_id = ${credentialId} returning credential_id`
        ).pipe(Effect.mapBoth({ onFailure: unavailable("written"), onSuccess: (updated) => updated.length > 0 })),
      // A row of an older version knows no account: it is one of its own until it is stored again.
      accountOf: ({ account, credentialId }) => Effect.succeed(account ?? credentialId)
    }
    return make(store, encryption)
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
  readonly updated_at: string
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

const stored = (row: CredentialRow): Effect.Effect<StoredCredential, CredentialsUnavailable> =>
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
        deactivationScheduledAt: row.deactivation_scheduled_at ?? undefined,
        lastError: row.last_error ?? undefined,
        createdAt: row.created_at,
        updatedAt: row.updated_at,
        sealed: row.encrypted_credential,
        account: row.account_identity ?? undefined
      }),
      onFailure: () => damaged(row.org_slug, row.credential_id)
    })
  )

const unavailable = (done: string) => (error: SqlError) =>
  new CredentialsUnavailable({
    message: `the store of credentials could not be ${done}: ${error.cause instanceof Error ? error.cause.message : error.message}`
  })

const decodeObject = Schema.decode(Schema.parseJson(JsonObject))
