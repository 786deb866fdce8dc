/**
 * What an administrator gives: checked, or refused in words.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { OrganizationError, Plan, SubscriptionStatus } from "./Organizations.ts"

/** A plan by its name, in any case. */
export const plan = (name: string) =>
  Effect.mapError(
    Schema.decodeUnknown(Plan)(name.toUpperCase()),
    () =>
      new OrganizationError({
        message: `${JSON.stringify(name)} is no plan: choose one of ${Plan.literals.join(", ")}`
      })
  )

/** A subscription's status, in any case. */
export const status = (name: string) =>
  Effect.mapError(
    Schema.decodeUnknown(SubscriptionStatus)(name.toUpperCase()),
    () =>
      new OrganizationError({
        message: `${JSON.stringify(name)} is no subscription status: choose one of ${SubscriptionStatus.literals.join(", ")}`
      })
  )

/** ISO 4217. */
export const currency = (code: string) =>
  /^[A-Z]{3}$/.test(code)
    ? Effect.succeed(code)
    : Effect.fail(
        new OrganizationError({ message: `${JSON.stringify(code)} is no currency: give three letters as in USD` })
      )

export const unknownOrganization = (org: OrgSlug) =>
  new OrganizationError({
    message: `organisation ${org} does not exist: see admin org list, or make it with admin org create`
  })

export const existsAlready = (org: OrgSlug) =>
  new OrganizationError({
    message: `organisation ${org} exists already: choose another name, or change its plan with admin org plan`
  })

export const unknownKey = (keyId: string) =>
  new OrganizationError({ message: `no API key has the id ${JSON.stringify(keyId)}: see admin key list` })
