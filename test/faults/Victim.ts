/**
 * A process for the kill test: it goes on with what it finds in its data folder, and asks for run after run until it is killed; told to
 * drain, it asks for none, waits until every run has ended, and prints what it found as JSON.
 *
 *   node test/faults/Victim.ts FOLDER work|drain
 *
 * Lines that it prints: `ready`, then `accepted <run id>` once the service has answered a request, and `ended <run id>` when it has.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqlClient from "@effect/sql/SqlClient"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as CatalogueYaml from "../../src/pipelines/CatalogueYaml.ts"
import { type Processor, Processors, type StepContext, StepError } from "../../src/pipelines/Processor.ts"
import type { Day } from "../../src/platform/Identifiers.ts"
import { isObject } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as RunsEventLog from "../../src/runs/RunsEventLog.ts"
import * as ValidatorLocal from "../../src/validator/ValidatorLocal.ts"
import * as WarehouseDuckDb from "../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import { day, org, runId } from "../support/pipelines.ts"

const [, , folder = "", mode = ""] = process.argv
const clients = 4
const rowsPerSlice = 40
const executions = join(folder, "executions.log")

/** The amount of a slice's n-th row: a function of its day, so that a repeated attempt writes the same. */
const amount = (date: Day, n: number) => `${Number(date.replaceAll("-", "")) + n}.000000001`

const load = (table: string) =>
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    return (context: StepContext) =>
      Effect.gen(function* () {
        yield* Effect.sync(() => appendFileSync(executions, `${context.runId} ${context.stepId} ${context.attempt}\n`))
        yield* pause
        const slices = yield* warehouse.org(context.org)
        const rows = Stream.range(1, rowsPerSlice).pipe(
          Stream.map((n) => ({ n, amount: amount(context.startDate, n) })),
          Stream.tap((row) => (row.n % 20 === 0 ? pause : Effect.void))
        )
        const { rowsWritten } = yield* slices.replaceSlice({
          slice: {
            table,
            pipelineId: context.pipelineId,
            credentialId: "default",
            extent: { kind: "day", date: context.startDate }
          },
          source: { _tag: "Rows", rows },
          runId: context.runId
        })
        yield* pause
        return { rowsProcessed: rowsWritten, rowsWritten, outputTable: table, details: {} }
      }).pipe(
        Effect.catchAll((error) => new StepError({ errorType: "TRANSIENT", code: "WAREHOUSE", message: String(error) }))
      )
  })

const pause = Effect.flatMap(Random.nextIntBetween(0, 15), (milliseconds) => Effect.sleep(`${milliseconds} millis`))

const processors = Layer.effect(
  Processors,
  Effect.gen(function* () {
    const left = yield* load("left_rows")
    const right = yield* load("right_rows")
    const end: Processor["execute"] = (context) =>
      Effect.sync(() => {
        appendFileSync(executions, `${context.runId} ${context.stepId} ${context.attempt}\n`)
        return { rowsProcessed: 0, rowsWritten: 0, details: {} }
      })
    const processor = (type: string, execute: Processor["execute"]): Processor => ({
      type,
      check: () => undefined,
      execute
    })
    return new Map(
      Processors.entries([processor("test.left", left), processor("test.right", right), processor("test.end", end)])
    )
  })
)

const writeConfigs = () => {
  const column = (name: string, type: string) => `  - { name: ${name}, type: ${type}, description: ${name} }\n`
  for (const table of ["left_rows", "right_rows"]) {
    mkdirSync(join(folder, "configs/tables"), { recursive: true })
    writeFileSync(
      join(folder, `configs/tables/${table}.yml`),
      `name: ${table}\ndescription: Rows of the kill test.\nclusterBy: []\ncolumns:\n${column("n", "INT64")}${column("amount", "BIGNUMERIC")}`
    )
  }
  mkdirSync(join(folder, "configs/lookups"), { recursive: true })
  mkdirSync(join(folder, "configs/test/kill/cost"), { recursive: true })
  const step = (id: string, dependsOn: string) =>
    `  - { step_id: ${id}, ps_type: test.${id}, depends_on: ${dependsOn}, retry: { max_attempts: 10, backoff_seconds: 1, exponential_backoff: false } }\n`
  for (let client = 0; client < clients; client++) {
    writeFileSync(
      join(folder, `configs/test/kill/cost/p${client}.yml`),
      `pipeline_id: "{org_slug}-p${client}"\nname: p\nprovider: test\ndomain: cost\nsteps:\n${step("left", "[]")}${step("right", "[]")}${step("end", "[left, right]")}`
    )
  }
}

const world = RunsEventLog.layer.pipe(
  Layer.provideMerge(CatalogueYaml.layer),
  Layer.provideMerge(processors),
  Layer.provideMerge(WarehouseDuckDb.layer),
  Layer.provideMerge(ValidatorLocal.layer),
  Layer.provideMerge(Installation.records),
  Layer.provideMerge(Settings.layer),
  Layer.provide(
    Layer.setConfigProvider(
      ConfigProvider.fromMap(
        new Map([
          ["DATA_DIR", join(folder, "data")],
          ["CONFIGS_BASE_PATH", join(folder, "configs")]
        ])
      )
    )
  ),
  Layer.provideMerge(NodeContext.layer),
  Layer.provide(Logger.minimumLogLevel(LogLevel.None))
)

