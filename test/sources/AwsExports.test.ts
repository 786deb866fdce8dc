import { existsSync } from "node:fs"
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as AwsExports from "../../src/sources/aws/AwsExports.ts"
import { formatOf } from "../../src/sources/aws/AwsDataFile.ts"
import * as ObjectStoreFile from "../../src/sources/object-store/ObjectStoreFile.ts"

/** Writes files below a new folder that goes with the scope. */
const folderOf = (files: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "aws-exports-"))
      for (const [key, content] of Object.entries(files)) {
        await mkdir(dirname(join(folder, key)), { recursive: true })
        await writeFile(join(folder, key), content)
      }
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

const discover = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const folder = yield* folderOf(files)
  const store = yield* ObjectStoreFile.open(folder)
  return { folder, store, found: yield* AwsExports.discover(store) }
})

/** The keys of each period's files. */
const contents = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const { store, found } = yield* discover(files)
  if (found._tag === "BareFiles") return { bare: found.files.map(({ key }) => key) }
  return yield* Effect.forEach(found.periods, (period) =>
    Effect.map(AwsExports.contentOf(store, found.objects, period), (content) => ({
      period: period.period,
      token: content.token,
      keys: content.files.map(({ key }) => key)
    }))
  )
})

const cur1 = (keys: ReadonlyArray<string>, more: object = {}) =>
  JSON.stringify({
    assemblyId: "a-1",
    bucket: "acme",
    billingPeriod: { start: "20250101T000000.000Z", end: "20250201T000000.000Z" },
    reportKeys: keys,
    ...more
  })

const dataExport = (dataFiles: ReadonlyArray<unknown>) => JSON.stringify({ dataFiles })

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(effect)

describe("CUR 1.0", () => {
  it.scoped("reads the report keys of the period's manifest only, in both layouts", () =>
    Effect.gen(function* () {
      const found = yield* contents({
        // create-new: the current assembly is named, the older one stays on disk
        "acme-cur/20250101-20250201/acme-cur-Manifest.json": cur1([
          "/reports/acme-cur/20250101-20250201/new/acme-cur-1.csv.gz",
          "reports/acme-cur/20250101-20250201/new/acme-cur-2.csv.gz"
        ]),
        "acme-cur/20250101-20250201/new/acme-cur-Manifest.json": cur1([]),
        "acme-cur/20250101-20250201/new/acme-cur-1.csv.gz": "1",
        "acme-cur/20250101-20250201/new/acme-cur-2.csv.gz": "2",
        "acme-cur/20250101-20250201/old/acme-cur-1.csv.gz": "old",
        // overwrite: files beside the manifest, one of them stale
        "acme-cur/20250201-20250301/acme-cur-Manifest.json": cur1(
          ["reports/acme-cur/20250201-20250301/acme-cur-00001.csv.gz"],
          { billingPeriod: undefined }
        ),
        "acme-cur/20250201-20250301/acme-cur-00001.csv.gz": "1",
        "acme-cur/20250201-20250301/acme-cur-00002.csv.gz": "stale"
      })
      expect(found).toMatchObject([
        {
          period: "2025-01-01",
          keys: ["acme-cur/20250101-20250201/new/acme-cur-1.csv.gz", "acme-cur/20250101-20250201/new/acme-cur-2.csv.gz"]
        },
        { period: "2025-02-01", keys: ["acme-cur/20250201-20250301/acme-cur-00001.csv.gz"] }
      ])
    })
  )

  it.scoped("reads Athena's partitions as the manifest lists them", () =>
    Effect.gen(function* () {
      const found = yield* contents({
        "20250101-20250201/acme-Manifest.json": cur1(["p/acme/acme/year=2025/month=1/acme-00001.snappy.parquet"]),
        "acme/year=2025/month=1/acme-00001.snappy.parquet": "1",
        "acme/year=2025/month=1/acme-00002.snappy.parquet": "stale"
      })
      expect(found).toMatchObject([{ keys: ["acme/year=2025/month=1/acme-00001.snappy.parquet"] }])
    })
  )

  it.scoped("refuses a missing, a doubled, a strangely packed and an outside file, and another period's manifest", () =>
    Effect.gen(function* () {
      const manifest = "r/20250101-20250201/r-Manifest.json"
      const file = "r/20250101-20250201/r-1.csv.gz"
      const cases = [
        [cur1(["r/20250101-20250201/r-2.csv.gz"]), "MANIFEST_FILE_MISSING", "r-2.csv.gz"],
        [cur1([file, `/${file}`]), "MANIFEST_DUPLICATE_FILE", file],
        [cur1(["r/20250101-20250201/r-1.csv.bz2"]), "FILE_TYPE_UNSUPPORTED", "r-1.csv.bz2"],
        [cur1(["../20250101-20250201/r-1.csv.gz"]), "MANIFEST_OUTSIDE", ".."],
        [cur1([file], { billingPeriod: { start: "20250201T000000.000Z" } }), "MANIFEST_INVALID", "2025-02-01"],
        ['{"assemblyId": "cut', "MANIFEST_INVALID", "r-Manifest.json"]
      ] as const
      for (const [text, code, named] of cases) {
        const failure = yield* failureOf(
          contents({ [manifest]: text, [file]: "1", "r/20250101-20250201/r-1.csv.bz2": "z" })
        )
        expect(failure).toMatchObject({ _tag: "SourceError", kind: "permanent", code })
        expect(failure.message).toContain(named)
      }
    })
  )
})

