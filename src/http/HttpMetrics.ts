/**
 * Counts and times of requests by method, route template and status: as many series as the API has routes, whatever callers send.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"

const requests = Metric.counter("http_requests_total", { description: "Requests answered", incremental: true })
const durations = Metric.histogram(
  "http_request_duration_seconds",
  MetricBoundaries.fromIterable([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]),
  "Seconds until the answer's headers"
)

const knownMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "DELETE", "OPTIONS"])

const makeSeries = (method: string, route: string, status: number) => {
  const labels = [MetricLabel.make("method", method), MetricLabel.make("route", route)]
  return { durations: labels, requests: [...labels, MetricLabel.make("status", String(status))] }
}

// A metric finds the series of its labels by the array they stand in, so each array is made once.
const series = new Map<string, ReturnType<typeof makeSeries>>()

/** Counts an answered request; `route` is a template or `unmatched`. */
export const observe = (method: string, route: string, status: number, seconds: number): void => {
  const known = knownMethods.has(method) ? method : "other"
  const key = `${known} ${status} ${route}`
  let labels = series.get(key)
  if (labels === undefined) {
    labels = makeSeries(known, route, status)
    series.set(key, labels)
  }
  requests.unsafeUpdate(1, labels.requests)
  durations.unsafeUpdate(seconds, labels.durations)
}
