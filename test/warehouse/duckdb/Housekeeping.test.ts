import { describe, expect, it } from "@effect/vitest"
import { DuckDBInstance } from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { JsonObject } from "../../../src/platform/Json.ts"
import { Warehouse, type OrgWarehouse } from "../../../src/warehouse/Warehouse.ts"
import { billOf, billTable, fileSource, fixture, type Fixture, load, org, runId, warehouseOf } from "./support.ts"

const withWarehouse = <A, E>(given: Fixture, use: (acme: OrgWarehouse) => Effect.Effect<A, E, Warehouse>) =>
  Effect.provide(
    Effect.gen(function* () {
      return yield* use(yield* (yield* Warehouse).org(org))
    }),
    warehouseOf(given)
  )

const writeRows = (acme: OrgWarehouse, table: string, ...rows: ReadonlyArray<JsonObject>) =>
  acme.replaceSlice({
    slice: { ...billOf("2026-05-01"), table },
    source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
    runId
  })

const small = (columns: string) => `name: small\ndescription: Small.\nclusterBy: []\ncolumns:\n${columns}`
const id = "  - {name: id, type: STRING, required: true, description: Id.}\n"

it.scoped("a file of an older version, with blocks of another size, is opened as it is", () =>
  Effect.gen(function* () {
    const given = yield* fixture({ small: small(id) })
    const file = join(given.folder, "data", "warehouse", "warehouse.duckdb")
    mkdirSync(dirname(file), { recursive: true })
    const older = yield* Effect.promise(() => DuckDBInstance.create(":memory:"))
    const connection = yield* Effect.promise(() => older.connect())
    yield* Effect.promise(() => connection.run(`ATTACH '${file}' AS older (BLOCK_SIZE 65536); DETACH older`))
    connection.closeSync()
    older.closeSync()
    const rows = yield* withWarehouse(given, (acme) =>
      Effect.zipRight(writeRows(acme, "small", { id: "a" }), acme.query("SELECT id FROM small"))
    )
    expect(rows).toEqual([{ id: "a" }])
  })
)

describe("tables", () => {
  it.scoped("keep their rows over a restart, and get new nullable columns", () =>
    Effect.gen(function* () {
      const given = yield* fixture({ small: small(id) })
      yield* withWarehouse(given, (acme) => writeRows(acme, "small", { id: "a" }))
      writeFileSync(
        join(given.configs, "tables", "small.yml"),
        small(`${id}  - {name: added, type: BIGNUMERIC, description: New.}\n`)
      )
      const rows = yield* withWarehouse(given, (acme) =>
        Effect.zipRight(
          acme.replaceSlice({
            slice: { ...billOf("2026-05-02"), table: "small" },
            source: { _tag: "Rows", rows: Stream.make({ id: "b", added: "0.5" }) },
            runId
          }),
          acme.query("SELECT id, added FROM small ORDER BY id")
        )
      )
      expect(rows).toEqual([
        { id: "a", added: null },
        { id: "b", added: "0.5" }
      ])
    })
  )

  it.scoped.each([
    [
      "another type",
      small("  - {name: id, type: INT64, required: true, description: Id.}\n"),
      "id is VARCHAR, declared is INT64"
    ],
    ["another nullability", small("  - {name: id, type: STRING, description: Id.}\n"), "id is required in the table"],
    [
      "a new required column",
      small(`${id}  - {name: more, type: STRING, required: true, description: M.}\n`),
      "the required column more is missing"
    ],
    ["a column less", small("  - {name: other, type: STRING, description: Id.}\n"), "the column id is not declared"]
  ] as const)("are refused when the declaration has %s", ([, declaration, difference]) =>
    Effect.gen(function* () {
      const given = yield* fixture({ small: small(id) })
      yield* withWarehouse(given, (acme) => writeRows(acme, "small", { id: "a" }))
      writeFileSync(join(given.configs, "tables", "small.yml"), declaration)
      const error = yield* Effect.flip(withWarehouse(given, () => Effect.void))
      expect(error.message).toContain("acme_corp_test.small: the table differs from its declaration")
      expect(error.message).toContain(difference)
    })
  )

  it.scoped("quarantine rows without a required value", () =>
    Effect.gen(function* () {
      const given = yield* fixture({ small: small(id) })
      yield* withWarehouse(given, (acme) =>
        Effect.gen(function* () {
          const report = yield* writeRows(acme, "small", { id: "a" }, { id: null })
          expect(report.quarantine).toEqual([{ reason: "id: has no value", rows: 1, example: "rows:2" }])
          const error = yield* Effect.flip(writeRows(acme, "absent", { id: "a" }))
          expect(error.message).toBe("write acme_corp_test.absent: no such table is declared")
        })
      )
    })
  )

  const invalid: ReadonlyArray<readonly [string, string, RegExp]> = [
    ["bad YAML", "name: small\ncolumns: [", /small\.yml:\d+: /],
    [
      "an unknown type",
      small("  - {name: a, type: STRING, description: A.}\n  - {name: b, type: MONEY, description: B.}\n"),
      /small\.yml:6: columns\.1\.type: /
    ],
    ["an unknown field", `${small(id)}partition: day\n`, /small\.yml:6: partition: /],
    ["a column twice", small(`${id}${id}`), /small\.yml:6: column id is declared twice/],
    [
      "a lineage column",
      small("  - {name: x_run_id, type: STRING, description: R.}\n"),
      /small\.yml:5: column x_run_id .* lineage/
    ],
    [
      "another name than its file",
      small(id).replace("name: small", "name: other"),
      /small\.yml:1: the table other belongs in other\.yml/
    ]
  ]
  it.scoped.each(invalid)("with %s stop the start with file and line", ([, declaration, message]) =>
    Effect.gen(function* () {
      const given = yield* fixture({ small: declaration })
      const error = yield* Effect.flip(withWarehouse(given, () => Effect.void))
      expect(error).toMatchObject({ _tag: "InvalidTable" })
      expect(error.message).toMatch(message)
    })
  )
})

