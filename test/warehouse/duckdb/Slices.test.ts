import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { JsonObject } from "../../../src/platform/Json.ts"
import { type SliceSource, Warehouse } from "../../../src/warehouse/Warehouse.ts"
import { billByPeriods, billOf, fileSource, load, org, otherOrg, otherRunId, runId, withBill } from "./support.ts"

const header = "identity/LineItemId,lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/UsageStartDate"
const rowsOf = (...rows: ReadonlyArray<JsonObject>): SliceSource => ({ _tag: "Rows", rows: Stream.fromIterable(rows) })

describe("a slice of one day", () => {
  it.effect("is replaced as a whole, and nothing beside it", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const write = (date: string, credentialId: string, ...ids: ReadonlyArray<string>) =>
          acme.replaceSlice({
            slice: { ...billOf(date), credentialId },
            source: rowsOf(...ids.map((line_id) => ({ line_id }))),
            runId
          })
        yield* write("2026-05-01", "main", "a", "b")
        yield* write("2026-05-02", "main", "c")
        yield* write("2026-05-01", "second", "d")
        yield* write("2026-05-01", "main", "e")
        expect(
          yield* acme.query("SELECT line_id, x_pipeline_run_date, x_credential_id FROM bill ORDER BY line_id")
        ).toEqual([
          { line_id: "c", x_pipeline_run_date: "2026-05-02", x_credential_id: "main" },
          { line_id: "d", x_pipeline_run_date: "2026-05-01", x_credential_id: "second" },
          { line_id: "e", x_pipeline_run_date: "2026-05-01", x_credential_id: "main" }
        ])
      })
    )
  )

  it.effect("may become empty", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        yield* load(acme, fileSource(given, "a.csv", `${header}\na,1,,\n`))
        const report = yield* load(acme, fileSource(given, "a.csv", `${header}\n`))
        expect(report).toMatchObject({ rowsRead: 0, rowsWritten: 0, rowsQuarantined: 0 })
        expect(yield* acme.query("SELECT COUNT(*) AS n FROM bill")).toEqual([{ n: 0 }])
        yield* load(acme, rowsOf({ line_id: "a" }))
        yield* load(acme, { _tag: "Rows", rows: Stream.empty })
        expect(yield* acme.query("SELECT COUNT(*) AS n FROM bill")).toEqual([{ n: 0 }])
      })
    )
  )

  it.effect("shows readers its old or its new content, never anything else", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const content = (size: number) =>
          rowsOf(...Array.from({ length: size }, (_, index) => ({ line_id: String(index), pieces: size })))
        yield* load(acme, content(500))
        const seen = new Set<string>()
        const reader = yield* Effect.fork(
          Effect.forever(
            Effect.gen(function* () {
              const [row] = yield* acme.query("SELECT COUNT(*) AS n, MIN(pieces) AS low, MAX(pieces) AS high FROM bill")
              seen.add(JSON.stringify(row))
            })
          )
        )
        for (const size of [900, 500, 900, 500, 900]) {
          const before = seen.size
          yield* load(acme, content(size))
          // The reader has its turn between two writes too.
          yield* Effect.yieldNow()
          expect(seen.size).toBeGreaterThanOrEqual(before)
        }
        yield* acme.query("SELECT 1 AS one")
        yield* Fiber.interrupt(reader)
        for (const row of seen) {
          expect(
            [
              { n: 500, low: 500, high: 500 },
              { n: 900, low: 900, high: 900 }
            ].map((state) => JSON.stringify(state))
          ).toContain(row)
        }
        expect(seen.size).toBe(2)
      })
    )
  )

  it.effect("keeps its content when its source fails", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* load(acme, rowsOf({ line_id: "old" }))
        const failing = Stream.concat(Stream.make({ line_id: "new" }), Stream.fail("provider hung up" as const))
        const error = yield* Effect.flip(
          acme.replaceSlice({ slice: billOf("2026-05-01"), source: { _tag: "Rows", rows: failing }, runId })
        )
        expect(error).toBe("provider hung up")
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "old" }])
      })
    )
  )

  it.effect("keeps its content when the writer is interrupted while rows come in", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* load(acme, rowsOf({ line_id: "old" }))
        const reached = yield* Deferred.make<void>()
        const hanging = Stream.concat(
          Stream.make({ line_id: "new" }),
          Stream.fromEffect(Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never))
        )
        const writer = yield* Effect.fork(
          acme.replaceSlice({ slice: billOf("2026-05-01"), source: { _tag: "Rows", rows: hanging }, runId })
        )
        yield* Deferred.await(reached)
        // Others are not kept waiting by a provider that is slow.
        yield* acme.replaceSlice({ slice: billOf("2026-05-02"), source: rowsOf({ line_id: "other" }), runId })
        yield* Fiber.interrupt(writer)
        expect(yield* acme.query("SELECT line_id FROM bill ORDER BY line_id")).toEqual([
          { line_id: "old" },
          { line_id: "other" }
        ])
      })
    )
  )

  it.effect("keeps its content when the engine is interrupted in the middle of a load", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        yield* load(acme, rowsOf({ line_id: "old" }))
        const lines = Array.from({ length: 200_000 }, (_, index) => `${index},1.5,2026-05-01,2026-05-01T00:00:00Z`)
        const source = fileSource(given, "large.csv", `${header}\n${lines.join("\n")}\n`)
        const writer = yield* Effect.fork(load(acme, source))
        // A read that runs beside it is long enough for the load to be under way, and short enough for it not to be done.
        yield* acme.query("SELECT COUNT(*) AS n FROM bill")
        expect(writer.unsafePoll()).toBeNull()
        yield* Fiber.interrupt(writer)
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "old" }])
        expect(yield* load(acme, source)).toMatchObject({ rowsWritten: 200_000 })
      })
    )
  )

  it.effect("is written by any number of writers, one after the other", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const write = (index: number) =>
          load(acme, rowsOf({ line_id: `line ${index}` }), { ...billOf("2026-05-01"), credentialId: `c${index % 4}` })
        yield* Effect.all(
          Array.from({ length: 16 }, (_, index) => write(index)),
          { concurrency: "unbounded" }
        )
        expect(yield* acme.query("SELECT COUNT(*) AS n, COUNT(DISTINCT x_credential_id) AS c FROM bill")).toEqual([
          { n: 4, c: 4 }
        ])
      })
    )
  )
})

