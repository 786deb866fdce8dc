/**
 * Pages of day buckets as OpenAI and Anthropic send them: `page` is the cursor, `has_more` says whether another follows.
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as BigDecimal from "effect/BigDecimal"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/RateLimiter"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Json from "../../platform/Json.ts"
import { type Call, type HttpCalls, make as makeCalls, type Vendor } from "../HttpCalls.ts"
import { SourceError } from "../SourceError.ts"
import { cut } from "./PageText.ts"

/** Pages of one question. */
const pagesLimit = 10_000
const pageLimitBytes = 64 * 1024 ** 2
/** What the warehouse keeps of an amount without cutting it. */
const amountDecimalsLimit = 24
const amountDigitsLimit = 38
const countLimit = 2n ** 63n - 1n
const quantityDecimals = 9
const quantityDigitsLimit = 29

/** Calls of one key that start in a minute; the providers' own limits are not published. */
const callsPerMinute = 120

/** The calls of a vendor with one key, paced; the scope is that of the key's use. */
export const pacedCalls = Effect.fnUntraced(function* (vendor: Vendor) {
  const calls = yield* makeCalls(vendor)
  const limiter = yield* RateLimiter.make({ limit: callsPerMinute, interval: "1 minute" })
  return { ...calls, send: (call: Call, limitBytes: number) => limiter(calls.send(call, limitBytes)) }
})

/** A count of things, in JSON a whole number. */
export const Count = Schema.String.pipe(
  Schema.pattern(/^\d{1,19}$/),
  Schema.filter((count) => BigInt(count) <= countLimit)
)
/** An amount, as a JSON number or text in plain or exponent notation. */
export const Amount = Schema.String.pipe(
  Schema.pattern(/^-?\d{1,38}(\.\d{1,60})?([eE][+-]?\d{1,2})?$/),
  Schema.filter((amount) => {
    const { scale, value } = BigDecimal.normalize(BigDecimal.unsafeFromString(amount))
    return scale <= amountDecimalsLimit && String(value < 0n ? -value : value).length <= amountDigitsLimit
  })
)
/** A quantity beside an amount, to 9 decimals; null when it cannot be read: the amount counts all the same. */
export const quantityOf = (value: unknown): string | null => {
  const quantity = typeof value === "string" ? Option.getOrUndefined(BigDecimal.fromString(value)) : undefined
  if (quantity === undefined) return null
  const text = BigDecimal.format(BigDecimal.round(quantity, { scale: quantityDecimals, mode: "half-from-zero" }))
  return (/^-?(\d+)/.exec(text)?.[1] ?? "").length > quantityDigitsLimit ? null : text
}
/** A member that may be absent. */
export const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(Schema.NullOr(schema), { exact: true })

/** One question to a provider, and what the buckets of its answer are. */
export interface Question<Bucket, Encoded> {
  /** In capitals, the start of error codes. */
  readonly vendor: string
  readonly target: string
  readonly request: (cursor: string | undefined) => HttpClientRequest.HttpClientRequest
  readonly bucket: Schema.Schema<Bucket, Encoded>
}

/** All buckets of all pages, read one by one: a page can hold a month of many keys and models. */
export const buckets = <Bucket, Encoded>(
  calls: HttpCalls,
  { bucket, request, target, vendor }: Question<Bucket, Encoded>
): Stream.Stream<Bucket, SourceError> =>
  Stream.suspend(() => {
    const unreadable = (reason: string) =>
      new SourceError({
        kind: "permanent",
        code: `${vendor}_ANSWER_UNREADABLE`,
        message: `${target}: ${reason}`,
        suggestedAction: "check the base URL of the provider; if it is right, report that its answers have changed"
      })
    const isOtherwise = ({ message }: { readonly message: string }) =>
      unreadable(`the answer is not what the contract says: ${placeOf(message)}`)
    const parse = (text: string) => Effect.mapError(Json.parseLossless(text), () => unreadable("the answer is no JSON"))
    const seen = new Set<string>()
    const read = Effect.fn("Pages.buckets")(function* (cursor: string | undefined) {
      const answer = yield* calls.send({ target, request: request(cursor) }, pageLimitBytes)
      const { elements, rest } = cut(new TextDecoder().decode(answer.body))
      const page = yield* Effect.flatMap(parse(rest), (body) => Effect.mapError(decodePage(body), isOtherwise))
      const next = page.has_more ? (page.next_page ?? undefined) : undefined
      if (page.has_more && next === undefined) return yield* unreadable("more pages are announced without a cursor")
      if (next !== undefined && seen.has(next)) return yield* unreadable("a page's cursor came twice")
      if (next !== undefined && seen.add(next).size >= pagesLimit) {
        return yield* unreadable(`there are more than ${pagesLimit} pages`)
      }
      return [Chunk.fromIterable(elements), Option.fromNullable(next)] as const
    })
    const decode = Schema.decodeUnknown(bucket)
    return Stream.paginateChunkEffect<string | undefined, string, SourceError, never>(undefined, read).pipe(
      Stream.mapEffect((element) =>
        Effect.flatMap(parse(element), (found) => Effect.mapError(decode(found), isOtherwise))
      )
    )
  })

const decodePage = Schema.decodeUnknown(
  Schema.Struct({
    data: Schema.Array(Schema.Unknown),
    has_more: Schema.Boolean,
    next_page: maybe(Schema.NonEmptyString)
  })
)

/** Where in an answer the fault lies, without what stands there. */
const placeOf = (message: string): string => {
  const names = [...message.matchAll(/\["?([A-Za-z0-9_.]{1,64})"?\]/g)].map(([, name]) => name)
  return names.length === 0 ? "its shape is another" : `see ${names.join(".")}`
}

/** The names of members that are none of `known` and have a value. */
export const unknownOf = (result: Json.JsonObject, known: ReadonlySet<string>): ReadonlyArray<string> =>
  Object.keys(result).filter((name) => !known.has(name) && result[name] !== null)

/** The members of these names that have a value; null when none has. */
export const detailsOf = (result: Json.JsonObject, names: ReadonlyArray<string>): Json.JsonObject | null => {
  const members = names.flatMap((name) => {
    const value = result[name]
    return value === undefined || value === null ? [] : [[name, value] as const]
  })
  return members.length === 0 ? null : Object.fromEntries(members)
}

/** The first day of the month after, and midnight of any day in UTC milliseconds. */
export const monthAfter = (month: string): string => {
  const first = new Date(`${month}T00:00:00Z`)
  return new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1)).toISOString().slice(0, 10)
}
