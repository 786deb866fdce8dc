/**
 * OCI's Usage API: what a tenancy's days cost, for tenancies that have no reports.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Json from "../../platform/Json.ts"
import { SourceError } from "../SourceError.ts"
import type { OciClient } from "./OciClient.ts"

const pageItems = 1000
const pageLimit = 10_000
const pageLimitBytes = 64 * 1024 * 1024

/** What days are split by; the API takes four dimensions. */
const groupBy = ["service", "skuName", "skuPartNumber", "compartmentId"]
/** A compartment is told with so many levels above it. */
const compartmentDepth = 6

/** The API of one tenancy. */
export interface UsageApi {
  readonly location: string
  readonly tenancy: string
  /** Costs of the UTC days from `from` up to `to`, which is not one of them; numbers as their text. At most 90 days. */
  readonly costs: (days: { readonly from: string; readonly to: string }) => Stream.Stream<Json.JsonObject, SourceError>
}

/** Opens the API at an endpoint without a slash at its end. Nothing is asked of OCI yet. */
export const open = (client: OciClient, endpoint: string, tenancy: string): UsageApi => {
  const location = `${endpoint}/20200107/usage`
  const page = Effect.fnUntraced(function* (body: Json.JsonObject, token: string | undefined) {
    const request = HttpClientRequest.post(location).pipe(
      HttpClientRequest.setUrlParams({ limit: String(pageItems), ...(token === undefined ? {} : { page: token }) }),
      HttpClientRequest.bodyText(JSON.stringify(body), "application/json")
    )
    const answer = yield* client.send({ request, target: location }, pageLimitBytes)
    const parsed = yield* Effect.mapError(Json.parseLossless(new TextDecoder().decode(answer.body)), () =>
      unreadable(location)
    )
    const items = Json.isObject(parsed) ? parsed["items"] : undefined
    if (!Array.isArray(items)) return yield* unreadable(location)
    const objects = yield* Effect.forEach(items, (item: Json.Json) =>
      Json.isObject(item) ? Effect.succeed(item) : Effect.fail(unreadable(location))
    )
    return { items: objects, next: answer.headers["opc-next-page"] }
  })
  return {
    location,
    tenancy,
    costs: ({ from, to }) => {
      const body = {
        tenantId: tenancy,
        timeUsageStarted: `${from}T00:00:00.000Z`,
        timeUsageEnded: `${to}T00:00:00.000Z`,
        granularity: "DAILY",
        queryType: "COST",
        groupBy,
        compartmentDepth,
        isAggregateByTime: false
      }
      const tokens = new Set<string>()
      return Stream.paginateChunkEffect({ token: Option.none<string>(), number: 1 }, ({ number, token }) =>
        Effect.gen(function* () {
          const { items, next } = yield* page(body, Option.getOrUndefined(token))
          const chunk = Chunk.fromIterable(items)
          if (next === undefined || next === "") return [chunk, Option.none()] as const
          if (tokens.has(next) || number >= pageLimit) return yield* unreadable(`${location}: the pages do not end`)
          tokens.add(next)
          return [chunk, Option.some({ token: Option.some(next), number: number + 1 })] as const
        })
      )
    }
  }
}

const unreadable = (target: string) =>
  new SourceError({
    kind: "permanent",
    code: "OCI_ANSWER_UNREADABLE",
    message: `${target}: the answer is not what OCI's contract says`,
    suggestedAction: "check the endpoint of the credential"
  })
