import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

/**
 * The tests of BigQuery, and on BigQuery once more those of what every warehouse promises and of the procedures: where they ask for the
 * embedded warehouse they are given the other one.
 */
export default defineConfig({
  resolve: {
    alias: [
      {
        find: /^.*\/duckdb\/WarehouseDuckDb\.ts$/,
        replacement: fileURLToPath(new URL("support/bigquery/OnBigQuery.ts", import.meta.url))
      }
    ]
  },
  test: {
    root: fileURLToPath(new URL("..", import.meta.url)),
    include: ["test/warehouse/bigquery/**/*.test.ts", "test/warehouse/duckdb/{Slices,Statements}.test.ts"],
    // Left to the embedded warehouse: more rows than the evaluator takes; a procedure's text, of which BigQuery keeps the body only; and
    // the borders of procedures, which on BigQuery are those of the service's account.
    testNamePattern:
      /^(?!.*(in the middle of a load|at most 100,000 rows|kept over a restart and dropped|cannot reach another org's dataset)).*$/,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks"
  }
})
