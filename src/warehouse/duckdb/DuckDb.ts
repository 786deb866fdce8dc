/**
 * DuckDB as an Effect resource: a database file and its connections. Interrupting a statement's fiber interrupts the statement.
 */
import {
  DuckDBInstance,
  type DuckDBConnection,
  type DuckDBResultReader,
  type DuckDBType,
  type DuckDBValue
} from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import type { SettingsValues } from "../../platform/Settings.ts"
import { StatementFailed, WarehouseUnavailable } from "../Warehouse.ts"
import * as MemoryLimit from "./MemoryLimit.ts"
import * as Reopening from "./Reopening.ts"
import { text } from "./SqlText.ts"

/** A result as the engine gives it: column names, engine types, rows of engine values in column order. */
export interface ResultSet {
  readonly names: ReadonlyArray<string>
  readonly types: ReadonlyArray<DuckDBType>
  readonly rows: ReadonlyArray<ReadonlyArray<DuckDBValue>>
}

/** One connection: one transaction at a time. */
export interface Connection {
  /**
   * Runs one statement and reads its whole result; `parameters` fill `$1`, `$2` ... `label` names the statement in errors; `needs` says that
   * it cannot do with the memory of a query, see {@link MemoryLimit}.
   */
  readonly query: (
    sql: string,
    options?: {
      readonly label?: string
      readonly parameters?: ReadonlyArray<DuckDBValue>
      readonly needs?: MemoryLimit.Need
    }
  ) => Effect.Effect<ResultSet, StatementFailed>
  /** The engine's own connection, for appenders. */
  readonly raw: DuckDBConnection
}

/** An open database. */
export interface Database {
  /** A new connection, closed with the scope. Its time zone is UTC. */
  readonly connect: Effect.Effect<Connection, WarehouseUnavailable, Scope.Scope>
  /** Everything that a database does which much is written to stands within, because its file is closed in between, see {@link Reopening}. */
  readonly using: Reopening.Using
}

/** Files that this process holds: the engine's lock keeps out other processes only, and two instances in one would damage the file. */
const heldFiles = new Set<string>()

const hold = (path: string): Effect.Effect<void, WarehouseUnavailable, Scope.Scope> =>
  path === ":memory:"
    ? Effect.void
    : Effect.acquireRelease(
        Effect.suspend(() => {
          if (heldFiles.has(path)) return Effect.fail(locked(path, "this process has it open already"))
          heldFiles.add(path)
          return Effect.void
        }),
        () => Effect.sync(() => heldFiles.delete(path))
      )

const locked = (path: string, reason: string) =>
  new WarehouseUnavailable({
    message: `the warehouse file ${path} cannot be opened: ${reason}. One process at a time may hold it: stop the other one, or give this one another DATA_DIR`
  })

/**
 * Each thread that writes gathers a row group of every column before it compresses it, and each piece of a column that waits for others to
 * fill a block keeps a block of memory. With the engine's own sizes (256 KiB, 122,880 rows) a table of a hundred columns needs gigabytes,
 * or spills each such block to a file of its own.
 */
const BLOCK_BYTES = 32 * 1024
const ROW_GROUP_ROWS = 12 * 1024
const PARQUET_ROW_GROUP_ROWS = 20 * 1024
/** How a Parquet file is written. By default each thread gathers 122,880 rows for a row group of one. */
export const PARQUET = `FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${PARQUET_ROW_GROUP_ROWS}`
/** By default files are written as the engine's first release could read them; its later encodings of text take less time and room. */
const STORAGE_VERSION = "v1.5.0"

/** What an engine may take of the machine: without a number of its own it has a thread for each core, and each needs memory. */
export const limits = ({ duckdbMemoryLimit, duckdbThreads }: SettingsValues): Readonly<Record<string, string>> => ({
  memory_limit: duckdbMemoryLimit,
  threads: String(duckdbThreads)
})

