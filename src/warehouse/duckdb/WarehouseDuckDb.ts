/**
 * The embedded warehouse: one DuckDB file, a schema for each organisation's dataset.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Pool from "effect/Pool"
import * as Scope from "effect/Scope"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { datasetOf, type OrgSlug } from "../../platform/Identifiers.ts"
import { Settings, type SettingsValues } from "../../platform/Settings.ts"
import * as Tables from "../Tables.ts"
import type { Table } from "../Table.ts"
import {
  type OrgWarehouse,
  type Slice,
  type SliceWrite,
  SourceRejected,
  StatementFailed,
  Warehouse,
  type WarehouseError,
  type WarehouseService,
  WarehouseUnavailable
} from "../Warehouse.ts"
import { observed } from "../WarehouseMetrics.ts"
import * as Datasets from "./Datasets.ts"
import { type Connection, limits, open } from "./DuckDb.ts"
import * as FilePart from "./FilePart.ts"
import * as Lookups from "./Lookups.ts"
import { oneAhead } from "./OneAhead.ts"
import type { Part } from "./Part.ts"
import * as Procedures from "./Procedures.ts"
import * as QueryPart from "./QueryPart.ts"
import * as RowsPart from "./RowsPart.ts"
import * as SliceWriter from "./SliceWriter.ts"
import * as SourceFile from "./SourceFile.ts"
import { name } from "./SqlText.ts"
import * as Statements from "./Statements.ts"

/** Statements that read at a time; more wait. */
const READER_CONNECTIONS = 4
/** How long they use a connection before they get another one. */
const READER_LIFE = "1 hour"

/** The warehouse of DATA_DIR. */
export const layer = Layer.scoped(
  Warehouse,
  Effect.gen(function* () {
    const settings = yield* Settings
    return yield* make(settings, join(settings.dataDir, "warehouse"), Tables.declared(settings))
  })
)

/** A warehouse in a temporary folder that goes with the scope. */
export const layerTemporary = Layer.unwrapEffect(
  Effect.map(Effect.flatMap(Settings, Tables.declared), (tables) => layerTemporaryOf([...tables.values()]))
)

