/**
 * OpenAI's and Anthropic's usage and cost APIs on the loopback, from the wire contract: keys, parameters, bounds and cursors are checked.
 */
import { createHash } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { httpServer, type SeenRequest } from "./httpServer.ts"

export const openAiKey = "sk-admin-0000000000000000"
export const anthropicKey = "sk-ant-admin01-00000000"

interface Api {
  readonly groups: ReadonlyArray<string>
  readonly limit: number
}

const byModel = ["project_id", "user_id", "api_key_id", "model"]
const openAi: Readonly<Record<string, Api>> = {
  costs: { groups: ["project_id", "line_item", "api_key_id"], limit: 180 },
  "usage/completions": { groups: [...byModel, "batch", "service_tier"], limit: 31 },
  "usage/embeddings": { groups: byModel, limit: 31 },
  "usage/moderations": { groups: byModel, limit: 31 },
  "usage/images": { groups: [...byModel, "size", "source"], limit: 31 },
  "usage/audio_speeches": { groups: byModel, limit: 31 },
  "usage/audio_transcriptions": { groups: byModel, limit: 31 },
  "usage/vector_stores": { groups: ["project_id"], limit: 31 },
  "usage/code_interpreter_sessions": { groups: ["project_id"], limit: 31 },
  "usage/file_search_calls": { groups: ["project_id", "user_id", "api_key_id", "vector_store_id"], limit: 31 },
  "usage/web_search_calls": { groups: [...byModel, "context_level"], limit: 31 }
}
const anthropic: Readonly<Record<string, Api>> = {
  cost_report: { groups: ["description", "workspace_id"], limit: 31 },
  "usage_report/messages": {
    groups: [
      "account_id",
      "api_key_id",
      "context_window",
      "inference_geo",
      "model",
      "service_account_id",
      "service_tier",
      "workspace_id"
    ],
    limit: 31
  }
}

/** Starts both APIs on one port: `/v1` is OpenAI's base, the root Anthropic's. It ends with the scope. */
export const genaiServer = Effect.gen(function* () {
  /** JSON text of the results of a day, by API and day: numbers stay as they are written. */
  const results = new Map<string, string>()
  const send = (response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.end(body)
  }
  const refuse = (response: ServerResponse, vendor: "openai" | "anthropic", status: number, code: string) => {
    const message = `never show this ${openAiKey}`
    const body =
      vendor === "openai"
        ? { error: { message, type: "invalid_request_error", param: null, code } }
        : { type: "error", error: { type: code, message }, request_id: "req_1" }
    send(response, status, JSON.stringify(body))
  }

  const answer = (
    request: SeenRequest,
    response: ServerResponse,
    vendor: "openai" | "anthropic",
    path: string,
    api: Api
  ) => {
    const bad = () => refuse(response, vendor, 400, "invalid_request_error")
    const query = new URLSearchParams(request.url.search)
    const [from, to] = vendor === "openai" ? ["start_time", "end_time"] : ["starting_at", "ending_at"]
    const known = new Set([from, to, "bucket_width", "limit", "page", "group_by[]"])
    if ([...query.keys()].some((name) => !known.has(name))) return bad()
    const time = (name: string | undefined) => {
      const value = query.get(name ?? "") ?? ""
      return vendor === "openai" ? (/^\d+$/.test(value) ? Number(value) * 1000 : Number.NaN) : Date.parse(value)
    }
    const [first, end] = [time(from), time(to)]
    const groups = query.getAll("group_by[]")
    const limit = Number(query.get("limit") ?? 7)
    if (!(first < end) || query.get("bucket_width") !== "1d" || !(limit >= 1 && limit <= api.limit)) return bad()
    if (groups.some((group) => !api.groups.includes(group)) || new Set(groups).size !== groups.length) return bad()
    if (vendor === "anthropic" && groups.length > 5 && limit > 7) return bad()
    const page = query.get("page")
    query.delete("page")
    query.sort()
    const seal = createHash("sha256").update(`${path}?${query}`).digest("hex").slice(0, 12)
    const start = page === null ? 0 : page.startsWith(`page_${seal}_`) ? Number(page.split("_")[2]) : Number.NaN
    if (Number.isNaN(start)) return bad()
    const days = (end - first) / 86_400_000
    const buckets = Array.from({ length: Math.min(limit, days - start) }, (_, index) => {
      const at = first + (start + index) * 86_400_000
      const day = new Date(at).toISOString()
      const next = new Date(at + 86_400_000).toISOString()
      const rows = results.get(`${vendor} ${path} ${day.slice(0, 10)}`) ?? "[]"
      return vendor === "openai"
        ? `{"object":"bucket","start_time":${at / 1000},"end_time":${at / 1000 + 86_400},"results":${rows}}`
        : `{"starting_at":"${day.slice(0, 19)}Z","ending_at":"${next.slice(0, 19)}Z","results":${rows}}`
    })
    const after = start + buckets.length
    const more = after < days
    send(
      response,
      200,
      `{"object":"page","data":[${buckets.join(",")}],"has_more":${more},"next_page":${more ? `"page_${seal}_${after}"` : "null"}}`
    )
  }

  const server = yield* httpServer((request, response) => {
    const isOpenAi = request.url.pathname.startsWith("/v1/organization/")
    if (request.method !== "GET") return refuse(response, isOpenAi ? "openai" : "anthropic", 405, "method")
    if (isOpenAi) {
      if (request.headers.authorization !== `Bearer ${openAiKey}`)
        return refuse(response, "openai", 401, "invalid_api_key")
      const path = request.url.pathname.slice("/v1/organization/".length)
      const api = openAi[path]
      return api === undefined
        ? refuse(response, "openai", 404, "not_found")
        : answer(request, response, "openai", path, api)
    }
    if (request.headers["anthropic-version"] !== "2023-06-01") {
      return refuse(response, "anthropic", 400, "invalid_request_error")
    }
    if (request.headers["x-api-key"] !== anthropicKey) return refuse(response, "anthropic", 401, "authentication_error")
    const path = request.url.pathname.slice("/v1/organizations/".length)
    if (path === "usage_report/claude_code") {
      const query = request.url.searchParams
      const day = query.get("starting_at") ?? ""
      const limit = Number(query.get("limit") ?? 20)
      const isValid = /^\d{4}-\d{2}-\d{2}$/.test(day) && limit >= 1 && limit <= 1000
      if (!isValid || [...query.keys()].some((name) => !["starting_at", "limit", "page"].includes(name)))
        return refuse(response, "anthropic", 400, "invalid_request_error")
      const rows = results.get(`anthropic ${path} ${day}`) ?? "[]"
      return send(response, 200, `{"data":${rows},"has_more":false,"next_page":null}`)
    }
    const api = anthropic[path]
    return api === undefined
      ? refuse(response, "anthropic", 404, "not_found_error")
      : answer(request, response, "anthropic", path, api)
  })

  /** Sets what a day's bucket has: JSON text, or the results themselves. */
  const put = (vendor: "openai" | "anthropic", path: string, day: string, rows: string | ReadonlyArray<unknown>) =>
    results.set(`${vendor} ${path} ${day}`, typeof rows === "string" ? rows : JSON.stringify(rows))

  return { ...server, results, put }
})
