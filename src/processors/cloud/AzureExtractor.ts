/**
 * `cloud.azure.cost_extractor`: loads the months of Azure's cost exports, cost details or FOCUS, of every credential into the native tables.
 * A month is replaced as a whole; one whose change token did not move is not downloaded.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as AzureStore from "../../sources/azure/AzureStore.ts"
import { loadExports } from "./AzureLoad.ts"
import * as BillingExtractor from "./BillingExtractor.ts"

const Config = Schema.Struct({ provider: Schema.Literal("azure") })

/** Makes the processor. */
export const make = BillingExtractor.make({
  type: "cloud.azure.cost_extractor",
  cloud: "azure",
  label: "Azure",
  providers: AzureStore.providers,
  config: Config,
  configHelp: 'config needs provider "azure"',
  mainTable: "cloud_azure_billing_raw_daily",
  load: (request, credential) =>
    AzureStore.open(credential).pipe(Effect.flatMap((store) => loadExports(request, store)))
})
