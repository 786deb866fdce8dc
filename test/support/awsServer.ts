/**
 * STS, Bedrock and CloudWatch on the loopback, from the wire contract: signatures are computed anew with AWS's own library, parameters,
 * bounds and tokens are checked.
 */
import { createHash, createHmac } from "node:crypto"
import type { ServerResponse } from "node:http"
import { SignatureV4 } from "@smithy/signature-v4"
import * as Effect from "effect/Effect"
import { httpServer, type SeenRequest } from "./httpServer.ts"

export const roleArn = "arn:aws:iam::123456789012:role/genai-reader"
export const otherRoleArn = `${roleArn}-2`
export const externalId = "ext-4711-not-public"
const session = { accessKeyId: "ASIASESSION", secretAccessKey: "session-secret", sessionToken: "session-token" }
/** The identity of the process, which may take over the role. */
export const processKeys = { accessKeyId: "AKIAPROCESS", secretAccessKey: "process-secret" }

const metrics = [
  "Invocations",
  "InputTokenCount",
  "OutputTokenCount",
  "CacheReadInputTokenCount",
  "CacheWriteInputTokenCount"
]
const skewMillis = 5 * 60_000
const pageSize = 1

/** SHA-256 as AWS's library wants it. */
class Sha256 {
  readonly #hash
  constructor(key?: unknown) {
    this.#hash =
      key === undefined
        ? createHash("sha256")
        : createHmac(
            "sha256",
            typeof key === "string" ? key : Buffer.from(key instanceof ArrayBuffer ? new Uint8Array(key) : toBytes(key))
          )
  }
  update(data: unknown) {
    this.#hash.update(typeof data === "string" ? data : toBytes(data))
  }
  digest() {
    return Promise.resolve(new Uint8Array(this.#hash.digest()))
  }
  reset() {}
}
const toBytes = (data: unknown): Uint8Array =>
  data instanceof Uint8Array ? data : data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array()

const isDayTime = (text: string | null) => text !== null && /^\d{4}-\d{2}-\d{2}T00:00:00Z$/.test(text)

/** Starts the server; it ends with the scope. */
export const awsServer = Effect.gen(function* () {
  const throughputs = new Map<string, ReadonlyArray<Readonly<Record<string, unknown>>>>()
  /** By region, metric, ModelId and day. */
  const values = new Map<string, string>()
  /** Models that CloudWatch lists, by region. */
  const listed = new Map<string, ReadonlyArray<string>>()

  const refuse = (response: ServerResponse, status: number, code: string) => {
    response.writeHead(status, {
      "content-type": "application/json",
      "x-amzn-errortype": code,
      "x-amzn-requestid": "REQ1"
    })
    response.end(JSON.stringify({ message: `never show this: ${session.secretAccessKey}` }))
  }

  const assumeRole = (request: SeenRequest, response: ServerResponse) => {
    const form = new URLSearchParams(request.body)
    const isRight =
      form.get("Action") === "AssumeRole" &&
      form.get("Version") === "2011-06-15" &&
      [roleArn, otherRoleArn].includes(form.get("RoleArn") ?? "") &&
      form.get("ExternalId") === externalId &&
      /^CloudAct-[\w+=,.@-]{1,55}$/.test(form.get("RoleSessionName") ?? "") &&
      Number(form.get("DurationSeconds")) <= 3600
    response.writeHead(isRight ? 200 : 403, { "content-type": "text/xml", "x-amzn-requestid": "REQ1" })
    response.end(
      isRight
        ? `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>${session.accessKeyId}</AccessKeyId><SecretAccessKey>${session.secretAccessKey}</SecretAccessKey><SessionToken>${session.sessionToken}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
        : `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`
    )
  }

  /** The region of a rightly signed request, or why it is refused. */
  const regionOf = async (request: SeenRequest, service: string): Promise<{ region: string } | { refused: string }> => {
    const header = request.headers.authorization ?? ""
    const [, key = "", day = "", region = "", named = ""] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, /.exec(header) ?? []
    if (key !== session.accessKeyId) return { refused: "UnrecognizedClientException" }
    const moment = String(request.headers["x-amz-date"] ?? "")
    const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(moment) ?? []
    const at = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)
    if (named !== service || !moment.startsWith(day) || !(Math.abs(at - Date.now()) < skewMillis))
      return { refused: "InvalidSignatureException" }
    const signed = /SignedHeaders=([^,]+)/.exec(header)?.[1]?.split(";") ?? []
    if (!["host", "x-amz-date", "x-amz-security-token"].every((name) => signed.includes(name)))
      return { refused: "InvalidSignatureException" }
    const signer = new SignatureV4({ service, region, credentials: session, sha256: Sha256, applyChecksum: false })
    const again = await signer.sign(
      {
        method: request.method,
        protocol: "http:",
        hostname: String(request.headers.host ?? ""),
        path: request.url.pathname,
        query: Object.fromEntries(request.url.searchParams),
        headers: Object.fromEntries(
          signed.filter((name) => !name.startsWith("x-amz-")).map((name) => [name, String(request.headers[name] ?? "")])
        ),
        body: request.body
      },
      { signingDate: new Date(at) }
    )
    return again.headers["authorization"]?.split("Signature=")[1] === header.split("Signature=")[1]
      ? { region }
      : { refused: "InvalidSignatureException" }
  }

  const seal = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16)

  const bedrock = (request: SeenRequest, response: ServerResponse, region: string) => {
    const query = request.url.searchParams
    const known = [
      "statusEquals",
      "modelArnEquals",
      "creationTimeAfter",
      "creationTimeBefore",
      "nameContains",
      "maxResults",
      "nextToken",
      "sortBy",
      "sortOrder"
    ]
    const maxResults = Number(query.get("maxResults") ?? 100)
    if ([...query.keys()].some((name) => !known.includes(name)) || !(maxResults >= 1 && maxResults <= 1000))
      return refuse(response, 400, "ValidationException")
    const all = throughputs.get(region) ?? []
    const token = query.get("nextToken")
    const start = token === null ? 0 : all.findIndex((_, index) => seal(`${region} ${index}`) === token)
    if (start < 0) return refuse(response, 400, "ValidationException")
    const next = start + pageSize < all.length ? seal(`${region} ${start + pageSize}`) : null
    response.writeHead(200, { "content-type": "application/json", "x-amzn-requestid": "REQ1" })
    response.end(JSON.stringify({ nextToken: next, provisionedModelSummaries: all.slice(start, start + pageSize) }))
  }

  /** One model a page. */
  const listMetrics = (form: URLSearchParams, response: ServerResponse, region: string) => {
    const isKnown = form.get("Namespace") === "AWS/Bedrock" && metrics.includes(form.get("MetricName") ?? "")
    const models = listed.get(region) ?? []
    const token = form.get("NextToken")
    const start = token === null ? 0 : models.findIndex((_, index) => seal(`list ${region} ${index}`) === token)
    if (!isKnown || start < 0) return refuse(response, 400, "InvalidParameterValue")
    const next = start + 1 < models.length ? `<NextToken>${seal(`list ${region} ${start + 1}`)}</NextToken>` : ""
    const dimension = (name: string, value: string) => `<member><Name>${name}</Name><Value>${value}</Value></member>`
    const members = models
      .slice(start, start + 1)
      .map(
        (model) =>
          `<member><Namespace>AWS/Bedrock</Namespace><MetricName>${form.get("MetricName")}</MetricName><Dimensions>${dimension("ModelId", model)}</Dimensions></member>`
      )
    response.writeHead(200, { "content-type": "text/xml", "x-amzn-requestid": "REQ1" })
    response.end(
      `<ListMetricsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><ListMetricsResult>` +
        `<Metrics>${members.join("")}</Metrics>${next}</ListMetricsResult></ListMetricsResponse>`
    )
  }

  const cloudWatch = (request: SeenRequest, response: ServerResponse, region: string) => {
    const form = new URLSearchParams(request.body)
    const bad = () => {
      response.writeHead(400, { "content-type": "text/xml" })
      response.end("<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code></Error></ErrorResponse>")
    }
    if (form.get("Version") !== "2010-08-01") return bad()
    if (form.get("Action") === "ListMetrics") return listMetrics(form, response, region)
    if (form.get("Action") !== "GetMetricData") return bad()
    const [from, to] = [form.get("StartTime"), form.get("EndTime")]
    if (!isDayTime(from) || !isDayTime(to) || (from ?? "") >= (to ?? "")) return bad()
    const results: Array<string> = []
    for (let index = 1; form.has(`MetricDataQueries.member.${index}.Id`); index++) {
      const at = `MetricDataQueries.member.${index}`
      const stat = `${at}.MetricStat`
      const metric = form.get(`${stat}.Metric.MetricName`) ?? ""
      if (
        index > 500 ||
        form.get(`${stat}.Metric.Namespace`) !== "AWS/Bedrock" ||
        !metrics.includes(metric) ||
        form.get(`${stat}.Metric.Dimensions.member.1.Name`) !== "ModelId" ||
        form.get(`${stat}.Period`) !== "86400" ||
        form.get(`${stat}.Stat`) !== "Sum" ||
        !/^[a-z][A-Za-z0-9_]*$/.test(form.get(`${at}.Id`) ?? "")
      )
        return bad()
      const arn = form.get(`${stat}.Metric.Dimensions.member.1.Value`) ?? ""
      const found: Array<readonly [string, string]> = []
      for (let day = Date.parse(from ?? ""); day < Date.parse(to ?? ""); day += 86_400_000) {
        const name = new Date(day).toISOString().slice(0, 10)
        const value = values.get(`${region} ${metric} ${arn} ${name}`)
        if (value !== undefined) found.push([`${name}T00:00:00Z`, value])
      }
      const list = (tag: string, members: ReadonlyArray<string>) =>
        members.length === 0
          ? `<${tag}/>`
          : `<${tag}>${members.map((member) => `<member>${member}</member>`).join("")}</${tag}>`
      results.push(
        `<member><Id>${form.get(`${at}.Id`)}</Id><Label>${metric}</Label><StatusCode>Complete</StatusCode>` +
          `${list(
            "Timestamps",
            found.map(([time]) => time)
          )}${list(
            "Values",
            found.map(([, value]) => value)
          )}</member>`
      )
    }
    // Two pages: the first half of the results, then the rest.
    const token = form.get("NextToken")
    const mark = seal(`${region} ${from} ${to} ${results.length}`)
    if (token !== null && token !== mark) return bad()
    const half = Math.ceil(results.length / 2)
    const page = token === null ? results.slice(0, half) : results.slice(half)
    response.writeHead(200, { "content-type": "text/xml", "x-amzn-requestid": "REQ1" })
    response.end(
      `<GetMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricDataResult>` +
        `<MetricDataResults>${page.join("")}</MetricDataResults><Messages/>` +
        `${token === null && results.length > half ? `<NextToken>${mark}</NextToken>` : ""}</GetMetricDataResult></GetMetricDataResponse>`
    )
  }

  const server = yield* httpServer((request, response) => {
    if (request.body.includes("Action=AssumeRole")) return assumeRole(request, response)
    const isBedrock = request.url.pathname === "/provisioned-model-throughputs"
    if (isBedrock ? request.method !== "GET" : request.method !== "POST" || request.url.pathname !== "/")
      return refuse(response, 404, "UnknownOperationException")
    void regionOf(request, isBedrock ? "bedrock" : "monitoring").then((signed) =>
      "refused" in signed
        ? refuse(response, 403, signed.refused)
        : isBedrock
          ? bedrock(request, response, signed.region)
          : cloudWatch(request, response, signed.region)
    )
  })

  return {
    ...server,
    /** Sets what a region has provisioned. */
    provision: (region: string, summaries: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
      void throughputs.set(region, summaries),
    /** Sets the models that a region's metrics name. */
    list: (region: string, models: ReadonlyArray<string>) => void listed.set(region, models),
    /** Sets a metric's sum of a day. */
    measure: (region: string, metric: string, arn: string, day: string, value: string) =>
      void values.set(`${region} ${metric} ${arn} ${day}`, value)
  }
})

/** Metadata of a credential for the server. */
export const awsMetadata = (endpoint: string) => ({
  sts_endpoint: endpoint,
  bedrock_endpoint: endpoint,
  cloudwatch_endpoint: endpoint
})
