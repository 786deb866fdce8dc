import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { deliver, details, extract, focusDetails, folderCredential, runOf, totals } from "./azureSupport.ts"
import { days, query, world, write } from "./support.ts"

const amortized = { type: "AmortizedCost" }

describe("months", () => {
  it.scoped("have the newest run of each export, whatever the folders are called", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* deliver(place, {
          month: "2026-03",
          files: [details("2026-03", ["1"])],
          submitted: "2026-04-02T07:00:00.1"
        })
        yield* deliver(place, {
          month: "2026-03",
          files: [details("2026-03", ["1.5", "2"])],
          submitted: "2026-04-02T07:00:00.12Z"
        })
        yield* deliver(place, {
          month: "2026-03",
          ...amortized,
          files: [details("2026-03", ["1.5"]), details("2026-03", ["2"])]
        })
        yield* deliver(place, { month: "2026-04", files: [details("2026-04", ["8"])] })
        yield* folderCredential(place)
        const output = yield* extract(days("2026-03-15", "2026-03-20"))
        expect(output).toMatchObject({
          rowsProcessed: 4,
          affectedPeriods: ["2026-03-01"],
          details: {
            credentials: [{ format: "cost-details", periods: [{ period: "2026-03-01", files: 3, skipped: false }] }]
          }
        })
        expect(yield* totals).toEqual([
          { period: "2026-03-01", view: "actual", cost: "3.5", n: 2 },
          { period: "2026-03-01", view: "amortized", cost: "3.5", n: 2 }
        ])
      })
    )
  )

  it.scoped("are skipped while unchanged; a restated one replaces itself and only itself", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* deliver(place, { month: "2026-03", files: [details("2026-03", ["1", "2"])] })
        yield* deliver(place, { month: "2026-04", files: [details("2026-04", ["8"])] })
        yield* folderCredential(place)
        yield* extract()
        expect((yield* extract()).details["credentials"]).toMatchObject([
          { periods: [{ skipped: true }, { skipped: true }] }
        ])
        yield* deliver(place, {
          month: "2026-03",
          files: [details("2026-03", ["0.5"])],
          submitted: "2026-11-02T00:00:00"
        })
        const restated = yield* extract(days("2026-04-01", "2026-04-30"))
        expect(restated.details["credentials"]).toMatchObject([
          {
            periods: [
              { period: "2026-03-01", skipped: false },
              { period: "2026-04-01", skipped: true }
            ]
          }
        ])
        expect(yield* totals).toMatchObject([{ cost: "0.5" }, { cost: "8" }])
        yield* deliver(place, { month: "2026-03", files: [], submitted: "2026-11-03T00:00:00" })
        yield* extract()
        expect(yield* totals).toMatchObject([{ period: "2026-04-01", cost: "8" }])
      })
    )
  )

  it.scoped("of FOCUS exports go to their own table", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* deliver(place, {
          month: "2026-03",
          type: "FocusCost",
          files: [focusDetails("2026-03", ["1.25", "-0.25"])]
        })
        yield* folderCredential(place)
        expect(yield* extract()).toMatchObject({ rowsWritten: 2, outputTable: "cloud_azure_focus_raw_daily" })
        expect(
          yield* query(
            "SELECT billing_period_start_date AS period, SUM(BilledCost) AS cost FROM cloud_azure_focus_raw_daily GROUP BY 1"
          )
        ).toEqual([{ period: "2026-03-01", cost: "1" }])
      })
    )
  )
})

describe("bare files", () => {
  it.scoped("show by their names which cost they have", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "bills")
        yield* Effect.promise(async () => {
          await write(join(place, "march_actual.csv"), details("2026-03", ["1"]))
          await write(join(place, "AmortizedCost", "march.csv.gz"), gzipSync(details("2026-03", ["2"])))
        })
        yield* folderCredential(place)
        yield* extract()
        expect(yield* totals).toMatchObject([
          { view: "actual", cost: "1" },
          { view: "amortized", cost: "2" }
        ])
      })
    )
  )

  it.scoped("show it by their rows where their names are silent", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "march.csv")
        const lines = details("2026-03", ["1", "2"]).replace(/,2,Usage,OnDemand/, ",2,UnusedReservation,Reservation")
        yield* Effect.promise(() => write(place, lines))
        yield* folderCredential(place)
        yield* extract()
        expect(yield* totals).toMatchObject([{ view: "amortized", cost: "3" }])
      })
    )
  )
})

/** What is delivered after a good month, and what the error must say; the month stays as it was. */
const faults: ReadonlyArray<
  readonly [what: string, spoil: (place: string) => Effect.Effect<void>, expected: object, message: RegExp]
