/**
 * Credentials in BigQuery, in the table that the service shares with the API service (service contract, sections 7.2 and 9). Secrets are
 * ciphertext of KMS itself, as the API service writes it, or envelopes; bytes or base64. With a remote validator the API service keeps them,
 * and changes are refused.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Encryption, storedBytes, storedText } from "../platform/Encryption.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"
import { keepsOrganizations, Settings } from "../platform/Settings.ts"
import * as Shared from "../platform/Shared.ts"
import * as Snapshot from "../platform/Snapshot.ts"
import { CentralDataset, type Change } from "../warehouse/CentralDataset.ts"
import type { WarehouseError } from "../warehouse/Warehouse.ts"
import {
  CredentialInvalid,
  CredentialMissing,
  Credentials,
  CredentialsUnavailable,
  ValidationStatus
} from "./Credentials.ts"
import { type CredentialStore, damaged, make, openSecret, type StoredCredential } from "./CredentialStore.ts"
import * as Shapes from "./shapes.ts"

/** So long a change that somebody else made is not seen. */
const SNAPSHOT_SECONDS = 30
const SNAPSHOT_ORGANISATIONS = 1_000
const MAX_CREDENTIALS = 1_000
/** Which account a secret belongs to never changes, and is kept without the secret. */
const ACCOUNT_MINUTES = 60
const ACCOUNTS = 10_000

const table = "org_integration_credentials"

const Row = Schema.Struct({
  org_slug: OrgSlug,
  credential_id: Schema.String,
  provider: Schema.String,
  credential_type: Schema.String,
  credential_name: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(JsonObject),
  encrypted_credential: Schema.String,
  is_active: Schema.Boolean,
  validation_status: ValidationStatus,
  expires_at: Schema.NullOr(Schema.String),
  deactivation_scheduled_at: Schema.NullOr(Schema.String),
  last_error: Schema.NullOr(Schema.String),
  created_at: Schema.String,
  updated_at: Schema.NullOr(Schema.String)
})

/** All that the account of a credential follows from. */
class Origin extends Data.Class<
  Pick<StoredCredential, "org" | "credentialId" | "provider" | "sealed" | "credentialName"> & {
    /** JSON. */
    readonly metadata: string
  }
> {}

