import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/**
 * A third of the time of a file is waiting for services and disks, so one more than there are cores. All of them stay until the end: one
 * that is ended because it has nothing to do at the moment may have been given a file, which fails all.
 */
const forks = availableParallelism() + 1

/** Short files whose tests take minutes. */
const long = ["test/genai/Battery.test.ts", "test/faults/Kill.test.ts"]

/** By default the largest files come first, and these would be left to one core at the end. */
class LongFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const isLong = ({ moduleId }: TestSpecification) => long.some((path) => moduleId.endsWith(path))
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    root: fileURLToPath(new URL("..", import.meta.url)),
    include: ["test/**/*.test.ts"],
    // These have a command of their own: test:bigquery.
    exclude: ["test/warehouse/bigquery/**"],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: "forks",
    // A file takes the modules that the one before has loaded: loading them for each would take as long as half of the tests.
    isolate: false,
    setupFiles: [fileURLToPath(new URL("support/ownTester.ts", import.meta.url))],
    sequence: { sequencer: LongFirst },
    poolOptions: { forks: { minForks: forks, maxForks: forks } }
  }
})