/** Opens a database file (`:memory:` for a throwaway one). One process at a time may hold a file. */
export const open = (
  path: string,
  options: Readonly<Record<string, string>>
): Effect.Effect<Database, WarehouseUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    yield* hold(path)
    const instance = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => DuckDBInstance.create(":memory:", { ...options }),
        catch: (cause) => new WarehouseUnavailable({ message: `the engine does not start: ${firstLine(cause)}` })
      }),
      (instance) => Effect.sync(() => instance.closeSync())
    )
    // A file keeps the blocks that it was made with, and is not opened with a size that it does not have.
    const blockSize = (yield* Effect.sync(() => existsSync(path))) ? "" : `BLOCK_SIZE ${BLOCK_BYTES}, `
    const attach = `ATTACH IF NOT EXISTS ${text(path)} AS ${catalogue} (${blockSize}ROW_GROUP_SIZE ${ROW_GROUP_ROWS}, STORAGE_VERSION ${text(STORAGE_VERSION)})`
    const session = ["SET TimeZone = 'UTC'", ...(path === ":memory:" ? [] : [`USE ${catalogue}`])].join("; ")
    const connectWith = (sql: string) =>
      Effect.acquireRelease(
        Effect.tryPromise({
          try: async () => {
            const connection = await instance.connect()
            await connection.run(sql)
            return connection
          },
          catch: (cause) => locked(path, firstLine(cause))
        }),
        (connection) => Effect.sync(() => connection.closeSync())
      )
    // This connection stays outside the file: the engine does not close one that its connection works in.
    const outside = yield* connectWith(path === ":memory:" ? session : attach)
    const memory = yield* MemoryLimit.make(outside)
    const reopen = Effect.zipRight(
      // A file that cannot be brought up to date is closed all the same, and is when it is opened.
      Effect.ignore(Effect.tryPromise(() => outside.run(`DETACH ${catalogue}`))),
      Effect.retry(
        Effect.tryPromise({ try: () => outside.run(attach), catch: (cause) => locked(path, firstLine(cause)) }),
        reopenAttempts
      )
    )
    const { count, using } = yield* Reopening.make(path === ":memory:" ? Effect.void : Effect.orDie(reopen))
    return { connect: Effect.map(connectWith(session), (raw) => fromRaw(raw, memory, count)), using }
  })

/** While the file is closed another process may take it, such as a command that reads it. */
const reopenAttempts = Schedule.intersect(Schedule.spaced("100 millis"), Schedule.recurs(600))

/** The name of the file's database among those of its engine. */
const catalogue = "warehouse_file"

/**
 * Runs `use` as one transaction: committed when it succeeds, rolled back when it fails or is interrupted. Everything that it does with
 * the connection is in the transaction.
 */
export const transaction = <A, E, R>(
  connection: Connection,
  use: Effect.Effect<A, E, R>
): Effect.Effect<A, E | StatementFailed, R> =>
  Effect.acquireUseRelease(
    connection.query("BEGIN"),
    () => Effect.zipLeft(use, connection.query("COMMIT")),
    // After a COMMIT there is no transaction any more and ROLLBACK is refused, which is what success looks like.
    () => Effect.ignore(connection.query("ROLLBACK"))
  )

/** The engine forgets an interrupt that arrives before the statement has begun, so it is repeated until the statement has ended. */
const INTERRUPT_REPEAT_MILLIS = 20

const fromRaw = (raw: DuckDBConnection, memory: MemoryLimit.Raised, count: Reopening.Count): Connection => ({
  raw,
  query: (sql, options) => {
    const running = Effect.map(runOn(raw, sql, options), (reader) => {
      count(reader.rowsChanged)
      return { names: reader.columnNames(), types: reader.columnTypes(), rows: reader.getRows() }
    })
    return options?.needs === undefined ? running : Effect.scoped(Effect.zipRight(memory(options.needs), running))
  }
})

const runOn = (raw: DuckDBConnection, sql: string, options: Parameters<Connection["query"]>[1]) =>
  Effect.async<DuckDBResultReader, StatementFailed>((resume) => {
    const statement = options?.label ?? sql.trim().slice(0, 80)
    const running = raw.runAndReadAll(sql, options?.parameters === undefined ? undefined : [...options.parameters])
    const ended = running.then(
      (reader) => resume(Effect.succeed(reader)),
      (cause: unknown) => resume(Effect.fail(new StatementFailed({ statement, reason: reasonOf(cause) })))
    )
    return Effect.promise(async () => {
      raw.interrupt()
      const repeat = setInterval(() => raw.interrupt(), INTERRUPT_REPEAT_MILLIS)
      await ended
      clearInterval(repeat)
    })
  })

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const firstLine = (cause: unknown): string => messageOf(cause).split("\n", 1)[0] ?? ""

/** The first line, and for a CSV error also the line that says what is wrong; never the line of data that the engine quotes between them. */
const reasonOf = (cause: unknown): string => {
  const message = messageOf(cause)
  if (!message.includes("CSV Error on Line")) return firstLine(cause)
  const detail = csvDetails.map((pattern) => pattern.exec(message)?.[0]).find((found) => found !== undefined)
  return detail === undefined ? firstLine(cause) : `${firstLine(cause)}: ${detail}`
}

const csvDetails = [
  /^Expected Number of Columns: \d+ Found: \d+/m,
  /^Value with unterminated quote found/m,
  /^Invalid unicode/m,
  /^Maximum line size of \d+ bytes exceeded/m
]
