/**
 * Exports of DeepSeek's console as usage and bill: `cost-*.csv` and `amount-*.csv` of a folder or bucket, plain or in the ZIP files in which the
 * console gives them. A month of an account comes from one file of each kind; the same file twice counts once.
 */
import { createHash } from "node:crypto"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import type { ObjectStore } from "../object-store/ObjectStore.ts"
import { SourceError } from "../SourceError.ts"
import * as Csv from "./DeepSeekCsv.ts"
import { addCounts, bareLine, type BilledLine, type Doubt, noTokens, type PaygSource, type UsageLine } from "./Lines.ts"
import { usageUnavailable } from "./Lines.ts"

const fileLimitBytes = 32 * 1024 ** 2
/** Of all files in one ZIP file together, unpacked. */
const unpackedLimitBytes = 128 * 1024 ** 2

interface TextFile {
  readonly uri: string
  readonly kind: Csv.Kind
  readonly text: string
}

/** Reads every export of the place. */
export const read = Effect.fn("DeepSeekFiles.read")(function* (store: ObjectStore) {
  const files = yield* filesOf(store)
  if (files.length === 0) {
    return yield* usageUnavailable(
      `${store.location} has no export of DeepSeek's console`,
      "put the files usage_data_*.zip of the console's usage page there, or the cost-*.csv and amount-*.csv in them"
    )
  }
  const costs: Array<Csv.CostRow> = []
  const amounts: Array<Csv.AmountRow> = []
  const unknown = new Set<string>()
  const months = new Set<string>()
  const owners = new Map<string, string>()
  const doubts: Array<Doubt & { readonly month: string }> = []
  for (const { kind, text, uri } of files) {
    const parsed = yield* Csv.parse(kind, text, uri)
    for (const name of parsed.unknownColumns) unknown.add(`${kind}.${name}`)
    if (parsed.namedMonth !== undefined) months.add(parsed.namedMonth)
    for (const row of [...parsed.costs, ...parsed.amounts]) {
      const month = `${row.day.slice(0, 7)}-01`
      months.add(month)
      const place = [kind, row.user, month].join(" ")
      const other = owners.get(place)
      if (other !== undefined && other !== uri) {
        return yield* new SourceError({
          kind: "permanent",
          code: "DEEPSEEK_EXPORTS_OVERLAP",
          message: `${other} and ${uri} both tell the ${kind === "cost" ? "costs" : "amounts"} of ${month.slice(0, 7)}, and differ`,
          suggestedAction: "leave only the newest export of each month in the folder"
        })
      }
      owners.set(place, uri)
      if (row.crossesMidnight) {
        doubts.push({
          month,
          check: "genai_day_boundary",
          text: `deepseek ${row.model}: an interval of ${uri} crosses midnight of UTC; it counts to ${row.day}`
        })
      }
    }
    costs.push(...parsed.costs)
    amounts.push(...parsed.amounts)
  }
  const currencies = currenciesOf(costs)
  const unknownFields = [...unknown].sort()
  const within = <Row extends { readonly day: string }>(rows: ReadonlyArray<Row>, month: string) =>
    rows.filter(({ day }) => day.startsWith(month.slice(0, 7)))
  const source: PaygSource = {
    months: [...months].sort(),
    billed: (month) => Effect.sync(() => ({ lines: within(costs, month).map(billedLine), unknownFields })),
    usage: (month) =>
      Effect.sync(() => {
        const rows = within(amounts, month)
        const ofMonth = doubts.filter((each) => each.month === month)
        return {
          lines: usageLines(rows, currencies),
          unknownFields: [...unknownFields, ...unknownTypes(rows)],
          doubts: [...ofMonth, ...mismatches(rows, within(costs, month))]
        }
      })
  }
  return source
})

const filesOf = Effect.fnUntraced(function* (store: ObjectStore) {
  const found = new Map<string, TextFile>()
  const add = (uri: string, name: string, bytes: Uint8Array) => {
    const kind = Csv.kindOf(name)
    if (kind === undefined) return
    const hash = createHash("sha256").update(kind).update(bytes).digest("hex")
    if (!found.has(hash)) found.set(hash, { uri, kind, text: new TextDecoder().decode(bytes) })
  }
  for (const object of yield* store.list) {
    const isZip = /\.zip$/i.test(object.key)
    if (!isZip && Csv.kindOf(object.key) === undefined) continue
    const bytes = yield* store.read(object, fileLimitBytes)
    if (isZip) {
      for (const [name, content] of yield* unpacked(store.uri(object.key), bytes))
        add(`${store.uri(object.key)}/${name}`, name, content)
    } else add(store.uri(object.key), object.key, bytes)
  }
  return [...found.values()]
})

const unpacked = Effect.fnUntraced(function* (uri: string, bytes: Uint8Array) {
  const { unzipSync } = yield* Effect.promise(() => import("fflate"))
  let total = 0
  return yield* Effect.try({
    try: () =>
      Object.entries(
        unzipSync(bytes, {
          filter: ({ name, originalSize }) => {
            if (Csv.kindOf(name) === undefined) return false
            total += originalSize
            return total <= unpackedLimitBytes
          }
        })
      ),
    catch: () => unreadableZip(uri, "it is no ZIP file that can be read")
  }).pipe(
    Effect.filterOrFail(
      () => total <= unpackedLimitBytes,
      () => unreadableZip(uri, `its files are larger than ${unpackedLimitBytes} bytes`)
    )
  )
})

const unreadableZip = (uri: string, reason: string) =>
  new SourceError({
    kind: "permanent",
    code: "DEEPSEEK_EXPORT_UNREADABLE",
    message: `${uri}: ${reason}`,
    suggestedAction: "download the export again from DeepSeek's console"
  })

