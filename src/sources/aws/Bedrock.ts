/**
 * Amazon Bedrock's provisioned throughput of one region: what is in service, as of now.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Json from "../../platform/Json.ts"
import { SourceError } from "../SourceError.ts"
import * as AwsCalls from "./AwsCalls.ts"
import type { AwsKeys } from "./AwsClient.ts"

const pagesLimit = 1000
const pageSize = 100
const pageLimitBytes = 4 * 1024 ** 2

const text = Schema.optional(Schema.NullOr(Schema.String))
const Moment = Schema.String.pipe(Schema.filter((time) => !Number.isNaN(Date.parse(time))))
const Summary = Schema.Struct({
  provisionedModelName: Schema.String,
  provisionedModelArn: Schema.String.pipe(
    Schema.pattern(/^arn:[\w-]+:bedrock:[a-z0-9-]+:\d{12}:provisioned-model\/.+$/)
  ),
  modelArn: Schema.String,
  foundationModelArn: Schema.String,
  modelUnits: Schema.String.pipe(Schema.pattern(/^\d{1,9}$/)),
  status: Schema.String,
  commitmentDuration: text,
  commitmentExpirationTime: Schema.optional(Schema.NullOr(Moment)),
  creationTime: Moment
})
const Page = Schema.Struct({
  nextToken: Schema.optional(Schema.NullOr(Schema.NonEmptyString)),
  provisionedModelSummaries: Schema.Array(Summary)
})

/** One provisioned throughput: model units of a model, in service since `creationTime`. Figures are text. */
export type ProvisionedThroughput = typeof Summary.Type

/** Everything provisioned in a region, whatever its status. */
export const list = Effect.fn("Bedrock.list")(function* (place: {
  readonly region: string
  readonly keys: AwsKeys
  readonly endpoint?: string
}) {
  const calls = yield* AwsCalls.make({
    ...place,
    name: "bedrock",
    permission: "bedrock:ListProvisionedModelThroughputs"
  })
  const target = `Bedrock's provisioned throughput in ${place.region}`
  const unreadable = (reason: string) =>
    new SourceError({
      kind: "permanent",
      code: "AWS_ANSWER_UNREADABLE",
      message: `${target}: ${reason}`,
      suggestedAction: "check the endpoint of the credential; if it is right, report that AWS's answers have changed"
    })
  const found: Array<ProvisionedThroughput> = []
  const seen = new Set<string>()
  let token: string | undefined
  do {
    const answer = yield* calls.send(
      {
        target,
        request: HttpClientRequest.get(`${calls.url}/provisioned-model-throughputs`).pipe(
          HttpClientRequest.setUrlParams([
            ["maxResults", String(pageSize)],
            ...(token === undefined ? [] : [["nextToken", token] as const])
          ])
        )
      },
      pageLimitBytes
    )
    const page = yield* Json.parseLossless(new TextDecoder().decode(answer.body)).pipe(
      Effect.flatMap(Schema.decodeUnknown(Page)),
      Effect.mapError(() => unreadable("the answer is not what the contract says"))
    )
    found.push(...page.provisionedModelSummaries)
    token = page.nextToken ?? undefined
    if (token !== undefined && seen.has(token)) return yield* unreadable("a page's token came twice")
    if (token !== undefined && seen.add(token).size >= pagesLimit) {
      return yield* unreadable(`there are more than ${pagesLimit} pages`)
    }
  } while (token !== undefined)
  return found
})
