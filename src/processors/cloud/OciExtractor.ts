/**
 * `cloud.oci.cost_extractor`: loads the months of OCI's cost reports, or its FOCUS reports, or its Usage API where there are no reports, of
 * every credential into the native tables. A month is replaced as a whole; one whose reports are the same as before is not read again.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OciStore from "../../sources/oci/OciStore.ts"
import * as BillingExtractor from "./BillingExtractor.ts"
import { load } from "./OciLoad.ts"

/** Makes the processor. */
export const make = Effect.flatMap(HttpClient.HttpClient, (client) =>
  BillingExtractor.make({
    type: "cloud.oci.cost_extractor",
    cloud: "oci",
    label: "OCI",
    providers: OciStore.providers,
    config: Schema.Struct({ provider: Schema.Literal("oci") }),
    configHelp: 'config needs provider "oci"',
    mainTable: "cloud_oci_billing_raw_daily",
    load: (request, credential) =>
      OciStore.open(credential, request.folder).pipe(
        Effect.flatMap((places) => load(request, places)),
        Effect.provideService(HttpClient.HttpClient, client)
      )
  })
)
