/**
 * Durable three-step runs per second, in-process: request to terminal event, quota reserved and released. Beside it the ceiling: the same
 * rows of the log in the same sequence of durable commits, each waiting for the one before it, written by plain group commit with no
 * actor, no keys, no projections and no hashes.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type Append, EventLog } from "../../src/eventlog/EventLog.ts"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { EventModel } from "../../src/eventlog/Projection.ts"
import { eventModel } from "../../src/eventModel.ts"
import { eventLogThread } from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { Catalogue, TemplateNotFound } from "../../src/pipelines/Catalogue.ts"
import { Processors } from "../../src/pipelines/Processor.ts"
import * as Database from "../../src/platform/Database.ts"
import * as GroupCommit from "../../src/platform/GroupCommit.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { canonical, keepCanonical } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import * as Sqlite from "../../src/platform/Sqlite.ts"
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

const worldOn = (eventLog: typeof EventLogSql.layer) =>
  Layer.unwrapScoped(
    Effect.map(temporaryFile, (file) => {
      const processor = scripted({})
      return RunsEventLog.layer.pipe(
        Layer.provideMerge(eventLog),
        Layer.provide(Layer.succeed(EventModel, eventModel)),
        Layer.provide(ValidatorLocal.layer),
        Layer.provideMerge(organizationsBeside(file)),
        Layer.provide(
          Layer.succeed(Catalogue, {
            load: (_org, configId) =>
              configId === definition.configId ? Effect.succeed(definition) : new TemplateNotFound({ configId }),
            checkAll: Effect.succeed([definition.configId])
          })
        ),
        Layer.provide([Settings.layer, Layer.succeed(Processors, new Map(Processors.entries([processor])))]),
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

/** Runs per second at several numbers of clients, of a process that has run as many as at the last of them before. */
export const runs = (sizes: Arr.NonEmptyReadonlyArray<{ readonly clients: number; readonly total: number }>) =>
  Effect.gen(function* () {
    yield* createOrgs(Math.max(...sizes.map((each) => each.clients)))
    const most = Arr.lastNonEmpty(sizes)
    yield* measure(most.clients, most.total, oneRun)
    return yield* Effect.forEach(sizes, ({ clients, total }) => measure(clients, total, oneRun))
  }).pipe(Effect.provide(worldOn(EventLogSql.layerThread(eventLogThread))), Effect.scoped)

/** What one run appends, append by append, as its rows have it. */
const appendsOfRun = Effect.gen(function* () {
  const appends: Array<ReadonlyArray<PlainRow>> = []
  const listening = Layer.effect(
    EventLog,
    Effect.map(EventLog, (log) => {
      const listen = ({ events }: Append) => appends.push(events.map(({ data, type }) => [type, canonical(data)]))
      return {
        ...log,
        append: (append) =>
          Effect.zipRight(
            Effect.sync(() => listen(append)),
            log.append(append)
          ),
        enqueue: (append, answer) => {
          listen(append)
          return log.enqueue(append, answer)
        }
      }
    })
  )
  yield* Effect.zipRight(createOrgs(1), oneRun(0)).pipe(
    Effect.provide(worldOn(Layer.provide(listening, EventLogSql.layer))),
    Effect.scoped
  )
  return appends
})

type PlainRow = readonly [type: string, data: string]

const hash = "0".repeat(64)

const insertPlain = Sqlite.statement(`
  insert into plain (stream_id, version, type, data, recorded_at, previous_hash, hash)
  select value ->> 0, value ->> 1, value ->> 2, value ->> 3, 0, ?, ? from json_each(?)`)

/** Runs per second of the ceiling. */
export const ceiling = (clients: number, total: number) =>
  Effect.gen(function* () {
    const appends = yield* appendsOfRun
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table plain (
      position integer primary key, stream_id bigint not null, version bigint not null, type text not null, data text not null,
      recorded_at bigint not null, previous_hash text not null, hash text not null, unique (stream_id, version))`
    const commits = yield* GroupCommit.make({
      name: "plain",
      maxBatch: 256,
      run: (session, tasks: ReadonlyArray<ReadonlyArray<readonly [stream: number, version: number, ...PlainRow]>>) => {
        insertPlain(session, [[hash, hash, JSON.stringify(tasks.flat())]])
        return tasks.map(() => Exit.void)
      }
    })
    const one = (_client: number, count: number) =>
      Effect.gen(function* () {
        let version = 0
        for (const rows of appends) yield* commits.submit(rows.map((row) => [count, ++version, ...row]))
      })
    yield* measure(clients, Math.ceil(total / 10), (client, count) => one(client, -count - 1))
    const rate = yield* measure(clients, total, one)
    return { ...rate, commits: appends.length, rows: appends.flat().length }
  }).pipe(Effect.provide(Layer.unwrapScoped(Effect.map(temporaryFile, Database.layerFile))), Effect.scoped)