> = [
  [
    "a file that was cut in the middle",
    (place) => {
      const whole = gzipSync(
        details(
          "2026-03",
          Array.from({ length: 27 }, (_, index) => `${index}.123456789`)
        )
      )
      return deliver(place, {
        month: "2026-03",
        files: [whole.subarray(0, whole.length / 2)],
        submitted: "2026-12-01T00:00:00"
      })
    },
    { code: "SOURCE_REJECTED" },
    /part_0_0001\.csv/
  ],
  [
    "a row that was cut in the middle",
    (place) =>
      deliver(place, {
        month: "2026-03",
        files: [details("2026-03", ["1", "2"]).slice(0, -30)],
        submitted: "2026-12-01T00:00:00"
      }),
    { code: "SOURCE_REJECTED" },
    /:3: the row has \d+ cells, the header has 12/
  ],
  [
    "a wrong header",
    (place) =>
      deliver(place, { month: "2026-03", files: ["Day,Amount\n2026-03-01,5"], submitted: "2026-12-01T00:00:00" }),
    { code: "FORMAT_UNKNOWN" },
    /lacks Date or UsageDateTime or UsageDate, CostInBillingCurrency or Cost or PreTaxCost/
  ],
  [
    "a null where a cost was",
    (place) =>
      deliver(place, { month: "2026-03", files: [details("2026-03", ["1", ""])], submitted: "2026-12-01T00:00:00" }),
    { code: "SOURCE_REJECTED" },
    /:3: Cost has no value/
  ],
  [
    "a currency that is none",
    (place) =>
      deliver(place, {
        month: "2026-03",
        files: [details("2026-03", ["1"]).replace("USD", "MC")],
        submitted: "2026-12-01T00:00:00"
      }),
    { code: "SOURCE_REJECTED" },
    /:2: BillingCurrency is not of the form/
  ],
  [
    "a file in UTF-16",
    (place) =>
      deliver(place, {
        month: "2026-03",
        files: [Buffer.from(`\uFEFF${details("2026-03", ["1"])}`, "utf16le")],
        submitted: "2026-12-01T00:00:00"
      }),
    { code: "SOURCE_REJECTED" },
    /UTF-16/
  ],
  [
    "a cell in CP1252 within UTF-8",
    (place) =>
      deliver(place, {
        month: "2026-03",
        files: [Buffer.concat([Buffer.from(details("2026-03", ["1"])), Buffer.from("M\xfcnchen", "latin1")])],
        submitted: "2026-12-01T00:00:00"
      }),
    { code: "SOURCE_REJECTED" },
    /part_0_0001\.csv/
  ],
  [
    "two files glued together, the second with its own header and byte order mark",
    (place) =>
      deliver(place, {
        month: "2026-03",
        files: [`${details("2026-03", ["1"])}\r\n\uFEFF${details("2026-03", ["2"])}`],
        submitted: "2026-12-01T00:00:00"
      }),
    { code: "SOURCE_REJECTED" },
    /:3: BillingCurrency is not of the form/
  ],
  [
    "a manifest that names a file twice",
    (place) =>
      Effect.promise(async () => {
        const parts = runOf({ month: "2026-03", files: [details("2026-03", ["1"])], submitted: "2026-12-01T00:00:00" })
        for (const [key, content] of parts) {
          const manifest = JSON.parse(key.endsWith("manifest.json") ? content.toString() : "{}")
          const doubled = { ...manifest, blobs: [...(manifest.blobs ?? []), ...(manifest.blobs ?? [])] }
          await write(
            join(place, key.slice("exports/".length)),
            key.endsWith("manifest.json") ? JSON.stringify(doubled) : content
          )
        }
      }),
    { code: "MANIFEST_DUPLICATE_FILE" },
    /twice; loading it twice would double its costs/
  ],
  [
    "a manifest that was cut",
    (place) => Effect.promise(() => write(join(place, "x/manifest.json"), '{"exportConfig":{"exp')),
    { code: "MANIFEST_INVALID" },
    /x\/manifest\.json is no manifest/
  ],
  [
    "a second export of the same cost",
    (place) => deliver(place, { month: "2026-03", name: "other", files: [details("2026-03", ["1"])] }),
    { code: "SEVERAL_EXPORTS" },
    /daily-ActualCost and other-ActualCost|other-ActualCost and daily-ActualCost/
  ],
  [
    "a FOCUS export beside the costs",
    (place) => deliver(place, { month: "2026-03", type: "FocusCost", files: [focusDetails("2026-03", ["1"])] }),
    { code: "SEVERAL_FORMATS" },
    /count costs twice/
  ]
]