describe("billing periods", () => {
  const may = "2026-05-01"
  const june = "2026-06-01"
  const line = (id: string, period: string, usedAt = `${period}T23:00:00Z`) => `${id},1,${period}T00:00:00Z,${usedAt}`
  const csv = (...lines: ReadonlyArray<string>) => `${[header, ...lines].join("\n")}\n`

  it.effect("are replaced when they are found; each row has its own data date", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        yield* load(acme, fileSource(given, "a.csv", csv(line("a", may), line("b", june))), billByPeriods())
        const report = yield* load(
          acme,
          fileSource(
            given,
            "b.csv",
            csv(line("c", june, "2026-06-17T10:00:00Z"), line("d", june, "2026-05-31 23:59:59"))
          ),
          billByPeriods()
        )
        expect(report.periods).toEqual([june])
        expect(yield* acme.query("SELECT line_id, x_pipeline_run_date AS day FROM bill ORDER BY line_id")).toEqual([
          { line_id: "a", day: "2026-05-01" },
          { line_id: "c", day: "2026-06-17" },
          { line_id: "d", day: "2026-05-31" }
        ])
      })
    )
  )

  it.effect("that several files bring in turn keep the rows of all files", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const one = fileSource(given, "one.csv", csv(line("a", may), line("b", june)))
        const two = fileSource(given, "two.csv", csv(line("c", june), line("d", may)))
        if (one._tag !== "Files" || two._tag !== "Files") return yield* Effect.dieMessage("two files")
        for (const _ of [1, 2]) {
          const report = yield* load(acme, { ...one, files: [...one.files, ...two.files] }, billByPeriods())
          expect(report).toMatchObject({ rowsRead: 4, rowsWritten: 4, periods: [may, june] })
        }
        expect(yield* acme.query("SELECT COUNT(*) AS n FROM bill")).toEqual([{ n: 4 }])
      })
    )
  )

  it.effect("that are expected are replaced also by nothing, and others go to the quarantine", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        yield* load(acme, fileSource(given, "a.csv", csv(line("a", may), line("b", june))), billByPeriods())
        const report = yield* load(
          acme,
          fileSource(given, "b.csv", csv(line("c", "2026-04-01"), line("d", may), "e,1,,2026-05-01T00:00:00Z")),
          billByPeriods(may, june)
        )
        expect(report).toEqual({
          rowsRead: 3,
          rowsWritten: 1,
          rowsQuarantined: 2,
          quarantine: [
            {
              reason: "period: not one of the billing periods 2026-05-01, 2026-06-01",
              rows: 1,
              example: "s3://bucket/b.csv:1"
            },
            { reason: "period: the billing period is missing", rows: 1, example: "s3://bucket/b.csv:3" }
          ],
          unmappedColumns: [],
          periods: [may, june]
        })
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "d" }])
        yield* load(acme, fileSource(given, "c.csv", csv(line("f", may))), billByPeriods(may))
        expect(yield* acme.query("SELECT * FROM org_quarantine")).toEqual([])
      })
    )
  )

  it.effect("none of which can be read refuse the file", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const source = fileSource(given, "a.csv", csv("e,1,,2026-05-01T00:00:00Z"))
        const error = yield* Effect.flip(load(acme, source, billByPeriods()))
        expect(error.message).toBe(
          "s3://bucket/a.csv:2: no row of any billing period can be loaded; the first one: period: the billing period is missing"
        )
      })
    )
  )
})

