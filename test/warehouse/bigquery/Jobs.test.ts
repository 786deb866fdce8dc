/**
 * Jobs under faults: lost answers, failures that pass and failures that stay, quotas, interruption, and a process that dies.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import { billByPeriods, fileSource, load, onBigQuery, org, warehouseOf, type World } from "./support.ts"

const header = "identity/LineItemId,lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/UsageStartDate"
const may = (id: string, cost: string) => `${id},${cost},2026-05-01,2026-05-02T10:00:00Z`
const csv = (...lines: ReadonlyArray<string>) => `${header}\n${lines.join("\n")}\n`

const open = Effect.flatMap(Warehouse, (warehouse) => warehouse.org(org))
const bill = "SELECT line_id, cost FROM bill ORDER BY line_id"
const jobsOf = ({ counterpart }: World, kind: "load" | "query") =>
  counterpart.jobs().filter((job) => job.kind === kind && !job.id.includes("_lookup_"))

describe("a job", () => {
  it.live("whose answer is lost is found again, not started twice", () =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const acme = yield* open
        const source = fileSource(given, "may.csv", csv(may("a", "0.1"), may("b", "0.123456789012345678901234")))
        given.counterpart.fault({ method: "PUT", path: /^\/upload\/jobs$/, times: 1, what: { kind: "lose" } })
        given.counterpart.fault({ method: "POST", path: /^\/jobs$/, times: 1, what: { kind: "lose" } })
        const before = jobsOf(given, "query").length
        yield* load(acme, source, billByPeriods())
        expect(jobsOf(given, "load")).toHaveLength(1)
        expect(jobsOf(given, "query").length - before).toBe(1)
        expect(yield* acme.query(bill)).toEqual([
          { line_id: "a", cost: "0.1" },
          { line_id: "b", cost: "0.123456789012345678901234" }
        ])
      })
    )
  )

  it.live("that fails for a reason that passes is run again under a new name", () =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const acme = yield* open
        given.counterpart.fault({
          method: "POST",
          path: /^\/jobs$/,
          times: 1,
          what: {
            kind: "fail job",
            reason: "invalidQuery",
            message: "Transaction is aborted due to concurrent update against table bill"
          }
        })
        yield* load(acme, fileSource(given, "may.csv", csv(may("a", "1"))), billByPeriods())
        expect(yield* acme.query(bill)).toEqual([{ line_id: "a", cost: "1" }])
        const commits = jobsOf(given, "query").filter(({ configuration }) =>
          JSON.stringify(configuration).includes("BEGIN TRANSACTION")
        )
        expect(commits).toHaveLength(2)
        expect(new Set(commits.map(({ id }) => id.replace(/_\d+$/, ""))).size).toBe(1)
      })
    )
  )

  it.live("of a process that is gone is found by the next one", () =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const source = fileSource(given, "may.csv", csv(may("a", "1"), may("b", "2")))
        given.counterpart.fault({ method: "PUT", path: /^\/upload\/jobs$/, times: 1, what: { kind: "hold job" } })
        const gone = yield* Effect.fork(
          Effect.provide(
            Effect.flatMap(open, (acme) => load(acme, source, billByPeriods())),
            warehouseOf(given)
          )
        )
        yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => given.counterpart.heldJobs() === 1 })
        const next = yield* Effect.fork(
          Effect.provide(
            Effect.flatMap(open, (acme) => load(acme, source, billByPeriods())),
            warehouseOf(given)
          )
        )
        const [held] = jobsOf(given, "load")
        const looks = () => given.counterpart.calls.filter((call) => call === `GET /jobs/${held?.id}`).length
        const before = looks()
        yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => looks() > before + 2 })
        // The next process has found the job and waits for it; the file was sent once.
        expect(given.counterpart.calls.filter((call) => call === "PUT /upload/jobs")).toHaveLength(1)
        expect(jobsOf(given, "load")).toHaveLength(1)
        given.counterpart.release()
        // Here the first one lives on. Whoever commits takes the staged rows away from the other, which stages them again.
        const ends = [yield* Fiber.await(next), yield* Fiber.await(gone)]
        expect(ends.map(Exit.isSuccess)).toEqual([true, true])
        expect(yield* (yield* open).query(bill)).toEqual([
          { line_id: "a", cost: "1" },
          { line_id: "b", cost: "2" }
        ])
      })
    )
  )

  it.live("that is given up is cancelled at BigQuery and changes nothing", () =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const acme = yield* open
        yield* load(acme, fileSource(given, "old.csv", csv(may("old", "1"))), billByPeriods())
        given.counterpart.fault({ method: "PUT", path: /^\/upload\/jobs$/, times: 1, what: { kind: "hold job" } })
        const writer = yield* Effect.fork(
          load(acme, fileSource(given, "new.csv", csv(may("new", "2"))), billByPeriods())
        )
        yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => jobsOf(given, "load").length === 2 })
        yield* Fiber.interrupt(writer)
        expect(jobsOf(given, "load").map(({ cancelled }) => cancelled)).toEqual([false, true])
        expect(yield* acme.query(bill)).toEqual([{ line_id: "old", cost: "1" }])
      })
    )
  )

  it.live("of a query that takes too long is cancelled", () =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const acme = yield* Effect.provide(open, warehouseOf(given, { BQ_QUERY_TIMEOUT_SECONDS: "1" }))
        given.counterpart.fault({ method: "POST", path: /^\/jobs$/, times: 1, what: { kind: "hold job" } })
        const error = yield* Effect.flip(acme.query("SELECT 1 AS one"))
        expect(error.message).toBe("query of acme_corp: the job took longer than 1 s and was cancelled")
        expect(given.counterpart.jobs().at(-1)).toMatchObject({ cancelled: true })
      })
    )
  )

  it.live("carries organisation, pipeline and run, and a limit of bytes", () =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const acme = yield* open
        yield* load(acme, fileSource(given, "may.csv", csv(may("a", "1"))), billByPeriods())
        const labels = {
          org: "acme_corp",
          pipeline: "cloud_aws_cost_billing",
          run: "7f8a52d1-3f43-4a53-9d0c-1a2b3c4d5e6f"
        }
        expect(jobsOf(given, "load")[0]?.configuration).toMatchObject({ labels })
        expect(jobsOf(given, "query").at(-1)?.configuration).toMatchObject({
          labels,
          query: { maximumBytesBilled: "107374182400" }
        })
      })
    )
  )
})

describe("an error says what to do:", () => {
  const refusals = [
    {
      title: "a missing permission",
      fault: { status: 403, reason: "accessDenied", message: "Access Denied: User does not have bigquery.jobs.create" },
      tag: "WarehouseAccessDenied",
      says: /Give it the roles BigQuery Job User and BigQuery Data Editor/
    },
    {
      title: "a used-up quota",
      fault: {
        status: 403,
        reason: "quotaExceeded",
        message: "Quota exceeded: Your project exceeded quota for imports"
      },
      tag: "WarehouseQuotaExceeded",
      says: /free again after midnight Pacific time/
    },
    {
      title: "a missing dataset",
      fault: { status: 404, reason: "notFound", message: "Not found: Dataset local-dev-project:acme_corp_test" },
      tag: "DatasetMissing",
      says: /no dataset local-dev-project:acme_corp_test in US.*set BIGQUERY_LOCATION/
    },
    {
      title: "a bill without an account",
      fault: { status: 403, reason: "billingNotEnabled", message: "Billing has not been enabled" },
      tag: "WarehouseAccessDenied",
      says: /has no billing account\. Link one/
    },
    {
      title: "a service that does not answer",
      fault: { status: 503, reason: "backendError", message: "Error encountered during execution" },
      tag: "WarehouseUnavailable",
      says: /BigQuery does not answer/
    }
  ] as const

  it.live.each(refusals)("$title", ({ fault, says, tag }) =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const acme = yield* open
        const times = 10
        given.counterpart.fault({ method: "POST", path: /^\/jobs$/, times, what: { kind: "refuse", ...fault } })
        const error = yield* Effect.flip(acme.query(bill))
        expect(error._tag).toBe(tag)
        expect(error.message).toMatch(says)
        if (error._tag !== "WarehouseQuotaExceeded") return
        // Until midnight in California, which is at most 25 hours away.
        const reset = new Date(Date.now() + error.retryAfterSeconds * 1000)
        expect(error.retryAfterSeconds).toBeLessThanOrEqual(90_000)
        expect(reset.toLocaleTimeString("en-GB", { timeZone: "America/Los_Angeles" })).toMatch(/^(23:59:59|00:00:0\d)$/)
      })
    )
  )

  it.live("more bytes than allowed", () =>
    onBigQuery((given) =>
      Effect.gen(function* () {
        const acme = yield* open
        const what = { kind: "fail job", reason: "bytesBilledLimitExceeded", message: "Query exceeded limit" } as const
        given.counterpart.fault({ method: "POST", path: /^\/jobs$/, times: 1, what })
        const error = yield* Effect.flip(acme.query(bill))
        expect(error.message).toMatch(/more than BIGQUERY_MAXIMUM_BYTES_BILLED. Narrow it, or raise the setting/)
      })
    )
  )
})
