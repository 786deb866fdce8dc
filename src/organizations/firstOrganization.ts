/**
 * What makes a new installation usable at once.
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { OrgSlug } from "../platform/Identifiers.ts"
import { keepsOrganizations, Settings } from "../platform/Settings.ts"
import { OrganizationError, Organizations, type OrganizationsUnavailable } from "./Organizations.ts"

/** The key of the first organisation; show it once, it cannot be read again. */
export interface FirstOrganization {
  readonly org: OrgSlug
  readonly secret: Redacted.Redacted
}

/**
 * In an installation without organisations that keeps them itself: makes `DEFAULT_ORG_SLUG` on the ENTERPRISE plan, and a key for it. Otherwise does nothing and
 * answers undefined. Goes on where a start that died in between stopped.
 */
export const ensureFirstOrganization: Effect.Effect<
  FirstOrganization | undefined,
  OrganizationError | OrganizationsUnavailable,
  Organizations | Settings
> = Effect.gen(function* () {
  const organizations = yield* Organizations
  const settings = yield* Settings
  const { defaultOrg } = settings
  if (!keepsOrganizations(settings)) return undefined
  const org = yield* Effect.mapError(
    Schema.decode(OrgSlug)(defaultOrg),
    () =>
      new OrganizationError({ message: `DEFAULT_ORG_SLUG ${JSON.stringify(defaultOrg)} is not 3 to 50 of a-z, 0-9, _` })
  )
  const existing = yield* organizations.list
  if (existing.some((other) => other.org !== org)) return undefined
  if (existing.length === 0) {
    yield* organizations.create({ org, companyName: org, adminEmail: "admin@localhost", plan: "ENTERPRISE" })
  }
  if ((yield* organizations.listKeys(org)).length > 0) return undefined
  return { org, secret: (yield* organizations.createKey(org)).secret }
}).pipe(Effect.withSpan("Organizations.ensureFirst"))
