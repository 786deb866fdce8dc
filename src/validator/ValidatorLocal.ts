/**
 * The validator of a small installation: the API service's quota rules (service contract, section 3), kept in the service database.
 *
 * Runs that ask together share one transaction. The checks have the server's order; whether the pipeline exists and is enabled the
 * catalogue has answered before, and a missing credential fails the step that needs it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { Organizations } from "../organizations/Organizations.ts"
import * as GroupCommit from "../platform/GroupCommit.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { databaseReason, refusal, storeFailed } from "./answers.ts"
import * as Quota from "./quota.ts"
import { CompletionUndelivered, Validator, type ValidatorService, ValidatorUnavailable } from "./Validator.ts"

const MAX_TASKS_PER_TRANSACTION = 256
/** How long a change of plan by an admin command may go unnoticed. */
const SUBSCRIPTION_CACHE_TTL_SECONDS = 2
const SUBSCRIPTION_CACHE_MAX_ORGS = 10_000

/** The layer over the service database; creates its tables. */
export const layer: Layer.Layer<Validator, ValidatorUnavailable, SqlClient.SqlClient | Organizations> = Layer.scoped(
  Validator,
  Effect.gen(function* () {
    const organizations = yield* Organizations
    yield* Effect.mapError(
      Quota.createTables,
      (error) =>
        new ValidatorUnavailable({ message: `the tables of the quota cannot be made: ${databaseReason(error)}` })
    )
    const group = yield* GroupCommit.make({
      name: "ValidatorLocal",
      maxBatch: MAX_TASKS_PER_TRANSACTION,
      run: Quota.settle
    })
    const subscriptions = yield* Cache.make({
      capacity: SUBSCRIPTION_CACHE_MAX_ORGS,
      timeToLive: Duration.seconds(SUBSCRIPTION_CACHE_TTL_SECONDS),
      lookup: organizations.subscription
    })

    const checkKey = (org: OrgSlug, apiKey: Redacted.Redacted) =>
      organizations.authenticate(apiKey).pipe(
        Effect.catchTag("InvalidApiKey", () => refusal("INVALID_API_KEY")),
        Effect.filterOrFail(
          (caller) => caller.org === org,
          () => refusal("ORG_MISMATCH")
        )
      )

    const reserve: ValidatorService["reserve"] = Effect.fn("Validator.reserve")(
      function* ({ apiKey, org, runId }) {
        if (apiKey !== undefined) yield* checkKey(org, apiKey)
        const subscription = yield* subscriptions.get(org)
        if (subscription === undefined) {
          const message = `organisation ${org} is not known here: see admin org list`
          return yield* refusal("SUBSCRIPTION_ERROR", undefined, message)
        }
        if (subscription.status !== "ACTIVE" && subscription.status !== "TRIAL") {
          const { plan, status } = subscription
          const message = `the subscription of ${org} is ${status}: activate it with admin org plan ${org} ${plan}`
          return yield* refusal("SUBSCRIPTION_INACTIVE", undefined, message)
        }
        return yield* group.submit({ _tag: "Reserve", runId, subscription })
      },
      Effect.catchTags({ SqlError: storeFailed, OrganizationsUnavailable: storeFailed })
    )

    const complete: ValidatorService["complete"] = Effect.fn("Validator.complete")((completion) =>
      group.submit({ _tag: "Complete", ...completion }).pipe(
        Effect.asVoid,
        Effect.mapError(
          (error) =>
            new CompletionUndelivered({
              retryable: true,
              message: `the end of run ${completion.runId} of ${completion.org} could not be stored: ${databaseReason(error)}`
            })
        )
      )
    )
    return { reserve, complete }
  })
)
