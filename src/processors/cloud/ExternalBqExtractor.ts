/**
 * `cloud.gcp.external_bq_extractor`: loads the invoice months of Google Cloud's billing exports, standard, detailed or FOCUS, of every
 * credential into the native tables. A month is replaced as a whole.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as BillingTable from "../../sources/gcp/BillingTable.ts"
import * as GcpStore from "../../sources/gcp/GcpStore.ts"
import * as BillingExtractor from "./BillingExtractor.ts"
import { loadFiles, loadTable } from "./GcpLoad.ts"

const DEFAULT_MAXIMUM_BYTES_BILLED = 100 * 1024 ** 3

const Config = Schema.Struct({
  provider: Schema.Literal("gcp"),
  /** A query that would process more bytes is not started. */
  maximum_bytes_billed: Schema.optionalWith(Schema.Int.pipe(Schema.positive()), {
    default: () => DEFAULT_MAXIMUM_BYTES_BILLED
  })
})

/** Makes the processor. */
export const make = Effect.flatMap(HttpClient.HttpClient, (client) =>
  BillingExtractor.make({
    type: "cloud.gcp.external_bq_extractor",
    cloud: "gcp",
    label: "Google Cloud",
    providers: ["GCP_SA", "GCP_FILES"],
    config: Config,
    configHelp: 'config needs provider "gcp", and may have maximum_bytes_billed',
    mainTable: "cloud_gcp_billing_raw_daily",
    load: (request, credential, config) =>
      GcpStore.hasFiles(credential)
        ? GcpStore.open(credential, request.folder).pipe(
            Effect.flatMap((store) => loadFiles(request, store)),
            Effect.provideService(HttpClient.HttpClient, client)
          )
        : BillingTable.open(credential, {
            from: request.context.startDate,
            folder: request.folder,
            maximumBytesBilled: config.maximum_bytes_billed,
            runId: request.context.runId
          }).pipe(Effect.flatMap((table) => loadTable(request, table)))
  })
)
