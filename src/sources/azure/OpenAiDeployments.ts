/**
 * The deployments of an Azure OpenAI account, and the units that are provisioned for them, as of now.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Json from "../../platform/Json.ts"
import { type AzureClient, badAnswer, textOf } from "./AzureClient.ts"

const apiVersion = "2024-10-01"
const pagesLimit = 1000
const pageLimitBytes = 4 * 1024 ** 2

const Moment = Schema.String.pipe(Schema.filter((time) => !Number.isNaN(Date.parse(time))))
const Deployment = Schema.Struct({
  name: Schema.NonEmptyString,
  sku: Schema.Struct({ name: Schema.String, capacity: Schema.String.pipe(Schema.pattern(/^\d{1,9}$/)) }),
  properties: Schema.Struct({
    model: Schema.Struct({ name: Schema.NonEmptyString, version: Schema.optional(Schema.NullOr(Schema.String)) })
  }),
  systemData: Schema.optional(Schema.NullOr(Schema.Struct({ createdAt: Schema.optional(Moment) })))
})
const Page = Schema.Struct({
  value: Schema.Array(Deployment),
  nextLink: Schema.optional(Schema.NullOr(Schema.NonEmptyString))
})

/** One deployment; `sku.capacity` are its units, as text. */
export type Deployment = typeof Deployment.Type

/** All deployments of an account: `/subscriptions/.../providers/Microsoft.CognitiveServices/accounts/NAME`. */
export const list = Effect.fn("OpenAiDeployments.list")(function* (
  client: AzureClient,
  managementEndpoint: string,
  account: string
) {
  const calls = client.authorized("https://management.azure.com/.default")
  const target = `the deployments of ${account}`
  const found: Array<Deployment> = []
  const seen = new Set<string>()
  let link: string | undefined = `${managementEndpoint}${account}/deployments?api-version=${apiVersion}`
  do {
    // Links lead to where they come from, or the token would go elsewhere.
    if (!link.startsWith(`${managementEndpoint}/`) || seen.has(link)) return yield* badAnswer(target)
    if (seen.add(link).size > pagesLimit) return yield* badAnswer(target)
    const answer = yield* calls.send({ target, request: HttpClientRequest.get(link) }, pageLimitBytes)
    const page: typeof Page.Type = yield* Json.parseLossless(textOf(answer.body)).pipe(
      Effect.flatMap(Schema.decodeUnknown(Page)),
      Effect.mapError(() => badAnswer(target))
    )
    found.push(...page.value)
    link = page.nextLink ?? undefined
  } while (link !== undefined)
  return found
})

/** Where an account lies: `swedencentral`. */
export const locationOf = Effect.fn("OpenAiDeployments.locationOf")(function* (
  client: AzureClient,
  managementEndpoint: string,
  account: string
) {
  const target = `account ${account}`
  const request = HttpClientRequest.get(`${managementEndpoint}${account}?api-version=${apiVersion}`)
  const calls = client.authorized("https://management.azure.com/.default")
  const answer = yield* calls.send({ target, request }, pageLimitBytes)
  return yield* Json.parse(textOf(answer.body)).pipe(
    Effect.flatMap(Schema.decodeUnknown(Schema.Struct({ location: Schema.NonEmptyString }))),
    Effect.mapBoth({ onFailure: () => badAnswer(target), onSuccess: ({ location }) => location })
  )
})
