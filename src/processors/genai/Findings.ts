/**
 * What is doubtful about a run's costs: texts by check, each once, kept in org_meta_dq_results.
 */
import * as Effect from "effect/Effect"
import type { StepContext } from "../../pipelines/Processor.ts"
import type { JsonObject } from "../../platform/Json.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"

/** Texts that are kept of one check; all rows are counted. */
const MAX_TEXTS = 100

interface Check {
  readonly status: "WARNING" | "FAIL"
  rows: number
  readonly texts: Set<string>
}

/** The findings of one attempt of a step. */
export class Findings {
  readonly #checks = new Map<string, Check>()

  /** Counts one row, and keeps what is said of it. */
  add(check: string, status: Check["status"], text: string): void {
    const known = this.#checks.get(check) ?? { status, rows: 0, texts: new Set<string>() }
    known.rows++
    if (known.texts.size < MAX_TEXTS) known.texts.add(text)
    this.#checks.set(check, known)
  }

  /** For a step's output. */
  report(): JsonObject {
    return Object.fromEntries(
      [...this.#checks].map(([check, { rows, status, texts }]) => [
        check,
        { status, rows, examples: [...texts].sort() }
      ])
    )
  }

  /** Keeps the findings of the run about the table and logs those that cost somebody a figure. */
  record(org: OrgWarehouse, context: StepContext, table = "genai_payg_usage_raw") {
    return Effect.forEach(
      this.#checks,
      ([check, { rows, status, texts }]) =>
        Effect.zipRight(
          status === "FAIL"
            ? Effect.logWarning(`${context.org}, ${check}: ${rows} rows: ${[...texts].slice(0, 5).join("; ")}`)
            : Effect.void,
          org.call("sp_genai_insert_quality", [
            { type: "STRING", value: context.runId },
            { type: "STRING", value: context.pipelineId },
            { type: "DATE", value: context.endDate },
            { type: "STRING", value: check },
            { type: "STRING", value: status },
            { type: "STRING", value: table },
            { type: "STRING", value: JSON.stringify([...texts].sort()) }
          ])
        ),
      { discard: true }
    )
  }
}
