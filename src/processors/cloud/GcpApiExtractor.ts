/**
 * `cloud.gcp.gcp_api_extractor`: a snapshot of what a Google Cloud customer has (billing accounts, instances, service accounts, buckets) of
 * every credential, as raw rows of the UTC day on which it is taken. A list that is not whole is not written.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Credentials, type OpenCredential } from "../../credentials/Credentials.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import * as GcpApi from "../../sources/gcp/GcpApi.ts"
import { type OrgWarehouse, type Slice, Warehouse } from "../../warehouse/Warehouse.ts"
import { ingestionId } from "../genai/PaygRows.ts"
import * as StepFailure from "../StepFailure.ts"
import { failed, unusableCredential } from "./BillingExtractor.ts"

const apiNames = Object.keys(GcpApi.apis).join(", ")

const Config = Schema.Struct({
  api: Schema.Literal("billing_accounts", "compute_instances", "iam_service_accounts", "storage_buckets"),
  /** The token goes to Google alone; `{project}` is the service account's project. */
  endpoint: Schema.String.pipe(Schema.pattern(/^https:\/\/[a-z]+\.googleapis\.com\/[A-Za-z0-9/{}_-]+$/)),
  pagination: Schema.Struct({
    parameter: Schema.Literal("pageSize", "maxResults"),
    page_size: Schema.Int.pipe(Schema.positive())
  }),
  data_path: Schema.String.pipe(Schema.pattern(/^([A-Za-z]+|\*)(\.([A-Za-z]+|\*)){0,4}$/)),
  rate_limit: Schema.Struct({ requests_per_second: Schema.Number.pipe(Schema.between(0.1, 100)) })
}).pipe(Schema.filter(({ api, pagination }) => pagination.page_size <= GcpApi.apis[api].most))
type Config = typeof Config.Type

const account = { label: "Google Cloud", providers: ["GCP_SA"] } as const

/** Makes the processor. `details` has, by credential, where the list was read and how many items it has. */
export const make: Effect.Effect<Processor, never, Warehouse | Credentials | HttpClient.HttpClient> = Effect.gen(
  function* () {
    const warehouse = yield* Warehouse
    const credentials = yield* Credentials
    const client = yield* HttpClient.HttpClient

    const execute = Effect.fn("GcpApiExtractor.execute")(function* (context: StepContext) {
      const config = yield* Effect.mapError(Schema.decodeUnknown(Config)(context.config), invalidConfig)
      const opened = yield* credentials
        .open({
          org: context.org,
          providers: account.providers,
          ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
        })
        .pipe(Effect.mapError((error) => unusableCredential(error, account)))
      const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
      const now = new Date(yield* Clock.currentTimeMillis).toISOString()
      const [failures, reports] = yield* Effect.partition(opened, (credential) =>
        snapshot({ config, context, org, now }, credential).pipe(
          Effect.provideService(HttpClient.HttpClient, client),
          Effect.mapError((error) => ({
            credentialId: credential.credential.credentialId,
            error: error._tag === "SourceError" ? StepFailure.ofSource(error) : StepFailure.ofWarehouse(error)
          }))
        )
      )
      if (Arr.isNonEmptyReadonlyArray(failures)) return yield* failed(context, account.label, failures, opened.length)
      const rows = reports.reduce((total, report) => total + report.rows, 0)
      return {
        rowsProcessed: rows,
        rowsWritten: rows,
        outputTable: tableOf(config),
        details: { snapshot_date: now.slice(0, 10), credentials: reports }
      }
    })

    return {
      type: "cloud.gcp.gcp_api_extractor",
      check: (config) =>
        Schema.is(Config)(config)
          ? undefined
          : `config has api (${apiNames}), endpoint (https, of googleapis.com), pagination {parameter, page_size up to the API's limit}, data_path, rate_limit {requests_per_second}`,
      admits: (_config, request) =>
        credentials
          .check({ ...request, providers: account.providers })
          .pipe(Effect.mapError((error) => unusableCredential(error, account))),
      execute
    }
  }
)

interface Snapshot {
  readonly config: Config
  readonly context: StepContext
  readonly org: OrgWarehouse
  readonly now: string
}

const tableOf = ({ api }: Config): string => `gcp_${api}_raw`

/** Replaces the day of one credential by the list as it is now, and empties that day of credentials that it supersedes. */
const snapshot = Effect.fn("GcpApiExtractor.snapshot")(function* (
  { config, context, now, org }: Snapshot,
  opened: OpenCredential
) {
  const pipelineId = `cloud_gcp_api_${config.api}`
  const list = yield* GcpApi.open(opened, { ...config, requestsPerSecond: config.rate_limit.requests_per_second })
  const sliceOf = (credentialId: string): Slice => ({
    table: tableOf(config),
    pipelineId,
    credentialId,
    extent: { kind: "day", date: Day.make(now.slice(0, 10)) }
  })
  const { credentialId } = opened.credential
  const rows = Stream.map(list.items, ({ data, key }): JsonObject => ({
    resource_key: key,
    source_api: config.api,
    raw_data: data,
    extracted_at: now,
    x_ingestion_id: ingestionId([context.org, pipelineId, credentialId, now.slice(0, 10), key])
  }))
  const report = yield* org.replaceSlice({
    slice: sliceOf(credentialId),
    source: { _tag: "Rows", rows },
    runId: context.runId
  })
  for (const former of opened.superseded) {
    yield* org.replaceSlice({
      slice: sliceOf(former),
      source: { _tag: "Rows", rows: Stream.empty },
      runId: context.runId
    })
  }
  return { credential_id: credentialId, location: list.location, rows: report.rowsWritten }
})

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of cloud.gcp.gcp_api_extractor",
    suggestedAction: "correct the pipeline's file"
  })
