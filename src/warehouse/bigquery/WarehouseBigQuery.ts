/**
 * The production warehouse: BigQuery, a dataset for each organisation, procedures and lookup tables in the dataset `organizations`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { join } from "node:path"
import { datasetOf, type OrgSlug } from "../../platform/Identifiers.ts"
import { limits } from "../duckdb/DuckDb.ts"
import * as SourceFile from "../duckdb/SourceFile.ts"
import type { SqlParameter } from "../FileMapping.ts"
import * as Dml from "../googlesql/Dml.ts"
import * as Declarations from "../Tables.ts"
import {
  type OrgWarehouse,
  SourceRejected,
  type SliceWrite,
  StatementFailed,
  Warehouse,
  type WarehouseError,
  type WarehouseService
} from "../Warehouse.ts"
import { observed } from "../WarehouseMetrics.ts"
import * as CentralTables from "./CentralTables.ts"
import * as Commit from "./Commit.ts"
import * as Conversion from "./Conversion.ts"
import * as Export from "./Export.ts"
import * as FileSlice from "./FileSlice.ts"
import { BigQuerySession, type Session } from "./Session.ts"
import * as Lookups from "./Lookups.ts"
import * as OrgHierarchy from "./OrgHierarchy.ts"
import * as Procedures from "./Procedures.ts"
import * as Queries from "./Queries.ts"
import { once } from "./Once.ts"
import * as QuerySource from "./QuerySource.ts"
import { path } from "./SqlText.ts"
import * as Tables from "./Tables.ts"
import * as Tenant from "./Tenant.ts"

/** Conversions at a time; each may take DUCKDB_MEMORY_LIMIT. More wait. */
const CONVERSION_CONCURRENCY = 2
/** A query answers at most so many rows; larger results are exported. */
const QUERY_ROW_LIMIT = 100_000

/** The warehouse of GCP_PROJECT_ID. Nothing is asked of BigQuery before the first use. */
export const layer = Layer.effect(
  Warehouse,
  Effect.flatMap(BigQuerySession, (session) => make(session))
).pipe(Layer.provide(BigQuerySession.layer))

