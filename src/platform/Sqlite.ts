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
  const prepared = preparedOn(database)
  const attempt: Attempt = (text, run) =>
    Effect.try({ try: () => run(prepared(text)), catch: failed("run a statement") })
  const connection = connectionOf(attempt)
  const useNow = useOn(sessionOf(prepared))
  users.set(connection, useNow)
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
    Effect.uninterruptibleMask((restore) => {
      const transaction = execute(connection, begin).pipe(
        Effect.zipRight(restore(Effect.provideService(effect, SqlClient.TransactionConnection, [connection, 0]))),
        Effect.zipLeft(execute(connection, "COMMIT")),
        Effect.matchCauseEffect({
          onSuccess: (value) => Effect.as(turns.release(1), value),
          onFailure: (cause) =>
            Effect.failCause(cause).pipe(
              Effect.onError(() => rollback),
              Effect.ensuring(turns.release(1))
            )
        })
      )
      return Effect.zipRight(restore(turns.take(1)), transaction)
    })
  const withTransaction: SqlClient.SqlClient["withTransaction"] = (effect) =>
    Effect.flatMap(
      Effect.serviceOption(SqlClient.TransactionConnection),
      Option.match({
        onNone: () => outermost(effect),
        onSome: ([open, depth]) => nested(open, depth + 1, effect)
      })
    )
  const sql: SqlClient.SqlClient = Object.assign(client, { withTransaction })
  users.set(sql, (body) => turns.withPermits(1)(useNow(body)))
  return sql
})

type Rows = Effect.Effect.Success<ReturnType<Connection["execute"]>>

/** The database while a synchronous function has it; runs a statement once with each list of parameters. Throws an `SqlError`. */
export type Session = (text: string, lists: Iterable<ReadonlyArray<string | number | null>>) => Rows

/**
 * A statement of constant text, for what every commit or request does. It runs once with each list of parameters and answers the rows of
 * all. A statement of the client makes a span and a scope and compiles its text, which costs more than SQLite's part.
 */
export const statement =
  <Row extends object>(text: string) =>
  (session: Session, lists: Parameters<Session>[1]): ReadonlyArray<Row> =>
    session(text, lists)

type Use = <A>(body: (session: Session) => A) => Effect.Effect<A, SqlError>

/** How functions get the database: in the transaction of a connection, and with a client outside of one. */
const users = new WeakMap<Connection | SqlClient.SqlClient, Use>()

/**
 * Gives a synchronous function the database, in the fiber's transaction if it has one. Fails with the function's `SqlError`; whatever else
 * it throws is a defect.
 */
export const use = <A>(body: (session: Session) => A): Effect.Effect<A, SqlError, SqlClient.SqlClient> =>
  Effect.contextWithEffect((context: Context.Context<SqlClient.SqlClient>) => {
    const owner = Option.match(Context.getOption(context, SqlClient.TransactionConnection), {
      onNone: () => Context.get(context, SqlClient.SqlClient),
      onSome: ([connection]) => connection
    })
    return users.get(owner)?.(body) ?? Effect.dieMessage("not a client of SQLite")
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

type Prepared = (text: string) => Sqlite.Statement

const preparedOn = (database: Sqlite.Database): Prepared => {
  const statements = new Map<string, Sqlite.Statement>()
  return (text) => {
    const known = statements.get(text)
    if (known !== undefined) return known
    const statement = database.prepare(text)
    const [oldest] = statements.keys()
    if (oldest !== undefined && statements.size >= PREPARED_STATEMENTS) statements.delete(oldest)
    statements.set(text, statement)
    return statement
  }
}

const sessionOf =
  (prepared: Prepared): Session =>
  (text, lists) => {
    try {
      const rows: Array<unknown> = []
      const each = prepared(text)
      for (const list of lists) {
        if (each.reader) rows.push(...each.all(...list))
        else each.run(...list)
      }
      return rows
    } catch (cause) {
      throw failed("run a statement")(cause)
    }
  }

const useOn =
  (session: Session): Use =>
  (body) =>
    Effect.suspend(() => {
      try {
        return Effect.succeed(body(session))
      } catch (cause) {
        return cause instanceof SqlError ? Effect.fail(cause) : Effect.die(cause)
      }
    })

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
