/**
 * `cloud.gcp.external_bq_extractor`: loads the invoice months of Google Cloud's billing exports, standard, detailed or FOCUS, of every
 * credential into the native tables. A month is replaced as a whole.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as GcpStore from "../../sources/gcp/GcpStore.ts"
import * as BillingExtractor from "./BillingExtractor.ts"
import { loadFiles } from "./GcpLoad.ts"

const Config = Schema.Struct({ provider: Schema.Literal("gcp") })

/** Makes the processor. */
export const make = BillingExtractor.make({
  type: "cloud.gcp.external_bq_extractor",
  cloud: "gcp",
  label: "Google Cloud",
  providers: ["GCP_FILES"],
  config: Config,
  configHelp: 'config needs provider "gcp"',
  mainTable: "cloud_gcp_billing_raw_daily",
  load: (request, credential) => Effect.flatMap(GcpStore.open(credential), (store) => loadFiles(request, store))
})
