/**
 * The rows of the pay-as-you-go tables: ids that stay the same from run to run, and slices of months.
 */
import { createHash } from "node:crypto"
import type { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import type { Slice } from "../../warehouse/Warehouse.ts"

/** Name space of the ids: a UUID of this program's own. */
const namespace = Buffer.from("5d2f7c1e94b84b0ea6c31f0d7e8a2b64", "hex")

/** UUIDv5 of the parts of a natural key. */
export const ingestionId = (key: ReadonlyArray<string | number | boolean | null>): string => {
  const hash = createHash("sha1").update(namespace).update(JSON.stringify(key)).digest().subarray(0, 16)
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const hex = hash.toString("hex")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}

/** Adds x_ingestion_id to row after row: the hash of the key, and of how many rows before have the same one. */
export const identify = (key: ReadonlyArray<string>, prefix: ReadonlyArray<string>) => {
  const seen = new Map<string, number>()
  return (row: JsonObject): JsonObject => {
    const parts = key.map((column) => {
      const value = row[column] ?? null
      return typeof value === "object" ? null : value
    })
    const name = JSON.stringify(parts)
    const ordinal = (seen.get(name) ?? 0) + 1
    seen.set(name, ordinal)
    return { ...row, x_ingestion_id: ingestionId([...prefix, ...parts, ordinal]) }
  }
}

/** One month of one owner and credential in a table with the columns `{usage,cost}_{month,date}`. */
export const monthSlice = (
  table: string,
  kind: "usage" | "cost",
  owner: { readonly pipelineId: string; readonly credentialId: string },
  month: Day
): Slice => ({
  table,
  ...owner,
  extent: { kind: "periods", periodColumn: `${kind}_month`, runDateColumn: `${kind}_date`, expected: [month] }
})

/** Rows that are made each time they are read: all rows of a month would take several times the memory of its lines. */
export const rowsOf = <Line>(
  lines: ReadonlyArray<Line>,
  begin: () => (line: Line) => JsonObject
): Iterable<JsonObject> => ({
  *[Symbol.iterator]() {
    const rowOf = begin()
    for (const line of lines) yield rowOf(line)
  }
})
