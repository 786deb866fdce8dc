/**
 * Brings the stored procedures of the warehouse into line with the files of this installation: by the SHA-256 of the resolved text, so an
 * unchanged procedure is left alone.
 */
import * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { Settings } from "../platform/Settings.ts"
import { type StoredProcedure, Warehouse, type WarehouseError } from "./Warehouse.ts"

/** A procedure file. `path` is relative to PROCEDURES_PATH, `domain` its first folder. */
export interface ProcedureFile {
  readonly name: string
  readonly path: string
  readonly domain: string
}

/** What a sync did; `failed` says why, and does not stop the others. */
export interface SyncReport {
  readonly created: ReadonlyArray<string>
  readonly updated: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<string>
  readonly failed: ReadonlyArray<{ readonly procedure: string; readonly error: string }>
}

/** The folder of the procedures cannot be read. */
export class ProceduresUnreadable extends Schema.TaggedError<ProceduresUnreadable>()("ProceduresUnreadable", {
  message: Schema.String
}) {}

export interface ProcedureSyncService {
  /** The files, by name; those below `migrations/` are none. */
  readonly files: Effect.Effect<ReadonlyArray<ProcedureFile>, ProceduresUnreadable>
  /** Creates what is missing and replaces what has another text (`force`: everything), of the procedures and the domain named, if any. */
  readonly sync: (options?: {
    readonly force?: boolean
    readonly procedures?: ReadonlyArray<string>
    readonly domain?: string
  }) => Effect.Effect<SyncReport, ProceduresUnreadable | WarehouseError>
  /** The stored procedures; `inSync` when a file of that name has the same text. */
  readonly list: Effect.Effect<
    ReadonlyArray<{ readonly procedure: StoredProcedure; readonly inSync: boolean }>,
    ProceduresUnreadable | WarehouseError
  >
}

const maximumFiles = 1_000
const maximumFileBytes = 1024 * 1024

/** The statement of a file; leading comments may explain it. */
const declaration =
  /^(?:\s|--[^\n]*\n|#[^\n]*\n|\/\*[\s\S]*?\*\/)*CREATE\s+OR\s+REPLACE\s+PROCEDURE\s+[`\w.-]*?(?<name>\w+)`?\s*\(/i

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const warehouse = yield* Warehouse
  const path = yield* Path.Path
  const folder = settings.proceduresPath

  const unreadable = (reason: string) => new ProceduresUnreadable({ message: `PROCEDURES_PATH: ${reason}` })

  // To have another thread read costs more than to read.
  const files = Effect.try({
    try: () => readdirSync(folder, { recursive: true, encoding: "utf8" }),
    catch: (cause) =>
      unreadable(`the folder cannot be read (${cause instanceof Error ? cause.message : String(cause)})`)
  }).pipe(
    Effect.map((entries) =>
      entries
        .map((entry) => entry.split(path.sep))
        .filter((parts) => parts.at(-1)?.endsWith(".sql") === true && !parts.includes("migrations"))
        .map((parts) => ({
          name: (parts.at(-1) ?? "").slice(0, -".sql".length),
          path: parts.join("/"),
          domain: parts.length > 1 ? (parts[0] ?? "") : ""
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    ),
    Effect.filterOrFail(
      (found) => found.length <= maximumFiles,
      (found) => unreadable(`${found.length} files are more than ${maximumFiles}`)
    )
  )

  const resolved = Effect.fn("ProcedureSync.resolved")(function* (file: ProcedureFile) {
    const location = path.join(folder, file.path)
    const found = yield* Effect.try({
      try: () => (statSync(location).size > maximumFileBytes ? undefined : readFileSync(location, "utf8")),
      catch: (cause) => unreadable(`${file.path} cannot be read (${String(cause)})`)
    })
    if (found === undefined) return yield* unreadable(`${file.path} has more than ${maximumFileBytes} bytes`)
    const text = found
      .replaceAll("{project_id}", warehouse.projectId)
      .replaceAll("{genai_cloud_overlap}", settings.genaiCloudOverlap)
    const declared = declaration.exec(text)?.groups?.["name"]
    if (declared !== file.name) {
      return yield* unreadable(
        `${file.path} must CREATE OR REPLACE the procedure ${file.name}, not ${declared ?? "something else"}`
      )
    }
    return { name: file.name, text, contentHash: hash("sha256", text) }
  })

  const readAll = (wanted: ReadonlyArray<ProcedureFile>) =>
    Effect.forEach(wanted, (file) =>
      Effect.either(Effect.mapError(resolved(file), (error) => ({ procedure: file.name, error: error.message })))
    )

  const stored = Effect.map(
    warehouse.procedures.list,
    (procedures) => new Map(procedures.map((procedure) => [procedure.name, procedure]))
  )

  return {
    files,
    sync: Effect.fn("ProcedureSync.sync")(function* (options = {}) {
      const found = yield* files
      const named = options.procedures
      const wanted = found.filter(
        (file) =>
          (named === undefined || named.includes(file.name)) &&
          (options.domain === undefined || file.domain === options.domain)
      )
      const known = yield* stored
      const report = {
        created: new Array<string>(),
        updated: new Array<string>(),
        skipped: new Array<string>(),
        failed: (named ?? [])
          .filter((name) => !wanted.some((file) => file.name === name))
          .map((name) => ({ procedure: name, error: `there is no file ${name}.sql` }))
      }
      const [unreadable, definitions] = Arr.separate(yield* readAll(wanted))
      report.failed.push(...unreadable)
      const [current, changed] = Arr.partition(
        definitions,
        ({ contentHash, name }) => options.force === true || known.get(name)?.contentHash !== contentHash
      )
      report.skipped.push(...current.map(({ name }) => name))
      if (changed.length === 0) return report
      for (const [{ name }, refused] of Arr.zip(changed, yield* warehouse.procedures.create(changed))) {
        if (Option.isSome(refused)) report.failed.push({ procedure: name, error: refused.value.message })
        else if (known.has(name)) report.updated.push(name)
        else report.created.push(name)
      }
      return report
    }),
    list: Effect.gen(function* () {
      const texts = yield* readAll(yield* files)
      const hashes = new Map(
        texts.flatMap((read) => (Either.isRight(read) ? [[read.right.name, read.right.contentHash] as const] : []))
      )
      return [...(yield* stored).values()].map((procedure) => ({
        procedure,
        inSync: hashes.get(procedure.name) === procedure.contentHash
      }))
    })
  } satisfies ProcedureSyncService
})

/** The service that syncs stored procedures. */
export class ProcedureSync extends Context.Tag("pipeline-service/ProcedureSync")<
  ProcedureSync,
  ProcedureSyncService
>() {
  /** On the warehouse and the files of PROCEDURES_PATH. */
  static readonly layer = Layer.effect(ProcedureSync, make)
}