/** Waits where the reader is behind, as a plain write to the descriptor does not. */
const print = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

const work = Effect.gen(function* () {
  const organizations = yield* Organizations
  if ((yield* organizations.get(org)) === undefined) {
    yield* organizations.create({ org, companyName: "Acme", adminEmail: "a@localhost", plan: "ENTERPRISE" })
  }
  const runs = yield* Runs
  yield* runs.recover
  yield* print("ready")
  const client = (number: number) =>
    Effect.gen(function* () {
      const offset = yield* Random.nextIntBetween(0, 600)
      const date = day(new Date(Date.UTC(2025, 0, 1) + offset * 86_400_000).toISOString().slice(0, 10))
      const accepted = yield* runs.request({
        org,
        configId: `test/kill/cost/p${number}`,
        trigger: "api",
        triggerBy: "kill test",
        startDate: date
      })
      yield* print(`accepted ${accepted.runId}`)
      yield* runs.awaitEnd(accepted.runId)
      yield* print(`ended ${accepted.runId}`)
    }).pipe(Effect.forever)
  yield* Effect.forEach(
    Array.from({ length: clients }, (_, number) => number),
    client,
    { concurrency: "unbounded", discard: true }
  )
})

/** What was found when all runs had ended. */
export interface Findings {
  readonly runs: Readonly<Record<string, string>>
  readonly openSlots: number
  readonly successes: number
  readonly log: ReadonlyArray<{ readonly stream: string; readonly problem: string }>
  /** Steps that were started after they had succeeded, or executed without a start in the log. */
  readonly repeated: ReadonlyArray<string>
  /** Slices that have not exactly the rows of their day, or are missing. */
  readonly slices: ReadonlyArray<string>
}

const drain = Effect.gen(function* () {
  const runs = yield* Runs
  const sql = yield* SqlClient.SqlClient
  yield* runs.recover
  yield* sql<{ readonly open: number }>`select count(*) as open from runs where open = 1`.pipe(
    Effect.repeat({ until: ([row]) => row?.open === 0, schedule: Schedule.spaced("100 millis") }),
    Effect.timeout("120 seconds")
  )
  const ended = yield* sql<{ readonly run_id: string; readonly status: string }>`
    select run_id, status from runs where status <> 'REFUSED'`
  const [slots] = yield* sql<{ readonly n: number }>`select count(*) as n from quota_slots`
  const [usage] = yield* sql<{
    readonly n: number
  }>`select coalesce(sum(successful_runs), 0) as n from org_usage_quotas`
  const repeated: Array<string> = []
  const expected = new Set<string>()
  const starts = new Set<string>()
  for (const { run_id, status } of ended) {
    const events = yield* runs.events(runId(run_id))
    const succeeded = new Set<string>()
    for (const { type, data } of events) {
      const name = `${run_id} ${String(data["stepId"])}`
      if (type === "StepStarted") starts.add(`${name} ${String(data["attempt"])}`)
      if (type === "StepStarted" && succeeded.has(name)) repeated.push(name)
      if (type === "StepSucceeded") succeeded.add(name)
    }
    const request = events[0]?.data
    const pipeline = request?.["pipeline"]
    if (status === "COMPLETED" && isObject(pipeline)) {
      expected.add(`${String(pipeline["templateId"])} ${String(request?.["startDate"])}`)
    }
  }
  const executed = readFileSync(executions, "utf8").trim().split("\n")
  const twice = executed.filter((line, index) => executed.indexOf(line) !== index)
  repeated.push(...twice, ...executed.filter((line) => !starts.has(line)))
  const findings: Findings = {
    runs: Object.fromEntries(ended.map((each) => [each.run_id, each.status])),
    openSlots: slots?.n ?? -1,
    successes: usage?.n ?? -1,
    log: (yield* (yield* EventLog).verify).findings,
    repeated,
    slices: [...(yield* faultySlices("left_rows", expected)), ...(yield* faultySlices("right_rows", expected))]
  }
  yield* print(JSON.stringify(findings))
})

const faultySlices = (table: string, expected: ReadonlySet<string>) =>
  Effect.gen(function* () {
    const slices = yield* (yield* Warehouse).org(org)
    const found = yield* slices.query(
      `SELECT x_pipeline_id AS pipeline, x_pipeline_run_date AS day, COUNT(*) AS n, COUNT(DISTINCT n) AS numbers, SUM(amount) AS total
       FROM ${table} GROUP BY pipeline, day`
    )
    const names = new Set(found.map((row) => `${String(row["pipeline"])} ${String(row["day"])}`))
    const faulty = found.filter(
      (row) =>
        row["n"] !== rowsPerSlice || row["numbers"] !== rowsPerSlice || row["total"] !== totalOf(String(row["day"]))
    )
    return [
      ...faulty.map((row) => `${table} ${JSON.stringify(row)}`),
      ...[...expected].filter((name) => !names.has(name)).map((name) => `${table} lacks ${name}`)
    ]
  })

/** 40 amounts of day number D: 40 D + 820, and 40 billionths. */
const totalOf = (date: string): string =>
  `${Number(date.replaceAll("-", "")) * rowsPerSlice + (rowsPerSlice * (rowsPerSlice + 1)) / 2}.00000004`

writeConfigs()
const program = Effect.gen(function* () {
  yield* mode === "drain" ? drain : work
})
await Effect.runPromise(Effect.provide(program, world))
