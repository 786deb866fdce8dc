/**
 * Google Cloud Monitoring on the loopback, from the wire contract: it checks the signed token and the form of every question, aligns and
 * reduces by day or hour, and pages with tokens that are bound to the question.
 */
import { createHash, generateKeyPairSync } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { tokenFault } from "./bigQueryServer.ts"
import { httpServer, type SeenRequest } from "./httpServer.ts"

export const project = "acme-models"
export const clientEmail = "reader@acme-models.iam.gserviceaccount.com"
const pageSize = 2

/** One series as it was measured: values by the day, or by the instant, that they begin in. */
export interface MeasuredSeries {
  readonly metric: string
  readonly metricLabels: Readonly<Record<string, string>>
  readonly resourceType?: string
  readonly resourceLabels?: Readonly<Record<string, string>>
  readonly values: Readonly<Record<string, string>>
}

/** Starts the server; it ends with the scope. A metric of which nothing is known is answered with 404. */
export const monitoringServer = Effect.gen(function* () {
  const keys = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" }
  })
  const series: Array<MeasuredSeries> = []
  /** Metrics that are known, beside those of `series`. */
  const known = new Set<string>()

  const send = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(JSON.stringify(body))
  }
  const refuse = (response: ServerResponse, status: number, code: string) =>
    send(response, status, { error: { code: status, status: code, message: `never show this: ${keys.privateKey}` } })

  const answer = (request: SeenRequest, response: ServerResponse) => {
    const query = new URLSearchParams(request.url.search)
    const filter = query.get("filter") ?? ""
    const metric = /^metric\.type="([^"]+)"( AND |$)/.exec(filter)?.[1]
    const resourceType = / AND resource\.type="([^"]+)"/.exec(filter)?.[1]
    const labels = [...filter.matchAll(/ AND metric\.labels\.(\w+)="([^"]+)"/g)]
    const [from = Number.NaN, to = Number.NaN] = ["interval.startTime", "interval.endTime"].map((name) =>
      Date.parse(query.get(name) ?? "")
    )
    const period = Number(/^(\d+)s$/.exec(query.get("aggregation.alignmentPeriod") ?? "")?.[1]) * 1000
    const aligner = query.get("aggregation.perSeriesAligner") ?? ""
    const groups = query.getAll("aggregation.groupByFields")
    const isValid =
      from < to &&
      to <= Date.now() &&
      period >= 60_000 &&
      /^ALIGN_(SUM|DELTA|MEAN|MAX|NEXT_OLDER)$/.test(aligner) &&
      /^REDUCE_(SUM|MEAN|MAX)$/.test(query.get("aggregation.crossSeriesReducer") ?? "") &&
      groups.every((group) => /^(metric|resource)\.labels\.\w+$/.test(group))
    if (metric === undefined || !isValid) return refuse(response, 400, "INVALID_ARGUMENT")
    const measured = series.filter(
      (each) =>
        each.metric === metric &&
        (resourceType === undefined || each.resourceType === resourceType) &&
        labels.every(([, name = "", value]) => each.metricLabels[name] === value)
    )
    if (measured.length === 0 && !known.has(metric)) return refuse(response, 404, "NOT_FOUND")

    const reduced = new Map<string, { labels: ReadonlyArray<string | undefined>; values: Map<number, Array<number>> }>()
    for (const each of measured) {
      const labels = groups.map((group) =>
        group.startsWith("metric.")
          ? each.metricLabels[group.slice("metric.labels.".length)]
          : each.resourceLabels?.[group.slice("resource.labels.".length)]
      )
      const one = reduced.get(JSON.stringify(labels)) ?? { labels, values: new Map<number, Array<number>>() }
      reduced.set(JSON.stringify(labels), one)
      for (const [time, value] of Object.entries(each.values)) {
        const at = Date.parse(time.length === 10 ? `${time}T00:00:00Z` : time)
        if (at < from || at >= to) continue
        const start = to - Math.ceil((to - at) / period) * period
        one.values.set(start, [...(one.values.get(start) ?? []), Number(value)])
      }
    }
    const named = (labels: ReadonlyArray<string | undefined>, kind: string) =>
      Object.fromEntries(
        groups.flatMap((group, index) => {
          const label = labels[index]
          return group.startsWith(kind) && label !== undefined ? [[group.split(".")[2] ?? "", label]] : []
        })
      )
    const combine = (values: ReadonlyArray<number>) => {
      const sum = values.reduce((total, value) => total + value, 0)
      return aligner === "ALIGN_MEAN" ? sum / values.length : aligner === "ALIGN_MAX" ? Math.max(...values) : sum
    }
    const timeSeries = [...reduced.values()]
      .filter(({ values }) => values.size > 0)
      .map(({ labels, values }) => ({
        metric: { type: metric, labels: named(labels, "metric.") },
        resource: { type: resourceType ?? "global", labels: named(labels, "resource.") },
        points: [...values]
          .sort(([a], [b]) => b - a)
          .map(([start, each]) => {
            const value = combine(each)
            return {
              interval: {
                startTime: new Date(start).toISOString(),
                endTime: new Date(start + period).toISOString()
              },
              value: aligner === "ALIGN_MEAN" ? { doubleValue: value } : { int64Value: String(value) }
            }
          })
      }))

    const token = query.get("pageToken")
    query.delete("pageToken")
    query.sort()
    const seal = createHash("sha256").update(query.toString()).digest("hex").slice(0, 12)
    const start = token === null ? 0 : token.startsWith(`${seal}_`) ? Number(token.split("_")[1]) : Number.NaN
    if (Number.isNaN(start)) return refuse(response, 400, "INVALID_ARGUMENT")
    const next = start + pageSize < timeSeries.length ? `${seal}_${start + pageSize}` : ""
    send(response, 200, {
      ...(timeSeries.length === 0 ? {} : { timeSeries: timeSeries.slice(start, start + pageSize) }),
      nextPageToken: next
    })
  }

  const server = yield* httpServer((request, response) => {
    const fault = tokenFault(request, {
      publicKey: keys.publicKey,
      clientEmail,
      scope: "https://www.googleapis.com/auth/monitoring.read"
    })
    if (fault !== undefined) return refuse(response, 401, "UNAUTHENTICATED")
    const asked = /^\/v3\/projects\/([^/]+)\/timeSeries$/.exec(request.url.pathname)?.[1]
    if (request.method !== "GET" || asked === undefined) return refuse(response, 404, "NOT_FOUND")
    return asked === project ? answer(request, response) : refuse(response, 403, "PERMISSION_DENIED")
  })

  /** A service account's key file whose key the server knows. */
  const keyFile = {
    type: "service_account",
    project_id: project,
    client_email: clientEmail,
    private_key: keys.privateKey
  }
  return { ...server, series, known, keyFile }
})
