/**
 * The groups of the API that the service has from its start: runs, procedures, health.
 *
 * Path parameters are plain texts here, because each wrong one has its own answer: an organisation 400, a run id 404.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { RunStatus, StepStatus, Trigger } from "../runs/Runs.ts"
import { CancelAccess, ReadAccess, RootAccess, RunAccess } from "./Authentication.ts"
import { failure } from "./Errors.ts"
import { dateText, flag, invalid, limit, offset, optionalBody, orgPath, runNotFound, runPath } from "./Parameters.ts"
import {
  ProcedureDetail,
  ProcedureDropped,
  ProcedureFiles,
  ProcedureList,
  SyncReport,
  SyncRequestBody
} from "./ProcedureSchemas.ts"
import {
  EventPage,
  RunAccepted,
  RunCancelled,
  RunDetail,
  RunPage,
  RunRequestBody,
  RunRetried,
  RunSummary,
  StepPage,
  TransitionPage
} from "./RunSchemas.ts"
import { Live, Overview, Ready, Healthy } from "./ServiceSchemas.ts"

const pipelinePart = Schema.String.annotations({ description: "1 to 50 of a-z, A-Z, 0-9 and _" })

const runQuery = Schema.Struct({
  date: Schema.optional(dateText),
  start_date: Schema.optional(dateText),
  end_date: Schema.optional(dateText)
})
const runHeaders = Schema.Struct({
  "idempotency-key": Schema.optional(
    Schema.String.annotations({
      description: "Same key, organisation and pipeline within 24 h: the first answer again"
    })
  )
})

const runEndpoint = <const Name extends string, Path extends `/${string}`>(name: Name, path: Path) =>
  HttpApiEndpoint.post(name, path)
    .setUrlParams(runQuery)
    .setHeaders(runHeaders)
    .setPayload(RunRequestBody)
    .addSuccess(RunAccepted)
    .addError(failure(404, "No such pipeline"))
    .addError(failure(413, "The body is too large"))
    .addError(failure(502, "The validator gave no usable answer"))
    .addError(invalid)
    .middleware(RunAccess)
    .annotateContext(optionalBody)

const listQuery = Schema.Struct({
  status_filter: Schema.optional(RunStatus),
  pipeline_id: Schema.optional(Schema.String.annotations({ description: "A literal part of the tracking id" })),
  trigger_type: Schema.optional(Trigger),
  trigger_by: Schema.optional(Schema.String),
  start_date: Schema.optional(dateText),
  end_date: Schema.optional(dateText),
  limit: limit(100, 20),
  offset
})

/** Runs: ask for one, look at them, follow one, cancel one. */
export const Pipelines = HttpApiGroup.make("pipelines")
  .add(
    runEndpoint("run", "/pipelines/run/:org/:category/:domain/:pipeline")
      .setPath(Schema.Struct({ ...orgPath, category: pipelinePart, domain: pipelinePart, pipeline: pipelinePart }))
      .annotate(OpenApi.Summary, "Run a pipeline: category/domain/pipeline")
  )
  .add(
    runEndpoint("runOfProvider", "/pipelines/run/:org/:category/:provider/:domain/:pipeline")
      .setPath(
        Schema.Struct({
          ...orgPath,
          category: pipelinePart,
          provider: pipelinePart,
          domain: pipelinePart,
          pipeline: pipelinePart
        })
      )
      .annotate(OpenApi.Summary, "Run a pipeline: category/provider/domain/pipeline")
  )
  .add(
    HttpApiEndpoint.get("runs", "/pipelines/runs")
      .setUrlParams(
        Schema.Struct({
          pipeline_id: Schema.optional(Schema.String),
          status: Schema.optional(RunStatus),
          limit: limit(100, 20)
        })
      )
      .addSuccess(Schema.Array(RunSummary))
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The newest runs of the key's organisation")
  )
  .add(
    HttpApiEndpoint.get("runSummary", "/pipelines/runs/:id")
      .setPath(Schema.Struct(runPath))
      .addSuccess(RunSummary)
      .addError(runNotFound)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "A run in short")
  )
  .add(
    HttpApiEndpoint.del("cancel", "/pipelines/runs/:id")
      .setPath(Schema.Struct(runPath))
      .addSuccess(RunCancelled)
      .addError(runNotFound)
      .middleware(CancelAccess)
      .annotate(OpenApi.Summary, "Cancel a run; the root key may cancel any")
  )
  .add(
    HttpApiEndpoint.get("orgRuns", "/pipelines/:org/runs")
      .setPath(Schema.Struct(orgPath))
      .setUrlParams(listQuery)
      .addSuccess(RunPage)
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The organisation's runs, newest first")
  )
  .add(
    HttpApiEndpoint.get("orgRun", "/pipelines/:org/runs/:id")
      .setPath(Schema.Struct({ ...orgPath, ...runPath }))
      .addSuccess(RunDetail)
      .addError(runNotFound)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "A run with its steps, their attempts and outputs")
  )
  .add(
    HttpApiEndpoint.get("orgRunSteps", "/pipelines/:org/runs/:id/steps")
      .setPath(Schema.Struct({ ...orgPath, ...runPath }))
      .setUrlParams(Schema.Struct({ status_filter: Schema.optional(StepStatus), limit: limit(1000, 100), offset }))
      .addSuccess(StepPage)
      .addError(runNotFound)
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The steps of a run")
  )
  .add(
    HttpApiEndpoint.get("orgRunTransitions", "/pipelines/:org/runs/:id/transitions")
      .setPath(Schema.Struct({ ...orgPath, ...runPath }))
      .setUrlParams(
        Schema.Struct({
          entity_type: Schema.optional(Schema.Literal("PIPELINE", "STEP")),
          limit: limit(1000, 100),
          offset
        })
      )
      .addSuccess(TransitionPage)
      .addError(runNotFound)
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The changes of state of a run and its steps")
  )
  .add(
    HttpApiEndpoint.get("orgRunDownload", "/pipelines/:org/runs/:id/download")
      .setPath(Schema.Struct({ ...orgPath, ...runPath }))
      .setUrlParams(
        Schema.Struct({
          format: Schema.optionalWith(Schema.String.annotations({ description: "json or csv" }), {
            default: () => "json"
          })
        })
      )
      .addSuccess(Schema.String.pipe(HttpApiSchema.withEncoding({ kind: "Text", contentType: "text/csv" })))
      .addSuccess(RunDetail)
      .addError(runNotFound)
      .middleware(ReadAccess)
      .annotate(
        OpenApi.Summary,
        "A run with its steps as a file: JSON, or CSV whose cells no spreadsheet takes for formulas"
      )
  )
  .add(
    HttpApiEndpoint.post("retry", "/pipelines/:org/runs/:id/retry")
      .setPath(Schema.Struct({ ...orgPath, ...runPath }))
      .addSuccess(RunRetried)
      .addError(failure(404, "No such run or pipeline"))
      .addError(failure(502, "The validator gave no usable answer"))
      .middleware(RunAccess)
      .annotate(OpenApi.Summary, "A new run that goes on where an ended one failed; its finished steps are kept")
  )
  .add(
    HttpApiEndpoint.get("orgRunEvents", "/pipelines/:org/runs/:id/events")
      .setPath(Schema.Struct({ ...orgPath, ...runPath }))
      .setUrlParams(Schema.Struct({ limit: limit(1000, 100), offset }))
      .addSuccess(EventPage)
      .addError(runNotFound)
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The history of a run, as the event log keeps it")
  )
  .add(
    HttpApiEndpoint.get("orgRunEventsLive", "/pipelines/:org/runs/:id/events/live")
      .setPath(Schema.Struct({ ...orgPath, ...runPath }))
      .setHeaders(
        Schema.Struct({
          "last-event-id": Schema.optional(
            Schema.String.annotations({ description: "Version of the last event seen; the stream goes on after it" })
          )
        })
      )
      .addSuccess(Schema.String.pipe(HttpApiSchema.withEncoding({ kind: "Text", contentType: "text/event-stream" })))
      .addSuccess(
        Schema.Void.annotations(HttpApiSchema.annotations({ status: 204, description: "All seen, run ended" }))
      )
      .addError(runNotFound)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "The events of a run as they happen (server-sent events); ends with the run")
  )
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "Runs: ask for one, look at them, follow one, cancel one")

