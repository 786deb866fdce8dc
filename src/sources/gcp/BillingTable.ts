/**
 * A billing export in a customer's BigQuery, seen as a place of files: one per invoice month, whose token is the number of its rows and the
 * time of the latest, and whose content is streamed into a local file, a row per line, when it is wanted. Nothing is held in memory.
 */
import { open as openFile, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import type { Day } from "../../platform/Identifiers.ts"
import { checkEndpoint } from "../Endpoint.ts"
import { objectChanged, type ObjectStore, type StoredObject } from "../object-store/ObjectStore.ts"
import { SourceError } from "../SourceError.ts"
import * as BigQueryReader from "./BigQueryReader.ts"
import { recordOf } from "./BigQueryRows.ts"
import { accountOf } from "./GoogleClient.ts"

/** Rows of an invoice month arrive from so many days before it on. */
const ARRIVAL_LEAD_DAYS = 7
const MILLIS_PER_DAY = 86_400_000
/** A month so long ago is still looked at for rows that came late. */
const RESTATED_MONTHS = 3

const Metadata = Schema.Struct({
  billing_export_table: Schema.optional(Schema.String),
  detailed_export_table: Schema.optional(Schema.String),
  billing_project: Schema.optional(Schema.String),
  endpoint: Schema.optional(Schema.String),
  all_periods: Schema.optional(Schema.Boolean)
})
const tableName = /^(?!.*--)([a-z][a-z0-9-]*[a-z0-9])\.([A-Za-z0-9_]{1,1024})\.([A-Za-z0-9_-]{1,1024})$/

/** What a reading costs: bytes that the dry runs announced, by invoice month. */
export interface BillingTable {
  readonly store: ObjectStore
  readonly estimatedBytes: ReadonlyMap<string, number>
}

/** How to read. `from` is the first data date that is wanted; `folder` exists and receives the rows. */
export interface ReadOptions {
  readonly from: Day
  readonly folder: string
  readonly maximumBytesBilled: number
  readonly runId: string
}

/** The key of a month's object. */
export const keyOf = (period: string): string => `${period.slice(0, 4)}${period.slice(5, 7)}.ndjson`

/** Opens the export table of a credential: the detailed one where both are named. */
export const open = Effect.fn("BillingTable.open")(function* (opened: OpenCredential, options: ReadOptions) {
  const { credential } = opened
  const fault = (what: string) =>
    new SourceError({
      kind: "permanent",
      code: "CREDENTIAL_INCOMPLETE",
      message: `credential ${credential.credentialId} (${credential.provider}) lacks a valid ${what}`,
      suggestedAction: "store the credential again with all its fields"
    })
  const metadata = yield* Effect.mapError(Schema.decodeUnknown(Metadata)(credential.metadata), () => fault("metadata"))
  const account = yield* accountOf(opened)
  const given = metadata.detailed_export_table ?? metadata.billing_export_table
  const [full, project, dataset, table] = tableName.exec(given ?? "") ?? []
  if (full === undefined || project === undefined || dataset === undefined || table === undefined) {
    return yield* fault("billing_export_table or detailed_export_table of the form project.dataset.table")
  }
  yield* checkEndpoint(metadata.endpoint)
  const reader = yield* BigQueryReader.open({
    clientEmail: account.clientEmail,
    privateKey: account.privateKey,
    project: metadata.billing_project ?? account.projectId,
    labels: { org: credential.org, run: options.runId },
    ...(metadata.endpoint === undefined ? {} : { endpoint: metadata.endpoint })
  })
  const facts = yield* reader.table({ project, dataset, table })
  const columns = new Set(facts.schema.fields.map(({ name }) => name))
  const [month, exported] = columns.has("BilledCost")
    ? ["FORMAT_TIMESTAMP('%Y%m', BillingPeriodStart)", "x_ExportTime"]
    : ["invoice.month", "export_time"]
  const earliest = metadata.all_periods === true ? undefined : monthsBefore(options.from, RESTATED_MONTHS)
  const condition = pruning(facts)
  const query = (sql: string, first: string | undefined, parameters: ReadonlyArray<BigQueryReader.QueryParameter>) => ({
    sql: `${sql}${first === undefined || condition === undefined ? "" : ` AND ${condition} >= @arrived`}`,
    parameters: [
      ...parameters,
      ...(first === undefined || condition === undefined
        ? []
        : [{ name: "arrived", type: "TIMESTAMP" as const, value: `${daysBefore(first, ARRIVAL_LEAD_DAYS)}T00:00:00Z` }])
    ],
    location: facts.location,
    maximumBytesBilled: options.maximumBytesBilled
  })
  const estimatedBytes = new Map<string, number>()
  const uri = (key: string) => `bigquery://${full}/${key.replace(/\.ndjson$/, "")}`

  const list = Effect.gen(function* () {
    const counted = query(
      `SELECT ${month} AS month, COUNT(*) AS n, UNIX_MICROS(MAX(${exported})) AS latest FROM \`${full}\` WHERE ${month} IS NOT NULL`,
      earliest,
      []
    )
    const pages = yield* Stream.runCollect(reader.pages({ ...counted, sql: `${counted.sql} GROUP BY month` }))
    return [...pages]
      .flatMap(({ fields, rows }) => rows.map((row) => recordOf(fields, row)))
      .map((row): StoredObject => ({
        key: `${String(row["month"])}.ndjson`,
        size: 0,
        etag: `${String(row["n"])} rows until ${String(row["latest"])}`
      }))
      .filter(({ key }) => /^\d{6}\.ndjson$/.test(key) && (earliest === undefined || key >= keyOf(earliest)))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }).pipe(Effect.withSpan("BillingTable.list"))

  const localFile: ObjectStore["localFile"] = Effect.fn("BillingTable.localFile")(function* (object) {
    const label = object.key.slice(0, 6)
    const first = `${label.slice(0, 4)}-${label.slice(4)}-01`
    const names = facts.schema.fields.map(({ name }) => `\`${name}\``).join(", ")
    const rows = query(`SELECT ${names} FROM \`${full}\` WHERE ${month} = @month`, first, [
      { name: "month", type: "STRING", value: label }
    ])
    const bytes = yield* reader.estimate(rows)
    estimatedBytes.set(label, bytes)
    if (bytes > options.maximumBytesBilled) {
      return yield* new SourceError({
        kind: "permanent",
        code: "BYTES_LIMIT",
        message: `${uri(object.key)} would process ${bytes} bytes, more than ${options.maximumBytesBilled}`,
        suggestedAction: "raise maximum_bytes_billed in the step's config"
      })
    }
    const path = join(options.folder, `${crypto.randomUUID()}.ndjson`)
    yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
    const written = yield* Effect.acquireUseRelease(
      inFolder(path, () => openFile(path, "w")),
      (handle) =>
        reader.pages(rows).pipe(
          Stream.mapEffect((page) =>
            inFolder(path, () =>
              handle.appendFile(page.rows.map((row) => `${JSON.stringify(recordOf(page.fields, row))}\n`).join(""))
            ).pipe(Effect.as(page.rows.length))
          ),
          Stream.runSum
        ),
      (handle) => Effect.promise(() => handle.close())
    )
    if (`${written}` !== object.etag.split(" ")[0]) return yield* objectChanged(uri(object.key))
    return path
  })

  const billingTable: BillingTable = {
    estimatedBytes,
    store: {
      location: `bigquery://${full}`,
      prefix: "",
      list,
      uri,
      // A month is read as a file only.
      read: (object, limitBytes) =>
        Effect.fail(
          new SourceError({
            kind: "permanent",
            code: "OBJECT_TOO_LARGE",
            message: `${uri(object.key)} is read row by row, not as ${limitBytes} bytes`
          })
        ),
      localFile
    }
  }
  return billingTable
})

/** The column that tells when a row arrived, by which the engine leaves out partitions; undefined where the table has no such partitions. */
const pruning = ({ timePartitioning }: BigQueryReader.TableFacts): string | undefined =>
  timePartitioning === undefined
    ? undefined
    : timePartitioning.field === undefined
      ? "_PARTITIONTIME"
      : timePartitioning.field === "export_time" || timePartitioning.field === "x_ExportTime"
        ? timePartitioning.field
        : undefined

const monthsBefore = (day: string, months: number): string => {
  const date = new Date(`${day.slice(0, 7)}-01T00:00:00Z`)
  date.setUTCMonth(date.getUTCMonth() - months)
  return date.toISOString().slice(0, 10)
}

const daysBefore = (day: string, days: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) - days * MILLIS_PER_DAY).toISOString().slice(0, 10)

const inFolder = <A>(path: string, action: () => Promise<A>) =>
  Effect.tryPromise({
    try: action,
    catch: () =>
      new SourceError({
        kind: "permanent",
        code: "DOWNLOAD_NOT_WRITTEN",
        message: `${path} cannot be written`,
        suggestedAction: "look at the space and the permissions of the data folder"
      })
  })
