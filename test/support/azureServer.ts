/**
 * Azure on the loopback, from the wire contract: the login, Blob Storage and the cost details API. It checks tokens, parameters and bounds.
 */
import { createHash } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { httpServer, type RunningServer, type SeenRequest } from "./httpServer.ts"

export const tenant = "11111111-aaaa-4000-8000-000000000001"
export const clientId = "22222222-aaaa-4000-8000-000000000001"
export const clientSecret = "a-secret~that.must-not-appear"
export const subscription = "33333333-aaaa-4000-8000-000000000001"

/** Answers of one report: the bytes of its blobs, or that there are no costs. */
export type Report = ReadonlyArray<string | Uint8Array> | "no data" | "failed"

const pageSize = 2

/** One series of a metric of a resource: its dimensions, and values as text by the hour that they begin in. */
export interface Series {
  readonly resourceId: string
  readonly metric: string
  readonly dimensions: Readonly<Record<string, string>>
  readonly hours: Readonly<Record<string, string>>
}

/** A model deployment of an Azure OpenAI account. */
export interface Deployment {
  readonly name: string
  readonly sku: { readonly name: string; readonly capacity: number }
  readonly properties: { readonly model: { readonly name: string; readonly version?: string } }
}

/** Starts the server with one container; it ends with the scope. */
export const azureServer = Effect.fnUntraced(function* (container: string) {
  const blobs = new Map<string, { readonly body: Buffer; readonly etag: string }>()
  const reports = new Map<string, Report>()
  const operations = new Map<string, { report: Report; questions: number }>()
  const links = new Map<string, Buffer>()
  const series: Array<Series> = []
  const deployments = new Map<string, ReadonlyArray<Deployment>>()
  let tokens = 0
  let revoked = 0

  const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "application/json", "x-ms-request-id": "req-1", ...headers })
    response.end(JSON.stringify(body))
  }
  const refuse = (response: ServerResponse, status: number, code: string) =>
    json(
      response,
      status,
      { error: { code, message: `do not show this: ${clientSecret}` } },
      { "x-ms-error-code": code }
    )

  const login = (request: SeenRequest, response: ServerResponse) => {
    const form = new URLSearchParams(request.body)
    const scope = form.get("scope") ?? ""
    if (request.url.pathname !== `/${tenant}/oauth2/v2.0/token`) return refuse(response, 400, "invalid_tenant")
    if (
      form.get("grant_type") !== "client_credentials" ||
      !/^https:\/\/(storage|management)\.azure\.com\/\.default$/.test(scope)
    ) {
      return json(response, 400, { error: "invalid_request", error_description: "AADSTS900144", error_codes: [900144] })
    }
    if (form.get("client_id") !== clientId || form.get("client_secret") !== clientSecret) {
      return json(response, 401, {
        error: "invalid_client",
        error_description: `AADSTS7000215 ${clientSecret}`,
        error_codes: [7000215]
      })
    }
    tokens++
    json(response, 200, {
      token_type: "Bearer",
      expires_in: 3599,
      access_token: `${new URL(scope).hostname}#${tokens}`
    })
  }

  const isAuthorized = (request: SeenRequest, host: string) => {
    const [audience, number] = (request.headers.authorization ?? "").replace(/^Bearer /, "").split("#")
    return audience === host && Number(number) > revoked
  }

  const list = (request: SeenRequest, response: ServerResponse) => {
    const query = request.url.searchParams
    if (query.get("comp") !== "list" || Number(query.get("maxresults")) > 5000)
      return refuse(response, 400, "InvalidQueryParameterValue")
    const keys = [...blobs.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "")).sort()
    const start = Number(query.get("marker") ?? 0)
    const page = keys.slice(start, start + pageSize)
    const next = start + pageSize < keys.length ? `<NextMarker>${start + pageSize}</NextMarker>` : "<NextMarker />"
    const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    response.writeHead(200, { "content-type": "application/xml" })
    response.end(
      `\uFEFF<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="${container}"><Blobs>${page
        .map((key) => {
          const { body, etag } = blobs.get(key) ?? { body: Buffer.alloc(0), etag: "" }
          return `<Blob><Name>${escaped(key)}</Name><Properties><Last-Modified>Mon, 23 Nov 2026 00:00:00 GMT</Last-Modified><Etag>${etag}</Etag><Content-Length>${body.length}</Content-Length></Properties></Blob>`
        })
        .join("")}</Blobs>${next}</EnumerationResults>`
    )
  }

  const blob = (request: SeenRequest, response: ServerResponse) => {
    const found = blobs.get(decodeURIComponent(request.url.pathname.slice(container.length + 2)))
    if (found === undefined) return refuse(response, 404, "BlobNotFound")
    if (request.headers["if-match"] !== `"${found.etag}"`) return refuse(response, 412, "ConditionNotMet")
    response.writeHead(200, { "content-length": found.body.length, etag: `"${found.etag}"` })
    response.end(found.body)
  }

  const storage = (request: SeenRequest, response: ServerResponse) => {
    if (!isAuthorized(request, "storage.azure.com")) return refuse(response, 401, "InvalidAuthenticationInfo")
    if ((request.headers["x-ms-version"] ?? "") < "2017-11-09") return refuse(response, 400, "MissingRequiredHeader")
    return request.url.pathname === `/${container}` ? list(request, response) : blob(request, response)
  }

  const generate = (request: SeenRequest, response: ServerResponse, endpoint: string) => {
    if (!isAuthorized(request, "management.azure.com")) return refuse(response, 401, "InvalidAuthenticationToken")
    if (request.url.searchParams.get("api-version") !== "2025-03-01")
      return refuse(response, 400, "InvalidApiVersionParameter")
    if (!request.url.pathname.startsWith(`/subscriptions/${subscription}/`))
      return refuse(response, 403, "AuthorizationFailed")
    const { metric, timePeriod } = JSON.parse(request.body)
    const isMonth =
      /^\d{4}-\d{2}-\d{2}$/.test(timePeriod.end) && timePeriod.start.slice(0, 7) === timePeriod.end.slice(0, 7)
    if (!["ActualCost", "AmortizedCost"].includes(metric) || !isMonth) return refuse(response, 400, "InvalidRequest")
    const report = reports.get(`${timePeriod.start.slice(0, 7)} ${metric}`) ?? "no data"
    const id = String(operations.size + 1)
    operations.set(id, { report, questions: 0 })
    const location = `${endpoint}/subscriptions/${subscription}/providers/Microsoft.CostManagement/costDetailsOperationResults/${id}?api-version=2025-03-01`
    response.writeHead(202, { location, "retry-after": "0" })
    response.end()
  }

  const operation = (request: SeenRequest, response: ServerResponse, endpoint: string) => {
    if (!isAuthorized(request, "management.azure.com")) return refuse(response, 401, "InvalidAuthenticationToken")
    const id = request.url.pathname.split("/").at(-1) ?? ""
    const asked = operations.get(id)
    if (asked === undefined) return refuse(response, 404, "NotFound")
    // The first question is answered with "not yet".
    if (asked.questions++ === 0) {
      response.writeHead(202, { "retry-after": "0" })
      return response.end()
    }
    if (asked.report === "no data") {
      response.writeHead(204)
      return response.end()
    }
    if (asked.report === "failed") return json(response, 200, { status: "Failed" })
    const found = asked.report.map((content, index) => {
      const body = Buffer.from(content)
      links.set(`/sas/${id}/${index}`, body)
      return { blobLink: `${endpoint}/sas/${id}/${index}?sv=2020-05-31&sig=${clientSecret}`, byteCount: body.length }
    })
    json(response, 200, {
      status: "Completed",
      manifest: { blobCount: found.length, blobs: found },
      validTill: "2026-12-01T00:00:00Z"
    })
  }

  const metrics = (request: SeenRequest, response: ServerResponse, resourceId: string) => {
    if (!isAuthorized(request, "management.azure.com")) return refuse(response, 401, "InvalidAuthenticationToken")
    const query = request.url.searchParams
    const [from = "", to = ""] = (query.get("timespan") ?? "").split("/")
    const dimensions = (query.get("$filter") ?? "")
      .split(" and ")
      .flatMap((each) => /^(\w+) eq '\*'$/.exec(each)?.[1] ?? [])
    if (query.get("api-version") !== "2023-10-01" || query.get("interval") !== "PT1H" || !(from < to))
      return refuse(response, 400, "BadRequest")
    const top = Number(query.get("top") ?? 10)
    const value = (query.get("metricnames") ?? "").split(",").map((metric) => ({
      name: { value: metric, localizedValue: metric },
      unit: "Count",
      errorCode: "Success",
      timeseries: series
        .filter((each) => each.resourceId === resourceId && each.metric === metric)
        .slice(0, top)
        .map((each) => ({
          metadatavalues: dimensions.flatMap((name) => {
            const told = each.dimensions[name]
            return told === undefined ? [] : [{ name: { value: name.toLowerCase() }, value: told }]
          }),
          data: [
            // An interval in which nothing was measured.
            { timeStamp: from },
            ...Object.entries(each.hours)
              .filter(([hour]) => hour >= from && hour < to)
              .map(([timeStamp, text]) => ({
                timeStamp,
                [(query.get("aggregation") ?? "").toLowerCase()]: Number(text)
              }))
          ]
        }))
    }))
    json(response, 200, { cost: 0, timespan: query.get("timespan"), interval: "PT1H", value })
  }

  const deployed = (request: SeenRequest, response: ServerResponse, endpoint: string, account: string) => {
    if (!isAuthorized(request, "management.azure.com")) return refuse(response, 401, "InvalidAuthenticationToken")
    if (!request.url.searchParams.has("api-version")) return refuse(response, 400, "MissingApiVersionParameter")
    const all = deployments.get(account)
    if (all === undefined) return refuse(response, 404, "ResourceNotFound")
    const start = Number(request.url.searchParams.get("$skiptoken") ?? 0)
    const more = start + pageSize < all.length
    const next = `${endpoint}${account}/deployments?api-version=2024-10-01&$skiptoken=${start + pageSize}`
    json(response, 200, { value: all.slice(start, start + pageSize), ...(more ? { nextLink: next } : {}) })
  }

  const signed = (request: SeenRequest, response: ServerResponse) => {
    const body = links.get(request.url.pathname)
    // Blob Storage refuses a request that is signed twice.
    if (body === undefined || request.headers.authorization !== undefined || !request.url.searchParams.has("sig")) {
      return refuse(response, 403, "AuthenticationFailed")
    }
    response.writeHead(200, { "content-length": body.length })
    response.end(body)
  }

  const server: RunningServer = yield* httpServer((request, response) => {
    const path = request.url.pathname
    const { endpoint } = server
    if (request.method === "POST" && path.endsWith("/oauth2/v2.0/token")) return login(request, response)
    if (request.method === "POST" && path.endsWith("/generateCostDetailsReport"))
      return generate(request, response, endpoint)
    if (path.includes("/costDetailsOperationResults/")) return void operation(request, response, endpoint)
    if (path.startsWith("/sas/")) return signed(request, response)
    const measured = /^(\/subscriptions\/.+)\/providers\/Microsoft\.Insights\/metrics$/.exec(path)?.[1]
    if (request.method === "GET" && measured !== undefined) return metrics(request, response, measured)
    const account = /^(\/subscriptions\/.+\/accounts\/[^/]+)\/deployments$/.exec(path)?.[1]
    if (request.method === "GET" && deployments.has(path)) {
      return isAuthorized(request, "management.azure.com")
        ? json(response, 200, { location: "swedencentral" })
        : refuse(response, 401, "InvalidAuthenticationToken")
    }
    if (request.method === "GET" && account !== undefined) return deployed(request, response, endpoint, account)
    if (path === `/${container}` || path.startsWith(`/${container}/`)) return storage(request, response)
    return refuse(response, 404, "ResourceNotFound")
  })
  return {
    ...server,
    /** What Azure Monitor has measured; tests change it between calls. */
    series,
    /** Model deployments by the id of their account. */
    deployments,
    put: (key: string, content: string | Uint8Array) => {
      const body = Buffer.from(content)
      blobs.set(key, { body, etag: `0x${createHash("sha256").update(body).digest("hex").slice(0, 15).toUpperCase()}` })
    },
    report: (month: string, metric: "ActualCost" | "AmortizedCost", report: Report) =>
      void reports.set(`${month} ${metric}`, report),
    /** Every token so far is refused from now on. */
    revoke: () => {
      revoked = tokens
    },
    /** Paths of blobs and signed links that were read, and forgets them. */
    downloads: () => {
      const paths = server.journal
        .filter(
          ({ method, url }) =>
            method === "GET" && (url.pathname.startsWith(`/${container}/`) || url.pathname.startsWith("/sas/"))
        )
        .map(({ url }) => decodeURIComponent(url.pathname))
      server.journal.length = 0
      return paths
    }
  }
})

/** Metadata and secret of a credential for the server. */
export const principal = (endpoint: string) => ({
  endpoints: { blob_endpoint: endpoint, login_endpoint: endpoint, management_endpoint: endpoint },
  secret: { tenant_id: tenant, client_id: clientId, client_secret: clientSecret, subscription_id: subscription }
})
