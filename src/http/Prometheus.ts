/**
 * The metrics of the process in the Prometheus text format 0.0.4.
 */
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import type * as MetricLabel from "effect/MetricLabel"

/** Renders a snapshot: one block per metric name, series sorted, so that two equal snapshots have equal texts. */
export const render = (snapshot: ReadonlyArray<MetricPair.MetricPair.Untyped>): string => {
  const blocks = new Map<string, { readonly type: string; readonly help: string; readonly lines: Array<string> }>()
  for (const { metricKey, metricState } of snapshot) {
    const name = sanitize(metricKey.name)
    const { lines, type } = seriesOf(name, [...metricKey.tags], metricState)
    const block = blocks.get(name)
    if (block === undefined) {
      const help = metricKey.description._tag === "Some" ? metricKey.description.value : name
      blocks.set(name, { type, help, lines })
    } else if (block.type === type) block.lines.push(...lines)
  }
  return [...blocks]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { help, lines, type }]) => {
      const text = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
      return `# HELP ${name} ${text}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`
    })
    .join("")
}

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

const seriesOf = (
  name: string,
  labels: Labels,
  state: MetricState.MetricState.Untyped
): { readonly type: string; readonly lines: Array<string> } => {
  if (MetricState.isCounterState(state)) {
    return { type: "counter", lines: [`${name}${labelsOf(labels)} ${state.count}`] }
  }
  if (MetricState.isGaugeState(state)) return { type: "gauge", lines: [`${name}${labelsOf(labels)} ${state.value}`] }
  if (MetricState.isFrequencyState(state)) {
    const lines = [...state.occurrences].map(([key, count]) => `${name}${labelsOf(labels, ["key", key])} ${count}`)
    return { type: "counter", lines }
  }
  if (MetricState.isHistogramState(state)) {
    const lines = state.buckets.map(
      ([bound, count]) =>
        `${name}_bucket${labelsOf(labels, ["le", Number.isFinite(bound) ? String(bound) : "+Inf"])} ${count}`
    )
    if (!state.buckets.some(([bound]) => !Number.isFinite(bound))) {
      lines.push(`${name}_bucket${labelsOf(labels, ["le", "+Inf"])} ${state.count}`)
    }
    return { type: "histogram", lines: [...lines, ...sumAndCount(name, labels, state)] }
  }
  if (MetricState.isSummaryState(state)) {
    const lines = state.quantiles.flatMap(([quantile, value]) =>
      value._tag === "Some" ? [`${name}${labelsOf(labels, ["quantile", String(quantile)])} ${value.value}`] : []
    )
    return { type: "summary", lines: [...lines, ...sumAndCount(name, labels, state)] }
  }
  return { type: "untyped", lines: [] }
}

const sumAndCount = (name: string, labels: Labels, state: { readonly sum: number; readonly count: number }) => [
  `${name}_sum${labelsOf(labels)} ${state.sum}`,
  `${name}_count${labelsOf(labels)} ${state.count}`
]

const labelsOf = (labels: Labels, extra?: readonly [string, string]): string => {
  const pairs = labels
    .filter((label) => label.key !== "unit" && label.key !== "time_unit")
    .map((label) => [sanitize(label.key), label.value] as const)
  const all = (extra === undefined ? pairs : [...pairs, extra]).map(([key, value]) => `${key}="${escape(value)}"`)
  return all.length === 0 ? "" : `{${all.join(",")}}`
}

const sanitize = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, "_").replace(/^(?=\d)/, "_")

const escape = (value: string): string => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
