/**
 * Every procedure file is GoogleSQL by ZetaSQL's own judgement: the file is parsed whole, and each statement that it builds and executes is
 * analysed against the declared tables and lookups, with the types of the values that are bound to it.
 */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { columnsOf, load } from "../../src/warehouse/Tables.ts"
import { type CatalogTable, type Typed, ZetaSql } from "./ZetaSql.ts"

const project = new URL("../../", import.meta.url)
const folder = new URL("procedures/", project)
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".sql"))
const textOf = (file: string) =>
  readFileSync(new URL(file, folder), "utf8").replaceAll("{project_id}", "central-project")

const lookups = (): ReadonlyArray<CatalogTable> => {
  const place = new URL("configs/lookups/", project)
  return readdirSync(place)
    .filter((name) => name.endsWith(".csv"))
    .map((name) => ({
      name: `central-project.organizations.${name.slice(0, -".csv".length)}`,
      columns: (readFileSync(new URL(name, place), "utf8").split(/\r?\n/)[0] ?? "")
        .split(",")
        .map((column) => ({ name: column, type: "STRING" }))
    }))
}

/** The types of a procedure's parameters and variables. */
const variablesOf = (text: string): ReadonlyMap<string, string> => {
  const types = new Map<string, string>()
  for (const [, name = "", type = ""] of text.matchAll(
    /^\s*(?:IN |OUT |INOUT )?(p_\w+)\s+(STRING|DATE|TIMESTAMP|INT64|BOOL|NUMERIC|BIGNUMERIC|FLOAT64)\b/gm
  ))
    types.set(name, type)
  for (const [, names = "", type = ""] of text.matchAll(/DECLARE\s+(\w+(?:\s*,\s*\w+)*)\s+(ARRAY<\w+>|\w+)/g)) {
    for (const name of names.split(",")) types.set(name.trim(), type)
  }
  return types
}

interface Built {
  readonly sql: string
  readonly parameters: ReadonlyArray<Typed>
}

/** The statements that a file builds from one text literal, with what is bound to them by name. */
const builtStatements = (text: string): ReadonlyArray<Built> => {
  const types = variablesOf(text)
  return [...text.matchAll(/EXECUTE IMMEDIATE\s+(?:REPLACE\s*\(\s*)*r"""([\s\S]*?)"""([\s\S]*?);\n/g)].flatMap(
    ([, sql = "", rest = ""]) => {
      const parameters = [...rest.matchAll(/(\w+) AS (\w+)/g)].map(([, variable = "", name = ""]) => ({
        name,
        type: types.get(variable) ?? "STRING"
      }))
      return wholeOf(text, sql).map((sql) => ({ sql: sql.replaceAll("$dataset", "org-project.acme_prod"), parameters }))
    }
  )
}

/**
 * A statement that takes parts of its text from the procedure's parameters (`$lines` is p_lines), once for each call of the procedure that
 * gives them as literals.
 */
const wholeOf = (text: string, sql: string): ReadonlyArray<string> => {
  const [, name = ""] = /CREATE OR REPLACE PROCEDURE `[^`]*\.(\w+)`/.exec(text) ?? []
  const parameters = [...text.matchAll(/^ {2}p_(\w+) \w+,?$/gm)].map(([, parameter = ""]) => parameter)
  if (!parameters.some((parameter) => sql.includes(`$${parameter}`))) return [sql]
  return files
    .flatMap((file) => [...textOf(file).matchAll(/CALL [^(]*\.(\w+)`\(([^";]*(?:r"""[\s\S]*?"""[^";]*)?)\);\n/g)])
    .filter(([, called]) => called === name)
    .map(([, , given = ""]) => {
      const literals = [...given.matchAll(/r"""([\s\S]*?)"""|'([^']*)'|\w+/g)].map(([, long, short]) => long ?? short)
      return parameters.reduce(
        (whole, parameter, index) => whole.replaceAll(`$${parameter}`, () => literals[index] ?? `$${parameter}`),
        sql
      )
    })
}

describe("procedures", () => {
  layer(ZetaSql.layer, { timeout: "5 minutes" })("by ZetaSQL", (it) => {
    it.effect("every file is parsed whole", () =>
      Effect.gen(function* () {
        const zeta = yield* ZetaSql
        expect(files.length).toBeGreaterThan(9)
        for (const file of files) {
          const refused = yield* Effect.flip(zeta.parse(textOf(file))).pipe(Effect.orElseSucceed(() => undefined))
          expect(refused?.message, file).toBeUndefined()
        }
        // The oracle does refuse what is wrong.
        yield* Effect.flip(zeta.parse("CREATE OR REPLACE PROCEDURE p() BEGIN SELECT FROM; END"))
      })
    )

    it.effect("every statement that a file builds is resolved with its names and types", () =>
      Effect.gen(function* () {
        const zeta = yield* ZetaSql
        const declared = yield* load(fileURLToPath(new URL("configs/tables", project)))
        const catalog: ReadonlyArray<CatalogTable> = [
          ...[...declared.values()].map((table) => ({
            name: `org-project.acme_prod.${table.name}`,
            columns: columnsOf(table)
          })),
          ...lookups()
        ]
        let analysed = 0
        for (const file of files) {
          for (const { parameters, sql } of builtStatements(textOf(file))) {
            const refused = yield* Effect.flip(zeta.analyze(sql, catalog, parameters)).pipe(
              Effect.orElseSucceed(() => undefined)
            )
            expect(refused?.message, `${file}: ${sql.slice(0, 200)}`).toBeUndefined()
            analysed++
          }
        }
        expect(analysed).toBeGreaterThan(30)
        expect(builtStatements(textOf("cloud/sp_cloud_insert_focus.sql")).length).toBe(4)
        for (const cloud of ["aws", "azure", "gcp"]) {
          expect(builtStatements(textOf(`cloud/sp_cloud_${cloud}_insert_lines.sql`)).length, cloud).toBe(1)
        }
        yield* Effect.flip(zeta.analyze("SELECT nonsense FROM `org-project.acme_prod.org_quarantine`", catalog, []))
      })
    )
  })
})
