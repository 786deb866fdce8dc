/**
 * The warehouse as procedures need it: before one is called, the organisation's profile is in its dataset (`org_profile`), as it is now.
 * Organisations are kept elsewhere, where a procedure cannot look.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { Day, type OrgSlug, RunId } from "../platform/Identifiers.ts"
import { type OrgWarehouse, type Slice, Warehouse, WarehouseUnavailable } from "../warehouse/Warehouse.ts"
import { Organizations } from "./Organizations.ts"

/** A profile is no fact of a run's day: its row is one slice, under a day that no usage has. */
const slice: Slice = {
  table: "org_profile",
  pipelineId: "organizations",
  credentialId: "default",
  extent: { kind: "day", date: Schema.decodeSync(Day)("1970-01-01") }
}

/** The layer over another layer of the warehouse. An organisation that nobody knows has no profile. */
export const layer = Layer.effect(
  Warehouse,
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const organizations = yield* Organizations
    const present = new Map<OrgSlug, string>()

    const profileOf = Effect.fn("OrgProfile.profileOf")(function* (org: OrgSlug) {
      const organization = yield* organizations.get(org)
      if (organization === undefined) return undefined
      const subscription = yield* organizations.subscription(org)
      return {
        company_name: organization.companyName,
        admin_email: organization.adminEmail,
        default_currency: organization.defaultCurrency,
        default_timezone: organization.defaultTimezone ?? null,
        default_country: organization.defaultCountry ?? null,
        subscription_plan: subscription?.plan ?? null,
        subscription_status: subscription?.status ?? null
      }
    })

    const bringUpToDate = Effect.fn("OrgProfile.bringUpToDate")(function* (dataset: OrgWarehouse) {
      const profile = yield* Effect.mapError(
        profileOf(dataset.org),
        ({ message }) => new WarehouseUnavailable({ message })
      )
      if (profile === undefined) return
      const token = createHash("sha256").update(JSON.stringify(profile)).digest("hex")
      if (present.get(dataset.org) === token) return
      if ((yield* dataset.token(slice)) !== token) {
        const runId = RunId.make(crypto.randomUUID())
        yield* dataset.replaceSlice({ slice, source: { _tag: "Rows", rows: Stream.make(profile) }, runId, token })
      }
      present.set(dataset.org, token)
    })

    return {
      ...warehouse,
      org: (org) =>
        Effect.map(warehouse.org(org), (dataset) => ({
          ...dataset,
          call: (procedure, args) => Effect.zipRight(bringUpToDate(dataset), dataset.call(procedure, args))
        }))
    }
  })
)
