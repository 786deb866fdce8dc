/**
 * `npm run bench [-- --json FILE] [--rows N] [--only engine|http|conversion|start|models|quotas]`: figures of this machine, each beside a ceiling that is
 * measured in the same run. Nothing here fails a build: a figure is for reading.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { table } from "../../src/cli/table.ts"
import * as Bills from "./Bills.ts"
import * as Conversion from "./Conversion.ts"
import * as Engine from "./Engine.ts"
import * as Genai from "./Genai.ts"
import * as Http from "./Http.ts"
import * as Quotas from "./Quotas.ts"
import * as Start from "./Start.ts"

const { values } = parseArgs({
  options: { json: { type: "string" }, rows: { type: "string", default: "1000000" }, only: { type: "string" } }
})
const isWanted = (part: string) => values.only === undefined || values.only === part

const sizes = Arr.make({ clients: 1, total: 1000 }, { clients: 16, total: 5000 }, { clients: 128, total: 10_000 })

const rateRow = (what: string, { clients, cpu, p50, p99, perSecond }: Engine.Rate) => [
  what,
  String(clients),
  perSecond.toFixed(0),
  p50.toFixed(2),
  p99.toFixed(2),
  cpu.toFixed(2)
]

const engine = Effect.gen(function* () {
  // The engine first: in a process that has done other work, the same functions are compiled for that too, and are slower.
  const runs = yield* Engine.runs(sizes)
  const ceiling = yield* Engine.ceiling(128, 20_000)
  const most = runs.at(-1)?.perSecond ?? 0
  console.log(
    table(
      ["durable 3-step runs", "clients", "runs/s", "p50 ms", "p99 ms", "cpu ms/run"],
      [
        ...runs.map((rate) => rateRow("in-process", rate)),
        rateRow(`ceiling: the same ${ceiling.rows} rows in ${ceiling.commits} group commits`, ceiling)
      ]
    )
  )
  console.log(
    `in-process at 128 clients: ${(most / ceiling.perSecond).toFixed(2)} of the ceiling (goals 0.25 and 2,000/s; p50 under 3 ms at one client)\n`
  )
  return { runs, ceiling, ratio: most / ceiling.perSecond }
})

const http = Effect.gen(function* () {
  const { ceiling, runs } = yield* Http.runs(Arr.map(sizes, ({ clients, total }) => ({ clients, total: total / 2 })))
  const ratio = (runs.at(-1)?.perSecond ?? 0) / ceiling.perSecond
  console.log(
    `${table(
      ["runs over HTTP", "clients", "runs/s", "p50 ms", "p99 ms", "server cpu ms/run"],
      [
        ...runs.map((rate) => rateRow("POST run", rate)),
        rateRow("ceiling: the same runs by Node's own server", ceiling)
      ]
    )}\nover HTTP at 128 clients: ${ratio.toFixed(2)} of the ceiling (goal 1,000/s)\n`
  )
  return { runs, ceiling, ratio }
})

/** The bill that the goals are about is AWS's; the others are as large at most. */
const otherRows = 200_000

const conversion = Effect.gen(function* () {
  const rates: Array<Conversion.ConversionRate> = []
  for (const provider of Bills.providers) {
    const rows = Number(values.rows)
    rates.push(yield* Conversion.measure(provider, provider === "aws" ? rows : Math.min(rows, otherRows)))
  }
  const figure = (cell: string | number) => (typeof cell === "number" ? cell.toFixed(cell < 100 ? 1 : 0) : cell)
  console.log(
    table(
      ["bills, files to FOCUS", "rows/s", "peak MB", "seconds", "processor s"],
      rates
        .flatMap((rate) => [
          [
            `${rate.provider}: pipeline (extract + convert)`,
            rate.rowsPerSecond,
            rate.peakMegabytes,
            rate.extractSeconds + rate.convertSeconds,
            rate.processorSeconds
          ],
          ["  extract", rate.rows / rate.extractSeconds, "", rate.extractSeconds, ""],
          ["  convert", rate.rows / rate.convertSeconds, "", rate.convertSeconds, ""],
          ["  reconcile", rate.rows / rate.reconcileSeconds, "", rate.reconcileSeconds, ""],
          ["  check conformance", rate.rows / rate.conformanceSeconds, "", rate.conformanceSeconds, ""],
          [
            "  DuckDB read + insert",
            rate.duckDbRowsPerSecond,
            rate.duckDbPeakMegabytes,
            rate.rows / rate.duckDbRowsPerSecond,
            rate.duckDbProcessorSeconds
          ]
        ])
        .map((row) => row.map(figure))
    )
  )
  for (const { provider, ratio, rows } of rates) {
    const goal = provider === "aws" ? " (goal 0.5, under 512 MB)" : ""
    console.log(`${provider}: ${rows} rows, ${ratio.toFixed(2)} of DuckDB's own rate${goal}`)
  }
  console.log()
  return rates
})

const start = Effect.gen(function* () {
  const rate = yield* Start.measure(5)
  console.log(
    `start of the bundle to the open port: ${(rate.seconds * 1000).toFixed(0)} ms, ${rate.peakMegabytes.toFixed(0)} MB (goal 500 ms)\n`
  )
  return rate
})

const backfill = { organisations: 1000, days: 30, tables: 4 }

const quotas = Effect.sync(() => {
  const admissions = Quotas.planned(backfill)
  const hours = ((admissions.at(-1)?.at ?? 0) / 3_600_000).toFixed(1)
  const [allAtOnce, inTurn] = [Quotas.peaks(Quotas.unplanned(backfill)), Quotas.peaks(admissions)]
  const row = (what: string, of: keyof Quotas.Peaks) => [
    what,
    String(Quotas.limits[of]),
    String(allAtOnce[of]),
    String(inTurn[of])
  ]
  console.log(
    `${table(
      ["BigQuery, most at a time", "quota", "all at once", "in turn"],
      [
        row("load jobs of a project in a day", "loadsPerDay"),
        row("new tables in a second", "tablesPerSecond"),
        row("scripts on a table", "scriptsPerTable")
      ]
    )}\na simulated backfill of 1,000 organisations, 30 days, 4 tables: ${admissions.length} slices, the last let in after ${hours} h\n`
  )
  return { slices: admissions.length, hours, allAtOnce, inTurn }
})

const models = Effect.gen(function* () {
  const found = yield* Genai.measure
  for (const each of found) {
    console.log(
      `90 days of 50 models and 20 keys of ${each.provider}: ${each.rows} rows by ${each.calls} calls, loaded in ${each.loadSeconds.toFixed(1)} s, priced in ${each.priceSeconds.toFixed(1)} s, peak ${each.peakMegabytes.toFixed(0)} MB (goal under 512 MB)`
    )
  }
  console.log()
  return found
})

const results = await Effect.runPromise(
  Effect.all({
    engine: isWanted("engine") ? engine : Effect.succeed(undefined),
    http: isWanted("http") ? http : Effect.succeed(undefined),
    conversion: isWanted("conversion") ? conversion : Effect.succeed(undefined),
    start: isWanted("start") ? start : Effect.succeed(undefined),
    models: isWanted("models") ? models : Effect.succeed(undefined),
    quotas: isWanted("quotas") ? quotas : Effect.succeed(undefined)
  }).pipe(Effect.provide(Layer.setTracerEnabled(false)))
)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
