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
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Statements that stay prepared: inserts of the client have one text for each number of rows. */
const PREPARED_STATEMENTS = 500

type Begin = "BEGIN DEFERRED" | "BEGIN IMMEDIATE"

/**
 * The client on a database file, "" for a temporary one; closed with the scope. `begin` is how its transactions begin: a deferred one
 * takes the write lock with its first write, an immediate one at once.
 */
export const make = Effect.fnUntraced(function* (path: string, begin: Begin) {
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: () => new Sqlite(path), catch: failed("open the database") }),
    (opened) => Effect.sync(() => opened.close())
  )
  const prepared = preparedOn(database)
  const attempt = <A>(text: string, run: (statement: Sqlite.Statement) => A): Exit.Exit<A, SqlError> => {
    try {
      return Exit.succeed(run(prepared(text)))
    } catch (cause) {
      return Exit.fail(failed("run a statement")(cause))
    }
  }
  const session = sessionOf(prepared)
  const useNow = useOn(session)
  const transact = transactionsOn(database, session, begin)
  const turns = makeTurns()
  const takeTurn = Effect.async<void>((resume) => {
    const withdraw = turns.enter(() => resume(Effect.void))
    // The fiber may be interrupted after its turn has come and before it hears of it.
    return Effect.sync(() => {
      if (!withdraw()) turns.leave()
    })
  })
  const leaveTurn = Effect.sync(turns.leave)
  const alone: Direct["alone"] = (body, then) =>
    turns.enter(() => {
      const result = body()
      turns.leave()
      then(result)
    })
  const whenAlone = <A, E>(body: () => Exit.Exit<A, E>) =>
    Effect.async<A, E>((resume) => Effect.sync(alone(body, resume)))
  const connection = connectionOf((text, run) => Effect.suspend(() => attempt(text, run)))
  const client = yield* SqlClient.make({
    acquirer: Effect.succeed(connectionOf((text, run) => whenAlone(() => attempt(text, run)))),
    transactionAcquirer: Effect.as(
      Effect.acquireRelease(takeTurn, () => leaveTurn),
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
        Effect.onError(() => rollback),
        Effect.ensuring(leaveTurn)
      )
      return Effect.zipRight(restore(takeTurn), transaction)
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
  users.set(connection, (body) => Effect.suspend(() => useNow(body)))
  users.set(sql, (body) => whenAlone(() => useNow(body)))
  directs.set(sql, { path, alone, transact })
  return sql
})

/** Whose turn it is to use a connection: one at a time, the others in the order in which they came. */
const makeTurns = () => {
  const waiting = new Set<() => void>()
  let isTaken = false
  let isGranting = false
  return {
    /** Calls `granted` at its turn. The answer waits no longer; false: the turn has come already. */
    enter: (granted: () => void): (() => boolean) => {
      if (isTaken || waiting.size > 0) waiting.add(granted)
      else {
        isTaken = true
        granted()
      }
      return () => waiting.delete(granted)
    },
    leave: (): void => {
      isTaken = false
      // A loop, not a recursion, for those who leave before `granted` returns.
      if (isGranting) return
      isGranting = true
      for (const next of waiting) {
        waiting.delete(next)
        isTaken = true
        next()
        if (isTaken) break
      }
      isGranting = false
    }
  }
}

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

/** Rows that one statement of an {@link insertion} takes. */
const ROWS_OF_INSERTION = 16

/** Inserts rows of constant columns, many with one statement: to begin a statement costs as much as to insert a row. */
export const insertion = (table: string, columns: ReadonlyArray<string>, onConflict = "") => {
  const row = `(${columns.map(() => "?").join(", ")})`
  const textOf = (rows: number) =>
    `insert into ${table} (${columns.join(", ")}) values ${Array<string>(rows).fill(row).join(", ")} ${onConflict}`
  const one = textOf(1)
  const many = textOf(ROWS_OF_INSERTION)
  return (session: Session, rows: ReadonlyArray<ReadonlyArray<string | number | null>>): void => {
    const single = rows.length - (rows.length % ROWS_OF_INSERTION)
    const lists: Array<ReadonlyArray<string | number | null>> = []
    for (let begin = 0; begin < single; begin += ROWS_OF_INSERTION) {
      lists.push(rows.slice(begin, begin + ROWS_OF_INSERTION).flat())
    }
    session(many, lists)
    session(one, rows.slice(single))
  }
}

const NO_PARAMETERS: Parameters<Session>[1] = [[]]

/** The database for plain functions, where a fiber's part would cost more than SQLite's. */
export interface Direct extends Transactions {
  /** The database file. */
  readonly path: string
  /**
   * Calls `body` when no transaction is open, now or after those who wait already, and then `then` with its result; neither may throw. The
   * answer waits no longer.
   */
  readonly alone: <A>(body: () => A, then: (result: A) => void) => () => void
}

/** The transactions of a connection that nobody else uses meanwhile. */
export interface Transactions {
  /** Runs a function in a transaction; what it throws undoes the transaction. Of a client's {@link Direct} only for the `body` of `alone`. */
  readonly transact: <A>(body: (session: Session) => A) => Exit.Exit<A, SqlError>
}

const transactionsOn =
  (database: Sqlite.Database, session: Session, begin: Begin): Transactions["transact"] =>
  (body) => {
    const useNow = useOn(session)
    const exit = useNow(() => {
      session(begin, NO_PARAMETERS)
      const value = body(session)
      session("COMMIT", NO_PARAMETERS)
      return value
    })
    if (Exit.isSuccess(exit) || !database.inTransaction) return exit
    const undone = useNow(() => session("ROLLBACK", NO_PARAMETERS))
    return Exit.isSuccess(undone) ? exit : Exit.die(Cause.squash(undone.cause))
  }

/** A connection for a thread that does nothing else: no client, no turns. What it cannot do it throws. */
export const connect = (path: string, begin: Begin): Transactions & { readonly database: Sqlite.Database } => {
  const database = new Sqlite(path)
  return { database, transact: transactionsOn(database, sessionOf(preparedOn(database)), begin) }
}

const directs = new WeakMap<SqlClient.SqlClient, Direct>()

/** The client's database for plain functions. */
export const direct: Effect.Effect<Direct, never, SqlClient.SqlClient> = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.orDieWith(Effect.fromNullable(directs.get(sql)), notSqlite)
)

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
    return users.get(owner)?.(body) ?? Effect.die(notSqlite())
  })

const notSqlite = () => new Error("not a client of SQLite")

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
        // As one argument: to spread a list costs more.
        if (each.reader) rows.push(...each.all(list))
        else each.run(list)
      }
      return rows
    } catch (cause) {
      throw failed("run a statement")(cause)
    }
  }

const useOn =
  (session: Session) =>
  <A>(body: (session: Session) => A): Exit.Exit<A, SqlError> => {
    try {
      return Exit.succeed(body(session))
    } catch (cause) {
      return cause instanceof SqlError ? Exit.fail(cause) : Exit.die(cause)
    }
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
