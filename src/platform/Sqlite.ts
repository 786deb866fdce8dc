/**
 * SQLite as a client of @effect/sql. One connection, whose statements run at once and block the thread.
 *
 * A transaction has the connection to itself: statements and transactions of other fibers wait until it has ended.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import Sqlite from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Statements that stay prepared: inserts of the client have one text for each number of rows. */
const PREPARED_STATEMENTS = 500

/**
 * The client on a database file, "" for a temporary one; closed with the scope. `begin` is how its transactions begin: a deferred one
 * takes the write lock with its first write, an immediate one at once.
 */
export const make = Effect.fnUntraced(function* (path: string, begin: "BEGIN DEFERRED" | "BEGIN IMMEDIATE") {
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: () => new Sqlite(path), catch: failed("open the database") }),
    (opened) => Effect.sync(() => opened.close())
  )
  const attempt = attemptOn(database)
  const connection = connectionOf(attempt)
  const runEach: RunEach = (text, lists) =>
    attempt(text, (prepared) => {
      const rows: Array<unknown> = []
      for (const list of lists) {
        if (prepared.reader) rows.push(...prepared.all(...list))
        else prepared.run(...list)
      }
      return rows
    })
  runners.set(connection, runEach)
  const turns = yield* Effect.makeSemaphore(1)
  const client = yield* SqlClient.make({
    acquirer: Effect.succeed(connectionOf((text, run) => turns.withPermits(1)(attempt(text, run)))),
    transactionAcquirer: Effect.as(
      Effect.acquireRelease(turns.take(1), () => turns.release(1)),
      connection
    ),
    compiler: Statement.makeCompilerSqlite(),
    spanAttributes: [["db.system.name", "sqlite"]]
  }).pipe(Effect.provide(Reactivity.layer))

  // A transaction that SQLite has rolled back itself, as it may when the disk is full, is over.
  const rollback = Effect.suspend(() =>
    database.inTransaction ? Effect.orDie(execute(connection, "ROLLBACK")) : Effect.void
  )
  const outermost = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) =>
      execute(connection, begin).pipe(
        Effect.zipRight(restore(Effect.provideService(effect, SqlClient.TransactionConnection, [connection, 0]))),
        Effect.zipLeft(execute(connection, "COMMIT")),
        Effect.onError(() => rollback)
      )
    )
  const withTransaction: SqlClient.SqlClient["withTransaction"] = (effect) =>
    Effect.flatMap(
      Effect.serviceOption(SqlClient.TransactionConnection),
      Option.match({
        onNone: () => turns.withPermits(1)(outermost(effect)),
        onSome: ([open, depth]) => nested(open, depth + 1, effect)
      })
    )
  const sql: SqlClient.SqlClient = Object.assign(client, { withTransaction })
  runners.set(sql, (text, lists) => turns.withPermits(1)(runEach(text, lists)))
  return sql
})

type Rows = ReturnType<Connection["execute"]>

/** Runs a statement once with each list of parameters; answers the rows of all. */
type RunEach = (text: string, lists: Iterable<ReadonlyArray<unknown>>) => Rows

/** How statements run: in the transaction of a connection, and with a client outside of one. */
const runners = new WeakMap<Connection | SqlClient.SqlClient, RunEach>()

/**
 * A statement of constant text, for what every commit or request does. It runs once with each list of parameters and answers the rows of
 * all. A statement of the client makes a span and a scope and compiles its text, which costs more than SQLite's part.
 */
export const statement =
  <Row extends object>(text: string) =>
  (
    lists: Iterable<ReadonlyArray<string | number | null>>
  ): Effect.Effect<ReadonlyArray<Row>, SqlError, SqlClient.SqlClient> =>
    Effect.contextWithEffect((context: Context.Context<SqlClient.SqlClient>) => {
      const owner = Option.match(Context.getOption(context, SqlClient.TransactionConnection), {
        onNone: () => Context.get(context, SqlClient.SqlClient),
        onSome: ([connection]) => connection
      })
      return runners.get(owner)?.(text, lists) ?? Effect.dieMessage(`not a client of SQLite: ${text}`)
    })

const nested = <A, E, R>(open: Connection, depth: number, effect: Effect.Effect<A, E, R>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(
      execute(open, `SAVEPOINT depth_${depth}`),
      restore(Effect.provideService(effect, SqlClient.TransactionConnection, [open, depth])).pipe(
        Effect.onError(() => Effect.orDie(execute(open, `ROLLBACK TO SAVEPOINT depth_${depth}`)))
      )
    )
  )

const execute = (connection: Connection, text: string) => connection.execute(text, [], undefined)

/** Gives a prepared statement to a function that runs it. */
type Attempt = <A>(text: string, run: (statement: Sqlite.Statement) => A) => Effect.Effect<A, SqlError>

const attemptOn = (database: Sqlite.Database): Attempt => {
  const statements = new Map<string, Sqlite.Statement>()
  const prepared = (text: string): Sqlite.Statement => {
    const known = statements.get(text)
    if (known !== undefined) return known
    const statement = database.prepare(text)
    const [oldest] = statements.keys()
    if (oldest !== undefined && statements.size >= PREPARED_STATEMENTS) statements.delete(oldest)
    statements.set(text, statement)
    return statement
  }
  return (text, run) => Effect.try({ try: () => run(prepared(text)), catch: failed("run a statement") })
}

const failed = (operation: string) => (cause: unknown) => new SqlError({ cause, message: `SQLite cannot ${operation}` })

const connectionOf = (attempt: Attempt): Connection => {
  const execute: Connection["execute"] = (text, parameters) =>
    attempt(text, (statement) => {
      if (statement.reader) return statement.all(...parameters)
      statement.run(...parameters)
      return []
    })
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: (text, parameters) =>
      attempt(text, (statement) => (statement.reader ? statement.all(...parameters) : statement.run(...parameters))),
    executeValues: (text, parameters) =>
      Effect.map(execute(text, parameters, undefined), (rows) => rows.map((row) => Object.values(row))),
    executeStream: (text, parameters) => Stream.fromIterableEffect(execute(text, parameters, undefined))
  }
}
