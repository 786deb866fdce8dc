import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./support/LongestFirst.ts"

const common = {
  root: fileURLToPath(new URL("..", import.meta.url)),
  testTimeout: 300_000,
  hookTimeout: 300_000,
  pool: "forks",
  // Of the cases of one file that may run side by side: each has an evaluator of its own, and waits for it half of the time.
  maxConcurrency: 2
} as const

/**
 * The tests of BigQuery, and on BigQuery once more those of what every warehouse promises: where they ask for the embedded warehouse they
 * are given the other one.
 */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    globalSetup: fileURLToPath(new URL("support/bigquery/install.ts", import.meta.url)),
    // A file mostly waits for its own evaluator, so two at a time pay on any machine.
    poolOptions: { forks: { minForks: 1, maxForks: Math.max(2, availableParallelism()) } },
    // Left to the embedded warehouse: more rows than the evaluator takes; a procedure's text, of which BigQuery keeps the body only; and the
    // borders of procedures, which on BigQuery are those of the service's account.
    testNamePattern:
      /^(?!.*(in the middle of a load|at most 100,000 rows|kept over a restart and dropped|cannot reach another org's dataset)).*$/,
    projects: [
      { test: { ...common, name: "bigquery", include: ["test/warehouse/bigquery/**/*.test.ts"] } },
      {
        resolve: {
          alias: [
            {
              find: /^.*\/duckdb\/WarehouseDuckDb\.ts$/,
              replacement: fileURLToPath(new URL("support/bigquery/OnBigQuery.ts", import.meta.url))
            }
          ]
        },
        test: {
          ...common,
          name: "promises",
          include: ["test/warehouse/duckdb/{Slices,Statements}.test.ts"]
        }
      }
    ]
  }
})
