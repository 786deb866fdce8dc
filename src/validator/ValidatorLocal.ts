/**
 * The validator of a small installation: the API service's rules (service contract, section 3) about keys and subscriptions. The quota
 * itself is a fold of the runs in the service database: the log judges a run's admission by the allowance that is given here.
 *
 * The checks have the server's order; whether the pipeline exists and is enabled the catalogue has answered before, and whether
 * its provider has a credential the processors of its steps (`Processor.admits`).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { Organizations } from "../organizations/Organizations.ts"
import { dayOf, type OrgSlug } from "../platform/Identifiers.ts"
import { refusal, storeFailed } from "./answers.ts"
import { Validator, type ValidatorService } from "./Validator.ts"

/** The layer over the organisations. */
export const layer: Layer.Layer<Validator, never, Organizations> = Layer.effect(
  Validator,
  Effect.gen(function* () {
    const organizations = yield* Organizations

    const checkKey = (org: OrgSlug, apiKey: Redacted.Redacted) =>
      Effect.matchEffect(organizations.authenticate(apiKey), {
        onFailure: (error) => Effect.fail(error._tag === "InvalidApiKey" ? refusal("INVALID_API_KEY") : error),
        onSuccess: (caller) => (caller.org === org ? Effect.void : refusal("ORG_MISMATCH"))
      })

    const reserve: ValidatorService["reserve"] = Effect.fnUntraced(
      function* ({ apiKey, org }) {
        if (apiKey !== undefined) yield* checkKey(org, apiKey)
        const subscription = yield* organizations.subscription(org)
        if (subscription === undefined) {
          const message = `organisation ${org} is not known here: see admin org list`
          return yield* refusal("SUBSCRIPTION_ERROR", undefined, message)
        }
        const { concurrentLimit, dailyLimit, monthlyLimit, plan, status } = subscription
        if (status !== "ACTIVE" && status !== "TRIAL") {
          const message = `the subscription of ${org} is ${status}: activate it with admin org plan ${org} ${plan}`
          return yield* refusal("SUBSCRIPTION_INACTIVE", undefined, message)
        }
        const reservationDate = dayOf(yield* Clock.currentTimeMillis)
        return { reservationDate, allowance: { concurrentLimit, dailyLimit, monthlyLimit, org, plan } }
      },
      Effect.catchTag("OrganizationsUnavailable", storeFailed)
    )
    return { isQuotaInLog: true, reserve, complete: () => Effect.void }
  })
)
