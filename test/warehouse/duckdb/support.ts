/**
 * A warehouse in a temporary folder with small tables of its own, and the files that the tests feed it.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Day, OrgSlug, RunId } from "../../../src/platform/Identifiers.ts"
import { Settings } from "../../../src/platform/Settings.ts"
import type { FileFormat, FileMapping } from "../../../src/warehouse/FileMapping.ts"
import { type OrgWarehouse, type Slice, type SliceSource, Warehouse } from "../../../src/warehouse/Warehouse.ts"
import * as WarehouseDuckDb from "../../../src/warehouse/duckdb/WarehouseDuckDb.ts"

export const day = Schema.decodeSync(Day)
export const org = Schema.decodeSync(OrgSlug)("acme_corp")
export const otherOrg = Schema.decodeSync(OrgSlug)("globex")
export const runId = Schema.decodeSync(RunId)("7f8a52d1-3f43-4a53-9d0c-1a2b3c4d5e6f")
export const otherRunId = Schema.decodeSync(RunId)("0b7f2c1e-98a4-4d5b-8a55-2f4f6f0c9a10")

/** A folder that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "warehouse-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** The declaration of the table that most tests load. */
export const billTable = `
name: bill
description: Lines of a bill.
clusterBy: [period]
columns:
  - {name: line_id, type: STRING, description: Id of the line.}
  - {name: period, type: DATE, description: First day of the billing period.}
  - {name: used_at, type: TIMESTAMP, description: Start of the usage.}
  - {name: cost, type: BIGNUMERIC, description: Cost.}
  - {name: quantity, type: NUMERIC, description: Quantity.}
  - {name: pieces, type: INT64, description: Pieces.}
  - {name: share, type: FLOAT64, description: Share.}
  - {name: estimated, type: BOOL, description: Whether estimated.}
  - {name: region, type: STRING, description: Region.}
  - {name: tags, type: JSON, description: Tags.}
  - {name: more, type: JSON, description: Unmapped native columns.}
  - {name: file, type: STRING, description: Source file.}
  - {name: file_row, type: INT64, description: Row in it.}
`

/** Maps AWS-like names to the columns of the bill. */
export const billMapping: FileMapping = {
  columns: [
    { column: "line_id", from: ["identity/LineItemId"] },
    { column: "period", from: ["bill/BillingPeriodStartDate"] },
    { column: "used_at", from: ["lineItem/UsageStartDate"] },
    { column: "cost", from: ["lineItem/NetUnblendedCost", "lineItem/UnblendedCost"], mustHaveValue: true },
    { column: "quantity", from: ["lineItem/UsageAmount"] },
    { column: "pieces", from: ["pieces"] },
    { column: "share", from: ["share"] },
    { column: "estimated", from: ["estimated"] },
    { column: "region", from: ["product/region", "product[region]"] }
  ],
  collected: [{ column: "tags", prefixes: ["resourceTags/user:", "resourceTags/"], maps: ["resource_tags"] }],
  driftColumn: "more",
  fileColumn: "file",
  rowColumn: "file_row",
  nullWords: ["NULL"]
}

export interface Fixture {
  readonly folder: string
  readonly configs: string
}

/** Writes the declarations into a new configuration folder. */
export const fixture = (tables: Readonly<Record<string, string>> = { bill: billTable }) =>
  Effect.map(temporaryFolder, (folder): Fixture => {
    const configs = join(folder, "configs")
    mkdirSync(join(configs, "tables"), { recursive: true })
    mkdirSync(join(configs, "lookups"))
    for (const [name, text] of Object.entries(tables)) writeFileSync(join(configs, "tables", `${name}.yml`), text)
    return { folder, configs }
  })

/** The warehouse of a fixture: its file stays when the layer is closed. */
export const warehouseOf = ({ folder, configs }: Fixture) =>
  WarehouseDuckDb.layer.pipe(
    Layer.provide(Settings.layer),
    Layer.provide(
      Layer.setConfigProvider(
        ConfigProvider.fromMap(
          new Map([
            ["DATA_DIR", join(folder, "data")],
            ["CONFIGS_BASE_PATH", configs],
            ["ENVIRONMENT", "test"]
          ])
        )
      )
    )
  )

/** The bill of one day. */
export const billOf = (date: string): Slice => ({
  table: "bill",
  pipelineId: "cloud_aws_cost_billing",
  credentialId: "main",
  extent: { kind: "day", date: day(date) }
})

/** The bill by billing periods: all that are found, or those that are expected. */
export const billByPeriods = (...expected: ReadonlyArray<string>): Slice => {
  const [first, ...others] = expected.map((period) => day(period))
  return {
    ...billOf("2026-05-01"),
    extent: {
      kind: "periods",
      periodColumn: "period",
      runDateColumn: "used_at",
      ...(first === undefined ? {} : { expected: [first, ...others] as const })
    }
  }
}

/** Writes a file and names it as the source of a slice. */
export const fileSource = (
  { folder }: Fixture,
  name: string,
  content: string | Uint8Array,
  format: FileFormat = "csv",
  mapping: FileMapping = billMapping
): SliceSource => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return { _tag: "Files", format, files: [{ path, uri: `s3://bucket/${name}` }], mapping }
}

/** Runs `use` with the org's dataset of a fresh warehouse. */
export const withBill = <A, E>(
  use: (acme: OrgWarehouse, given: Fixture) => Effect.Effect<A, E, Warehouse | Scope.Scope>
) =>
  Effect.gen(function* () {
    const given = yield* fixture()
    return yield* Effect.gen(function* () {
      return yield* use(yield* (yield* Warehouse).org(org), given)
    }).pipe(Effect.provide(warehouseOf(given)))
  }).pipe(Effect.scoped)

/** Replaces the bill of 1 May 2026 with a file; the header has the columns that the test names. */
export const load = (acme: OrgWarehouse, source: SliceSource, slice: Slice = billOf("2026-05-01")) =>
  acme.replaceSlice({ slice, source, runId })