const makeService = Effect.gen(function* () {
  const central = yield* CentralDataset
  const encryption = yield* Encryption
  const mayChange = keepsOrganizations(yield* Settings)

  const snapshots = yield* Snapshot.make({ seconds: SNAPSHOT_SECONDS, keys: SNAPSHOT_ORGANISATIONS }, (org) =>
    central
      .query(
        `read the credentials of ${org}`,
        `SELECT * FROM ${table} WHERE org_slug = @org ORDER BY created_at, credential_id LIMIT ${MAX_CREDENTIALS + 1}`,
        { org: { type: "STRING", value: org } }
      )
      .pipe(
        Effect.mapError(unavailable),
        Effect.filterOrFail(
          (rows) => rows.length <= MAX_CREDENTIALS,
          () => new CredentialsUnavailable({ message: `${org} has more than ${MAX_CREDENTIALS} credentials` })
        ),
        Effect.flatMap(Effect.forEach(stored))
      )
  )

  const change = (org: OrgSlug, what: string, changes: ReadonlyArray<Change>) =>
    Effect.zipRight(Effect.mapError(central.change(what, changes), unavailable), snapshots.forget(org))

  const accountFrom = yield* Shared.byKey(
    { capacity: ACCOUNTS, timeToLive: `${ACCOUNT_MINUTES} minutes` },
    (origin: Origin) =>
      Effect.all({
        secret: openSecret(encryption, origin),
        metadata: Effect.mapError(decodeObject(origin.metadata), () => damaged(origin.org, origin.credentialId))
      }).pipe(Effect.map((opened) => Shapes.accountOf({ ...origin, ...opened })))
  )
  const accountOf: CredentialStore["accountOf"] = ({ credentialId, credentialName, isActive, metadata, ...row }) => {
    const { org, provider, sealed } = row
    const account = accountFrom(
      new Origin({ org, credentialId, provider, sealed, credentialName, metadata: JSON.stringify(metadata) })
    )
    // One that is not used any more, and cannot be opened any more, holds nobody up.
    return isActive
      ? account
      : Effect.catchAll(account, (error) => Effect.as(Effect.logWarning(error.message), credentialId))
  }

  const save: CredentialStore["save"] = Effect.fnUntraced(function* (given) {
    if (!mayChange) return yield* new CredentialInvalid({ message: notOurs })
    const { credentialId, org } = given
    yield* snapshots.forget(org)
    const rows = yield* snapshots.get(org)
    const before = rows.find((row) => row.credentialId === credentialId)
    if (before !== undefined && before.provider !== given.provider) return undefined
    const saved: StoredCredential = { ...given, createdAt: before?.createdAt ?? given.createdAt }
    const others = yield* Effect.filter(
      rows.filter(
        (row) =>
          row.provider === given.provider &&
          row.credentialId !== credentialId &&
          row.isActive &&
          row.deactivationScheduledAt === undefined &&
          row.createdAt <= saved.createdAt
      ),
      (row) => Effect.map(accountOf(row), (account) => account === given.account)
    )
    const where = (id: string) => ({ org_slug: org, credential_id: id })
    yield* change(org, `store the credential ${credentialId} of ${org}`, [
      { kind: "delete", table, where: where(credentialId) },
      { kind: "insert", table, rows: [columnsOf(saved)] },
      ...others.map((row): Change => ({
        kind: "update",
        table,
        set: { deactivation_scheduled_at: given.othersEnd },
        where: where(row.credentialId)
      }))
    ])
    return saved
  })

  const store: CredentialStore = {
    rows: snapshots.get,
    save,
    accountOf,
    change: Effect.fnUntraced(function* (org, credentialId, set) {
      if (!mayChange) return yield* new CredentialMissing({ message: notOurs })
      const rows = yield* snapshots.younger(org, 0)
      if (!rows.some((row) => row.credentialId === credentialId)) return false
      yield* change(org, `change the credential ${credentialId} of ${org}`, [
        {
          kind: "update",
          table,
          set:
            "isActive" in set
              ? { is_active: false, updated_at: set.updatedAt }
              : {
                  validation_status: set.validationStatus,
                  last_error: set.lastError ?? null,
                  last_validated_at: set.validatedAt,
                  updated_at: set.validatedAt
                },
          where: { org_slug: org, credential_id: credentialId }
        }
      ])
      return true
    })
  }
  return make(store, encryption)
})

const decodeRow = Schema.decodeUnknown(Row)
const decodeObject = Schema.decode(Schema.parseJson(JsonObject))

const stored = (row: JsonObject): Effect.Effect<StoredCredential, CredentialsUnavailable> =>
  decodeRow(row).pipe(
    Effect.mapBoth({
      onFailure: () =>
        new CredentialsUnavailable({
          message: `the credential ${String(row["credential_id"])} of ${String(row["org_slug"])} in organizations.${table} cannot be read: look at its row`
        }),
      onSuccess: (found): StoredCredential => ({
        org: found.org_slug,
        credentialId: found.credential_id,
        provider: Shapes.providerName(found.provider),
        credentialType: found.credential_type,
        credentialName: found.credential_name ?? found.credential_id,
        metadata: found.metadata ?? {},
        isActive: found.is_active,
        validationStatus: found.validation_status,
        expiresAt: found.expires_at ?? undefined,
        deactivationScheduledAt: found.deactivation_scheduled_at ?? undefined,
        lastError: found.last_error ?? undefined,
        createdAt: found.created_at,
        updatedAt: found.updated_at ?? found.created_at,
        sealed: storedText(found.encrypted_credential),
        account: undefined
      })
    })
  )

const columnsOf = (row: StoredCredential): JsonObject => ({
  org_slug: row.org,
  credential_id: row.credentialId,
  provider: row.provider,
  credential_type: row.credentialType,
  credential_name: row.credentialName,
  metadata: row.metadata,
  encrypted_credential: storedBytes(row.sealed),
  is_active: row.isActive,
  validation_status: row.validationStatus,
  created_at: row.createdAt,
  updated_at: row.updatedAt,
  ...(row.expiresAt === undefined ? {} : { expires_at: row.expiresAt })
})

const notOurs =
  "the API service keeps credentials (WAREHOUSE=bigquery with VALIDATOR=remote): change them there; here the change is seen within half a minute"

const unavailable = (error: WarehouseError) => new CredentialsUnavailable({ message: error.message })

/** The layer over the central dataset. */
export const layer: Layer.Layer<Credentials, never, CentralDataset | Encryption | Settings> = Layer.effect(
  Credentials,
  makeService
)
