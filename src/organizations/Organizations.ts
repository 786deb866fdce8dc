/**
 * Who may call the service: organisations and their API keys.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"

/** The plans an organisation can have. */
export const Plan = Schema.Literal("STARTER", "PROFESSIONAL", "SCALE", "ENTERPRISE")
export type Plan = typeof Plan.Type

/** The states of a subscription; runs are allowed in ACTIVE and TRIAL. */
export const SubscriptionStatus = Schema.Literal("ACTIVE", "TRIAL", "SUSPENDED", "CANCELLED", "EXPIRED")
export type SubscriptionStatus = typeof SubscriptionStatus.Type

/** What an organisation may run: successful runs per UTC day and month, and runs at a time. */
export interface Subscription {
  readonly org: OrgSlug
  readonly plan: Plan
  readonly status: SubscriptionStatus
  readonly dailyLimit: number
  readonly monthlyLimit: number
  readonly concurrentLimit: number
}

/** The limits of each plan (service contract, section 3). */
export const planLimits: Record<Plan, Pick<Subscription, "dailyLimit" | "monthlyLimit" | "concurrentLimit">> = {
  STARTER: { dailyLimit: 6, monthlyLimit: 180, concurrentLimit: 1 },
  PROFESSIONAL: { dailyLimit: 25, monthlyLimit: 750, concurrentLimit: 2 },
  SCALE: { dailyLimit: 100, monthlyLimit: 3000, concurrentLimit: 5 },
  ENTERPRISE: { dailyLimit: 999_999, monthlyLimit: 999_999, concurrentLimit: 999_999 }
}

/** A known organisation. */
export interface Organization {
  readonly org: OrgSlug
  readonly companyName: string
  readonly adminEmail: string
  readonly status: "ACTIVE" | "SUSPENDED"
  readonly plan: Plan
  /** ISO 4217. */
  readonly defaultCurrency: string
  /** Told by the API service only. */
  readonly defaultTimezone?: string | undefined
  readonly defaultCountry?: string | undefined
  readonly createdAt: string
}

/** An API key without its secret. */
export interface ApiKey {
  readonly keyId: string
  readonly org: OrgSlug
  readonly scopes: ReadonlyArray<string>
  readonly isActive: boolean
  readonly expiresAt: string | undefined
  readonly createdAt: string
}

/** What a request may do: the caller's org and scopes. */
export interface Caller {
  readonly org: OrgSlug
  readonly keyId: string
  /** `pipelines:execute`, `pipelines:read`, `pipelines:write`; `a:*` covers `a:b`, `*` covers all. */
  readonly scopes: ReadonlyArray<string>
}

/** The key is unknown, inactive, expired, or its organisation is not active. The message never says which. */
export class InvalidApiKey extends Schema.TaggedError<InvalidApiKey>()("InvalidApiKey", {}) {
  override get message() {
    return "the API key is not valid: check it, or ask an administrator for a new one (admin key create)"
  }
}

/** A wrong or repeated name in an `admin` command; the message says which and what to do. */
export class OrganizationError extends Schema.TaggedError<OrganizationError>()("OrganizationError", {
  message: Schema.String
}) {}

/** The store of organisations could not be read or written. */
export class OrganizationsUnavailable extends Schema.TaggedError<OrganizationsUnavailable>()(
  "OrganizationsUnavailable",
  { message: Schema.String }
) {}

export interface OrganizationsService {
  /** Finds the caller of a key. Found by their SHA-256 hashes, which are compared in constant time. */
  readonly authenticate: (key: Redacted.Redacted) => Effect.Effect<Caller, InvalidApiKey | OrganizationsUnavailable>
  /** Stores an organisation with an ACTIVE subscription: STARTER and USD unless told. */
  readonly create: (org: {
    readonly org: OrgSlug
    readonly companyName: string
    readonly adminEmail: string
    readonly plan?: string
    readonly defaultCurrency?: string
  }) => Effect.Effect<Organization, OrganizationError | OrganizationsUnavailable>
  readonly get: (org: OrgSlug) => Effect.Effect<Organization | undefined, OrganizationsUnavailable>
  readonly list: Effect.Effect<ReadonlyArray<Organization>, OrganizationsUnavailable>
  /** The organisation's subscription; undefined for an unknown organisation. */
  readonly subscription: (org: OrgSlug) => Effect.Effect<Subscription | undefined, OrganizationsUnavailable>
  /** Changes plan and limits, and the subscription's status (ACTIVE unless told). Runs in flight keep their slots. */
  readonly subscribe: (
    org: OrgSlug,
    plan: string,
    status?: string
  ) => Effect.Effect<Subscription, OrganizationError | OrganizationsUnavailable>
  /** Makes a key `{org}_api_{16 random}`; the secret is answered once, and kept only sealed, for the organisation's own schedules. No scopes means all three. */
  readonly createKey: (
    org: OrgSlug,
    options?: { readonly scopes?: ReadonlyArray<string>; readonly expiresAt?: string }
  ) => Effect.Effect<
    { readonly key: ApiKey; readonly secret: Redacted.Redacted },
    OrganizationError | OrganizationsUnavailable
  >
  /** A key by which the service itself may ask for the organisation's runs: the newest that may execute them; undefined when there is none. */
  readonly ownKey: (org: OrgSlug) => Effect.Effect<Redacted.Redacted | undefined, OrganizationsUnavailable>
  readonly listKeys: (org: OrgSlug) => Effect.Effect<ReadonlyArray<ApiKey>, OrganizationsUnavailable>
  /** The key is refused from now on in this process, and within seconds in others. */
  readonly revokeKey: (keyId: string) => Effect.Effect<void, OrganizationError | OrganizationsUnavailable>
}

/** The service of organisations and API keys. */
export class Organizations extends Context.Tag("pipeline-service/Organizations")<
  Organizations,
  OrganizationsService
>() {}
