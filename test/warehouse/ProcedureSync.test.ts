/**
 * Syncing procedures from files: by content, one by one, a bad one beside good ones.
 */
import { describe, expect, it } from "@effect/vitest"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as WarehouseDuckDb from "../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { StatementFailed, Warehouse } from "../../src/warehouse/Warehouse.ts"
import { settings } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const text = (name: string, body: string) =>
  `CREATE OR REPLACE PROCEDURE \`{project_id}.organizations.${name}\`()\nBEGIN\n  ${body}\nEND;\n`

const write = (folder: string, path: string, content: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), content)
}

/** The embedded warehouse, which refuses one definition, as an engine refuses bad SQL. */
const warehouse = Layer.effect(
  Warehouse,
  Effect.map(Warehouse, (embedded) => ({
    ...embedded,
    procedures: {
      ...embedded.procedures,
      create: (definitions) =>
        Effect.map(embedded.procedures.create(definitions.filter(({ name }) => name !== "sp_refused")), () =>
          definitions.map(({ name }) =>
            name === "sp_refused"
              ? Option.some(new StatementFailed({ statement: `CREATE PROCEDURE ${name}`, reason: "syntax error" }))
              : Option.none()
          )
        )
    }
  }))
).pipe(Layer.provide(WarehouseDuckDb.layerTemporary))

const withFolder = <A, E>(test: (folder: string) => Effect.Effect<A, E, ProcedureSync | Warehouse>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    test(folder).pipe(
      Effect.provide(
        ProcedureSync.layer.pipe(
          Layer.provideMerge(warehouse),
          Layer.provide(
            Layer.merge(
              settings(folder, { PROCEDURES_PATH: folder, GCP_PROJECT_ID: "test-project" }),
              NodeContext.layer
            )
          )
        )
      )
    )
  )

describe("syncing procedures", () => {
  it.scoped("creates what is missing, updates what changed, leaves the rest", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        const sync = yield* ProcedureSync
        const warehouse = yield* Warehouse
        write(folder, "cloud/sp_a.sql", text("sp_a", "SELECT 1;"))
        write(folder, "genai/deeper/sp_b.sql", text("sp_b", "SELECT 2;"))
        write(folder, "cloud/migrations/sp_c.sql", text("sp_c", "SELECT 3;"))
        write(folder, "cloud/notes.txt", "no procedure")
        expect(yield* sync.files).toEqual([
          { name: "sp_a", path: "cloud/sp_a.sql", domain: "cloud" },
          { name: "sp_b", path: "genai/deeper/sp_b.sql", domain: "genai" }
        ])
        const nothing = { created: [], updated: [], skipped: [], failed: [] }
        expect(yield* sync.sync()).toEqual({ ...nothing, created: ["sp_a", "sp_b"] })
        expect(yield* sync.sync()).toEqual({ ...nothing, skipped: ["sp_a", "sp_b"] })

        const resolved = text("sp_a", "SELECT 1;").replace("{project_id}", "test-project")
        expect((yield* warehouse.procedures.list)[0]).toMatchObject({
          name: "sp_a",
          definition: resolved,
          contentHash: createHash("sha256").update(resolved).digest("hex")
        })

        write(folder, "cloud/sp_a.sql", text("sp_a", "SELECT 10;"))
        const inSync = Effect.map(sync.list, (list) => list.map(({ inSync, procedure }) => [procedure.name, inSync]))
        expect(yield* inSync).toEqual([
          ["sp_a", false],
          ["sp_b", true]
        ])
        expect(yield* sync.sync()).toEqual({ ...nothing, updated: ["sp_a"], skipped: ["sp_b"] })
        expect(yield* sync.sync({ force: true, domain: "genai" })).toEqual({ ...nothing, updated: ["sp_b"] })
        rmSync(join(folder, "cloud/sp_a.sql"))
        expect(yield* inSync).toEqual([
          ["sp_a", false],
          ["sp_b", true]
        ])
      })
    )
  )

  it.scoped("reports each bad file with its reason, and goes on with the others", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        const sync = yield* ProcedureSync
        write(folder, "a/sp_a.sql", text("sp_refused", "SELECT 1;"))
        write(folder, "a/sp_b.sql", text("sp_b", `SELECT '${"x".repeat(1024 * 1024)}';`))
        write(folder, "a/sp_c.sql", `-- why\n/* CREATE */\n${text("sp_c", "SELECT 3;")}`)
        write(folder, "a/sp_e.sql", "SELECT 1")
        write(folder, "a/sp_refused.sql", text("sp_refused", "SELECT 1;"))
        const report = yield* sync.sync({ procedures: ["sp_a", "sp_b", "sp_c", "sp_d", "sp_e", "sp_refused"] })
        expect(report.created).toEqual(["sp_c"])
        expect(Object.fromEntries(report.failed.map(({ error, procedure }) => [procedure, error]))).toEqual({
          sp_a: "PROCEDURES_PATH: a/sp_a.sql must CREATE OR REPLACE the procedure sp_a, not sp_refused",
          sp_b: "PROCEDURES_PATH: a/sp_b.sql has more than 1048576 bytes",
          sp_d: "there is no file sp_d.sql",
          sp_e: "PROCEDURES_PATH: a/sp_e.sql must CREATE OR REPLACE the procedure sp_e, not something else",
          sp_refused: "CREATE PROCEDURE sp_refused: syntax error"
        })
      })
    )
  )

  it.scoped("fails when the folder is not there, naming the setting", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        const sync = yield* ProcedureSync
        rmSync(folder, { recursive: true })
        const error = yield* Effect.flip(sync.sync())
        expect(error._tag).toBe("ProceduresUnreadable")
        expect(error.message).toContain("PROCEDURES_PATH")
      })
    )
  )
})
