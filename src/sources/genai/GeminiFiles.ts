/**
 * Saved answers of Cloud Monitoring's `timeSeries.list` as usage of the Gemini API: JSON files of a folder or bucket, each an answer or a list
 * of answers. Points are of a day or less and cross no midnight of UTC. What several files tell alike counts once.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Json from "../../platform/Json.ts"
import type { ObjectStore } from "../object-store/ObjectStore.ts"
import { SourceError } from "../SourceError.ts"
import { type Measure, metrics, monthOf } from "./Gemini.ts"
import { type PaygSource, usageUnavailable } from "./Lines.ts"

const fileLimitBytes = 64 * 1024 ** 2
const dayMillis = 86_400_000

const Labels = Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String }))
const Answer = Schema.Struct({
  timeSeries: Schema.optional(
    Schema.Array(
      Schema.Struct({
        metric: Schema.Struct({ type: Schema.NonEmptyString, labels: Labels }),
        resource: Schema.optional(Schema.Struct({ labels: Labels })),
        points: Schema.Array(
          Schema.Struct({
            interval: Schema.Struct({ startTime: Schema.String, endTime: Schema.String }),
            value: Schema.Struct({ int64Value: Schema.String.pipe(Schema.pattern(/^\d{1,19}$/)) })
          })
        )
      })
    )
  )
})
const File = Schema.Union(Answer, Schema.Array(Answer))

/** Reads every `.json` file of the place. */
export const read = Effect.fn("GeminiFiles.read")(function* (store: ObjectStore) {
  const files = (yield* store.list).filter(({ key }) => key.endsWith(".json"))
  if (files.length === 0) {
    return yield* usageUnavailable(
      `${store.location} has no JSON file`,
      "save answers of Cloud Monitoring's timeSeries.list there, or store the key file of a service account with the role Monitoring Viewer as GEMINI"
    )
  }
  const measures = new Map<string, Measure>()
  for (const file of files) {
    const refuse = (reason: string) =>
      new SourceError({
        kind: "permanent",
        code: "GEMINI_EXPORT_UNREADABLE",
        message: `${store.uri(file.key)}: ${reason}`,
        suggestedAction: "save the answer of timeSeries.list as it came, aligned to days or shorter from midnight UTC"
      })
    const text = new TextDecoder().decode(yield* store.read(file, fileLimitBytes))
    const content = yield* Json.parseLossless(text).pipe(
      Effect.flatMap(Schema.decodeUnknown(File)),
      Effect.mapError(() => refuse("it is no answer of timeSeries.list with counts"))
    )
    for (const { metric, points, resource } of [content].flat().flatMap(({ timeSeries }) => timeSeries ?? [])) {
      const all: Readonly<Record<string, string>> = {
        ...named("metric.labels", metric.labels),
        ...named("resource.labels", resource?.labels)
      }
      const wanted = metrics[metric.type]?.groupBy ?? []
      const labels = Object.fromEntries(wanted.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])))
      for (const { interval, value } of points) {
        const [start, end] = [Date.parse(interval.startTime), Date.parse(interval.endTime)]
        const midnight = Math.floor(start / dayMillis) * dayMillis + dayMillis
        if (!(start <= end) || end > midnight) {
          return yield* refuse(`a point from ${interval.startTime.slice(0, 32)} is of more than one UTC day`)
        }
        const identity = Json.canonical([metric.type, all, start, end])
        const measure = {
          metric: metric.type,
          labels,
          day: new Date(start).toISOString().slice(0, 10),
          count: value.int64Value
        }
        const known = measures.get(identity)
        if (known !== undefined && known.count !== measure.count) {
          return yield* refuse(`another file tells ${interval.startTime.slice(0, 32)} of ${metric.type} otherwise`)
        }
        measures.set(identity, measure)
      }
    }
  }
  const all = [...measures.values()]
  const months = [...new Set(all.map(({ day }) => `${day.slice(0, 7)}-01`))].sort()
  return {
    months,
    usage: (month) => Effect.sync(() => monthOf(all.filter(({ day }) => day.startsWith(month.slice(0, 7)))))
  } satisfies PaygSource
})

const named = (prefix: string, labels: Readonly<Record<string, string>> | undefined) =>
  Object.fromEntries(Object.entries(labels ?? {}).map(([name, value]) => [`${prefix}.${name}`, value]))