describe("lookup tables", () => {
  it.scoped("are loaded from their files, again when these have changed", () =>
    Effect.gen(function* () {
      const given = yield* fixture()
      const file = join(given.configs, "lookups", "categories.csv")
      const read = withWarehouse(given, (acme) => acme.query("SELECT * FROM organizations.categories ORDER BY code"))
      writeFileSync(file, 'code,label\n007,"Compute, all"\n1,\n')
      expect(yield* read).toEqual([
        { code: "007", label: "Compute, all" },
        { code: "1", label: null }
      ])
      expect(yield* read).toHaveLength(2)
      writeFileSync(file, "code,label\n2,Storage\n")
      expect(yield* read).toEqual([{ code: "2", label: "Storage" }])
      writeFileSync(file, "code,label\n2\n")
      expect((yield* Effect.flip(read)).message).toMatch(/categories\.csv.*Expected Number of Columns/)
    })
  )
})

describe("the warehouse file", () => {
  it.scoped("is held by one warehouse of a process", () =>
    Effect.gen(function* () {
      const given = yield* fixture()
      const error = yield* withWarehouse(given, () => Effect.flip(withWarehouse(given, () => Effect.void)))
      expect(error).toMatchObject({ _tag: "WarehouseUnavailable" })
      expect(error.message).toContain("stop the other one, or give this one another DATA_DIR")
    })
  )

  it.scoped("is held by one process", () =>
    Effect.gen(function* () {
      const given = yield* fixture()
      const folder = join(given.folder, "data", "warehouse")
      mkdirSync(folder, { recursive: true })
      const script =
        'const { DuckDBInstance } = await import("@duckdb/node-api"); await DuckDBInstance.create(process.argv[1]); console.log("held"); process.stdin.resume()'
      const child = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof spawn>>((resume) => {
          const started = spawn(process.execPath, [
            "--input-type=module",
            "-e",
            script,
            join(folder, "warehouse.duckdb")
          ])
          started.stdout.once("data", () => resume(Effect.succeed(started)))
        }),
        (started) => Effect.sync(() => started.kill("SIGKILL"))
      )
      expect(child.pid).toBeGreaterThan(0)
      const error = yield* Effect.flip(withWarehouse(given, () => Effect.void))
      expect(error).toMatchObject({ _tag: "WarehouseUnavailable" })
      expect(error.message).toMatch(/lock.*stop the other one, or give this one another DATA_DIR/i)
    })
  )

  it.scoped("does not grow when a slice is replaced again and again", () =>
    Effect.gen(function* () {
      const given = yield* fixture()
      const lines = Array.from({ length: 25_000 }, (_, line) => `${randomUUID()},${line}`).join("\n")
      const source = fileSource(given, "a.csv", `identity/LineItemId,lineItem/UnblendedCost\n${lines}\n`)
      const sizes: Array<number> = []
      for (let round = 0; round < 5; round++) {
        yield* withWarehouse(given, (acme) => load(acme, source))
        sizes.push(statSync(join(given.folder, "data", "warehouse", "warehouse.duckdb")).size)
      }
      expect(sizes.at(-1)).toBeLessThan(1.1 * (sizes[2] ?? 0))
    })
  )

  it.scoped("leaves no temporary files, and removes those of a process that died", () =>
    Effect.gen(function* () {
      const given = yield* fixture()
      const spill = join(given.folder, "data", "warehouse", "spill")
      mkdirSync(spill, { recursive: true })
      writeFileSync(join(spill, "left.plain"), "left")
      yield* withWarehouse(given, (acme) =>
        Effect.gen(function* () {
          expect(existsSync(join(spill, "left.plain"))).toBe(false)
          yield* load(acme, fileSource(given, "a.csv", "lineItem/UnblendedCost\n1\n"))
          yield* Effect.flip(load(acme, fileSource(given, "a.csv", "lineItem/UnblendedCost\n1,2\n")))
          yield* writeRows(acme, "bill", { line_id: "a" })
          expect(existsSync(spill) ? readdirSync(spill) : []).toEqual([])
          expect((yield* Warehouse).location).toBe(
            `duckdb: ${join(given.folder, "data", "warehouse", "warehouse.duckdb")}`
          )
          yield* (yield* Warehouse).ready
        })
      )
      rmSync(spill, { recursive: true, force: true })
    })
  )

  it.scoped("answers with types that JSON has", () =>
    Effect.gen(function* () {
      const given = yield* fixture({ bill: billTable })
      yield* withWarehouse(given, (acme) =>
        Effect.gen(function* () {
          yield* writeRows(acme, "bill", {
            cost: "-0.000000000000000000000001",
            used_at: "1969-12-31T23:59:59.5Z",
            share: 0.1
          })
          expect(yield* acme.query("SELECT cost, used_at, share, [1, 2] AS list, b'ab' AS bytes FROM bill")).toEqual([
            {
              cost: "-0.000000000000000000000001",
              used_at: "1969-12-31T23:59:59.5Z",
              share: 0.1,
              list: [1, 2],
              bytes: "YWI="
            }
          ])
        })
      )
    })
  )
})
