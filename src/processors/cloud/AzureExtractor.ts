/**
 * `cloud.azure.cost_extractor`: loads the months of Azure's cost exports, cost details or FOCUS, of every credential into the native tables.
 * A month is replaced as a whole; one whose change token did not move is not downloaded. Where there is no export, the cost details
 * reports of the run's months are asked for.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as AzureStore from "../../sources/azure/AzureStore.ts"
import { loadExports, loadReports } from "./AzureLoad.ts"
import * as BillingExtractor from "./BillingExtractor.ts"

const Config = Schema.Struct({ provider: Schema.Literal("azure") })

/** Makes the processor. */
export const make = Effect.flatMap(HttpClient.HttpClient, (client) =>
  BillingExtractor.make({
    type: "cloud.azure.cost_extractor",
    cloud: "azure",
    label: "Azure",
    providers: AzureStore.providers,
    config: Config,
    configHelp: 'config needs provider "azure"',
    mainTable: "cloud_azure_billing_raw_daily",
    load: (request, credential) =>
      AzureStore.open(credential, request.folder).pipe(
        Effect.flatMap((opened) =>
          opened._tag === "Exports" ? loadExports(request, opened.store) : loadReports(request, opened.reports)
        ),
        Effect.provideService(HttpClient.HttpClient, client)
      )
  })
)
