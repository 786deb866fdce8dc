/**
 * OCI Object Storage and the Usage API on the loopback, from the wire contract: each request's signature, its clock, paging, conditions and
 * the bounds of a question are checked.
 */
import { createHash, generateKeyPairSync, verify } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { httpServer, type SeenRequest } from "./httpServer.ts"

export const tenancy = "ocid1.tenancy.oc1..aaaatenancy"
const user = "ocid1.user.oc1..aaaauser"
const fingerprint = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
const pair = generateKeyPairSync("rsa", { modulusLength: 2048 })

/** The secret of a credential that the server accepts. */
export const secret = {
  tenancy_ocid: tenancy,
  user_ocid: user,
  fingerprint,
  private_key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  region: "eu-frankfurt-1"
}

const pageSize = 2
const longestSkewMillis = 5 * 60_000
const bodyHeaders = ["content-length", "content-type", "x-content-sha256"]
const longestDays = 90

const Question = Schema.parseJson(
  Schema.Struct({
    tenantId: Schema.Literal(tenancy),
    timeUsageStarted: Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}T00:00:00\.000Z$/)),
    timeUsageEnded: Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}T00:00:00\.000Z$/)),
    granularity: Schema.Literal("DAILY"),
    queryType: Schema.Literal("COST"),
    groupBy: Schema.Array(
      Schema.Literal("service", "skuName", "skuPartNumber", "unit", "compartmentId", "region", "resourceId")
    ).pipe(Schema.maxItems(4)),
    compartmentDepth: Schema.Int.pipe(Schema.between(1, 6)),
    isAggregateByTime: Schema.Literal(false)
  })
)

/** The days that a question is about; undefined when it is not a valid one. */
const usageDays = (body: string, query: URLSearchParams) => {
  const question = Option.getOrUndefined(Schema.decodeUnknownOption(Question, { onExcessProperty: "error" })(body))
  const limit = Number(query.get("limit"))
  const isKnown = [...query.keys()].every((name) => name === "limit" || name === "page")
  if (question === undefined || !isKnown || !(limit >= 1 && limit <= 1000)) return undefined
  const [from, to] = [question.timeUsageStarted.slice(0, 10), question.timeUsageEnded.slice(0, 10)]
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000
  return days >= 1 && days <= longestDays ? { from, to } : undefined
}

/** Starts the server with the tenancy's bucket; it ends with the scope. */
export const ociServer = Effect.gen(function* () {
  const objects = new Map<string, Buffer>()
  /** JSON text of the items of a day, by day: numbers stay as they are written. */
  const usage = new Map<string, ReadonlyArray<string>>()
  const etagOf = (body: Buffer) => createHash("md5").update(body).digest("hex")
  const refuse = (response: ServerResponse, status: number, code: string) => {
    response.writeHead(status, { "content-type": "application/json", "opc-request-id": "req-1" })
    response.end(JSON.stringify({ code, message: `do not show this: ${secret.user_ocid}` }))
  }
  const isSigned = ({ body, headers, method, url }: SeenRequest, now: number) => {
    const names = ["x-date", "(request-target)", "host", ...(method === "POST" ? bodyHeaders : [])]
    const match = new RegExp(
      `^Signature version="1",keyId="${tenancy}/${user}/${fingerprint}",algorithm="rsa-sha256",headers="${names.join(" ").replace(/[()]/g, "\\$&")}",signature="([A-Za-z0-9+/=]+)"$`
    ).exec(headers.authorization ?? "")
    const date = headers["x-date"]
    if (match === null || typeof date !== "string") return false
    if (Math.abs(Date.parse(date) - now) > longestSkewMillis) return false
    const digest = createHash("sha256").update(body).digest("base64")
    if (method === "POST" && headers["x-content-sha256"] !== digest) return false
    const valueOf = (name: string) =>
      name === "(request-target)" ? `${method.toLowerCase()} ${url.pathname}${url.search}` : String(headers[name])
    const text = names.map((name) => `${name}: ${valueOf(name)}`).join("\n")
    return verify("sha256", Buffer.from(text), pair.publicKey, Buffer.from(match[1] ?? "", "base64"))
  }
  const answerUsage = ({ body, url }: SeenRequest, response: ServerResponse) => {
    const days = usageDays(body, url.searchParams)
    const token = url.searchParams.get("page")
    const seal = createHash("sha256").update(body).digest("hex").slice(0, 12)
    const start = token === null ? 0 : token.startsWith(`${seal}.`) ? Number(token.slice(seal.length + 1)) : Number.NaN
    if (days === undefined || Number.isNaN(start)) return refuse(response, 400, "InvalidParameter")
    const items = [...usage].filter(([day]) => day >= days.from && day < days.to).flatMap(([, found]) => found)
    const next = start + pageSize < items.length ? { "opc-next-page": `${seal}.${start + pageSize}` } : {}
    response.writeHead(200, { "content-type": "application/json", ...next })
    response.end(`{"groupBy":[],"items":[${items.slice(start, start + pageSize).join(",")}]}`)
  }
  const list = ({ url }: SeenRequest, response: ServerResponse) => {
    const prefix = url.searchParams.get("prefix") ?? ""
    const start = url.searchParams.get("start") ?? ""
    if (url.searchParams.get("fields") !== "name,size,etag,timeCreated")
      return refuse(response, 400, "InvalidParameter")
    const found = [...objects]
      .filter(([name]) => name.startsWith(prefix) && name >= start)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const next = found[pageSize]?.[0]
    response.writeHead(200, { "content-type": "application/json" })
    response.end(
      JSON.stringify({
        objects: found.slice(0, pageSize).map(([name, body]) => ({
          name,
          size: body.length,
          etag: etagOf(body),
          timeCreated: "2026-04-01T02:00:00Z"
        })),
        ...(next === undefined ? {} : { nextStartWith: next })
      })
    )
  }
  const server = yield* httpServer((request, response) => {
    if (!isSigned(request, Date.now())) return refuse(response, 401, "NotAuthenticated")
    if (request.method === "POST" && request.url.pathname === "/20200107/usage") return answerUsage(request, response)
    const place = `/n/bling/b/${tenancy}/o`
    if (request.url.pathname === place) return list(request, response)
    const name = decodeURIComponent(request.url.pathname.slice(place.length + 1))
    const body = objects.get(name)
    if (!request.url.pathname.startsWith(`${place}/`) || body === undefined)
      return refuse(response, 404, "ObjectNotFound")
    if (request.headers["if-match"] !== etagOf(body)) return refuse(response, 412, "IfMatchFailed")
    response.writeHead(200, { "content-length": String(body.length), etag: etagOf(body) })
    response.end(body)
  })
  return { ...server, objects, usage }
})
