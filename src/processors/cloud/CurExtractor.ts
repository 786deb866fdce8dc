/**
 * `cloud.aws.cur_extractor`: loads the billing periods of AWS exports, CUR 1.0, CUR 2.0 or FOCUS, of every credential into the native
 * tables. A period is replaced as a whole; one whose change token did not move is not downloaded.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as AwsStore from "../../sources/aws/AwsStore.ts"
import { loadExports } from "./AwsLoad.ts"
import * as BillingExtractor from "./BillingExtractor.ts"

const Config = Schema.Struct({
  provider: Schema.Literal("aws"),
  source: Schema.optional(
    Schema.Struct({ source_bucket: Schema.optional(Schema.String), source_prefix: Schema.optional(Schema.String) })
  )
})

/** Makes the processor. */
export const make = BillingExtractor.make({
  type: "cloud.aws.cur_extractor",
  cloud: "aws",
  label: "AWS",
  providers: AwsStore.providers,
  config: Config,
  configHelp: 'config needs provider "aws", and may have source with source_bucket and source_prefix',
  mainTable: "cloud_aws_billing_raw_daily",
  load: (request, credential, { source }) =>
    AwsStore.open(credential, {
      folder: request.folder,
      ...(source?.source_bucket === undefined ? {} : { bucket: source.source_bucket }),
      ...(source?.source_prefix === undefined ? {} : { prefix: source.source_prefix })
    }).pipe(Effect.flatMap((store) => loadExports(request, store)))
})
