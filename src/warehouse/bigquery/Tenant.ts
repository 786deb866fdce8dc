/**
 * What a statement of one organisation may name: its own tables by their plain names, and the lookup tables.
 */
import * as Effect from "effect/Effect"
import { parseScript } from "../googlesql/ParseStatement.ts"
import { OtherTenant, StatementFailed, type WarehouseError } from "../Warehouse.ts"
import { centralDataset } from "./Tables.ts"

/** What an organisation's statements may see. */
export interface TenantScope {
  readonly org: string
  readonly tables: ReadonlySet<string>
  readonly lookups: ReadonlySet<string>
}

/**
 * Fails unless the text is one SELECT, or one change, that names nothing of others. Text that cannot be read whole is refused, for nobody
 * knows what it names.
 */
export const check = (
  scope: TenantScope,
  what: string,
  sql: string,
  expected: "query" | "change" = "query"
): Effect.Effect<void, WarehouseError> =>
  Effect.gen(function* () {
    const { statements, tables } = yield* parseScript(what, sql)
    const [statement] = statements
    // What a change is was judged when it was stamped.
    if (statement === undefined || statements.length !== 1 || (expected === "query" && statement.kind !== "query")) {
      return yield* new StatementFailed({ statement: what, reason: "one SELECT is expected" })
    }
    const named = new Set<string>()
    visit(statement, named)
    for (const path of tables) yield* checkTable(scope, what, path, named)
    for (const call of named) {
      if (call.startsWith(tableFunction)) {
        return yield* new OtherTenant({ org: scope.org, path: call.slice(tableFunction.length) })
      }
    }
  })

const tableFunction = "table function "

const checkTable = (
  scope: TenantScope,
  what: string,
  path: ReadonlyArray<string>,
  named: ReadonlySet<string>
): Effect.Effect<void, WarehouseError> => {
  const [first = "", second = ""] = path
  if (path.length === 1) {
    return scope.tables.has(first) || named.has(`with ${first.toLowerCase()}`)
      ? Effect.void
      : Effect.fail(new StatementFailed({ statement: what, reason: `Not found: Table ${first}` }))
  }
  if (path.length !== 2 || first !== centralDataset) {
    return Effect.fail(new OtherTenant({ org: scope.org, path: path.join(".") }))
  }
  return scope.lookups.has(second)
    ? Effect.void
    : Effect.fail(new StatementFailed({ statement: what, reason: `Not found: Table ${centralDataset}.${second}` }))
}

/** Gathers names of common table expressions, and functions that are not of the language itself. */
const visit = (node: unknown, named: Set<string>): void => {
  if (Array.isArray(node)) {
    for (const member of node) visit(member, named)
    return
  }
  if (typeof node !== "object" || node === null) return
  if ("with" in node && Array.isArray(node.with)) {
    for (const { name } of node.with) named.add(`with ${String(name).toLowerCase()}`)
  }
  if ("kind" in node && node.kind === "function" && "path" in node && Array.isArray(node.path)) {
    named.add(`${tableFunction}${node.path.join(".")}`)
  }
  if ("kind" in node && node.kind === "call" && "path" in node && Array.isArray(node.path) && node.path.length > 1) {
    const [space] = node.path
    if (!languageSpaces.has(String(space).toUpperCase())) named.add(`${tableFunction}${node.path.join(".")}`)
  }
  for (const [key, member] of Object.entries(node)) if (key !== "at") visit(member, named)
}

const languageSpaces = new Set(["NET", "SAFE", "HLL_COUNT", "KEYS", "AEAD"])
