/**
 * Plans of software subscriptions: the endpoints and their JSON.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { JsonObject } from "../platform/Json.ts"
import { MAX_PLANS_PER_IMPORT } from "../subscriptions/SubscriptionPlans.ts"
import { ReadAccess, WriteAccess } from "./Authentication.ts"
import { failure } from "./Errors.ts"
import { invalid, limit, offset, orgPath } from "./Parameters.ts"

/** The body of an import. Each plan is checked by hand, so that every fault of every plan is told. */
export const PlanImportBody = Schema.Struct({
  plans: Schema.Array(
    JsonObject.annotations({
      description:
        "A plan by the columns of subscription_plans: subscription_id, provider, plan_name, start_date, billing_cycle, currency, unit_price, and what differs from the defaults"
    })
  ).pipe(Schema.maxItems(MAX_PLANS_PER_IMPORT)),
  lines: Schema.optional(
    Schema.Array(Schema.NumberFromString.pipe(Schema.int())).annotations({
      description: "Line of a file that each plan begins on, for messages; absent: the plans are counted from 1"
    })
  ),
  replace_all: Schema.optionalWith(
    Schema.Boolean.annotations({
      description: "true: these are all plans there are; false: only the subscriptions that are named are replaced"
    }),
    { default: () => false }
  )
}).annotations({ identifier: "PlanImport" })

/** The answer to an import. */
export const PlansImported = Schema.Struct({
  imported: Schema.Number.annotations({ description: "Plans written" }),
  subscriptions: Schema.Number.annotations({ description: "Subscriptions that they are versions of" }),
  total: Schema.Number.annotations({ description: "Plans there are now" })
}).annotations({ identifier: "PlansImported" })

/** A page of plans; amounts are decimal text. */
export const PlanPage = Schema.Struct({
  plans: Schema.Array(JsonObject),
  total: Schema.Number,
  limit: Schema.Number,
  offset: Schema.Number
}).annotations({ identifier: "PlanPage" })

const plansPath = Schema.Struct(orgPath)

/** The plans that subscription costs are made of. */
export const Subscriptions = HttpApiGroup.make("subscriptions")
  .add(
    HttpApiEndpoint.get("plans", "/subscriptions/:org/plans")
      .setPath(plansPath)
      .setUrlParams(Schema.Struct({ limit: limit(1000, 100), offset }))
      .addSuccess(PlanPage)
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The organisation's subscription plans")
  )
  .add(
    HttpApiEndpoint.post("importPlans", "/subscriptions/:org/plans")
      .setPath(plansPath)
      .setPayload(PlanImportBody)
      .addSuccess(PlansImported)
      .addError(failure(413, "The body is too large"))
      .addError(invalid)
      .middleware(WriteAccess)
      .annotate(OpenApi.Summary, "Import plans: all or, when one is faulty, none")
  )
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "Plans of software subscriptions")
