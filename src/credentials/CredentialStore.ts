/**
 * Which credentials a run uses, and how they are opened, whatever keeps them.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import type { EncryptionFailed, EncryptionService } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import {
  type Credential,
  CredentialInvalid,
  CredentialMissing,
  type CredentialRequest,
  type CredentialsService,
  CredentialsUnavailable,
  type OpenCredential,
  type ValidationStatus
} from "./Credentials.ts"
import * as Shapes from "./shapes.ts"

const ID_RANDOM_BYTES = 4
const HOURS_UNTIL_DEACTIVATION = 24
/** The value of x_credential_id where a pipeline needs no credential. */
const RESERVED_ID = "default"

/** A credential as it is kept: `isActive` and `validationStatus` are not yet those of this moment. */
export interface StoredCredential extends Credential {
  /** The secret, for `Encryption.open`. */
  readonly sealed: string
  /** Equal for credentials that read the same account; undefined where it is not stored. */
  readonly account: string | undefined
  readonly updatedAt: string
}

/** What keeps credentials. */
export interface CredentialStore {
  readonly rows: (org: OrgSlug) => Effect.Effect<ReadonlyArray<StoredCredential>, CredentialsUnavailable>
  /**
   * Stores a credential in place of one of the same id and provider, and lets the older active ones of its account end at `othersEnd`;
   * undefined when the id is another provider's.
   */
  readonly save: (
    credential: StoredCredential & { readonly account: string; readonly othersEnd: string }
  ) => Effect.Effect<StoredCredential | undefined, CredentialsUnavailable | CredentialInvalid>
  /** False when there is no such credential. */
  readonly change: (
    org: OrgSlug,
    credentialId: string,
    set:
      | { readonly isActive: false; readonly updatedAt: string }
      | {
          readonly validationStatus: ValidationStatus
          readonly lastError: string | undefined
          readonly validatedAt: string
        }
  ) => Effect.Effect<boolean, CredentialsUnavailable | CredentialMissing>
  /** Equal for credentials that read the same account. */
  readonly accountOf: (credential: StoredCredential) => Effect.Effect<string, CredentialsUnavailable>
}

/** The service on a store. */
export const make = (store: CredentialStore, encryption: EncryptionService): CredentialsService => {
  const put: CredentialsService["put"] = Effect.fn("Credentials.put")(function* (request) {
    const provider = Shapes.providerName(request.provider)
    const { credentialType, secret } = yield* Shapes.check(request)
    const credentialId = yield* checkId(
      request.credentialId ?? `${provider.toLowerCase()}_${randomBytes(ID_RANDOM_BYTES).toString("hex")}`
    )
    const expiresAt = yield* checkExpiry(request.expiresAt)
    const now = yield* DateTime.now
    const createdAt = DateTime.formatIso(now)
    const sealed = yield* encryption
      .seal(Redacted.make(JSON.stringify(Redacted.value(secret))), { org: request.org, id: credentialId })
      .pipe(Effect.mapError(encryptionFailed))
    const stored = yield* store.save({
      credentialId,
      org: request.org,
      provider,
      credentialType,
      credentialName: request.credentialName,
      metadata: request.metadata,
      isActive: true,
      validationStatus: "VALID",
      expiresAt,
      deactivationScheduledAt: undefined,
      lastError: undefined,
      createdAt,
      updatedAt: createdAt,
      sealed,
      account: Shapes.accountOf({ ...request, provider, secret }),
      othersEnd: DateTime.formatIso(DateTime.add(now, { hours: HOURS_UNTIL_DEACTIVATION }))
    })
    if (stored === undefined) {
      return yield* new CredentialInvalid({
        message: `${request.org} has a credential ${credentialId} of another provider: choose another id`
      })
    }
    return view(stored, createdAt)
  })

  const list: CredentialsService["list"] = Effect.fn("Credentials.list")(function* (org) {
    const now = yield* nowText
    return (yield* store.rows(org)).toSorted(oldestFirst).map((row) => view(row, now))
  })

  const change = (...args: Parameters<CredentialStore["change"]>) =>
    Effect.flatMap(store.change(...args), (found) => (found ? Effect.void : unknownCredential(args[0], args[1])))

  const deactivate: CredentialsService["deactivate"] = Effect.fn("Credentials.deactivate")(function* (org, id) {
    yield* change(org, id, { isActive: false, updatedAt: yield* nowText })
  })

  const setValidation: CredentialsService["setValidation"] = Effect.fn("Credentials.setValidation")(
    function* (org, id, validationStatus, lastError) {
      yield* change(org, id, { validationStatus, lastError, validatedAt: yield* nowText })
    }
  )

  const decrypt = Effect.fnUntraced(function* (row: StoredCredential, superseded: ReadonlyArray<string>) {
    return {
      credential: view(row, yield* nowText),
      superseded,
      secret: yield* openSecret(encryption, row)
    } satisfies OpenCredential
  })

  /** The usable ones, newest of each account only, oldest first; with the others of their accounts. */
  const chosen = Effect.fnUntraced(function* ({ credentialId, org, ...request }: CredentialRequest) {
    const providers = request.providers.map(Shapes.providerName)
    const now = yield* nowText
    const rows = (yield* store.rows(org)).toSorted(newestFirst)
    const found = credentialId === undefined ? undefined : rows.find((row) => row.credentialId === credentialId)
    if (credentialId !== undefined && found === undefined) return yield* unknownCredential(org, credentialId)
    const fitting = yield* Effect.forEach(
      rows.filter((row) => providers.includes(row.provider)),
      (row) => Effect.map(store.accountOf(row), (account): Fitting => ({ row, account }))
    )
    const newest = newestOfEachAccount(fitting.filter(({ row }) => unusable(row, now) === undefined))
    const wanted = found === undefined ? newest : newest.filter(({ row }) => row === found)
    if (wanted.length === 0) {
      const problem =
        found === undefined
          ? `${org} has no active, valid credential of ${providers.join(" or ")}`
          : `the credential ${found.credentialId} of ${org} ${problemOf(found, providers, fitting, newest, now)}`
      return yield* new CredentialMissing({ message: `${problem}: ${howToAdd(org, providers)}` })
    }
    return wanted.toReversed().map(({ account, row }) => ({
      row,
      superseded: fitting
        .filter((other) => other.row !== row && other.account === account)
        .map((other) => other.row.credentialId)
    }))
  })

  const open: CredentialsService["open"] = Effect.fn("Credentials.open")(function* (request) {
    const found = yield* chosen(request)
    for (const { row, superseded } of found.filter((each) => each.superseded.length > 0)) {
      yield* Effect.logInfo(
        `the credentials ${superseded.join(", ")} of ${row.org} rest: ${row.credentialId} reads the same account`
      )
    }
    return yield* Effect.forEach(found, ({ row, superseded }) => decrypt(row, superseded))
  })

  const check: CredentialsService["check"] = Effect.fn("Credentials.check")((request) => Effect.asVoid(chosen(request)))

  return { put, list, deactivate, setValidation, check, open }
}

