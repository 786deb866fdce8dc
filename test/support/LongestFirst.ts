/**
 * The files that take longest begin first, so that no process has one to itself when the others have ended. A clean checkout knows no times
 * of former runs.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** By how long they take. */
const longest = [
  "test/genai/Battery.test.ts",
  "test/faults/Kill.test.ts",
  "test/cli/demo.test.ts",
  "test/procedures/awsSamples.test.ts",
  "test/focus/Conformance.test.ts",
  "test/processors/cloud/CorruptedFiles.test.ts",
  "test/warehouse/bigquery/Parity.test.ts",
  "test/warehouse/bigquery/Demo.test.ts",
  "test/warehouse/bigquery/Kill.test.ts"
]

const rank = ({ moduleId }: TestSpecification): number => {
  const index = longest.findIndex((file) => moduleId.endsWith(file))
  return index < 0 ? longest.length : index
}

/** The order of the files. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}