describe("the change token", () => {
  it.effect("is saved with the content and void when a part of it is replaced", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const may = billByPeriods("2026-05-01")
        const both = billByPeriods("2026-05-01", "2026-06-01")
        const june = billByPeriods("2026-06-01")
        const write = (slice: typeof may, token?: string) =>
          acme.replaceSlice({
            slice,
            source: { _tag: "Rows", rows: Stream.empty },
            runId,
            ...(token === undefined ? {} : { token })
          })
        expect(yield* acme.token(may)).toBeUndefined()
        yield* write(both, "etag-1")
        expect(yield* acme.token(both)).toBe("etag-1")
        expect(yield* acme.token(may)).toBeUndefined()
        yield* write(may, "etag-2")
        expect([yield* acme.token(both), yield* acme.token(may)]).toEqual([undefined, "etag-2"])
        yield* write(june, "etag-3")
        expect([yield* acme.token(may), yield* acme.token(june)]).toEqual(["etag-2", "etag-3"])
        yield* write(june)
        expect(yield* acme.token(june)).toBeUndefined()
      })
    )
  )

  it.effect("of a load that fails is not saved", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const slice = billOf("2026-05-01")
        yield* acme.replaceSlice({ slice, source: rowsOf({ line_id: "a" }), runId, token: "old" })
        const source = fileSource(given, "bad.csv", `${header}\nragged\n`)
        yield* Effect.flip(acme.replaceSlice({ slice, source, runId, token: "new" }))
        expect(yield* acme.token(slice)).toBe("old")
      })
    )
  )
})

describe("rows", () => {
  it.effect("keep their values' texts, and have the lineage of the write", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const row = {
          line_id: "",
          cost: "0.123456789012345678901234",
          quantity: 0.1,
          pieces: "9007199254740993",
          estimated: false,
          used_at: "2026-05-01T00:00:00.25Z",
          tags: { a: [1, "x"] },
          more: null,
          x_run_id: "forged"
        }
        yield* acme.replaceSlice({ slice: billOf("2026-05-01"), source: rowsOf(row), runId: otherRunId })
        expect(
          yield* acme.query(
            "SELECT line_id, cost, quantity, pieces, estimated, used_at, tags, more, x_run_id FROM bill"
          )
        ).toEqual([
          {
            line_id: "",
            cost: "0.123456789012345678901234",
            quantity: "0.1",
            pieces: "9007199254740993",
            estimated: false,
            used_at: "2026-05-01T00:00:00.25Z",
            tags: { a: [1, "x"] },
            more: null,
            x_run_id: otherRunId
          }
        ])
      })
    )
  )

  it.effect("with an unknown column refuse the write; with a value that cannot be read they go to the quarantine", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(load(acme, rowsOf({ line_id: "a" }, { lineid: "b" })))
        expect(error.message).toBe('rows:2: bill has no column "lineid"')
        const report = yield* load(acme, rowsOf({ line_id: "a", cost: "many" }, { line_id: "b", cost: "1" }))
        expect(report).toMatchObject({ rowsRead: 2, rowsWritten: 1, rowsQuarantined: 1 })
        expect(yield* acme.query("SELECT raw FROM org_quarantine")).toEqual([{ raw: { line_id: "a", cost: "many" } }])
      })
    )
  )
})

describe("organisations", () => {
  it.effect("have their own datasets", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const globex = yield* (yield* Warehouse).org(otherOrg)
        yield* load(acme, rowsOf({ line_id: "a" }))
        expect(yield* globex.query("SELECT * FROM bill")).toEqual([])
        expect([acme.dataset, globex.dataset]).toEqual(["acme_corp_test", "globex_test"])
        expect(yield* (yield* Warehouse).org(org)).toBe(acme)
      })
    )
  )
})
