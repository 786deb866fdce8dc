/**
 * Google Cloud's lists and Cloud Storage on the loopback, from the wire contract: tokens are verified, parameters and their bounds checked,
 * page tokens are bound to the question they continue.
 */
import { createHash, generateKeyPairSync } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { tokenFault } from "./bigQueryServer.ts"
import { httpServer } from "./httpServer.ts"

export const project = "acme-prod"
export const bucket = "acme-billing"
export const clientEmail = "reader@acme-prod.iam.gserviceaccount.com"
const keys = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" }
})
/** A key file whose key the server knows. */
export const keyFile = {
  type: "service_account",
  project_id: project,
  client_email: clientEmail,
  private_key: keys.privateKey,
  token_uri: "http://127.0.0.1:1/never"
}

const auth = "https://www.googleapis.com/auth"
/** Items that a page has at most, whatever is asked for, so that small lists have pages. */
const pageSize = 2

/** A list: which parameter says how many items a page may have, up to how many, and what else may be said. */
const lists = [
  { path: "/v1/billingAccounts", scope: `${auth}/cloud-billing.readonly`, size: "pageSize", most: 100, also: [] },
  {
    path: `/compute/v1/projects/${project}/aggregated/instances`,
    scope: `${auth}/compute.readonly`,
    size: "maxResults",
    most: 500,
    also: []
  },
  {
    path: `/v1/projects/${project}/serviceAccounts`,
    scope: `${auth}/cloud-platform`,
    size: "pageSize",
    most: 100,
    also: []
  },
  {
    path: "/storage/v1/b",
    scope: `${auth}/devstorage.read_only`,
    size: "maxResults",
    most: 1000,
    also: ["project"]
  },
  {
    path: `/storage/v1/b/${bucket}/o`,
    scope: `${auth}/devstorage.read_only`,
    size: "maxResults",
    most: 1000,
    also: ["prefix", "fields"]
  }
] as const

/** Starts the server; it ends with the scope. */
export const googleServer = Effect.gen(function* () {
  const objects = new Map<string, Buffer>()
  const state: {
    billingAccounts: ReadonlyArray<object>
    /** Instances by zone; a text instead is a zone's warning. */
    zones: Readonly<Record<string, ReadonlyArray<object> | string>>
    unreachables: ReadonlyArray<string>
    serviceAccounts: ReadonlyArray<object>
    buckets: ReadonlyArray<object>
  } = { billingAccounts: [], zones: {}, unreachables: [], serviceAccounts: [], buckets: [] }

  const send = (response: ServerResponse, status: number, body: object) => {
    response.writeHead(status, { "content-type": "application/json", "x-request-id": "req-7" })
    response.end(JSON.stringify(body))
  }
  const refuse = (response: ServerResponse, code: number, status: string, reason = status) =>
    send(response, code, {
      error: { code, status, message: `never show this: ${keys.privateKey}`, errors: [{ reason }] }
    })
  const generationOf = (body: Buffer) => String(createHash("md5").update(body).digest().readUInt32BE(0))

  const page = (query: URLSearchParams, path: string) => {
    const token = query.get("pageToken")
    const question = new URLSearchParams(query)
    question.delete("pageToken")
    question.sort()
    const seal = createHash("sha256").update(`${path}?${question.toString()}`).digest("hex").slice(0, 12)
    const start = token === null ? 0 : token.startsWith(`${seal}.`) ? Number(token.slice(seal.length + 1)) : Number.NaN
    const cut = <A>(all: ReadonlyArray<A>) => ({
      part: all.slice(start, start + pageSize),
      next: start + pageSize < all.length ? { nextPageToken: `${seal}.${start + pageSize}` } : {}
    })
    return Number.isNaN(start) ? undefined : cut
  }

  const answerList = (path: string, query: URLSearchParams, response: ServerResponse) => {
    const cut = page(query, path)
    if (cut === undefined) return refuse(response, 400, "INVALID_ARGUMENT")
    if (path === "/v1/billingAccounts") {
      const { next, part } = cut(state.billingAccounts)
      return send(response, 200, { billingAccounts: part, ...next })
    }
    if (path.endsWith("/serviceAccounts")) {
      const { next, part } = cut(state.serviceAccounts)
      return send(response, 200, { accounts: part, ...next })
    }
    if (path === "/storage/v1/b") {
      if (query.get("project") !== project) return refuse(response, 400, "INVALID_ARGUMENT", "required")
      const { next, part } = cut(state.buckets)
      return send(response, 200, { kind: "storage#buckets", items: part, ...next })
    }
    if (path.endsWith("/aggregated/instances")) {
      const { next, part } = cut(Object.entries(state.zones))
      const items = part.map(([zone, found]) => [
        `zones/${zone}`,
        typeof found === "string"
          ? { warning: { code: found } }
          : found.length === 0
            ? { warning: { code: "NO_RESULTS_ON_PAGE" } }
            : { instances: found }
      ])
      const missing = state.unreachables.length === 0 ? {} : { unreachables: state.unreachables }
      return send(response, 200, { items: Object.fromEntries(items), ...next, ...missing })
    }
    const found = [...objects]
      .filter(([name]) => name.startsWith(query.get("prefix") ?? ""))
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const { next, part } = cut(found)
    const items = part.map(([name, body]) => ({
      name,
      size: String(body.length),
      generation: generationOf(body),
      updated: "2026-04-01T02:00:00Z"
    }))
    send(response, 200, { ...(items.length === 0 ? {} : { items }), ...next })
  }

  const answerObject = (name: string, query: URLSearchParams, response: ServerResponse) => {
    const body = objects.get(name)
    if (body === undefined) return refuse(response, 404, "NOT_FOUND", "notFound")
    if (query.get("alt") !== "media") return refuse(response, 400, "INVALID_ARGUMENT")
    if (query.get("ifGenerationMatch") !== generationOf(body)) return refuse(response, 412, "FAILED_PRECONDITION")
    response.writeHead(200, { "content-length": String(body.length), "x-goog-generation": generationOf(body) })
    response.end(body)
  }

  const server = yield* httpServer((request, response) => {
    const { pathname, searchParams: query } = request.url
    const folder = `/storage/v1/b/${bucket}/o/`
    const list = lists.find(({ path }) => path === pathname)
    if (list === undefined && !pathname.startsWith(folder))
      return refuse(response, 403, "PERMISSION_DENIED", "forbidden")
    const scope = list?.scope ?? `${auth}/devstorage.read_only`
    const fault = tokenFault(request, { publicKey: keys.publicKey, clientEmail, scope })
    if (fault !== undefined) return refuse(response, 401, "UNAUTHENTICATED")
    if (request.method !== "GET") return refuse(response, 404, "NOT_FOUND")
    if (list === undefined) return answerObject(decodeURIComponent(pathname.slice(folder.length)), query, response)
    const size = Number(query.get(list.size) ?? 50)
    const known: ReadonlyArray<string> = [list.size, "pageToken", ...list.also]
    const isUnknown = [...query.keys()].some((name) => !known.includes(name))
    if (isUnknown || !Number.isInteger(size) || size < 1 || size > list.most)
      return refuse(response, 400, "INVALID_ARGUMENT", "invalidParameter")
    return answerList(pathname, query, response)
  })

  return { ...server, objects, state }
})
