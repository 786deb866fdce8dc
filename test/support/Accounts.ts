/**
 * A small event model for tests of the event log: accounts with deposits. `claim` and `release` in an event's data act on keys.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { NewEvent } from "../../src/eventlog/EventLog.ts"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { EventModel, type Projection } from "../../src/eventlog/Projection.ts"
import * as Database from "../../src/platform/Database.ts"
import * as Sqlite from "../../src/platform/Sqlite.ts"
import * as TemporaryDatabase from "./TemporaryDatabase.ts"

/** Total and number of deposits by account. A deposit of 0 is refused by the table. */
const balances: Projection = {
  name: "balances",
  shape: 1,
  tables: ["balances"],
  migrate: Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      create table if not exists balances (
        account text not null primary key, total bigint not null, deposits bigint not null, note text, check (total <> 0)
      )`
  ),
  apply: (session, events) => {
    const rows = events.map((event) => [event.stream, event.data["amount"] ?? 1])
    deposits(session, [[JSON.stringify(rows)]])
  }
}

const deposits = Sqlite.statement(`
  insert into balances (account, total, deposits)
  select value ->> 0, sum(value ->> 1), count(*) from json_each(?) where true group by 1
  on conflict (account) do update set
    total = balances.total + excluded.total, deposits = balances.deposits + excluded.deposits`)

const modelOf = (projection: Projection): EventModel["Type"] => ({
  projections: [projection],
  rules: [],
  keys: (_stream, event) => {
    const { claim, ttl, release } = event.data
    return {
      ...(typeof claim === "string" && {
        acquire: [{ key: claim, ...(typeof ttl === "number" && { ttlSeconds: ttl }) }]
      }),
      ...(typeof release === "string" && { release })
    }
  }
})

/** The event model of the accounts. */
export const model = modelOf(balances)

const onDatabase = <E>(
  database: Layer.Layer<SqlClient.SqlClient, E>,
  projection = balances,
  eventLog = EventLogSql.layer
) => eventLog.pipe(Layer.provideMerge(Layer.merge(database, Layer.succeed(EventModel, modelOf(projection)))))

/** The log of the accounts on a new database. */
export const newLog = onDatabase(TemporaryDatabase.layer)

/** The log of the accounts on a database file. */
export const logOn = (path: string) => onDatabase(Database.layerFile(path))

/** The log on a database file with a thread that records what is appended while others wait. */
export const logWithThreadOn = (path: string) =>
  onDatabase(Database.layerFile(path), balances, EventLogSql.layerThread(new URL("accountsThread.ts", import.meta.url)))

/** The log on a database file as a later version of the program opens it, whose table has one more column: twice the total. */
export const laterLogOn = (path: string) =>
  onDatabase(Database.layerFile(path), {
    ...balances,
    shape: 2,
    migrate: Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        create table if not exists balances (
          account text not null primary key, total bigint not null, deposits bigint not null,
          twice bigint generated always as (2 * total), check (total <> 0)
        )`
    )
  })

/** A deposit of `amount`. */
export const deposit = (amount: number): NewEvent => ({ type: "Deposited", data: { amount } })

/** Claims a key, for a time if `ttl` (seconds) is given. */
export const claim = (key: string, ttl?: number): NewEvent => ({
  type: "Claimed",
  data: ttl === undefined ? { claim: key } : { claim: key, ttl }
})

/** Releases the account's keys that start with the prefix. */
export const release = (prefix: string): NewEvent => ({ type: "Released", data: { release: prefix } })