const noProcedure = failure(404, "No such procedure or file")
const procedurePath = Schema.Struct({ name: Schema.String.annotations({ description: "Name of a stored procedure" }) })
const force = Schema.optionalWith(flag, { default: () => false })

/** The stored procedures of the warehouse and their files. Root only. */
export const Procedures = HttpApiGroup.make("procedures")
  .add(
    HttpApiEndpoint.get("procedures", "/procedures")
      .addSuccess(ProcedureList)
      .annotate(OpenApi.Summary, "As /procedures/list")
  )
  .add(
    HttpApiEndpoint.get("list", "/procedures/list")
      .addSuccess(ProcedureList)
      .annotate(OpenApi.Summary, "The procedures that the warehouse has")
  )
  .add(
    HttpApiEndpoint.get("files", "/procedures/files")
      .setUrlParams(Schema.Struct({ domain: Schema.optional(Schema.String) }))
      .addSuccess(ProcedureFiles)
      .addError(invalid)
      .annotate(OpenApi.Summary, "The procedure files of this installation")
  )
  .add(
    HttpApiEndpoint.post("sync", "/procedures/sync")
      .setPayload(SyncRequestBody)
      .addSuccess(SyncReport)
      .addError(failure(413, "The body is too large"))
      .addError(invalid)
      .annotateContext(optionalBody)
      .annotate(OpenApi.Summary, "Create what is missing, replace what has changed")
  )
  .add(
    HttpApiEndpoint.post("syncOne", "/procedures/:name")
      .setPath(procedurePath)
      .setUrlParams(Schema.Struct({ force }))
      .addSuccess(SyncReport)
      .addError(noProcedure)
      .addError(invalid)
      .annotate(OpenApi.Summary, "Sync one procedure")
  )
  .add(
    HttpApiEndpoint.get("get", "/procedures/:name")
      .setPath(procedurePath)
      .addSuccess(ProcedureDetail)
      .addError(noProcedure)
      .annotate(OpenApi.Summary, "A procedure with its text")
  )
  .add(
    HttpApiEndpoint.del("drop", "/procedures/:name")
      .setPath(procedurePath)
      .addSuccess(ProcedureDropped)
      .addError(noProcedure)
      .annotate(OpenApi.Summary, "Drop a procedure from the warehouse; its file stays")
  )
  .middleware(RootAccess)
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "The stored procedures of the warehouse (root key)")

/** Health and metrics. No key, no rate limit. */
export const Service = HttpApiGroup.make("service")
  .add(HttpApiEndpoint.get("overview", "/").addSuccess(Overview))
  .add(HttpApiEndpoint.get("health", "/health").addSuccess(Healthy))
  .add(
    HttpApiEndpoint.get("live", "/health/live")
      .addSuccess(Live)
      .addSuccess(Live.annotations(HttpApiSchema.annotations({ status: 503, description: "Shutting down" })))
  )
  .add(
    HttpApiEndpoint.get("ready", "/health/ready")
      .addSuccess(Ready)
      .addSuccess(Ready.annotations(HttpApiSchema.annotations({ status: 503, description: "Not ready" })))
  )
  .add(
    HttpApiEndpoint.get("metrics", "/metrics")
      .addSuccess(Schema.String.pipe(HttpApiSchema.withEncoding({ kind: "Text", contentType: "text/plain" })))
      .annotate(OpenApi.Summary, "Metrics in Prometheus text format")
  )
  .annotate(OpenApi.Description, "Health and metrics (no key)")

/** These groups as one API. */
export const CoreApi = HttpApi.make("pipeline-service").add(Pipelines).add(Procedures).add(Service)