const make = Effect.fn("WarehouseBigQuery.make")(function* (session: Session) {
  const { settings } = session
  const tables = yield* Declarations.declared(settings)
  const lookupFolder = join(settings.configsPath, "lookups")
  const lookups = new Set(yield* Lookups.names(lookupFolder))
  const workplace: Conversion.Workplace = {
    folder: join(settings.dataDir, "bigquery-staging"),
    limits: limits(settings)
  }
  const converting = yield* Effect.makeSemaphore(CONVERSION_CONCURRENCY)

  const central = once(
    Effect.gen(function* () {
      yield* Tables.ensureCentral(session)
      if (tables.has(OrgHierarchy.viewName)) yield* CentralTables.ensure(session, [OrgHierarchy.viewName])
      yield* Lookups.load(session, workplace, lookupFolder)
    })
  )

  const openOrg = Effect.fn("WarehouseBigQuery.org")(function* (org: OrgSlug) {
    const dataset = datasetOf(org, settings.environment)
    yield* central
    yield* Tables.ensureDataset(session, {
      name: dataset,
      description: `Cost data of the organisation ${org}.`,
      labels: { service: "pipeline-service", org, environment: settings.environment }
    })
    yield* Tables.ensure(
      session,
      dataset,
      [...tables.values()].filter((table) => table.name !== OrgHierarchy.viewName)
    )
    const hierarchy = tables.get(OrgHierarchy.viewName)
    const openHierarchy =
      hierarchy === undefined ? Effect.succeed(true) : OrgHierarchy.ensureView(session, org, dataset, hierarchy)
    let hasHierarchy = yield* openHierarchy
    if (!hasHierarchy) {
      yield* Effect.logWarning(
        `${org} has no hierarchy: the API service has not created ${Tables.centralDataset}.${OrgHierarchy.viewName} in project ` +
          `${session.api.projectId}. Conversions look for it again and give costs to no entity until then`
      )
    }
    const writer = yield* Effect.makeSemaphore(1)
    const scope: Tenant.TenantScope = { org, tables: new Set(tables.keys()), lookups }

    const replaceSlice = Effect.fnUntraced(function* <E>(write: SliceWrite<E>) {
      const table = tables.get(write.slice.table)
      if (table === undefined) {
        const statement = `write ${dataset}.${write.slice.table}`
        return yield* new StatementFailed({ statement, reason: "no such table is declared" })
      }
      const { source } = write
      const ingestedAt = new Date(yield* Clock.currentTimeMillis).toISOString()
      const target: Commit.Target = { org, dataset, table, write, ingestedAt, writer }
      if (source._tag === "Query") {
        yield* Tenant.check(scope, `query of ${org}`, source.sql)
        return yield* Effect.scoped(QuerySource.replace(session, target, source))
      }
      return yield* converting.withPermits(1)(
        Effect.scoped(FileSlice.replace(session, workplace, target, write, source))
      )
    })

    const select = Effect.fnUntraced(function* (what: string, sql: string, parameters: Queries.Query["parameters"]) {
      yield* Tenant.check(scope, what, sql)
      const jobId = yield* Queries.run(session, {
        what,
        sql,
        dataset,
        labels: { org },
        timeoutSeconds: settings.bigqueryTimeoutSeconds,
        ...(parameters === undefined ? {} : { parameters })
      })
      return yield* Queries.result(session, what, jobId)
    })

    const service: OrgWarehouse = {
      org,
      dataset,
      replaceSlice,
      token: (slice) => Commit.token(session, { org, dataset }, slice),
      query: Effect.fnUntraced(function* (sql, parameters) {
        const what = `query of ${org}`
        const result = yield* select(what, sql, parameters)
        if (result.totalRows > QUERY_ROW_LIMIT) {
          return yield* new StatementFailed({
            statement: what,
            reason: `the result has more than ${QUERY_ROW_LIMIT} rows; narrow it, or export it to a file`
          })
        }
        return yield* Queries.rows(session, what, result)
      }),
      change: Effect.fnUntraced(function* (asked) {
        const stamped = yield* Dml.stamp(org, asked.sql)
        const { table } = stamped
        if (!tables.has(table)) return { table, rows: undefined }
        const what = `change of ${table} by ${org}`
        yield* Tenant.check(scope, what, asked.sql, "change")
        const at = new Date(yield* Clock.currentTimeMillis).toISOString()
        const own = Dml.parametersOf({ ...asked, org, at }, table)
        const labels = { org, pipeline: asked.pipelineId, run: asked.runId }
        const run = (sql: string, parameters: Readonly<Record<string, SqlParameter>>) =>
          Queries.run(session, { what, sql, dataset, labels, parameters }).pipe(
            Effect.flatMap((jobId) => Queries.result(session, what, jobId)),
            Effect.flatMap((result) => Queries.rows(session, what, result))
          )
        const rows = Effect.gen(function* () {
          const [done] = yield* run(Dml.doneQuery, own)
          if (done !== undefined) return Number(done["token"])
          const [changed] = yield* run(Dml.changeScript(stamped), { ...asked.parameters, ...own })
          return Number(changed?.["n"])
        })
        return { table, rows: yield* writer.withPermits(1)(rows) }
      }),
      call: Effect.fnUntraced(function* (procedure, args) {
        if (!hasHierarchy) hasHierarchy = yield* openHierarchy
        const all = [
          { type: "STRING", value: session.api.projectId },
          { type: "STRING", value: dataset },
          ...args
        ] as const
        const name = procedure.replaceAll(/[`.]/g, "")
        const jobId = yield* Queries.run(session, {
          what: procedure,
          sql: `CALL ${path(session.api.projectId, Tables.centralDataset, name)}(${all.map((_, index) => `@argument${index}`).join(", ")})`,
          parameters: Object.fromEntries(all.map((argument, index) => [`argument${index}`, argument])),
          labels: { org, procedure: name }
        }).pipe(writer.withPermits(1))
        return yield* Queries.rows(session, procedure, yield* Queries.result(session, procedure, jobId))
      }),
      exportTo: (sql, file) =>
        Effect.flatMap(select(`export for ${org}`, sql, undefined), (result) =>
          Effect.scoped(Export.write(session, workplace, `export for ${org}`, result, file))
        )
    }
    return observed(service)
  })

  const orgs = new Map<OrgSlug, Effect.Effect<OrgWarehouse, WarehouseError>>()

  const service: WarehouseService = {
    location: `bigquery: project ${session.api.projectId}, ${Option.getOrElse(settings.bigqueryEndpoint, () => settings.bigqueryLocation)}`,
    projectId: session.api.projectId,
    tables,
    org: (org) =>
      Effect.suspend(() => {
        const opened = orgs.get(org) ?? once(openOrg(org))
        orgs.set(org, opened)
        return opened
      }),
    columnsOf: (file) =>
      Effect.gen(function* () {
        const folder = yield* Conversion.temporaryFolder(workplace.folder)
        const { connection } = yield* Conversion.engine(workplace, folder)
        return yield* SourceFile.columnNames(file, file.format, connection)
      }).pipe(
        Effect.scoped,
        Effect.catchTag("WarehouseUnavailable", (error) =>
          Effect.fail(new SourceRejected({ file: file.uri, reason: error.message }))
        )
      ),
    ready: Tables.check(session),
    procedures: {
      list: Procedures.list(session),
      create: (definitions) =>
        Effect.zipRight(
          central,
          Effect.forEach(definitions, (definition) =>
            Effect.map(Effect.either(Procedures.save(session, definition)), Either.getLeft)
          )
        ),
      drop: (procedure) => Procedures.remove(session, procedure)
    }
  }
  return service
})
