/**
 * The two files of an export of DeepSeek's console, in either of the layouts that it has had. Columns go by their names; figures are exact.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SourceError } from "../SourceError.ts"

/** What a file tells. */
export type Kind = "cost" | "amount"

interface Row {
  readonly user: string
  /** UTC. */
  readonly day: string
  readonly crossesMidnight: boolean
  readonly model: string
}

/** What a day and model cost from one wallet. */
export interface CostRow extends Row {
  readonly wallet: string
  readonly cost: BigDecimal.BigDecimal
  /** Upper case. */
  readonly currency: string
}

/** How much of one type a key used; requests have no price. */
export interface AmountRow extends Row {
  readonly keyName: string
  /** With most of its characters masked. */
  readonly key: string
  readonly type: string
  /** Of one. */
  readonly price: BigDecimal.BigDecimal | undefined
  readonly amount: string
}

/** A parsed file. */
export interface Parsed {
  readonly costs: ReadonlyArray<CostRow>
  readonly amounts: ReadonlyArray<AmountRow>
  readonly unknownColumns: ReadonlyArray<string>
  /** First day of the month that the file's name says: a file without rows empties it. */
  readonly namedMonth: string | undefined
}

const rowsLimit = 1_000_000
const dayMillis = 86_400_000
const dateColumns = ["utc_date", "start_time_iso", "end_time_iso"]
const columns: Readonly<Record<Kind, ReadonlyArray<string>>> = {
  cost: ["user_id", "model", "wallet_type", "cost", "currency"],
  amount: ["user_id", "model", "api_key_name", "api_key", "type", "price", "amount"]
}
const required: Readonly<Record<Kind, ReadonlyArray<string>>> = {
  cost: ["model", "cost", "currency"],
  amount: ["model", "type", "price", "amount"]
}

/** The kind by the name of the file, wherever it lies; undefined for others. */
export const kindOf = (path: string): Kind | undefined => {
  const kind = /(?:^|\/)(cost|amount)-[^/]*\.csv$/i.exec(path)?.[1]?.toLowerCase()
  return kind === "cost" || kind === "amount" ? kind : undefined
}

/** Parses one file. The first row that cannot be read refuses it, with its line. */
export const parse = Effect.fn("DeepSeekCsv.parse")(function* (kind: Kind, text: string, uri: string) {
  const refuse = (reason: string) =>
    new SourceError({
      kind: "permanent",
      code: "DEEPSEEK_EXPORT_UNREADABLE",
      message: `${uri}: ${reason}`,
      suggestedAction: "download the export again from DeepSeek's console"
    })
  const csv = yield* Effect.promise(() => import("csv-parse/sync"))
  const lines = yield* Effect.try({
    try: (): ReadonlyArray<ReadonlyArray<string>> =>
      csv.parse(text, { bom: true, skip_empty_lines: true, trim: true, to: rowsLimit + 1 }),
    catch: () => refuse("it is no CSV")
  })
  const header = lines[0] ?? []
  if (lines.length > rowsLimit) return yield* refuse(`it has more than ${rowsLimit} rows`)
  const missing = required[kind].filter((name) => !header.includes(name))
  if (missing.length > 0) return yield* refuse(`it has no column ${missing.join(", ")}`)
  if (!header.includes("utc_date") && !header.includes("start_time_iso")) {
    return yield* refuse("it has neither a column utc_date nor start_time_iso")
  }
  const costs: Array<CostRow> = []
  const amounts: Array<AmountRow> = []
  for (const [index, cells] of lines.slice(1).entries()) {
    const at = `line ${index + 2}`
    const cell = (name: string) => cells[header.indexOf(name)] ?? ""
    const day = dayOf(cell("utc_date"), cell("start_time_iso"), cell("end_time_iso"))
    if (day === undefined) return yield* refuse(`${at} has no day that can be read`)
    const common = { ...day, user: cell("user_id"), model: cell("model") }
    if (common.model === "") return yield* refuse(`${at} has no model`)
    if (kind === "cost") {
      const cost = decimalOf(cell("cost"))
      const currency = cell("currency").toUpperCase()
      if (cost === undefined || !/^[A-Z]{3}$/.test(currency)) return yield* refuse(`${at} has no cost with a currency`)
      costs.push({ ...common, wallet: cell("wallet_type"), cost, currency })
      continue
    }
    const amount = /^(\d{1,19})(?:\.0*)?$/.exec(cell("amount"))?.[1]
    const price = cell("price") === "" ? undefined : decimalOf(cell("price"))
    if (amount === undefined || (cell("price") !== "" && price === undefined) || cell("type") === "") {
      return yield* refuse(`${at} has no amount of a type that can be read`)
    }
    amounts.push({ ...common, keyName: cell("api_key_name"), key: cell("api_key"), type: cell("type"), price, amount })
  }
  const known = [...dateColumns, ...columns[kind]]
  const [, year, month] = /-(\d{4})-(\d{1,2})\.csv$/i.exec(uri) ?? []
  return {
    costs,
    amounts,
    unknownColumns: header.filter((name) => name !== "" && !known.includes(name)),
    namedMonth: year === undefined || month === undefined ? undefined : `${year}-${month.padStart(2, "0")}-01`
  } satisfies Parsed
})

const decimalOf = (text: string) =>
  /^-?\d{1,20}(\.\d{1,24})?([eE]-?\d{1,2})?$/.test(text)
    ? Option.getOrUndefined(BigDecimal.fromString(text))
    : undefined

/** `2026-05-11`, `20260511`, or the day in which the greater part of an interval lies. */
const dayOf = (date: string, start: string, end: string): Pick<Row, "day" | "crossesMidnight"> | undefined => {
  const [, year, month, day] = /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(date) ?? []
  if (year !== undefined) return realDay(`${year}-${month}-${day}`)
  const from = Date.parse(/([zZ]|[+-]\d{2}:?\d{2})$/.test(start) || start === "" ? start : `${start}Z`)
  const to = Date.parse(/([zZ]|[+-]\d{2}:?\d{2})$/.test(end) || end === "" ? end : `${end}Z`)
  if (Number.isNaN(from)) return undefined
  const last = Number.isNaN(to) || to <= from ? from : to
  if (last - from > dayMillis) return undefined
  const middle = new Date(from + (last - from) / 2).toISOString().slice(0, 10)
  const crossesMidnight = Math.floor(from / dayMillis) !== Math.floor(Math.max(from, last - 1) / dayMillis)
  return { day: middle, crossesMidnight }
}

const realDay = (day: string) => {
  const time = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day)
    ? { day, crossesMidnight: false }
    : undefined
}
