/**
 * Answers the endpoints of subscription plans.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { type GivenPlan, type PlansRejected, SubscriptionPlans } from "../subscriptions/SubscriptionPlans.ts"
import type { WarehouseError } from "../warehouse/Warehouse.ts"
import { DeferredApi } from "./DeferredApi.ts"
import { CurrentCaller } from "./Authentication.ts"
import { readLosslessJson } from "./Body.ts"
import { type ApiError, apiError, fromDomain } from "./Errors.ts"
import { PlanImportBody } from "./SubscriptionApi.ts"

const readImport = readLosslessJson(PlanImportBody)

/** An answer names at most so many faults. */
const MAX_FAULTS = 100

const toApiError = (error: PlansRejected | WarehouseError, given: ReadonlyArray<GivenPlan> = []): ApiError =>
  error._tag === "PlansRejected"
    ? apiError(
        "REQUEST_INVALID",
        error.faults.slice(0, MAX_FAULTS).map(({ column, line, reason }) => ({
          loc: [
            "body",
            "plans",
            given.findIndex((plan) => plan.line === line),
            ...(column === undefined ? [] : [column])
          ],
          msg: `line ${line}: ${column === undefined ? "" : `${column} `}${reason}`,
          type: "value_error"
        }))
      )
    : fromDomain(error)

/** The handlers of the group `subscriptions`. */
export const layer = HttpApiBuilder.group(DeferredApi, "subscriptions", (handlers) =>
  Effect.gen(function* () {
    const plans = yield* SubscriptionPlans
    return handlers
      .handleRaw("importPlans", ({ request }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const body = yield* readImport(request)
          const given = body.plans.map((cells, index) => ({ line: body.lines?.[index] ?? index + 1, cells }))
          return yield* Effect.mapError(
            plans.importPlans({ org, plans: given, replaceAll: body.replace_all }),
            (error) => toApiError(error, given)
          )
        })
      )
      .handle("plans", ({ urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          return { ...(yield* Effect.mapError(plans.list(org, urlParams), (error) => toApiError(error))), ...urlParams }
        })
      )
  })
)
