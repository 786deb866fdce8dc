/**
 * Cost details reports: where no export is delivered, Azure writes a report of one month on demand. It is asked for, waited for, and read
 * by links that are signed already.
 */
import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Day } from "../../platform/Identifiers.ts"
import { objectChanged, type StoredObject } from "../object-store/ObjectStore.ts"
import { retryAfterSeconds, SourceError } from "../SourceError.ts"
import { type AzureClient, badAnswer, textOf } from "./AzureClient.ts"
import type { CostView } from "./AzureDataFile.ts"

/** Where to ask. `scope` is a subscription or a billing account: `/subscriptions/...`. `folder` exists and receives the downloads. */
export interface CostDetailsPlace {
  readonly managementEndpoint: string
  readonly scope: string
  readonly folder: string
}

const apiVersion = "2025-03-01"
const answerLimitBytes = 4 * 1024 * 1024
/** The answer is asked for so often at most. */
const pollLimit = 240
const longestPollSeconds = 120
const usualPollSeconds = 30

const metrics: Readonly<Record<CostView, string>> = { actual: "ActualCost", amortized: "AmortizedCost" }

/** Reports of one place. */
export const make = (client: AzureClient, place: CostDetailsPlace) => {
  const calls = client.authorized("https://management.azure.com/.default")
  const location = `${place.managementEndpoint}${place.scope}`
  const links = new Map<string, { readonly url: string; readonly size: number }>()
  const uri = (key: string) => `${location}/${key}`

  /** The files of one month's report, none when there are no costs. `end` is inclusive. */
  const report = Effect.fn("CostDetails.report")(function* (view: CostView, start: Day, end: string) {
    const target = `the ${metrics[view]} report of ${place.scope} for ${start}`
    const request = HttpClientRequest.post(
      `${location}/providers/Microsoft.CostManagement/generateCostDetailsReport`
    ).pipe(
      HttpClientRequest.setUrlParam("api-version", apiVersion),
      HttpClientRequest.bodyUnsafeJson({ metric: metrics[view], timePeriod: { start, end } })
    )
    let answer = yield* calls
      .send({ request, target, answers: [200, 202, 204] }, answerLimitBytes)
      .pipe(Effect.mapError((error) => (error.message.includes("HTTP 422") ? unsupported(target) : error)))
    let operation: string | undefined
    for (let polls = 0; answer.status === 202; polls++) {
      if (polls >= pollLimit) return yield* unfinished(target)
      operation = answer.headers["location"] ?? operation
      if (operation === undefined || !isOf(operation, place.managementEndpoint)) return yield* badAnswer(target)
      const now = yield* Clock.currentTimeMillis
      const wait = retryAfterSeconds(answer.headers["retry-after"], now) ?? usualPollSeconds
      yield* Effect.sleep(1000 * Math.min(longestPollSeconds, wait))
      answer = yield* calls.send(
        { request: HttpClientRequest.get(operation), target, answers: [200, 202, 204] },
        answerLimitBytes
      )
    }
    if (answer.status === 204) return []
    const result = yield* Effect.mapError(Schema.decode(Operation)(textOf(answer.body)), () => badAnswer(target))
    if (result.status === "NoDataFound") return []
    const blobs = result.manifest?.blobs
    if (result.status !== "Completed" || blobs === undefined) return yield* failed(target, result.status)
    const files: Array<StoredObject> = []
    for (const [index, { blobLink, byteCount }] of blobs.entries()) {
      if (!isSafe(blobLink, place.managementEndpoint)) return yield* badAnswer(target)
      const key = `costDetails/${start.slice(0, 7)}/${metrics[view]}/part_${index}.csv`
      links.set(key, { url: blobLink, size: byteCount })
      files.push({ key, size: byteCount, etag: createHash("sha256").update(blobLink).digest("hex") })
    }
    return files
  })

  /** A local file of the report; removed with the scope. */
  const localFile = (object: StoredObject): Effect.Effect<string, SourceError, Scope.Scope> =>
    Effect.gen(function* () {
      const link = links.get(object.key)
      if (link === undefined) return yield* objectChanged(uri(object.key))
      const path = join(place.folder, createHash("sha256").update(uri(object.key)).digest("hex").slice(0, 32))
      yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
      yield* client.plain.download(
        { request: HttpClientRequest.get(link.url), target: uri(object.key) },
        path,
        link.size
      )
      return path
    })

  return { report, store: { location, uri, localFile } }
}

const Operation = Schema.parseJson(
  Schema.Struct({
    status: Schema.String,
    manifest: Schema.optional(
      Schema.NullishOr(
        Schema.Struct({
          blobs: Schema.Array(
            Schema.Struct({ blobLink: Schema.NonEmptyString, byteCount: Schema.Int.pipe(Schema.nonNegative()) })
          )
        })
      )
    )
  })
)

/** The token goes nowhere else than to the management API. */
const isOf = (url: string, endpoint: string) => URL.canParse(url) && new URL(url).origin === new URL(endpoint).origin

/** Links are https; a management endpoint on the loopback may also hand out such ones of the loopback. */
const isSafe = (url: string, endpoint: string) =>
  URL.canParse(url) && (new URL(url).protocol === "https:" || new URL(url).hostname === new URL(endpoint).hostname)

const unsupported = (target: string) =>
  new SourceError({
    kind: "permanent",
    code: "COST_DETAILS_UNSUPPORTED",
    message: `${target}: HTTP 422, this scope has no cost details reports`,
    suggestedAction:
      "reports exist for Enterprise Agreements and Microsoft Customer Agreements; else let a cost export write to a container and name it in the credential"
  })

const unfinished = (target: string) =>
  new SourceError({
    kind: "retryable",
    code: "COST_DETAILS_UNFINISHED",
    message: `${target} was not ready after ${pollLimit} questions`,
    suggestedAction: "run again later"
  })

const failed = (target: string, status: string) =>
  new SourceError({
    kind: "retryable",
    code: "COST_DETAILS_FAILED",
    message: `${target} ended as ${status.slice(0, 64)}`,
    suggestedAction: "run again later"
  })
