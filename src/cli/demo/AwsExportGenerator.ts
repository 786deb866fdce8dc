/**
 * Writes invented billing exports in AWS's real layouts: a CUR 2.0 data export (overwrite layout, private discounts) and a CUR 1.0 report
 * (one folder per delivery) of another payer. The same seed and size give the same bytes.
 */
import { createWriteStream } from "node:fs"
import { mkdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { linesOf } from "./AwsBill.ts"
import { company, randomFrom, type Company, type Period, type Random } from "./AwsCompany.ts"
import { cur1Columns, cur2Columns, money, recordOf, type Bill, type Line, type ReportColumn } from "./AwsLine.ts"

/** The exports could not be written. */
export class GenerationFailed extends Schema.TaggedError<GenerationFailed>()("GenerationFailed", {
  message: Schema.String
}) {}

/** One export as it was written, in `folder` below the given one; `totals` are the exact sums of unblended cost by billing period (`YYYY-MM`). */
export interface GeneratedExport {
  readonly kind: "cur1" | "cur2"
  readonly folder: string
  readonly payer: string
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly totals: Readonly<Record<string, string>>
}

/** All that was written; `startDate` and `endDate` span every billing period, inclusive. */
export interface GeneratedExports {
  readonly exports: ReadonlyArray<GeneratedExport>
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly startDate: string
  readonly endDate: string
}

const months = ["2026-08", "2026-09", "2026-10"] as const
const defaultRowsPerFile = 20_000
const rowsPerBatch = 500
const bucket = "acme-billing"

/** Writes both exports below `folder`: `acme-cur2/` and `acme-cur1/`. At least `rows` rows in all. */
export const generateAwsExports = Effect.fn("generateAwsExports")(function* (options: {
  readonly folder: string
  readonly seed: number
  readonly rows: number
  /** Rows of one data file at most. */
  readonly rowsPerFile?: number
}) {
  const random = randomFrom(options.seed)
  const rowsPerFile = options.rowsPerFile ?? defaultRowsPerFile
  const periods = months.map(periodOf)
  const days = periods.reduce((sum, period) => sum + period.days.length, 0)
  // Each resource gives at least one row a day.
  const resources = Math.ceil(options.rows / (2 * days))
  const discounted = company(random, {
    payer: "111122223333",
    accounts: ["111122223344", "111122223355", "111122223366"],
    resources,
    discountTenths: 1,
    savingsPlan: "No Upfront"
  })
  const plain = company(random, {
    payer: "004444555566",
    accounts: ["004444555577", "004444555588"],
    resources,
    discountTenths: 0,
    savingsPlan: "All Upfront"
  })
  const exports = [
    yield* write(options.folder, cur2Layout(random), discounted, periods, random, rowsPerFile),
    yield* write(options.folder, cur1Layout(random), plain, periods, random, rowsPerFile)
  ]
  const sum = (count: (generated: GeneratedExport) => number) => exports.reduce((total, next) => total + count(next), 0)
  const generated: GeneratedExports = {
    exports,
    files: sum(({ files }) => files),
    rows: sum(({ rows }) => rows),
    bytes: sum(({ bytes }) => bytes),
    startDate: `${months[0]}-01`,
    endDate: periods.at(-1)?.days.at(-1)?.start.slice(0, 10) ?? ""
  }
  return generated
})

const periodOf = (month: string, index: number): Period => {
  const dayAt = (offset: number) =>
    new Date(Date.parse(`${month}-01T00:00:00Z`) + offset * 86_400_000).toISOString().replace(".000Z", "Z")
  const count = Array.from({ length: 31 }, (_, offset) => dayAt(offset)).filter((day) => day.startsWith(month)).length
  return {
    index,
    start: dayAt(0),
    end: dayAt(count),
    days: Array.from({ length: count }, (_, offset) => ({ start: dayAt(offset), end: dayAt(offset + 1) }))
  }
}

/** Where an export's files lie and what its manifest says. */
interface Layout {
  readonly kind: "cur1" | "cur2"
  readonly name: string
  readonly columns: ReadonlyArray<ReportColumn>
  readonly dataKey: (period: Period, chunk: number) => string
  readonly manifests: (
    period: Period,
    files: ReadonlyArray<{ readonly key: string; readonly size: number }>,
    payer: string
  ) => { readonly keys: ReadonlyArray<string>; readonly body: object }
}

const cur2Layout = (random: Random): Layout => {
  const name = "acme-cur2"
  const executionId = uuid(random)
  const partition = ({ start }: Period) => `BILLING_PERIOD=${start.slice(0, 7)}`
  return {
    kind: "cur2",
    name,
    columns: cur2Columns,
    dataKey: (period, chunk) => `${name}/data/${partition(period)}/${name}-${String(chunk).padStart(5, "0")}.csv.gz`,
    manifests: (period, files) => ({
      keys: [`${name}/metadata/${partition(period)}/${name}-Manifest.json`],
      body: {
        exportName: name,
        executionId,
        billingPeriod: period.start.slice(0, 7),
        dataFiles: files.map(({ key, size }) => ({ s3Uri: `s3://${bucket}/exports/${key}`, size })),
        columns: cur2Columns.map((column) => ({ name: column.name, type: "string" }))
      }
    })
  }
}

const cur1Layout = (random: Random): Layout => {
  const name = "acme-cur1"
  const assemblyId = uuid(random)
  const compact = (time: string) => time.slice(0, 10).replaceAll("-", "")
  const folder = ({ start, end }: Period) => `${name}/${compact(start)}-${compact(end)}`
  return {
    kind: "cur1",
    name,
    columns: cur1Columns,
    dataKey: (period, chunk) => `${folder(period)}/${assemblyId}/${name}-${chunk}.csv.gz`,
    manifests: (period, files, payer) => ({
      keys: [`${folder(period)}/${name}-Manifest.json`, `${folder(period)}/${assemblyId}/${name}-Manifest.json`],
      body: {
        assemblyId,
        account: payer,
        columns: cur1Columns.map((column) => {
          const [category, columnName] = column.name.split("/")
          return { category, name: columnName }
        }),
        charset: "UTF-8",
        compression: "GZIP",
        contentType: "text/csv",
        reportName: name,
        billingPeriod: { start: `${compact(period.start)}T000000.000Z`, end: `${compact(period.end)}T000000.000Z` },
        bucket,
        reportKeys: files.map(({ key }) => `/reports/${key}`),
        additionalArtifactKeys: []
      }
    })
  }
}

const uuid = (random: Random): string =>
  [8, 4, 4, 4, 12].map((length) => Array.from({ length }, () => random(16).toString(16)).join("")).join("-")

const write = Effect.fn("generateAwsExports.write")(function* (
  folder: string,
  layout: Layout,
  from: Company,
  periods: ReadonlyArray<Period>,
  random: Random,
  rowsPerFile: number
) {
  const totals: Record<string, string> = {}
  const counts = { files: 0, rows: 0, bytes: 0 }
  for (const period of periods) {
    const bill: Bill = {
      payer: from.payer,
      payerName: "Acme Holding",
      accountNames: {
        [from.payer]: "Acme Holding",
        ...Object.fromEntries(from.accounts.map((account, index) => [account, `acme-${index + 1}`]))
      },
      invoiceId: period === periods.at(-1) ? "" : `2026${from.payer.slice(-4)}0${period.index + 1}`,
      start: period.start,
      end: period.end
    }
    const lines = linesOf(from, period, random)
    const files: Array<{ readonly key: string; readonly size: number }> = []
    let total = 0n
    for (let next = lines.next(); next.done !== true;) {
      const key = layout.dataKey(period, files.length + 1)
      const first = next.value
      const chunk = function* () {
        yield recordOf(layout.columns.map(({ name }) => name))
        let batch = ""
        let rows = 0
        for (let line: Line | undefined = first; line !== undefined;) {
          const current = line
          total += current.cost
          batch += recordOf(layout.columns.map(({ value }) => value(current, bill)))
          rows += 1
          counts.rows += 1
          if (rows % rowsPerBatch === 0) {
            yield batch
            batch = ""
          }
          next = lines.next()
          line = next.done === true || rows === rowsPerFile ? undefined : next.value
        }
        yield batch
      }
      files.push({ key, size: yield* writeGzip(join(folder, key), chunk()) })
    }
    const { keys, body } = layout.manifests(period, files, from.payer)
    const text = `${JSON.stringify(body, undefined, 2)}\n`
    yield* Effect.forEach(keys, (key) => writing(join(folder, key), (path) => writeFile(path, text)))
    totals[period.start.slice(0, 7)] = money(total)
    counts.files += files.length
    counts.bytes += files.reduce((sum, { size }) => sum + size, 0)
  }
  const generated: GeneratedExport = {
    kind: layout.kind,
    folder: layout.name,
    payer: from.payer,
    totals,
    ...counts
  }
  return generated
})

const writeGzip = (path: string, text: Iterable<string>) =>
  writing(path, async (target, signal) => {
    await pipeline(Readable.from(text), createGzip({ level: 3 }), createWriteStream(target), { signal })
    return (await stat(target)).size
  })

/** Does something with a file whose folder exists. */
const writing = <A>(path: string, action: (path: string, signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: async (signal) => {
      await mkdir(join(path, ".."), { recursive: true })
      return await action(path, signal)
    },
    catch: (cause) =>
      new GenerationFailed({
        message: `${path} could not be written: ${cause instanceof Error ? cause.message : "unknown error"}; check the folder`
      })
  })
