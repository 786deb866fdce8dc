/**
 * The secrets by which an organisation's providers are read. Stored encrypted, decrypted only for the processor that uses them.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"

/** Whether a credential may be used: only VALID ones are. */
export const ValidationStatus = Schema.Literal("VALID", "INVALID", "PENDING", "EXPIRED", "NOT_CONFIGURED")
export type ValidationStatus = typeof ValidationStatus.Type

/** A stored credential without its secret. */
export interface Credential {
  readonly credentialId: string
  readonly org: OrgSlug
  /** Upper case: AWS_IAM, AWS_KEYS, AWS_FILES (a folder of exports, no secret), OPENAI ... */
  readonly provider: string
  readonly credentialType: string
  readonly credentialName: string
  /** What is not secret: cur_bucket, cur_prefix, region ... */
  readonly metadata: JsonObject
  readonly isActive: boolean
  /** EXPIRED also when a valid one's time is over. */
  readonly validationStatus: ValidationStatus
  readonly expiresAt: string | undefined
  /** A newer credential reads the same account: this one rests, and ends then. */
  readonly deactivationScheduledAt: string | undefined
  /** Why it is not VALID, in the words of whoever said so. */
  readonly lastError: string | undefined
  readonly createdAt: string
}

/** No usable credential: the message names org, provider, and what to configure. */
export class CredentialMissing extends Schema.TaggedError<CredentialMissing>()("CredentialMissing", {
  message: Schema.String
}) {}

/** A credential that cannot be stored as it is: the message names the field and never its value. */
export class CredentialInvalid extends Schema.TaggedError<CredentialInvalid>()("CredentialInvalid", {
  message: Schema.String
}) {}

/** The store or the key that unwraps it failed; the message never holds a secret. */
export class CredentialsUnavailable extends Schema.TaggedError<CredentialsUnavailable>()("CredentialsUnavailable", {
  message: Schema.String
}) {}

/** A credential with its secret, a JSON object (a bare key text becomes `{api_key}`). */
export interface OpenCredential {
  readonly credential: Credential
  /** Other credentials of the same account, active or not: what they loaded is replaced by what this one loads. */
  readonly superseded: ReadonlyArray<string>
  readonly secret: Redacted.Redacted<JsonObject>
}

/** Credentials to run with: the one named, else every usable one of the providers. */
export interface CredentialRequest {
  readonly org: OrgSlug
  readonly providers: readonly [string, ...ReadonlyArray<string>]
  readonly credentialId?: string
}

export interface CredentialsService {
  /**
   * Encrypts and stores a credential as active and VALID; several per provider are welcome. The id is made when absent; a known id of the
   * same organisation and provider replaces what was stored under it. Others of the same account are superseded: they rest, and are
   * deactivated after 24 hours. The secret is a JSON object, or the bare key of an API_KEY.
   */
  readonly put: (credential: {
    readonly org: OrgSlug
    readonly credentialId?: string
    readonly provider: string
    /** That of the provider when absent. */
    readonly credentialType?: string
    readonly credentialName: string
    readonly metadata: JsonObject
    readonly secret: Redacted.Redacted
    readonly expiresAt?: string
  }) => Effect.Effect<Credential, CredentialInvalid | CredentialsUnavailable>
  readonly list: (org: OrgSlug) => Effect.Effect<ReadonlyArray<Credential>, CredentialsUnavailable>
  readonly deactivate: (
    org: OrgSlug,
    credentialId: string
  ) => Effect.Effect<void, CredentialMissing | CredentialsUnavailable>
  /** Says whether a credential is good, as somebody found out; `lastError` says why not. */
  readonly setValidation: (
    org: OrgSlug,
    credentialId: string,
    status: ValidationStatus,
    lastError?: string
  ) => Effect.Effect<void, CredentialMissing | CredentialsUnavailable>
  /** Fails as {@link CredentialsService.open} would, without opening anything. */
  readonly check: (request: CredentialRequest) => Effect.Effect<void, CredentialMissing | CredentialsUnavailable>
  /**
   * The credentials to run with: the one named (same org, one of the providers, active, VALID, not expired), else every such one; never none.
   * Of several that read the same account (a rotated secret) only the newest usable one runs.
   */
  readonly open: (
    request: CredentialRequest
  ) => Effect.Effect<ReadonlyArray<OpenCredential>, CredentialMissing | CredentialsUnavailable>
}

/** The service of credentials. */
export class Credentials extends Context.Tag("pipeline-service/Credentials")<Credentials, CredentialsService>() {}
