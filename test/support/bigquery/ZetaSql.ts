/**
 * Google's own GoogleSQL: the parser, analyzer and reference evaluator of ZetaSQL, in a process of its own. The package is large and
 * needed by tests only, so it is installed into a cache folder at the first use.
 */
import { execFile, spawn } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const version = "1.13.0"
const cacheFolder = fileURLToPath(new URL("../../../node_modules/.cache/zetasql", import.meta.url))
const messageLimitBytes = 512 * 1024 * 1024
/** So many cells are sent as they are. */
const fewCells = 20_000

/** A type as ZetaSQL writes it. */
export interface ZetaType {
  readonly type_kind: string
  readonly array_type?: { readonly element_type: ZetaType }
  readonly struct_type?: {
    readonly field?: ReadonlyArray<{ readonly field_name?: string; readonly field_type: ZetaType }>
  }
}

/** A value as ZetaSQL writes it; NULL has no member. */
export interface ZetaValue {
  readonly int64_value?: string
  readonly bool_value?: boolean
  readonly double_value?: number
  readonly string_value?: string
  readonly bytes_value?: Buffer
  readonly date_value?: number
  readonly timestamp_value?: { readonly seconds?: string | number; readonly nanos?: number }
  readonly datetime_value?: { readonly bit_field_datetime_seconds?: string; readonly nanos?: number }
  readonly numeric_value?: Buffer
  readonly bignumeric_value?: Buffer
  readonly json_value?: string
  readonly array_value?: { readonly element?: ReadonlyArray<ZetaValue> }
  readonly struct_value?: { readonly field?: ReadonlyArray<ZetaValue> }
}

export interface Typed {
  readonly type: ZetaType
  readonly value: ZetaValue
}

export interface Column {
  readonly name: string
  readonly type: ZetaType
}

/** A table without rows. */
export interface Columns {
  readonly name: string
  readonly columns: ReadonlyArray<Column>
}

/** Rows with the columns' types. */
export interface Relation {
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<ReadonlyArray<ZetaValue>>
}

/** What a statement sees: tables by the name that it writes, script variables, parameters. */
export interface Surroundings {
  readonly tables: ReadonlyMap<string, Relation>
  readonly variables: ReadonlyMap<string, Typed>
  readonly parameters: ReadonlyMap<string, Typed>
}

/** ZetaSQL's refusal, in its words. */
export class ZetaSqlError extends Error {}

export interface ZetaSql {
  readonly query: (sql: string, around: Surroundings) => Promise<Relation>
  /** The rows that an INSERT adds, in the order of the table's columns. */
  readonly insert: (sql: string, around: Surroundings) => Promise<ReadonlyArray<ReadonlyArray<ZetaValue>>>
  /** Resolves names and types of a statement over tables and parameters without values; a refusal is the only answer. */
  readonly analyze: (
    sql: string,
    over: { readonly tables: ReadonlyArray<Columns>; readonly parameters: ReadonlyArray<Column> }
  ) => Promise<void>
  /** The syntax tree of a script. */
  readonly parse: (sql: string) => Promise<Node>
  /** The paths of the tables that a statement names. */
  readonly tableNames: (sql: string) => Promise<ReadonlyArray<string>>
}

/** A node of the syntax tree: members by name. */
export interface Node {
  readonly [member: string]: unknown
}

