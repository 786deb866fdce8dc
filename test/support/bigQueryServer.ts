/**
 * A counterpart of BigQuery's REST interface for readers of one table: it checks the signed token, the form of every request and the
 * pages' order, and answers from rows in memory.
 */
import { createPublicKey, verify } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { httpServer, type SeenRequest } from "./httpServer.ts"

interface FieldDeclaration {
  readonly name: string
  readonly type: string
  readonly mode?: string
  readonly fields?: ReadonlyArray<FieldDeclaration>
}

/** What the server knows; tests change it between calls. */
export interface BigQueryWorld {
  readonly project: string
  readonly table: string
  readonly fields: ReadonlyArray<FieldDeclaration>
  readonly publicKey: string
  readonly clientEmail: string
  /** Rows by invoice month, as cells by position. */
  rows: Readonly<Record<string, ReadonlyArray<ReadonlyArray<unknown>>>>
  /** Answers to give instead of the next ones: status and reason. */
  refusals: Array<readonly [status: number, reason: string]>
  /** Rows of a page. */
  readonly pageRows: number
  /** Bytes that any query processes. */
  bytes: number
}

/** Starts the server; `journal` tells what was asked. */
export const bigQueryServer = (world: BigQueryWorld) => {
  const jobs = new Map<
    string,
    { readonly rows: ReadonlyArray<unknown>; readonly fields: ReadonlyArray<unknown>; polled: number }
  >()
  const handle = (request: SeenRequest, response: ServerResponse) => {
    const fault = tokenFault(request, { ...world, scope: "https://www.googleapis.com/auth/bigquery" })
    if (fault !== undefined) return refuse(response, 401, fault)
    const refusal = world.refusals.shift()
    if (refusal !== undefined) return refuse(response, ...refusal)
    const path = request.url.pathname
    const prefix = "/bigquery/v2/projects"
    if (
      request.method === "GET" &&
      path === `${prefix}/${world.table.replace(/\.(.+)\.(.+)/, "/datasets/$1/tables/$2")}`
    ) {
      return answer(response, { location: "EU", schema: { fields: world.fields }, timePartitioning: { type: "DAY" } })
    }
    if (request.method === "POST" && path === `${prefix}/${world.project}/queries`) {
      const body = JSON.parse(request.body)
      const valid =
        body.useLegacySql === false &&
        body.location === "EU" &&
        body.parameterMode === "NAMED" &&
        body.formatOptions?.useInt64Timestamp === true &&
        /^\d+$/.test(body.maximumBytesBilled) &&
        body.query.includes(`\`${world.table}\``)
      if (!valid) return refuse(response, 400, "invalid")
      if (body.dryRun === true) return answer(response, { jobComplete: true, totalBytesProcessed: String(world.bytes) })
      if (world.bytes > Number(body.maximumBytesBilled)) return refuse(response, 400, "bytesBilledLimitExceeded")
      const parameter = (name: string) =>
        body.queryParameters.find((each: { name: string }) => each.name === name)?.parameterValue.value
      const id = `job_${jobs.size}`
      const month = parameter("month")
      const cells = (values: ReadonlyArray<unknown>) => ({ f: values.map((v) => ({ v })) })
      const found =
        month === undefined
          ? {
              fields: ["month", "n", "latest"].map((name) => ({ name, type: name === "month" ? "STRING" : "INTEGER" })),
              rows: Object.entries(world.rows).map(([key, rows]) =>
                cells([key, String(rows.length), "1773220391000000"])
              )
            }
          : { fields: world.fields, rows: (world.rows[month] ?? []).map(cells) }
      jobs.set(id, { ...found, polled: 0 })
      return answer(response, { jobComplete: false, jobReference: { projectId: world.project, jobId: id } })
    }
    const id = /\/queries\/(job_\d+)$/.exec(path)?.[1]
    const job = id === undefined ? undefined : jobs.get(id)
    if (request.method === "GET" && job !== undefined) {
      if (request.url.searchParams.get("formatOptions.useInt64Timestamp") !== "true")
        return refuse(response, 400, "invalid")
      if (job.polled++ === 0) return answer(response, { jobComplete: false })
      const token = request.url.searchParams.get("pageToken")
      const start = token === null ? 0 : Number(token.replace(`${id}-`, ""))
      const end = start + world.pageRows
      return answer(response, {
        jobComplete: true,
        schema: { fields: job.fields },
        rows: job.rows.slice(start, end),
        ...(end < job.rows.length ? { pageToken: `${id}-${end}` } : {})
      })
    }
    return refuse(response, 404, "notFound")
  }
  return Effect.map(httpServer(handle), ({ endpoint, journal }) => ({ endpoint, journal }))
}

const answer = (response: ServerResponse, body: object) => {
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify(body))
}

const refuse = (response: ServerResponse, status: number, reason: string) => {
  response.statusCode = status
  answer(response, { error: { code: status, message: "the vendor's own words", errors: [{ reason }] } })
}

/** What is wrong with the bearer token: it must be signed by the service account, for BigQuery's scope, and be valid now. */
/** What is wrong with a request's token, which the account must have signed for the scope itself; undefined: nothing. */
export const tokenFault = (
  request: SeenRequest,
  expected: { readonly publicKey: string; readonly clientEmail: string; readonly scope: string }
): string | undefined => {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1]
  const [header, claims, signature] = token?.split(".") ?? []
  if (header === undefined || claims === undefined || signature === undefined) return "no token"
  const isSigned = verify(
    "RSA-SHA256",
    Buffer.from(`${header}.${claims}`),
    createPublicKey(expected.publicKey),
    Buffer.from(signature, "base64url")
  )
  const { exp, iat, iss, scope } = JSON.parse(Buffer.from(claims, "base64url").toString())
  const now = Date.now() / 1000
  return !isSigned
    ? "wrong signature"
    : iss !== expected.clientEmail || scope !== expected.scope
      ? "wrong claims"
      : exp < now || iat > now + 60 || exp - iat > 3600
        ? "wrong time"
        : undefined
}