describe("a month stays as it was", () => {
  it.scoped("when what is delivered next cannot be read", () =>
    world((folder) =>
      Effect.gen(function* () {
        const good = { month: "2026-03", files: [details("2026-03", ["4"])] }
        yield* deliver(join(folder, "good"), good)
        yield* folderCredential(join(folder, "good"))
        yield* extract()
        for (const [index, [what, spoil, expected, message]] of faults.entries()) {
          const place = join(folder, `exports_${index}`)
          yield* deliver(place, good)
          yield* spoil(place)
          yield* folderCredential(place)
          const error = yield* Effect.flip(extract())
          expect(error, what).toMatchObject({ errorType: "PERMANENT", ...expected })
          expect(error.message, what).toMatch(message)
          expect(yield* totals, what).toMatchObject([{ period: "2026-03-01", cost: "4", n: 1 }])
        }
      })
    )
  )
})

describe("single rows", () => {
  it.scoped("that cannot be read are quarantined and counted", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        const text = details("2026-03", ["1", "2", "4"])
          .replace(",2,Usage", ",two,Usage")
          .replace("03/01/2026,03/03/2026", "02/01/2026,03/03/2026")
        yield* deliver(place, { month: "2026-03", files: [text] })
        yield* folderCredential(place)
        const output = yield* extract()
        expect(output).toMatchObject({ rowsProcessed: 3, rowsWritten: 1, details: { quarantined: 2 } })
        expect(yield* totals).toMatchObject([{ period: "2026-03-01", cost: "1" }])
      })
    )
  )
})

const samples = join("..", "shared", "samples", "azure")
const isAbsent = !existsSync(samples) && process.env["CI"] !== "true"
describe.skipIf(isAbsent)("Azure samples (skipped where ../shared is absent)", () => {
  it.scoped("the newest of two runs of a month", () =>
    world(() =>
      Effect.gen(function* () {
        yield* folderCredential(join(samples, "focus-1.2-export"), { all_periods: true })
        const output = yield* extract()
        expect(output).toMatchObject({ rowsProcessed: 5, rowsWritten: 5, affectedPeriods: ["2026-06-01"] })
      })
    )
  )

  const refused: ReadonlyArray<readonly [path: string, message: RegExp]> = [
    ["ea/subset_2021-02.csv", /:2: the row has 10 cells, the header has 11/],
    ["ea/tags_without_braces.csv", /the column BillingCurrency or BillingCurrencyCode or Currency, .*is missing/],
    ["ea/version2_2020-09.csv", /BillingCurrencyCode is not of the form/],
    ["header-dialects/BOM.csv", /has no value/]
  ]
  it.scoped("that cannot be accounted for are refused", () =>
    world(() =>
      Effect.gen(function* () {
        for (const [path, message] of refused) {
          yield* folderCredential(join(samples, path))
          expect((yield* Effect.flip(extract())).message).toMatch(message)
        }
        expect(yield* totals).toEqual([])
      })
    )
  )

  it.scoped("that name no currency and leave out cells are read when the credential says so", () =>
    world(() =>
      Effect.gen(function* () {
        yield* folderCredential(join(samples, "ea/subset_2021-02.csv"), { currency: "USD", short_rows: true })
        expect(yield* extract()).toMatchObject({ rowsProcessed: 52, rowsWritten: 52 })
        expect(yield* query("SELECT DISTINCT billing_currency AS currency FROM cloud_azure_billing_raw_daily")).toEqual(
          [{ currency: "USD" }]
        )
      })
    )
  )

  it.scoped("with a code that is no currency is read when the credential says what it means", () =>
    world(() =>
      Effect.gen(function* () {
        yield* folderCredential(join(samples, "ea/version2_2020-09.csv"), { currency_codes: { MC: "USD" } })
        expect(yield* extract()).toMatchObject({ rowsProcessed: 5, rowsWritten: 5 })
        expect(yield* query("SELECT DISTINCT billing_currency AS currency FROM cloud_azure_billing_raw_daily")).toEqual(
          [{ currency: "USD" }]
        )
      })
    )
  )

  it.scoped("the same rows come from day-first dates as from month-first ones", () =>
    world((folder) =>
      Effect.gen(function* () {
        const text = readFileSync(join(samples, "ea/hard_cases_actual.csv"), "utf8")
        const place = join(folder, "actual.csv")
        writeFileSync(place, text.replaceAll(/\b(\d\d)\/(\d\d)\/(2026)\b/g, "$2/$1/$3"))
        yield* folderCredential(place)
        yield* extract()
        expect(yield* query("SELECT DISTINCT usage_date AS day FROM cloud_azure_billing_raw_daily ORDER BY 1")).toEqual(
          ["2026-04-01", "2026-04-03", "2026-04-05", "2026-04-20", "2026-04-30"].map((day) => ({ day }))
        )
      })
    )
  )
})