const billedLine = (row: Csv.CostRow): BilledLine => ({
  cost_date: row.day,
  line_item: row.wallet === "" ? row.model : `${row.model}, ${row.wallet}`,
  model: row.model,
  token_type: null,
  service_tier: null,
  context_window: null,
  currency: row.currency,
  amount: BigDecimal.format(row.cost),
  quantity: null,
  quantity_unit: null,
  x_genai_project_id: null,
  x_genai_api_key_id: null,
  x_genai_account_id: row.user
})

/** The file of amounts names no currency: it is that of the account's costs of the day and model, or of all its costs. */
const currenciesOf = (costs: ReadonlyArray<Csv.CostRow>) => {
  const known = new Map<string, Set<string>>()
  for (const { currency, day, model, user } of costs)
    for (const place of [`${user} ${day} ${model}`, user])
      known.set(place, (known.get(place) ?? new Set()).add(currency))
  return ({ day, model, user }: Csv.AmountRow): string | undefined => {
    const found = [known.get(`${user} ${day} ${model}`), known.get(user)].find((each) => each?.size === 1)
    return found === undefined ? undefined : [...found][0]
  }
}

const tokenTypes = {
  input_cache_miss_tokens: "miss",
  input_cache_hit_tokens: "hit",
  output_tokens: "output",
  request_count: "requests"
} as const
const isTokenType = (type: string): type is keyof typeof tokenTypes => type in tokenTypes

const unknownTypes = (rows: ReadonlyArray<Csv.AmountRow>) =>
  [...new Set(rows.map(({ type }) => type))].filter((type) => !isTokenType(type)).map((type) => `amount.type.${type}`)

/** One line per day, model and key; a type that this program does not know is a meter of its own. */
const usageLines = (
  rows: ReadonlyArray<Csv.AmountRow>,
  currencyOf: (row: Csv.AmountRow) => string | undefined
): ReadonlyArray<UsageLine> => {
  const groups = new Map<string, Array<Csv.AmountRow>>()
  for (const row of rows) {
    const meter = isTokenType(row.type) ? "tokens" : row.type
    const place = JSON.stringify([row.user, row.day, row.model, row.key, row.keyName, meter])
    groups.set(place, [...(groups.get(place) ?? []), row])
  }
  return [...groups.entries()]
    .sort(([a], [b]) => a.localeCompare(b))
    .flatMap(([, group]): ReadonlyArray<UsageLine> => {
      const [first] = group
      if (first === undefined) return []
      const of = (type: string) => group.filter((row) => row.type === type).map(({ amount }) => amount)
      const priced = group.filter(({ type }) => type !== "request_count")
      const currency = currencyOf(first)
      const cost = costOf(priced)
      const common = {
        ...bareLine(first.day, first.model),
        x_genai_account_id: first.user,
        x_genai_api_key_id: first.key === "" ? first.keyName : first.key,
        details: first.keyName === "" ? null : { api_key_name: first.keyName },
        ...(cost === undefined || currency === undefined || priced.length === 0
          ? {}
          : { exported_cost: BigDecimal.format(cost), exported_currency: currency })
      }
      if (!isTokenType(first.type)) {
        return [{ ...common, ...noTokens, meter: first.type, quantity: addCounts(group.map(({ amount }) => amount)) }]
      }
      const requests = of("request_count")
      return [
        {
          ...common,
          meter: "tokens",
          request_count: requests.length === 0 ? null : addCounts(requests),
          input_tokens: addCounts([...of("input_cache_miss_tokens"), ...of("input_cache_hit_tokens")]),
          cached_input_tokens: addCounts(of("input_cache_hit_tokens")),
          cache_write_tokens: "0",
          cache_write_1h_tokens: "0",
          output_tokens: addCounts(of("output_tokens"))
        }
      ]
    })
}

/** Price times amount; undefined when one has no price. */
const costOf = (rows: ReadonlyArray<Csv.AmountRow>) =>
  rows.reduce<BigDecimal.BigDecimal | undefined>(
    (total, { amount, price }) =>
      total === undefined || price === undefined
        ? undefined
        : BigDecimal.sum(total, BigDecimal.multiply(price, BigDecimal.fromBigInt(BigInt(amount)))),
    BigDecimal.fromBigInt(0n)
  )

/** Where price times amount of a day and model is not what the other file says that it cost. */
const mismatches = (amounts: ReadonlyArray<Csv.AmountRow>, costs: ReadonlyArray<Csv.CostRow>): ReadonlyArray<Doubt> => {
  const placeOf = ({ day, model, user }: { readonly day: string; readonly model: string; readonly user: string }) =>
    JSON.stringify([day, model, user])
  const places = [...new Set([...amounts, ...costs].map(placeOf))].sort()
  return places.flatMap((place) => {
    const ofPlace = amounts.filter((row) => placeOf(row) === place && row.type !== "request_count")
    const billed = costs.filter((row) => placeOf(row) === place)
    const currencies = [...new Set(billed.map(({ currency }) => currency))]
    const computed = costOf(ofPlace)
    const total = BigDecimal.sumAll(billed.map(({ cost }) => cost))
    if (computed !== undefined && BigDecimal.equals(computed, total) && currencies.length <= 1) return []
    const [row] = [...ofPlace, ...billed]
    const tokens =
      computed === undefined ? "an amount has no price" : `price x amount is ${BigDecimal.format(computed)}`
    const bill = currencies.length > 1 ? "the costs are in several currencies" : BigDecimal.format(total)
    return [
      {
        check: "genai_bill_mismatch",
        text: `deepseek ${row?.model ?? ""} on ${row?.day ?? ""}: ${tokens}, billed ${bill} ${currencies.join(", ")}`.trimEnd()
      }
    ]
  })
}
