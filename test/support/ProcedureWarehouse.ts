/**
 * A warehouse in memory that can keep procedures and nothing else; a definition that holds `REFUSED` is refused, as an engine refuses bad SQL.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { StatementFailed, type StoredProcedure, Warehouse } from "../../src/warehouse/Warehouse.ts"

export const layer = Layer.sync(Warehouse, () => {
  const stored = new Map<string, StoredProcedure>()
  const unused = Effect.die("this warehouse keeps procedures only")
  return {
    location: "memory",
    projectId: "test-project",
    org: () => unused,
    columnsOf: () => unused,
    ready: Effect.void,
    procedures: {
      list: Effect.sync(() => [...stored.values()]),
      create: ({ contentHash, name, text }) =>
        text.includes("REFUSED")
          ? new StatementFailed({ statement: `CREATE PROCEDURE ${name}`, reason: "syntax error" })
          : Effect.sync(() => {
              const now = new Date().toISOString()
              const createdAt = stored.get(name)?.createdAt ?? now
              stored.set(name, { name, definition: text, contentHash, createdAt, modifiedAt: now })
            }),
      drop: (name) => Effect.sync(() => stored.delete(name))
    }
  }
})
