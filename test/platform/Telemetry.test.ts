/**
 * What an operator sees of a run: spans at a collector, metrics, and the dashboard and alert rules that are made of them.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import { load } from "js-yaml"
import { render } from "../../src/http/Prometheus.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as Telemetry from "../../src/platform/Telemetry.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { acme, credential, run } from "../genai/support.ts"
import { genaiServer, openAiKey } from "../support/genaiServer.ts"
import { httpServer } from "../support/httpServer.ts"
import { settings } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const project = fileURLToPath(new URL("../..", import.meta.url))

const Attribute = Schema.Struct({ key: Schema.String, value: Schema.Unknown })
const Traces = Schema.parseJson(
  Schema.Struct({
    resourceSpans: Schema.Array(
      Schema.Struct({
        scopeSpans: Schema.Array(
          Schema.Struct({
            spans: Schema.Array(
              Schema.Struct({
                name: Schema.String,
                spanId: Schema.String,
                parentSpanId: Schema.optional(Schema.String),
                attributes: Schema.Array(Attribute)
              })
            )
          })
        )
      })
    )
  })
)

describe("telemetry", () => {
  it.scopedLive("traces run, step, calls to the provider and work of the warehouse, and measures them", () =>
    Effect.gen(function* () {
      const collector = yield* httpServer((_, response) => response.end("{}"))
      const provider = yield* genaiServer
      const services = Installation.layer.pipe(
        Layer.provideMerge(Telemetry.layer),
        Layer.provideMerge(
          settings(yield* temporaryFolder, {
            OPENAI_API_BASE_URL: `${provider.endpoint}/v1`,
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
            LOG_LEVEL: "ERROR"
          })
        )
      )
      const ended = yield* Effect.gen(function* () {
        yield* (yield* Organizations).create({
          org: acme,
          companyName: "Acme",
          adminEmail: "a@acme.test",
          plan: "SCALE"
        })
        yield* (yield* ProcedureSync).sync()
        yield* credential(acme, "OPENAI", openAiKey)
        return yield* run(acme, "genai/payg/openai", "2026-05-01")
      }).pipe(Effect.provide(services), Effect.scoped)
      expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])

      const spans = collector.journal
        .filter(({ url }) => url.pathname === "/v1/traces")
        .flatMap(({ body }) => Schema.decodeSync(Traces)(body).resourceSpans)
        .flatMap((resource) => resource.scopeSpans.flatMap((scope) => scope.spans))
      const ofName = (name: string) => spans.filter((span) => span.name === name)
      const attribute = (span: (typeof spans)[number] | undefined, key: string) =>
        span?.attributes.find((each) => each.key === key)?.value
      const { runId } = ended.run
      expect(attribute(ofName("run")[0], "run")).toEqual({ stringValue: runId })
      expect(ofName("step").map((span) => attribute(span, "step"))).toEqual([
        { stringValue: "extract_usage" },
        { stringValue: "calculate_costs" }
      ])
      const [request] = ofName("Runs.request")
      expect(ofName("run")[0]?.parentSpanId).toBe(request?.spanId)
      // Each hangs below its step, so a trace of a run shows where its time went.
      const byId = new Map(spans.map((span) => [span.spanId, span]))
      const rootOf = (span: (typeof spans)[number]): string => {
        const parent = byId.get(span.parentSpanId ?? "")
        return parent === undefined ? span.name : rootOf(parent)
      }
      for (const name of ["provider.call", "warehouse.replaceSlice", "warehouse.query"]) {
        expect(ofName(name).length, name).toBeGreaterThan(0)
        const below = ofName(name).filter((span) => ["run", "Runs.request"].includes(rootOf(span)))
        expect(below.length, name).toBeGreaterThan(0)
      }
      expect(JSON.stringify(collector.journal.map(({ body }) => body))).not.toContain(openAiKey)

      const metrics = render(yield* Metric.snapshot)
      expect(metrics).toMatch(
        /^provider_call_seconds_count\{(?=.*provider="openai")(?=.*outcome="succeeded").*\} [1-9]/m
      )
      expect(metrics).toMatch(
        /^warehouse_operation_seconds_count\{(?=.*operation="replace_slice")(?=.*outcome="succeeded").*\} [1-9]/m
      )
      expect(metrics).toMatch(/^group_commit_tasks_count\{log="EventLog"\} [1-9]/m)
      expect(metrics).toMatch(/^pipeline_runs_working 0$/m)
    })
  )

  it("has a dashboard and alert rules that name the metrics there are, and shows each one", () => {
    const declared = readdirSync(join(project, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => [
        ...readFileSync(join(project, "src", file), "utf8").matchAll(/Metric\.(counter|gauge|histogram)\(\s*"(\w+)"/g)
      ])
      .map(([, kind, name = ""]) => ({ kind, name }))
    const series = new Set(
      declared.flatMap(({ kind, name }) =>
        kind === "histogram" ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name]
      )
    )
    const named = (text: string) => [
      ...text.matchAll(/\b((?:pipeline|provider|warehouse|group_commit|http|scheduler)_\w+)\b/g)
    ]
    const expressions = (value: unknown): ReadonlyArray<string> =>
      typeof value !== "object" || value === null
        ? []
        : Object.entries(value).flatMap(([key, each]) => (key === "expr" ? [String(each)] : expressions(each)))
    const read = (file: string) => readFileSync(join(project, "configs/monitoring", file), "utf8")
    const dashboard = expressions(JSON.parse(read("grafana-dashboard.json")))
    const rules = expressions(load(read("prometheus-alerts.yml")))
    expect([dashboard.length, rules.length].every((count) => count >= 10)).toBe(true)
    for (const expression of [...dashboard, ...rules]) {
      const names = named(expression).map(([name]) => name)
      expect(names.length, expression).toBeGreaterThan(0)
      for (const name of names) expect(series, expression).toContain(name)
    }
    const shown = dashboard.join(" ")
    for (const { name } of declared) expect(shown, `the dashboard shows ${name}`).toContain(name)
  })
})
