/**
 * The counterpart by itself, until it is stopped: `node test/support/bigquery/main.ts [PORT]`. What the service needs to use it is
 * printed.
 */
import { startCounterpart } from "./Counterpart.ts"

const { url } = await startCounterpart(Number(process.argv[2] ?? 9050))
console.log(`WAREHOUSE=bigquery BIGQUERY_ENDPOINT=${url}`)
