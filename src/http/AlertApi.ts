/**
 * The endpoints of cost alerts. Root only.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Alert } from "../alerts/AlertDefinition.ts"
import { Outcome } from "../alerts/AlertEvent.ts"
import { JsonObject } from "../platform/Json.ts"
import { RootAccess } from "./Authentication.ts"
import { failure } from "./Errors.ts"
import { flag, invalid, limit, orgPath } from "./Parameters.ts"

const maximumDays = 90
const maximumRecords = 500

const alertPath = Schema.Struct({ alert_id: Schema.String.annotations({ description: "Id of an alert" }) })
const force = Schema.optionalWith(flag, { default: () => false })
const ids = Schema.optional(Schema.String.annotations({ description: "Ids of alerts, separated by commas" }))
const alertNotFound = failure(404, "No such alert or organisation")

const Evaluation = Schema.Struct({
  org_slug: Schema.String,
  alert_id: Schema.String,
  outcome: Outcome,
  reason: Schema.NullOr(Schema.String),
  values: JsonObject,
  recipients: Schema.Array(Schema.String)
})

const reportFields = {
  status: Schema.Literal("SUCCESS"),
  summary: Schema.Struct({
    triggered: Schema.Number,
    skipped_cooldown: Schema.Number,
    skipped_disabled: Schema.Number,
    no_match: Schema.Number,
    no_data: Schema.Number,
    errors: Schema.Number.annotations({ description: "Not evaluated, not sent, or nobody to send to" })
  }),
  duration_ms: Schema.Number,
  details: Schema.Array(Evaluation).annotations({ description: "What was due; with reasons where nothing was sent" })
}
const Report = Schema.Struct(reportFields).annotations({ identifier: "AlertReport" })
const OrgReport = Schema.Struct({ ...reportFields, org_slug: Schema.String }).annotations({
  identifier: "AlertOrgReport"
})
const TestReport = Schema.Struct({
  ...reportFields,
  alert_id: Schema.String,
  alert_name: Schema.String,
  dry_run: Schema.Boolean
}).annotations({ identifier: "AlertTestReport" })

const shownAlert = Schema.encodedSchema(Alert).annotations({ identifier: "Alert" })
const AlertList = Schema.Struct({ alerts: Schema.Array(shownAlert), total: Schema.Number }).annotations({
  identifier: "AlertList"
})

const HistoryPage = Schema.Struct({
  org_slug: Schema.String,
  history: Schema.Array(
    Schema.Struct({
      alert_history_id: Schema.String,
      alert_id: Schema.String,
      status: Schema.Literal("SENT", "FAILED"),
      severity: Schema.String,
      recipients: Schema.Array(Schema.String),
      recipient_count: Schema.Number,
      trigger_data: JsonObject,
      condition_results: Schema.Array(JsonObject),
      error_message: Schema.NullOr(Schema.String),
      created_at: Schema.String
    })
  ),
  total: Schema.Number
}).annotations({ identifier: "AlertHistory" })

/** Cost alerts. Root only. */
export const AlertsGroup = HttpApiGroup.make("alerts")
  .add(
    HttpApiEndpoint.post("evaluate", "/alerts/scheduler/evaluate")
      .setUrlParams(Schema.Struct({ alert_ids: ids, force_check: force }))
      .addSuccess(Report)
      .addError(alertNotFound)
      .addError(invalid)
      .annotate(OpenApi.Summary, "Evaluate the alerts that are due, for every organisation")
  )
  .add(
    HttpApiEndpoint.get("configs", "/alerts/configs")
      .setUrlParams(Schema.Struct({ enabled_only: force, tag: Schema.optional(Schema.String) }))
      .addSuccess(AlertList)
      .addError(invalid)
      .annotate(OpenApi.Summary, "The alerts of the configuration")
  )
  .add(
    HttpApiEndpoint.get("config", "/alerts/configs/:alert_id")
      .setPath(alertPath)
      .addSuccess(Schema.Struct({ alert: shownAlert }))
      .addError(alertNotFound)
      .annotate(OpenApi.Summary, "One alert")
  )
  .add(
    HttpApiEndpoint.post("test", "/alerts/configs/:alert_id/test")
      .setPath(alertPath)
      .setUrlParams(Schema.Struct({ dry_run: Schema.optionalWith(flag, { default: () => true }) }))
      .addSuccess(TestReport)
      .addError(alertNotFound)
      .addError(invalid)
      .annotate(OpenApi.Summary, "Evaluate one alert now; a dry run sends and records nothing")
  )
  .add(
    HttpApiEndpoint.post("clearCache", "/alerts/cache/clear")
      .addSuccess(Schema.Struct({ status: Schema.Literal("SUCCESS"), message: Schema.String }))
      .annotate(OpenApi.Summary, "Read the files of alerts again")
  )
  .add(
    HttpApiEndpoint.post("evaluateOrg", "/alerts/orgs/:org/evaluate")
      .setPath(Schema.Struct(orgPath))
      .setUrlParams(Schema.Struct({ alert_ids: ids, force_check: force }))
      .addSuccess(OrgReport)
      .addError(alertNotFound)
      .addError(invalid)
      .annotate(OpenApi.Summary, "Evaluate the alerts that are due for one organisation")
  )
  .add(
    HttpApiEndpoint.get("history", "/alerts/orgs/:org/history")
      .setPath(Schema.Struct(orgPath))
      .setUrlParams(
        Schema.Struct({
          alert_id: Schema.optional(Schema.String),
          status: Schema.optional(Schema.Literal("SENT", "FAILED")),
          days: limit(maximumDays, 7),
          limit: limit(maximumRecords, 50)
        })
      )
      .addSuccess(HistoryPage)
      .addError(invalid)
      .annotate(OpenApi.Summary, "When alerts triggered for one organisation, newest first")
  )
  .middleware(RootAccess)
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "Cost alerts (root key)")
