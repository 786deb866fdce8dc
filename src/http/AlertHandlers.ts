/**
 * Answers the endpoints of cost alerts. The root key is checked before (see Authentication.ts).
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Alert } from "../alerts/AlertDefinition.ts"
import type { Outcome } from "../alerts/AlertEvent.ts"
import {
  type AlertNotFound,
  type AlertRecord,
  Alerts,
  type AlertsInvalid,
  type Evaluation,
  type EvaluationRequest
} from "../alerts/Alerts.ts"
import type { EventLogUnavailable } from "../eventlog/EventLog.ts"
import { Organizations, type OrganizationsUnavailable } from "../organizations/Organizations.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { DeferredApi } from "./DeferredApi.ts"
import { type ApiError, apiError, fromDomain } from "./Errors.ts"

const toOrg = Schema.decodeEither(OrgSlug)
const encodeAlert = Schema.encode(Alert)

const orgOf = (text: string): Effect.Effect<OrgSlug, ApiError> =>
  Either.match(toOrg(text), {
    onLeft: () => Effect.fail(apiError("INVALID_ORG_SLUG", "an organisation is 3 to 50 of a-z, 0-9 and _")),
    onRight: Effect.succeed
  })

const toApiError = (
  error: AlertNotFound | AlertsInvalid | EventLogUnavailable | OrganizationsUnavailable
): ApiError => {
  switch (error._tag) {
    case "AlertNotFound":
      return apiError("ALERT_NOT_FOUND", error.message)
    case "AlertsInvalid":
      return apiError("CONFIG_INVALID", "a file of alerts is not valid: tell the operator the request id", {
        cause: error
      })
    default:
      return fromDomain(error)
  }
}

const evaluationOf = (each: Evaluation) => ({
  org_slug: each.org,
  alert_id: each.alertId,
  outcome: each.outcome,
  reason: each.reason ?? null,
  values: each.values ?? {},
  recipients: each.recipients ?? []
})

const reportOf = (evaluations: ReadonlyArray<Evaluation>, milliseconds: number) => {
  const count = (...outcomes: ReadonlyArray<Outcome>) =>
    evaluations.filter(({ outcome }) => outcomes.includes(outcome)).length
  return {
    status: "SUCCESS" as const,
    summary: {
      triggered: count("triggered"),
      skipped_cooldown: count("cooldown"),
      skipped_disabled: count("disabled"),
      no_match: count("no_match"),
      no_data: count("no_data"),
      errors: count("error", "no_recipients", "send_failed")
    },
    duration_ms: milliseconds,
    details: evaluations.filter(({ outcome }) => outcome !== "not_due" && outcome !== "disabled").map(evaluationOf)
  }
}

const recordOf = (record: AlertRecord) => ({
  alert_history_id: record.historyId,
  alert_id: record.alertId,
  status: record.status,
  severity: record.severity,
  recipients: record.recipients,
  recipient_count: record.recipients.length,
  trigger_data: record.values,
  condition_results: record.conditions,
  error_message: record.problem,
  created_at: record.createdAt
})

const idsOf = (text: string | undefined) =>
  text === undefined ? {} : { alertIds: text.split(",").map((id) => id.trim()) }

/** The handlers of the group `alerts`. */
export const layer = HttpApiBuilder.group(DeferredApi, "alerts", (handlers) =>
  Effect.gen(function* () {
    const alerts = yield* Alerts
    const organizations = yield* Organizations
    const evaluate = (request: EvaluationRequest) =>
      Effect.gen(function* () {
        const start = yield* Clock.currentTimeMillis
        const evaluations = yield* alerts.evaluate(request)
        return reportOf(evaluations, (yield* Clock.currentTimeMillis) - start)
      }).pipe(Effect.mapError(toApiError))
    const shown = (alert: Alert) => Effect.orDie(encodeAlert(alert))

    return handlers
      .handle("evaluate", ({ urlParams }) => evaluate({ ...idsOf(urlParams.alert_ids), force: urlParams.force_check }))
      .handle("configs", ({ urlParams: { enabled_only: enabledOnly, tag } }) =>
        Effect.gen(function* () {
          const wanted = (yield* Effect.mapError(alerts.list, toApiError)).filter(
            ({ enabled, tags }) => (enabled || !enabledOnly) && (tag === undefined || tags.includes(tag))
          )
          return { alerts: yield* Effect.forEach(wanted, shown), total: wanted.length }
        })
      )
      .handle("config", ({ path }) =>
        Effect.gen(function* () {
          return { alert: yield* shown(yield* Effect.mapError(alerts.get(path.alert_id), toApiError)) }
        })
      )
      .handle("test", ({ path, urlParams: { dry_run: dryRun } }) =>
        Effect.gen(function* () {
          const alert = yield* Effect.mapError(alerts.get(path.alert_id), toApiError)
          const report = yield* evaluate({ alertIds: [alert.id], force: true, dryRun })
          return { ...report, alert_id: alert.id, alert_name: alert.name, dry_run: dryRun }
        })
      )
      .handle("clearCache", () =>
        Effect.as(alerts.clearCache, {
          status: "SUCCESS" as const,
          message: "the files of alerts are read again by the next evaluation"
        })
      )
      .handle("evaluateOrg", ({ path, urlParams }) =>
        Effect.gen(function* () {
          const org = yield* orgOf(path.org)
          if ((yield* Effect.mapError(organizations.get(org), fromDomain)) === undefined) {
            return yield* apiError("NOT_FOUND", `there is no organisation ${org}`)
          }
          const report = yield* evaluate({ org, ...idsOf(urlParams.alert_ids), force: urlParams.force_check })
          return { ...report, org_slug: org }
        })
      )
      .handle("history", ({ path, urlParams }) =>
        Effect.gen(function* () {
          const org = yield* orgOf(path.org)
          const { alert_id: alertId, days, limit, status } = urlParams
          const { records, total } = yield* Effect.mapError(
            alerts.history(org, {
              days,
              limit,
              ...(alertId === undefined ? {} : { alertId }),
              ...(status === undefined ? {} : { status })
            }),
            fromDomain
          )
          return { org_slug: org, history: records.map(recordOf), total }
        })
      )
  })
)
