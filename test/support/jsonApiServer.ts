/**
 * A JSON API on the loopback with every way of paging and of proving who asks: `/v1/{paging}/items`. What it does not know is refused.
 */
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { httpServer, type SeenRequest } from "./httpServer.ts"

export const secret = "s3cr3t-of-the-api"
const pageSize = 2
const parameters: Readonly<Record<string, string>> = { cursor: "after", offset: "offset", page: "page", link: "token" }

const basic = `Basic ${Buffer.from(`reader:${secret}`).toString("base64")}`

/** Starts the server; `auth` is how requests must prove who they are. It ends with the scope. */
export const jsonApiServer = Effect.gen(function* () {
  /** JSON text of each item: numbers stay as they are written. */
  const items: Array<string> = []
  const state = { auth: "none", tokens: 0 }
  const send = (response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.end(body)
  }
  const isKnown = ({ headers, url }: SeenRequest): boolean => {
    const { authorization } = headers
    switch (state.auth) {
      case "bearer":
        return authorization === `Bearer ${secret}`
      case "basic":
        return authorization === basic
      case "header":
        return headers["x-key"] === secret
      case "query":
        return url.searchParams.get("key") === secret
      case "oauth2":
        return authorization === `Bearer token-${state.tokens}`
      default:
        return authorization === undefined
    }
  }
  const giveToken = ({ body, method }: SeenRequest, response: ServerResponse) => {
    const form = Object.fromEntries(new URLSearchParams(body))
    const isRight =
      method === "POST" &&
      form["grant_type"] === "client_credentials" &&
      form["client_id"] === "reader" &&
      form["client_secret"] === secret &&
      form["scope"] === "items.read"
    if (!isRight) return send(response, 401, '{"code":"invalid_client"}')
    state.tokens++
    send(response, 200, `{"access_token":"token-${state.tokens}","expires_in":60}`)
  }

  const server = yield* httpServer((request, response) => {
    const { pathname, searchParams: query } = request.url
    if (pathname === "/token") return giveToken(request, response)
    const paging = /^\/v1\/(cursor|offset|page|link|none)\/items$/.exec(pathname)?.[1]
    if (paging === undefined || request.method !== "GET") return send(response, 404, '{"code":"NOT_FOUND"}')
    if (!isKnown(request))
      return send(response, 401, `{"code":"UNKNOWN_CALLER","message":"never show this: ${secret}"}`)
    const own = parameters[paging] ?? ""
    const allowed = new Set([own, "limit", ...(state.auth === "query" ? ["key"] : [])])
    const limit = Number(query.get("limit") ?? pageSize)
    const given = query.get(own)
    const start =
      given === null
        ? 0
        : paging === "offset"
          ? Number(given)
          : paging === "page"
            ? (Number(given) - 1) * limit
            : Number(given.replace(/^c-/, ""))
    const isBad = [...query.keys()].some((name) => !allowed.has(name)) || !(limit >= 1 && limit <= 2) || !(start >= 0)
    if (isBad) return send(response, 400, '{"code":"BAD_PARAMETER"}')
    const end = paging === "none" ? items.length : start + limit
    const next = end < items.length ? `c-${end}` : null
    const link: Record<string, string> =
      paging === "link" && next !== null
        ? {
            link: `<${pathname}?token=${next}${state.auth === "query" ? `&key=${secret}` : ""}>; rel="next", </v1>; rel="up"`
          }
        : {}
    send(
      response,
      200,
      `{"data":{"items":[${items.slice(start, end).join(",")}]},"meta":{"next":${JSON.stringify(next)}}}`,
      link
    )
  })
  return { ...server, items, state }
})