/** The same, with these tables instead of the declared ones. */
export const layerTemporaryOf = (tables: ReadonlyArray<Table>) =>
  Layer.scoped(
    Warehouse,
    Effect.gen(function* () {
      const settings = yield* Settings
      const folder = yield* Effect.acquireRelease(
        inFolder(tmpdir(), () => mkdtempSync(join(tmpdir(), "pipeline-service-"))),
        (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
      )
      return yield* make(
        settings,
        folder,
        Effect.succeed(new Map([...Tables.ownTables, ...tables].map((table) => [table.name, table])))
      )
    })
  )

const inFolder = <A>(folder: string, use: () => A): Effect.Effect<A, WarehouseUnavailable> =>
  Effect.try({
    try: use,
    catch: (cause) =>
      new WarehouseUnavailable({
        message: `the folder ${folder} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

/** Makes a database ready for an organisation; answers the names of the lookup tables. */
const prepare = (settings: SettingsValues) => (connection: Connection) =>
  Effect.gen(function* () {
    yield* connection.query(
      `CREATE SCHEMA IF NOT EXISTS ${Datasets.systemDataset}; CREATE SCHEMA IF NOT EXISTS ${name(Datasets.centralDataset)}`
    )
    yield* Procedures.ensure(connection)
    return yield* Lookups.load(connection, join(settings.configsPath, "lookups"))
  })

const make = Effect.fn("WarehouseDuckDb.make")(function* (
  settings: SettingsValues,
  folder: string,
  declared: Effect.Effect<ReadonlyMap<string, Table>, Tables.InvalidTable>
) {
  const file = resolve(folder, "warehouse.duckdb")
  const spillFolder = resolve(folder, "spill")
  // On this thread, so that the engine begins to open its file before anything else is done.
  yield* inFolder(folder, () => mkdirSync(folder, { recursive: true }))
  const opening = Effect.gen(function* () {
    const database = yield* open(file, {
      ...limits(settings),
      temp_directory: spillFolder,
      // Keeping the order of a file would hold its batches in memory until their turn comes; rows carry their number instead.
      preserve_insertion_order: "false",
      write_buffer_row_group_count: "1",
      // A checkpoint would read and write again whole tables to fill up half-full row groups, with all threads at once and outside the
      // memory limit. Row groups whose rows are all deleted go without that.
      max_vacuum_tasks: "0",
      // It makes a join of each list of more than a few words in a filter, with memory for every column and thread.
      disabled_optimizers: "in_clause",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false"
    })
    // Whoever holds the database owns the folder: what lies there was left by a process that died.
    yield* inFolder(spillFolder, () => rmSync(spillFolder, { recursive: true, force: true }))
    const lookups = yield* Effect.scoped(Effect.flatMap(database.connect, prepare(settings)))
    return { database, lookups }
  })
  // The engine works on threads of its own meanwhile.
  const [{ database, lookups }, tables] = yield* Effect.all([opening, declared], { concurrency: "unbounded" })

  const readers = yield* Pool.makeWithTTL({
    acquire: database.connect,
    min: 0,
    max: READER_CONNECTIONS,
    timeToLive: READER_LIFE,
    timeToLiveStrategy: "creation"
  })
  const reading = <A, E>(use: (connection: Connection) => Effect.Effect<A, E, Scope.Scope>) =>
    database.using(Effect.scoped(Effect.flatMap(Pool.get(readers), use)))
  const writing = <A, E>(use: (connection: Connection) => Effect.Effect<A, E, Scope.Scope>) =>
    database.using(Effect.scoped(Effect.flatMap(database.connect, use)))

  /** On a connection of its own, for the one that loads has no turn to give while it does. */
  const preparing = (file: SourceFile.SourceFile, source: Parameters<typeof SourceFile.prepare>[1]) =>
    Effect.flatMap(Effect.scope, (scope) =>
      reading((connection) => Scope.extend(SourceFile.prepare(file, source, connection, spillFolder), scope))
    )

  const now = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis).toISOString())

  const openOrg = Effect.fn("WarehouseDuckDb.org")(function* (org: OrgSlug) {
    const dataset = datasetOf(org, settings.environment)
    // A start does without GoogleSQL's hundreds of functions, which only an organisation's statements call.
    if (orgs.size === 0) yield* writing(Statements.prepare)
    yield* writing((connection) => Datasets.ensure(connection, dataset, tables.values()))
    const writer = yield* Effect.makeSemaphore(1)
    const scope: Statements.TenantScope = { org, dataset, projectId: settings.projectId, tables, lookups }

    const replaceSlice = Effect.fnUntraced(function* <E>(write: SliceWrite<E>) {
      const table = yield* tableOf(write.slice)
      const { source } = write
      return yield* writing((connection) =>
        Effect.gen(function* () {
          const replaceBy = (parts: ReadonlyArray<Effect.Effect<Part, WarehouseError, Scope.Scope>>) =>
            Effect.gen(function* () {
              const ingestedAt = yield* now
              return yield* SliceWriter.replace({ connection, org, dataset, table, write, ingestedAt }, parts)
            })
          switch (source._tag) {
            case "Files": {
              const prepared = yield* oneAhead(source.files.map((file) => preparing(file, source)))
              const parts = prepared.map((file, index) =>
                Effect.flatMap(file, (readable) =>
                  FilePart.open(connection, readable, source.mapping, table, source.files[index]?.values)
                )
              )
              return yield* writer.withPermits(1)(replaceBy(parts))
            }
            case "Rows": {
              // Rows come at their provider's pace; the writer's turn begins when they are all here.
              const part = yield* RowsPart.spool(source.rows, table, spillFolder)
              return yield* writer.withPermits(1)(replaceBy([Effect.succeed(part)]))
            }
            case "Query": {
              // The query may read the slice that it replaces, so it runs before that is cleared.
              const part = Effect.flatMap(
                Statements.translate(connection, scope, source.sql, source.parameters),
                (sql) => QueryPart.open(connection, table, sql)
              )
              return yield* writer.withPermits(1)(Effect.flatMap(part, (part) => replaceBy([Effect.succeed(part)])))
            }
          }
        })
      )
    })

    const tableOf = (slice: Slice): Effect.Effect<Table, StatementFailed> => {
      const table = tables.get(slice.table)
      return table === undefined
        ? Effect.fail(
            new StatementFailed({ statement: `write ${dataset}.${slice.table}`, reason: "no such table is declared" })
          )
        : Effect.succeed(table)
    }

    const service: OrgWarehouse = {
      org,
      dataset,
      replaceSlice,
      token: (slice) => reading((connection) => SliceWriter.token(connection, org, dataset, slice)),
      query: (sql, parameters = {}) => reading((connection) => Statements.query(connection, scope, sql, parameters)),
      change: (change) =>
        Effect.flatMap(now, (at) =>
          writer.withPermits(1)(writing((connection) => Statements.change(connection, scope, change, at)))
        ),
      call: (procedure, args) =>
        writer.withPermits(1)(writing((connection) => Statements.call(connection, scope, procedure, args))),
      exportTo: (sql, target) => reading((connection) => Statements.exportTo(connection, scope, sql, target))
    }
    return observed(service)
  })

  const orgs = new Map<OrgSlug, OrgWarehouse>()
  const turn = yield* Effect.makeSemaphore(1)

  const service: WarehouseService = {
    location: `duckdb: ${file}`,
    tables,
    projectId: settings.projectId,
    org: (org) =>
      turn.withPermits(1)(
        Effect.suspend(() => {
          const known = orgs.get(org)
          return known === undefined
            ? Effect.tap(openOrg(org), (opened) => Effect.sync(() => orgs.set(org, opened)))
            : Effect.succeed(known)
        })
      ),
    columnsOf: ({ path, uri, format }) =>
      reading((connection) => SourceFile.columnNames({ path, uri }, format, connection)).pipe(
        Effect.catchTag("WarehouseUnavailable", (error) =>
          Effect.fail(new SourceRejected({ file: uri, reason: error.message }))
        )
      ),
    ready: reading((connection) => Effect.asVoid(connection.query("SELECT 1"))),
    procedures: {
      list: reading(Procedures.list),
      create: (definitions) =>
        Effect.gen(function* () {
          const checked = yield* Effect.forEach(definitions, (definition) =>
            Effect.either(Effect.as(Statements.checkProcedure(definition), definition))
          )
          const at = yield* now
          yield* writing((connection) => Procedures.save(connection, Arr.getRights(checked), at))
          return checked.map(Either.getLeft)
        }),
      drop: (procedure) => writing((connection) => Procedures.remove(connection, procedure))
    }
  }
  return service
})
