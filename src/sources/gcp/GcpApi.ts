/**
 * Lists of what a Google Cloud customer has, read page by page: billing accounts, instances, service accounts, buckets.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as Json from "../../platform/Json.ts"
import { checkEndpoint } from "../Endpoint.ts"
import { SourceError } from "../SourceError.ts"
import * as GoogleClient from "./GoogleClient.ts"

const auth = "https://www.googleapis.com/auth"

/** What each list needs of the token and of the account, the member that tells its items apart, and how many items Google gives at a time. */
export const apis = {
  billing_accounts: {
    scope: `${auth}/cloud-billing.readonly`,
    role: "Billing Account Viewer",
    key: "name",
    most: 100
  },
  compute_instances: { scope: `${auth}/compute.readonly`, role: "Compute Viewer", key: "selfLink", most: 500 },
  iam_service_accounts: { scope: `${auth}/cloud-platform`, role: "View Service Accounts", key: "name", most: 100 },
  storage_buckets: {
    scope: `${auth}/devstorage.read_only`,
    role: "Storage Bucket Viewer",
    key: "id",
    most: 1000
  }
} as const
export type ApiName = keyof typeof apis

/** One list to read. */
export interface ListRequest {
  readonly api: ApiName
  /** URL, where `{project}` stands for the service account's project. */
  readonly endpoint: string
  readonly pagination: { readonly parameter: string; readonly page_size: number }
  /** Members that lead to the items, `*` for every member: `items.*.instances`. */
  readonly data_path: string
  readonly requestsPerSecond: number
}

/** An item of a list and what tells it apart. */
export interface Item {
  readonly key: string
  readonly data: Json.JsonObject
}

const pageLimit = 10_000
const pageLimitBytes = 64 * 1024 * 1024

/** The place of a list, for people, and its items. A part that Google could not reach fails the whole list. */
export const open = Effect.fn("GcpApi.open")(function* (credential: OpenCredential, request: ListRequest) {
  const account = yield* GoogleClient.accountOf(credential)
  const replaced = credential.credential.metadata["endpoint"]
  const other = typeof replaced === "string" ? replaced : undefined
  yield* checkEndpoint(other)
  const given = new URL(request.endpoint.replaceAll("{project}", encodeURIComponent(account.projectId)))
  const url = other === undefined ? given : new URL(`${given.pathname}${given.search}`, other)
  const { key: keyName, ...access } = apis[request.api]
  const client = yield* GoogleClient.make(account, access)
  const place = `${url.origin}${url.pathname}`

  const page = Effect.fnUntraced(function* (token: string | undefined) {
    const call = HttpClientRequest.get(url).pipe(
      HttpClientRequest.appendUrlParams({
        [request.pagination.parameter]: String(request.pagination.page_size),
        ...(request.api === "storage_buckets" ? { project: account.projectId } : {}),
        ...(token === undefined ? {} : { pageToken: token })
      })
    )
    const { body } = yield* client.send({ request: call, target: place }, pageLimitBytes)
    const answer = yield* Effect.mapError(Json.parseLossless(new TextDecoder().decode(body)), () =>
      GoogleClient.badAnswer(place)
    )
    if (!Json.isObject(answer)) return yield* GoogleClient.badAnswer(place)
    const missing = unreachable(answer)
    if (missing.length > 0) return yield* notReached(place, missing)
    const items = yield* Effect.forEach(itemsAt(answer, request.data_path.split(".")), (data) => {
      const key = Json.isObject(data) ? data[keyName] : undefined
      return Json.isObject(data) && typeof key === "string" && key !== ""
        ? Effect.succeed<Item>({ key, data })
        : Effect.fail(GoogleClient.badAnswer(`${place}: an item has no ${keyName}`))
    })
    const next = answer["nextPageToken"]
    return { items, next: typeof next === "string" && next !== "" ? next : undefined }
  })

  const tokens = new Set<string>()
  const seen = new Set<string>()
  const pause = `${Math.ceil(1000 / request.requestsPerSecond)} millis` as const
  const items = Stream.paginateChunkEffect({ token: Option.none<string>(), number: 1 }, ({ number, token }) =>
    Effect.gen(function* () {
      if (number > 1) yield* Effect.sleep(pause)
      const { items: found, next } = yield* page(Option.getOrUndefined(token))
      for (const { key } of found) {
        if (seen.has(key)) return yield* changed(place, key)
        seen.add(key)
      }
      if (next === undefined) return [Chunk.fromIterable(found), Option.none()] as const
      if (tokens.has(next) || number >= pageLimit)
        return yield* GoogleClient.badAnswer(`${place}: the list does not end`)
      tokens.add(next)
      return [Chunk.fromIterable(found), Option.some({ token: Option.some(next), number: number + 1 })] as const
    })
  )
  return { location: place, items }
})

const itemsAt = (value: Json.Json, [first, ...rest]: ReadonlyArray<string>): ReadonlyArray<Json.Json> => {
  if (first === undefined) return Array.isArray(value) ? value : []
  if (!Json.isObject(value)) return []
  const members = first === "*" ? Object.values(value) : [value[first] ?? null]
  return members.flatMap((member) => itemsAt(member, rest))
}

/** The zones, regions or locations that the answer says are not in it. A warning that a zone has nothing is none. */
const unreachable = (answer: Json.JsonObject): ReadonlyArray<string> => [
  ...["unreachable", "unreachables"].flatMap((name) => {
    const list = answer[name]
    return Array.isArray(list) ? list.map(String) : []
  }),
  ...Object.entries(Json.objectAt(answer, "items")).flatMap(([place, part]) => {
    const code = Json.isObject(part) ? Json.objectAt(part, "warning")["code"] : undefined
    return code === undefined || code === "NO_RESULTS_ON_PAGE" ? [] : [`${place} (${String(code)})`]
  })
]

const notReached = (place: string, missing: ReadonlyArray<string>) =>
  new SourceError({
    kind: "retryable",
    code: "GOOGLE_PLACES_UNREACHABLE",
    message: `${place}: Google could not reach ${missing.join(", ")}, so the list is not whole`,
    suggestedAction: "wait and run again; the snapshot of before is unchanged"
  })

const changed = (place: string, key: string) =>
  new SourceError({
    kind: "stale",
    code: "LIST_CHANGED",
    message: `${place}: ${key} came twice, so the list changed while it was read`,
    suggestedAction: "run again"
  })
