/**
 * Durable three-step runs per second, in-process: request to terminal event, quota reserved and released, beside what plain
 * group-committed inserts of five rows per run reach on the same database in the same process.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { EventModel } from "../../src/eventlog/Projection.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { Catalogue, TemplateNotFound } from "../../src/pipelines/Catalogue.ts"
import { Processors } from "../../src/pipelines/Processor.ts"
import * as Database from "../../src/platform/Database.ts"
import * as GroupCommit from "../../src/platform/GroupCommit.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { keepCanonical } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { runEventModel } from "../../src/runs/RunProjection.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as RunsEventLog from "../../src/runs/RunsEventLog.ts"
import * as ValidatorLocal from "../../src/validator/ValidatorLocal.ts"
import { pipeline, step } from "../support/pipelines.ts"
import { scripted } from "../support/RunsWorld.ts"
import { organizationsBeside } from "../support/ServiceDatabase.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

/** Throughput and latency of one measurement; milliseconds. `cpu`: milliseconds of this process's processor time for each. */
export interface Rate {
  readonly clients: number
  readonly perSecond: number
  readonly cpu: number
  readonly p50: number
  readonly p99: number
}

const definition = pipeline([step("a", []), step("b", ["a"]), step("c", ["b"])])
// As the catalogue does.
keepCanonical(definition)

/** Lets `clients` fibers repeat `one` until `total` are done. */
export const measure = <E, R>(
  clients: number,
  total: number,
  one: (client: number, count: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<Rate, E, R> =>
  Effect.gen(function* () {
    const latencies: Array<number> = []
    let next = 0
    const client = (index: number) =>
      Effect.gen(function* () {
        while (next < total) {
          const begun = performance.now()
          yield* one(index, next++)
          latencies.push(performance.now() - begun)
        }
      })
    const used = process.cpuUsage()
    const begun = performance.now()
    yield* Effect.forEach(
      Array.from({ length: clients }, (_, index) => index),
      client,
      {
        concurrency: "unbounded",
        discard: true
      }
    )
    const seconds = (performance.now() - begun) / 1000
    const { system, user } = process.cpuUsage(used)
    const sorted = latencies.sort((a, b) => a - b)
    const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
    return {
      clients,
      perSecond: total / seconds,
      cpu: (user + system) / 1000 / total,
      p50: quantile(0.5),
      p99: quantile(0.99)
    }
  })

/** The organisations of the clients: one live run per org and pipeline means that each client needs its own. */
export const orgOf = (client: number) => Schema.decodeSync(OrgSlug)(`bench_${client}`)

/** Makes an organisation per client. */
export const createOrgs = (clients: number) =>
  Effect.flatMap(Organizations, (organizations) =>
    Effect.forEach(
      Array.from({ length: clients }, (_, client) => orgOf(client)),
      (org) => organizations.create({ org, companyName: org, adminEmail: "bench@localhost", plan: "ENTERPRISE" })
    )
  )

const world = Layer.unwrapScoped(
  Effect.map(temporaryFile, (file) => {
    const processor = scripted({})
    return RunsEventLog.layer.pipe(
      Layer.provideMerge(EventLogSql.layer),
      Layer.provide(Layer.succeed(EventModel, runEventModel)),
      Layer.provide(ValidatorLocal.layer),
      Layer.provideMerge(organizationsBeside(file)),
      Layer.provide(
        Layer.succeed(Catalogue, {
          load: (_org, configId) =>
            configId === definition.configId ? Effect.succeed(definition) : new TemplateNotFound({ configId }),
          checkAll: Effect.succeed([definition.configId])
        })
      ),
      Layer.provide([Settings.layer, Layer.succeed(Processors, new Map([[processor.type, processor]]))]),
      Layer.provideMerge(Database.layerFile(file))
    )
  })
)

const oneRun = (client: number) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const { runId } = yield* runs.request({
      org: orgOf(client),
      configId: definition.configId,
      trigger: "manual",
      triggerBy: "bench"
    })
    yield* runs.awaitEnd(runId)
  })

/** Runs per second at several numbers of clients. */
export const runs = (sizes: ReadonlyArray<{ readonly clients: number; readonly total: number }>) =>
  Effect.gen(function* () {
    yield* createOrgs(Math.max(...sizes.map((each) => each.clients)))
    yield* measure(16, 500, oneRun)
    return yield* Effect.forEach(sizes, ({ clients, total }) => measure(clients, total, oneRun))
  }).pipe(Effect.provide(world), Effect.scoped)

/** Rows that a run appends in the plain ceiling. */
const rowsPerRun = 5

/** The ceiling: the same client, file settings and group commit, five bare inserts per run, nothing else. */
export const ceiling = (clients: number, total: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table plain (stream text not null, version integer not null, data text not null, primary key (stream, version))`
    const data = JSON.stringify({ stepId: "a", output: { rowsProcessed: 1, rowsWritten: 1, details: {} } })
    const commits = yield* GroupCommit.make({
      name: "plain",
      maxBatch: 256,
      run: (rows: ReadonlyArray<{ readonly stream: string; readonly version: number }>) =>
        Effect.as(
          sql`insert into plain select value ->> 'stream', value ->> 'version', ${data} from json_each(${JSON.stringify(rows)})`,
          rows.map(() => Exit.void)
        )
    })
    const one = (_client: number, count: number) =>
      Effect.gen(function* () {
        for (let version = 1; version <= rowsPerRun; version++)
          yield* commits.submit({ stream: `run/${count}`, version })
      })
    yield* measure(clients, Math.ceil(total / 10), (client, count) => one(client, -count - 1))
    return yield* measure(clients, total, one)
  }).pipe(Effect.provide(Layer.unwrapScoped(Effect.map(temporaryFile, Database.layerFile))), Effect.scoped)