describe("data exports", () => {
  const manifest = "cur2/metadata/BILLING_PERIOD=2026-05/cur2-Manifest.json"
  const file = "cur2/data/BILLING_PERIOD=2026-05/cur2-00001.csv.gz"

  it.scoped("takes names as text, as s3Uri and as key, and ignores copies of single runs", () =>
    Effect.gen(function* () {
      for (const named of [
        `s3://bucket/x/${file}`,
        { s3Uri: `s3://bucket/x/${file}`, size: 3 },
        { key: `x/${file}` }
      ]) {
        const found = yield* contents({
          [manifest]: dataExport([named]),
          "cur2/metadata/BILLING_PERIOD=2026-05/20260601T000000Z-1/cur2-Manifest.json": dataExport([]),
          [file]: "abc",
          "cur2/data/BILLING_PERIOD=2026-05/cur2-00002.csv.gz": "stale"
        })
        expect(found).toMatchObject([{ period: "2026-05-01", keys: [file] }])
      }
    })
  )

  it.scoped("is stale when a file is not as long as its manifest says", () =>
    Effect.gen(function* () {
      const failure = yield* failureOf(
        contents({ [manifest]: dataExport([{ s3Uri: `s3://bucket/${file}`, size: 4 }]), [file]: "abc" })
      )
      expect(failure).toMatchObject({ kind: "stale", code: "OBJECT_CHANGED" })
    })
  )

  it.scoped("refuses two manifests of one month, two exports, and a folder that lost its month's manifest", () =>
    Effect.gen(function* () {
      const two = yield* failureOf(
        discover({ [manifest]: "{}", "cur2/metadata/BILLING_PERIOD=2026-05/other-Manifest.json": "{}" })
      )
      expect(two).toMatchObject({ code: "TWO_MANIFESTS" })
      const several = yield* failureOf(discover({ [manifest]: "{}", "r/20250101-20250201/r-Manifest.json": "{}" }))
      expect(several).toMatchObject({ code: "SEVERAL_EXPORTS" })
      const lost = yield* failureOf(
        discover({ "metadata/BILLING_PERIOD=2026-05/20260601T000000Z-1/cur2-Manifest.json": "{}", "data/x.csv.gz": "" })
      )
      expect(lost).toMatchObject({ code: "MANIFEST_MISSING" })
      const inside = yield* folderOf({
        "20250101-20250201/r-Manifest.json": "{}",
        "20250101-20250201/a/r-1.csv.gz": ""
      })
      const store = yield* ObjectStoreFile.open(join(inside, "20250101-20250201"))
      expect(yield* failureOf(AwsExports.discover(store))).toMatchObject({ code: "MANIFEST_MISSING" })
      const one = yield* ObjectStoreFile.open(join(inside, "20250101-20250201/a/r-1.csv.gz"))
      expect(yield* AwsExports.discover(one)).toMatchObject({ _tag: "BareFiles" })
    })
  )

  it.scoped("changes its token with the manifest and with the data, and with nothing else", () =>
    Effect.gen(function* () {
      const tokenOf = (named: string, content: string, stale: string) =>
        Effect.map(
          contents({ [manifest]: dataExport([named]), [file]: content, "cur2/data/stale.csv.gz": stale }),
          (found) => (Array.isArray(found) ? found[0]?.token : undefined)
        )
      const token = yield* tokenOf(`s3://bucket/${file}`, "1", "old")
      expect(token).toMatch(/^[0-9a-f]{64}$/)
      expect(yield* tokenOf(`s3://bucket/${file}`, "1", "older")).toBe(token)
      expect(yield* tokenOf(`s3://bucket/${file}`, "2", "old")).not.toBe(token)
      expect(yield* tokenOf(`s3://bucket/a/${file}`, "1", "old")).not.toBe(token)
    })
  )
})

