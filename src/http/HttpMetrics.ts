/**
 * Counts and times of requests by method, route template and status: as many series as the API has routes, whatever callers send.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

const requests = Metric.counter("http_requests_total", { description: "Requests answered", incremental: true })
const durations = Metric.histogram(
  "http_request_duration_seconds",
  MetricBoundaries.fromIterable([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]),
  "Seconds until the answer's headers"
)

const knownMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "DELETE", "OPTIONS"])

const makeSeries = (method: string, route: string, status: number) => ({
  count: requests.pipe(
    Metric.tagged("method", method),
    Metric.tagged("route", route),
    Metric.tagged("status", String(status))
  ),
  duration: durations.pipe(Metric.tagged("method", method), Metric.tagged("route", route))
})

const series = new Map<string, ReturnType<typeof makeSeries>>()

/** Counts an answered request; `route` is a template or `unmatched`. */
export const observe = (method: string, route: string, status: number, seconds: number): void => {
  const known = knownMethods.has(method) ? method : "other"
  const key = `${known} ${status} ${route}`
  let found = series.get(key)
  if (found === undefined) {
    found = makeSeries(known, route, status)
    series.set(key, found)
  }
  found.count.unsafeUpdate(1, [])
  found.duration.unsafeUpdate(seconds, [])
}
