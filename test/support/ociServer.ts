/**
 * OCI Object Storage on the loopback, from the wire contract: it verifies each request's signature, its clock, paging and conditions.
 */
import { createHash, generateKeyPairSync, verify } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
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

/** What happens to a request instead of its usual answer; false leaves it alone. */
export type Fault = (request: SeenRequest, response: ServerResponse) => boolean

/** Starts the server with the tenancy's bucket; it ends with the scope. */
export const ociServer = Effect.gen(function* () {
  const objects = new Map<string, Buffer>()
  const faults: Array<Fault> = []
  const etagOf = (body: Buffer) => createHash("md5").update(body).digest("hex")
  const refuse = (response: ServerResponse, status: number, code: string) => {
    response.writeHead(status, { "content-type": "application/json", "opc-request-id": "req-1" })
    response.end(JSON.stringify({ code, message: `do not show this: ${secret.user_ocid}` }))
  }
  const isSigned = ({ headers, method, url }: SeenRequest, now: number) => {
    const match = new RegExp(
      `^Signature version="1",keyId="${tenancy}/${user}/${fingerprint}",algorithm="rsa-sha256",headers="x-date \\(request-target\\) host",signature="([A-Za-z0-9+/=]+)"$`
    ).exec(headers.authorization ?? "")
    const date = headers["x-date"]
    if (match === null || typeof date !== "string") return false
    if (Math.abs(Date.parse(date) - now) > longestSkewMillis) return false
    const text = `x-date: ${date}\n(request-target): ${method.toLowerCase()} ${url.pathname}${url.search}\nhost: ${headers.host}`
    return verify("sha256", Buffer.from(text), pair.publicKey, Buffer.from(match[1] ?? "", "base64"))
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
    if (faults.some((fault) => fault(request, response))) return
    if (!isSigned(request, Date.now())) return refuse(response, 401, "NotAuthenticated")
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
  return { ...server, objects, faults }
})
