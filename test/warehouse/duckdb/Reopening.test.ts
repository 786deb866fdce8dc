import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { join } from "node:path"
import { type Connection, type Database, open, transaction } from "../../../src/warehouse/duckdb/DuckDb.ts"
import { temporaryFolder } from "./support.ts"

const withFile = <A, E>(use: (database: Database) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const database = yield* open(join(folder, "file.duckdb"), { threads: "1" })
    yield* database.using(
      Effect.scoped(Effect.flatMap(database.connect, ({ query }) => query("CREATE TABLE t (n INT)")))
    )
    return yield* use(database)
  }).pipe(Effect.scoped)

const one = (connection: Connection, sql: string) =>
  Effect.map(connection.query(sql), ({ rows }) => Number(rows[0]?.[0]))

const write = (connection: Connection, rows: number) => connection.query(`INSERT INTO t SELECT * FROM range(${rows})`)

/** The engine's number for the file as it is opened: each time another one. */
const opening = (connection: Connection) =>
  one(connection, "SELECT database_oid FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL")

it.effect("a file is opened anew after many written rows, and connections go on with it", () =>
  withFile(({ connect, using }) =>
    Effect.gen(function* () {
      const connection = yield* connect
      const first = yield* using(opening(connection))
      yield* using(write(connection, 400_000))
      expect(yield* using(opening(connection))).toBe(first)
      yield* using(write(connection, 400_000))
      const second = yield* using(opening(connection))
      expect(second).not.toBe(first)
      expect(yield* using(one(connection, "SELECT count(*) FROM t"))).toBe(800_000)
      yield* using(write(connection, 1))
      expect(yield* using(opening(connection))).toBe(second)
    }).pipe(Effect.scoped)
  )
)

it.effect("a file stays open while somebody uses it, and is opened anew when the last one has ended", () =>
  withFile(({ connect, using }) =>
    Effect.gen(function* () {
      const [writer, other] = [yield* connect, yield* connect]
      const first = yield* using(opening(writer))
      const begun = yield* Effect.makeLatch()
      const end = yield* Effect.makeLatch()
      const transacting = yield* Effect.fork(
        using(
          transaction(
            other,
            Effect.gen(function* () {
              yield* other.query("CREATE TABLE mine (n INT)")
              yield* begun.open
              yield* end.await
            })
          )
        )
      )
      yield* begun.await
      yield* using(write(writer, 600_000))
      expect(yield* using(opening(writer))).toBe(first)
      yield* end.open
      yield* Fiber.join(transacting)
      expect(yield* using(opening(writer))).not.toBe(first)
      expect(yield* using(one(other, "SELECT count(*) FROM mine"))).toBe(0)
    }).pipe(Effect.scoped)
  )
)
