import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./support/LongestFirst.ts"

/** Files wait for their services and disks as much as they calculate: by default a machine of two cores would run one at a time. */
const forks = Math.max(2, availableParallelism())

export default defineConfig({
  test: {
    root: fileURLToPath(new URL("..", import.meta.url)),
    include: ["test/**/*.test.ts"],
    // These have a command of their own: test:bigquery.
    exclude: ["test/warehouse/bigquery/**"],
    sequence: { sequencer: LongestFirst },
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: "forks",
    // A file takes the modules that the one before has loaded: loading them for each would take as long as half of the tests.
    isolate: false,
    setupFiles: [fileURLToPath(new URL("support/ownTester.ts", import.meta.url))],
    // A fork that may be ended because it has nothing to do at the moment may have been given a file, which then fails all.
    poolOptions: { forks: { minForks: forks, maxForks: forks } }
  }
})