/** The secret of a stored credential, as an object. */
export const openSecret = Effect.fnUntraced(function* (
  encryption: EncryptionService,
  row: Pick<StoredCredential, "org" | "credentialId" | "provider" | "sealed">
) {
  const text = yield* encryption
    .open(row.sealed, { org: row.org, id: row.credentialId })
    .pipe(Effect.mapError(encryptionFailed))
  return Redacted.make(
    yield* Effect.mapError(Shapes.read(row.provider, Redacted.value(text)), () => damaged(row.org, row.credentialId))
  )
})

interface Fitting {
  readonly row: StoredCredential
  readonly account: string
}

const nowText = Effect.map(DateTime.now, DateTime.formatIso)

/** What is shown of a stored credential at a moment. */
const view = (
  { account: _account, sealed: _sealed, updatedAt: _updatedAt, ...row }: StoredCredential,
  now: string
): Credential => ({
  ...row,
  isActive: row.isActive && !isPast(row.deactivationScheduledAt, now),
  validationStatus: row.validationStatus === "VALID" && isPast(row.expiresAt, now) ? "EXPIRED" : row.validationStatus
})

const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0)

const oldestFirst = (a: StoredCredential, b: StoredCredential): number =>
  compare(a.createdAt, b.createdAt) || compare(a.credentialId, b.credentialId)

const newestFirst = (a: StoredCredential, b: StoredCredential): number =>
  compare(b.createdAt, a.createdAt) ||
  compare(b.updatedAt, a.updatedAt) ||
  Number(a.deactivationScheduledAt !== undefined) - Number(b.deactivationScheduledAt !== undefined) ||
  compare(a.credentialId, b.credentialId)

/** Rows arrive newest first. */
const newestOfEachAccount = (rows: ReadonlyArray<Fitting>): ReadonlyArray<Fitting> => {
  const seen = new Set<string>()
  return rows.filter(({ account }) => !seen.has(account) && seen.add(account))
}

const problemOf = (
  row: StoredCredential,
  providers: ReadonlyArray<string>,
  fitting: ReadonlyArray<Fitting>,
  newest: ReadonlyArray<Fitting>,
  now: string
): string => {
  if (!providers.includes(row.provider))
    return `is of ${row.provider}, but this pipeline reads ${providers.join(" or ")}`
  const account = fitting.find((other) => other.row === row)?.account
  const successor = newest.find((other) => other.account === account)?.row
  return unusable(row, now) ?? `rests: ${successor?.credentialId} is newer and reads the same account, so name that one`
}

const unusable = (row: StoredCredential, now: string): string | undefined => {
  if (!row.isActive) return "is not active"
  if (row.validationStatus !== "VALID") return `is ${row.validationStatus}`
  if (isPast(row.deactivationScheduledAt, now)) return `was superseded and ended at ${row.deactivationScheduledAt}`
  return isPast(row.expiresAt, now) ? `expired at ${row.expiresAt}` : undefined
}

const isPast = (time: string | undefined, now: string): boolean => time !== undefined && time <= now

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

/** What is stored cannot be understood. */
export const damaged = (org: OrgSlug, credentialId: string) =>
  new CredentialsUnavailable({
    message: `the stored credential ${credentialId} of ${org} is damaged: store it again (admin credential add)`
  })

const encryptionFailed = (error: EncryptionFailed) => new CredentialsUnavailable({ message: error.message })
