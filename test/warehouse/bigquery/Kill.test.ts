/**
 * The service is killed while BigQuery works for it. What it had started goes on there; after the restart there is one copy of the data.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Counterpart } from "../../support/bigquery/Counterpart.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"
import { project } from "./support.ts"

const victim = fileURLToPath(new URL("victim.ts", import.meta.url))

const columns =
  "identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate," +
  "lineItem/UsageEndDate,lineItem/ProductCode,lineItem/CurrencyCode,lineItem/UnblendedCost"
const lineOf = (index: number) =>
  `line-${index},111111111111,2026-05-01T00:00:00Z,222222222222,Usage,2026-05-0${index}T00:00:00Z,2026-05-0${index}T01:00:00Z,AmazonEC2,USD,0.12345678901234567890123${index}`
/** 0.123456789012345678901231 + ...2 + ...3, worked by hand. */
const billed = "0.370370367037037036703696"

const started = (counterpart: Counterpart, args: ReadonlyArray<string>): ChildProcess =>
  spawn(process.execPath, [victim, ...args], {
    env: { ...process.env, WAREHOUSE: "bigquery", BIGQUERY_ENDPOINT: counterpart.url },
    stdio: ["ignore", "pipe", "inherit"]
  })

/** The rest of the first line that starts with the word. */
const said = (child: ChildProcess, word: string) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve, reject) => {
        let text = ""
        child.stdout?.on("data", (chunk: Buffer) => {
          text += chunk.toString()
          const found = new RegExp(`^${word} (.*)$`, "m").exec(text)?.[1]
          if (found !== undefined) resolve(found)
        })
        child.once("exit", (code) =>
          reject(new Error(`the service ended with ${code} before it said ${word}: ${text}`))
        )
      })
  )

const until = (what: () => boolean) => Effect.repeat(Effect.sleep("20 millis"), { until: what })

const moments = [
  { at: "its load job runs", fault: { method: "PUT", path: /^\/upload\/jobs$/, text: /x_staging_/ } },
  {
    at: "its commit runs",
    fault: { method: "POST", path: /^\/jobs$/, text: /"query":"BEGIN TRANSACTION.*cloud_aws_billing/ }
  }
] as const

describe("a service that is killed while", () => {
  for (const { at, fault } of moments) {
    it.scopedLive(
      `${at} leaves one copy of the data`,
      () =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const counterpart = yield* project
          const bill = join(folder, "bill.csv")
          writeFileSync(bill, `${columns}\n${[1, 2, 3].map(lineOf).join("\n")}\n`)
          counterpart.fault({ ...fault, times: 1, what: { kind: "hold job" } })
          const first = started(counterpart, [folder, bill])
          const runId = yield* said(first, "accepted")
          yield* until(() => counterpart.heldJobs() === 1)
          first.kill("SIGKILL")
          counterpart.release()
          yield* until(() => counterpart.jobs().every(({ state }) => state === "DONE"))

          const second = started(counterpart, [folder, bill, runId])
          expect(yield* said(second, "ended")).toBe("COMPLETED")
          const rows = (table: string) => counterpart.store.table(`${counterpart.project}.acme_corp_test.${table}`).rows
          expect(rows("cloud_aws_billing_raw_daily")).toHaveLength(3)
          expect(rows("cost_data_standard_1_3")).toHaveLength(3)
          expect(
            yield* Effect.promise(() =>
              counterpart.run("acme_corp_test", "SELECT CAST(SUM(BilledCost) AS STRING) FROM cost_data_standard_1_3")
            )
          ).toEqual([[billed]])
          // What had been loaded was not loaded again.
          const loads = counterpart
            .jobs()
            .filter(
              ({ kind, configuration }) => kind === "load" && JSON.stringify(configuration).includes("unblended_cost")
            )
          expect(loads).toHaveLength(1)
        }),
      300_000
    )
  }
})
