/**
 * The service's own database: one SQLite file that the event log, the organisations, the credentials and the local validator share.
 *
 * Every transaction takes the write lock when it begins (`BEGIN IMMEDIATE`): one that reads first and writes later can then not lose its
 * snapshot to another process (the admin commands open the same file). A commit is on the disk when it returns. The process has one
 * connection, and the event log's thread one of its own; statements block the thread: keep transactions short and do no other input or
 * output inside them.
 */
import { closeSync, mkdirSync, openSync } from "node:fs"
import { dirname, join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Settings } from "./Settings.ts"
import * as Sqlite from "./Sqlite.ts"

/** How long a statement waits for another process that holds the write lock before it fails with SQLITE_BUSY. */
const BUSY_TIMEOUT_MILLISECONDS = 5_000

/**
 * Pages in the write-ahead log after which SQLite copies them into the database: about 40 MB. A page that many commits change is copied
 * once for all of them, so fewer checkpoints write less; a start after a crash reads the log in a fraction of a second.
 */
const CHECKPOINT_PAGES = 10_000

/** What each connection is told first. */
const PRAGMAS = [
  "journal_mode = wal",
  "synchronous = full",
  `busy_timeout = ${BUSY_TIMEOUT_MILLISECONDS}`,
  `wal_autocheckpoint = ${CHECKPOINT_PAGES}`
]

/** Only the owner may enter the data folder and read the file; SQLite's own files beside it get the file's mode. */
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

/** The database file cannot be opened or created. */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  path: Schema.String,
  cause: Schema.Defect
}) {
  override get message() {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `the database ${this.path} cannot be opened: ${reason}; look at the folder's permissions and the disk`
  }
}

const open = Effect.fn("Database.open")(function* (path: string) {
  const unavailable = (cause: unknown) => new DatabaseUnavailable({ path, cause })
  yield* Effect.try({
    try: () => {
      mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE })
      closeSync(openSync(path, "a", FILE_MODE))
    },
    catch: unavailable
  })
  return yield* Effect.mapError(
    Effect.tap(Sqlite.make(path, "BEGIN IMMEDIATE"), (sql) =>
      Effect.forEach(PRAGMAS, (pragma) => sql.unsafe(`pragma ${pragma}`), { discard: true })
    ),
    ({ cause }) => unavailable(cause)
  )
})

/** Another connection to the file, for a thread that does nothing else (see {@link Sqlite.connect}). */
export const connect = (path: string) => {
  const connection = Sqlite.connect(path, "BEGIN IMMEDIATE")
  for (const pragma of PRAGMAS) connection.database.pragma(pragma)
  return connection
}

/** The SQL client on a database file; the file (mode 0600) and its folder (0700) are created when absent. */
export const layerFile = (path: string): Layer.Layer<SqlClient.SqlClient, DatabaseUnavailable> =>
  Layer.scoped(SqlClient.SqlClient, open(path))

/** The SQL client on `service.db` in the data folder. */
export const layer: Layer.Layer<SqlClient.SqlClient, DatabaseUnavailable, Settings> = Layer.unwrapEffect(
  Effect.map(Settings, (settings) => layerFile(join(settings.dataDir, "service.db")))
)