describe("a folder without manifests", () => {
  it.scoped("gives its data files, or says that there are none", () =>
    Effect.gen(function* () {
      expect(
        yield* contents({
          "a.csv": "",
          "deep/b.parquet": "",
          "c.csv.gz": "",
          "d.csv.zip": "",
          "README.md": "",
          ".hidden.csv": ""
        })
      ).toEqual({
        bare: ["a.csv", "c.csv.gz", "d.csv.zip", "deep/b.parquet"]
      })
      expect(yield* failureOf(contents({ "README.md": "" }))).toMatchObject({ code: "NO_EXPORT_FOUND" })
      expect(yield* failureOf(contents({ "a.csv": "", "b.csv.bz2": "" }))).toMatchObject({
        code: "FILE_TYPE_UNSUPPORTED"
      })
    })
  )

  it.scoped("never leads out of itself", () =>
    Effect.gen(function* () {
      const outside = yield* folderOf({ "secret.csv": "secret" })
      const folder = yield* folderOf({ "a.csv": "" })
      yield* Effect.promise(() => symlink(join(outside, "secret.csv"), join(folder, "b.csv")))
      const store = yield* ObjectStoreFile.open(folder)
      expect(yield* failureOf(store.list)).toMatchObject({ code: "PATH_OUTSIDE" })
      for (const key of ["../x", "/etc/hostname", "a/../../x"]) {
        expect(yield* failureOf(store.read({ key, size: 1, etag: "" }, 10))).toMatchObject({ code: "PATH_OUTSIDE" })
      }
    })
  )

  it.scoped("refuses a file that changed since it was listed, and one beyond the limit", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.csv": "one" })
      const store = yield* ObjectStoreFile.open(join(folder, "a.csv"))
      const [object] = yield* store.list
      if (object === undefined) return expect.fail("no object")
      expect(new TextDecoder().decode(yield* store.read(object, 3))).toBe("one")
      expect(yield* failureOf(store.read(object, 2))).toMatchObject({ code: "OBJECT_TOO_LARGE" })
      yield* Effect.promise(() => writeFile(join(folder, "a.csv"), "two"))
      expect(yield* failureOf(store.localFile(object, 3))).toMatchObject({ kind: "stale" })
    })
  )

  it.effect("fails when there is no such path", () =>
    Effect.gen(function* () {
      expect(yield* failureOf(ObjectStoreFile.open(join(tmpdir(), "no-such-folder-of-exports")))).toMatchObject({
        code: "PATH_NOT_FOUND"
      })
    })
  )
})

describe("formats", () => {
  it.effect("are told by the header", () =>
    Effect.gen(function* () {
      const slash = [
        "bill/BillingPeriodStartDate",
        "lineItem/UsageStartDate",
        "lineItem/LineItemType",
        "lineItem/UnblendedCost",
        "lineItem/CurrencyCode"
      ]
      const snake = [
        "bill_billing_period_start_date",
        "line_item_usage_start_date",
        "line_item_line_item_type",
        "line_item_unblended_cost",
        "line_item_currency_code"
      ]
      const focus = ["BillingPeriodStart", " ChargePeriodStart", "ChargeCategory", "BilledCost", "BillingCurrency"]
      expect(yield* formatOf("f", slash)).toBe("cur1")
      expect(yield* formatOf("f", [...snake, "product_region"])).toBe("cur1")
      expect(yield* formatOf("f", [...snake, "resource_tags"])).toBe("cur2")
      expect(yield* formatOf("f", focus)).toBe("focus")
      const failure = yield* failureOf(formatOf("bill.csv", slash.slice(1)))
      expect(failure.message).toBe(
        "bill.csv is neither CUR 1.0, CUR 2.0 nor FOCUS: as a CUR it lacks bill_billing_period_start_date"
      )
    })
  )
})

const samples = join("..", "shared", "samples", "aws")
describe.skipIf(!existsSync(samples) && process.env["CI"] !== "true")(
  "the sample export (skipped where ../shared is absent)",
  () => {
    it.scoped("is read by its manifests", () =>
      Effect.gen(function* () {
        const store = yield* ObjectStoreFile.open(join(samples, "focus-1.2-export"))
        const found = yield* AwsExports.discover(store)
        if (found._tag !== "Periods") return expect.fail("no periods")
        const files = yield* Effect.forEach(found.periods, (period) =>
          Effect.map(AwsExports.contentOf(store, found.objects, period), (content) =>
            content.files.map(({ key }) => key)
          )
        )
        expect(found.periods.map(({ period }) => period)).toEqual(["2026-05-01", "2026-07-01"])
        expect(files).toEqual([
          [
            "data/BILLING_PERIOD=2026-05/costroid-demo-00001.csv.gz",
            "data/BILLING_PERIOD=2026-05/costroid-demo-00002.csv.gz"
          ],
          ["data/BILLING_PERIOD=2026-07/20260801T060000Z-c7d8e9f0/costroid-demo-00001.csv.gz"]
        ])
      })
    )
  }
)
