/**
 * The ceiling of the conversion: DuckDB alone reads the same files and inserts their rows, as text, into a table of a new database file.
 * Prints the seconds and the rows as JSON.
 *
 *   node test/bench/duckDbChild.ts DATABASE_FILE MEMORY_LIMIT FILE...
 */
import { DuckDBInstance } from "@duckdb/node-api"

const [, , database = "", memoryLimit = "", ...files] = process.argv
const instance = await DuckDBInstance.create(database, { memory_limit: memoryLimit })
const connection = await instance.connect()
// Files with different headers go into one table each, as the service reads them.
const groups = Object.groupBy(files, (file) => (file.includes("cur2") ? "cur2" : "cur1"))
const begun = performance.now()
let rows = 0
for (const [name, members = []] of Object.entries(groups)) {
  const list = members.map((file) => `'${file}'`).join(", ")
  const reader = members[0]?.includes(".json") === true ? "read_json" : "read_csv"
  const options = reader === "read_csv" ? "all_varchar = true, header = true" : "format = 'newline_delimited'"
  await connection.run(`CREATE TABLE ${name} AS SELECT * FROM ${reader}([${list}], ${options})`)
  const counted = await connection.runAndReadAll(`SELECT count(*) FROM ${name}`)
  rows += Number(counted.getRows()[0]?.[0])
}
console.log(JSON.stringify({ seconds: (performance.now() - begun) / 1000, rows }))
connection.closeSync()
instance.closeSync()
