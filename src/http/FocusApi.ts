/**
 * How far an organisation's FOCUS rows can be trusted: the endpoints and their JSON.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { ConvertedCost, Currency } from "../focus/ExchangeRates.ts"
import { JsonObject } from "../platform/Json.ts"
import { ReadAccess } from "./Authentication.ts"
import { failure } from "./Errors.ts"

const Violation = Schema.Struct({
  rule: Schema.String.annotations({ description: "Id of the rule in the FOCUS 1.3 model, or X-... of the project" }),
  severity: Schema.Literal("error", "warning"),
  column: Schema.String,
  rows: Schema.Number,
  example: Schema.String
}).annotations({ identifier: "RuleViolation" })

const judgement = {
  version: Schema.String.annotations({ description: "FOCUS version of the rules" }),
  rows: Schema.Number.annotations({ description: "Rows judged" }),
  evaluated: Schema.Number.annotations({ description: "Rules evaluated" }),
  violated: Schema.Array(Violation),
  warnings: Schema.Array(Violation).annotations({ description: "Recommendations that are not followed" }),
  gaps: Schema.Array(Schema.Struct({ rule: Schema.String, rows: Schema.Number, reason: Schema.String })).annotations({
    description: "Rules that rows cannot meet because their source has no such data"
  }),
  overridden: Schema.Number.annotations({ description: "Published rules that are evaluated in a corrected form" })
}

/** The judgement of the rows that were asked for. */
export const Conformance = Schema.Struct({
  ...judgement,
  contract_commitment: Schema.Struct(judgement).annotations({
    description: "The same of the Contract Commitment dataset: all commitments of the sources that were asked for"
  })
}).annotations({ identifier: "Conformance" })

const amount = Schema.String.annotations({ description: "Exact decimal in the entry's currency" })

/** One billing period of one source, currency and credential. */
export const ReconciliationEntry = Schema.Struct({
  billing_period: Schema.String,
  currency: Schema.String,
  source: Schema.String.annotations({ description: "Native table; x_source_system of the FOCUS rows" }),
  credential_id: Schema.String,
  covered_from: Schema.String.annotations({ description: "First day compared" }),
  covered_to: Schema.String.annotations({ description: "Last day compared" }),
  native_billed: amount,
  focus_billed: amount,
  difference: Schema.String.annotations({ description: "native_billed - focus_billed; anything but 0 is a defect" }),
  native_effective: amount,
  focus_effective: amount,
  effective_difference: amount,
  rows_in: Schema.Number,
  rows_converted: Schema.Number,
  rows_extra: Schema.Number,
  rows_explained: JsonObject.annotations({ description: "Native rows without a FOCUS row, by reason" }),
  run_id: Schema.String.annotations({ description: "Run that compared" }),
  compared_at: Schema.String
}).annotations({ identifier: "ReconciliationEntry" })

/** One invoice of a billing period, source, currency and credential. */
export const InvoiceEntry = Schema.Struct({
  billing_period: Schema.String,
  currency: Schema.String,
  source: Schema.String.annotations({ description: "Native table; x_source_system of the FOCUS rows" }),
  credential_id: Schema.String,
  invoice_id: Schema.NullOr(Schema.String).annotations({
    description: "Null: the rows that no invoice has yet, beside others that have one"
  }),
  native_billed: amount,
  focus_billed: amount,
  difference: Schema.String.annotations({ description: "native_billed - focus_billed; anything but 0 is a defect" })
}).annotations({ identifier: "InvoiceEntry" })

/** Native rows that could not be loaded, by reason. */
export const QuarantineEntry = Schema.Struct({
  source: Schema.String.annotations({ description: "Native table" }),
  billing_period: Schema.String,
  credential_id: Schema.String,
  reason: Schema.String,
  rows: Schema.Number
}).annotations({ identifier: "QuarantineEntry" })

/** Entries, and the native rows that could not be loaded. */
export const Reconciliation = Schema.Struct({
  is_exact: Schema.Boolean.annotations({ description: "Every difference is 0" }),
  entries: Schema.Array(ReconciliationEntry),
  invoices: Schema.Array(InvoiceEntry).annotations({
    description: "The same money by invoice, of sources that tell invoices"
  }),
  quarantined: Schema.Array(QuarantineEntry)
}).annotations({ identifier: "Reconciliation" })

/** The costs of each billing period and currency in one currency. */
export const ConvertedCosts = Schema.Struct({
  currency: Schema.String,
  billed: Schema.NullOr(Schema.String).annotations({
    description: "Sum of the entries; null: one has no rate, or there is none"
  }),
  effective: Schema.NullOr(Schema.String),
  entries: Schema.Array(ConvertedCost),
  findings: Schema.Array(Schema.String).annotations({ description: "Which rates are missing" })
}).annotations({ identifier: "ConvertedCosts" })

const period = Schema.optional(
  Schema.String.annotations({ description: "First day of a billing period, YYYY-MM-01; absent: all" })
)
const path = Schema.Struct({
  org: Schema.String.annotations({ description: "Organisation: 3 to 50 of a-z, 0-9 and _" })
})

/** The group. */
export const Focus = HttpApiGroup.make("focus")
  .add(
    HttpApiEndpoint.get("conformance", "/focus/:org/conformance")
      .setPath(path)
      .setUrlParams(
        Schema.Struct({
          billing_period: period,
          source: Schema.optional(
            Schema.String.pipe(Schema.pattern(/^[a-z_]{1,64}$/)).annotations({
              description: "Beginning of x_source_system, as in cloud_aws_"
            })
          )
        })
      )
      .addSuccess(Conformance)
      .addError(failure(422, "A parameter is not what the schema says"))
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "Judge the FOCUS rows, each by every rule of FOCUS 1.3")
  )
  .add(
    HttpApiEndpoint.get("reconciliation", "/focus/:org/reconciliation")
      .setPath(path)
      .setUrlParams(Schema.Struct({ billing_period: period }))
      .addSuccess(Reconciliation)
      .addError(failure(422, "A parameter is not what the schema says"))
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "Native totals against FOCUS totals, as the last run of each period compared them")
  )
  .add(
    HttpApiEndpoint.get("convertedCosts", "/focus/:org/converted-costs")
      .setPath(path)
      .setUrlParams(
        Schema.Struct({
          currency: Schema.optional(
            Currency.annotations({ description: "Currency to convert to, ISO 4217; absent: the organisation's own" })
          ),
          billing_period: period
        })
      )
      .addSuccess(ConvertedCosts)
      .addError(failure(422, "A parameter is not what the schema says"))
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "Costs in one currency, by the organisation's dated exchange rates")
  )
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "How far the FOCUS rows can be trusted: conformance and reconciliation")