/** Whether a value is a node or another object. */
export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Installs the package when it is not there and starts the evaluator. */
export const start = async (): Promise<ZetaSql> => {
  await install()
  const folder = join(cacheFolder, "node_modules/@fivetrandevelopers/zetasql/lib/zetasql")
  const port = await freePort()
  const server = join(folder, process.arch === "arm64" ? "remote_server_arm.so" : "remote_server.so")
  // The pipe breaks when this process ends, however it ends; then the shell ends the server.
  spawn("sh", ["-c", '"$0" "$@" < /dev/null & cat > /dev/null; kill $!', server, "localhost", String(port)], {
    stdio: ["pipe", "ignore", "ignore"]
  }).unref()
  const call = await connect(join(folder, "protos"), port)
  const language = await call("GetLanguageOptions", { maximum_features: true })
  const languageOptions = {
    ...(isNode(language) ? language : {}),
    product_mode: "PRODUCT_EXTERNAL",
    supported_statement_kinds: []
  }
  const context = ({ parameters, tables, variables }: Surroundings, prune: boolean) => ({
    options: {
      language_options: languageOptions,
      default_timezone: "UTC",
      prune_unused_columns: prune,
      query_parameters: Array.from(parameters, ([name, { type }]) => ({ name, type }))
    },
    simple_catalog: {
      name: "catalog",
      builtin_function_options: { language_options: languageOptions },
      table: Array.from(tables, ([name, { columns }]) => ({ name, column: columns })),
      constant: Array.from(variables, ([name, { type, value }]) => ({ name_path: [name], type, value }))
    },
    descriptor_pool_list: { definitions: [{ builtin: {} }] }
  })
  const request = (sql: string, around: Surroundings, prune: boolean) => ({
    sql,
    ...context(around, prune),
    table_content: Object.fromEntries(
      Array.from(around.tables, ([name, { rows }]) => [name, { table_data: { row: rows.map((cell) => ({ cell })) } }])
    ),
    params: Array.from(around.parameters, ([name, { value }]) => ({ name, value }))
  })
  /** The same without the cells that a statement does not read: messages to the evaluator have a limit of 4 MiB. */
  const needed = async (sql: string, around: Surroundings): Promise<Surroundings> => {
    const cells = Array.from(around.tables.values(), ({ columns, rows }) => columns.length * rows.length)
    if (cells.reduce((sum, each) => sum + each, 0) < fewCells) return around
    const statement = await call("Analyze", { sql_statement: sql, ...context(around, true) })
    const read = new Map<string, Set<number>>()
    gatherReads(statement, read)
    const tables = Array.from(around.tables, ([name, { columns, rows }]) => {
      const wanted = read.get(name) ?? new Set()
      return [name, { columns, rows: rows.map((row) => row.map((cell, at) => (wanted.has(at) ? cell : {}))) }] as const
    })
    return { ...around, tables: new Map(tables) }
  }
  return {
    query: async (sql, around) => {
      const answer = await call("EvaluateQuery", request(sql, await needed(sql, around), true))
      return isQueryAnswer(answer)
        ? {
            columns: (answer.prepared?.columns ?? []).map(({ name, type }) => ({ name: name ?? "", type })),
            rows: (answer.content?.table_data?.row ?? []).map(({ cell }) => cell ?? [])
          }
        : { columns: [], rows: [] }
    },
    insert: async (sql, around) => {
      const answer = await call("EvaluateModify", request(sql, await needed(sql, around), false))
      return isModifyAnswer(answer) ? (answer.content ?? []).map(({ cell }) => cell ?? []) : []
    },
    analyze: async (sql, { parameters, tables }) => {
      await call("Analyze", {
        sql_statement: sql,
        options: { language_options: languageOptions, default_timezone: "UTC", query_parameters: parameters },
        simple_catalog: {
          name: "catalog",
          builtin_function_options: { language_options: languageOptions },
          table: tables.map(({ columns, name }) => ({ name, column: columns }))
        }
      })
    },
    parse: async (sql) => {
      const answer = await call("Parse", { sql_statement: sql, options: languageOptions, allow_script: true })
      const script = isNode(answer) ? answer["parsed_script"] : undefined
      if (!isNode(script)) throw new ZetaSqlError("the parser answered no script")
      return script
    },
    tableNames: async (sql) => {
      const answer = await call("ExtractTableNamesFromStatement", { sql_statement: sql, options: languageOptions })
      return isNamesAnswer(answer)
        ? (answer.table_name ?? []).map(({ table_name_segment }) => table_name_segment.join("."))
        : []
    }
  }
}

/** Positions of the columns that the scans of a resolved statement read, by table. */
const gatherReads = (node: unknown, read: Map<string, Set<number>>): void => {
  if (Array.isArray(node)) for (const member of node) gatherReads(member, read)
  if (!isNode(node)) return
  const { column_index_list: columns, table } = node
  if (isNode(table) && Array.isArray(columns)) {
    const name = String(table["name"])
    read.set(name, new Set([...(read.get(name) ?? []), ...columns.map(Number)]))
  }
  for (const member of Object.values(node)) gatherReads(member, read)
}

const isQueryAnswer = (
  answer: unknown
): answer is {
  readonly content?: {
    readonly table_data?: { readonly row?: ReadonlyArray<{ readonly cell?: ReadonlyArray<ZetaValue> }> }
  }
  readonly prepared?: { readonly columns?: ReadonlyArray<{ readonly name?: string; readonly type: ZetaType }> }
} => isNode(answer) && "prepared" in answer

const isModifyAnswer = (
  answer: unknown
): answer is { readonly content?: ReadonlyArray<{ readonly cell?: ReadonlyArray<ZetaValue> }> } => isNode(answer)

const isNamesAnswer = (
  answer: unknown
): answer is { readonly table_name?: ReadonlyArray<{ readonly table_name_segment: ReadonlyArray<string> }> } =>
  isNode(answer)

/** Installs it when it is not there. One process at a time may do so. */
export const install = async () => {
  if (existsSync(join(cacheFolder, "node_modules/@fivetrandevelopers/zetasql/package.json"))) return
  mkdirSync(cacheFolder, { recursive: true })
  writeFileSync(join(cacheFolder, "package.json"), JSON.stringify({ name: "zetasql-cache", private: true }))
  await promisify(execFile)(
    "npm",
    ["install", "--ignore-scripts", "--no-audit", "--no-fund", `@fivetrandevelopers/zetasql@${version}`],
    { cwd: cacheFolder }
  )
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

type Call = (method: string, request: unknown) => Promise<unknown>

const connect = async (protos: string, port: number): Promise<Call> => {
  const require = createRequire(join(cacheFolder, "package.json"))
  const grpc = require("@grpc/grpc-js")
  const definition = require("@grpc/proto-loader").loadSync("local_service.proto", {
    keepCase: true,
    longs: String,
    enums: String,
    includeDirs: [protos]
  })
  const Service = grpc.loadPackageDefinition(definition).zetasql.local_service.ZetaSqlLocalService
  const client = new Service(`localhost:${port}`, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": messageLimitBytes,
    "grpc.max_send_message_length": messageLimitBytes
  })
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + 20_000, (error: Error | null) =>
      error === null || error === undefined ? resolve() : reject(error)
    )
  })
  return (method, request) =>
    new Promise((resolve, reject) => {
      client[method](request, (error: { readonly details?: string } | null, answer: unknown) =>
        error === null ? resolve(answer) : reject(new ZetaSqlError(error.details ?? String(error)))
      )
    })
}
