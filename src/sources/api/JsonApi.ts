/**
 * Items of any JSON API, page by page, with the credential that it asks for. Numbers stay the text that they were written in.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Json from "../../platform/Json.ts"
import { make as makeCalls, type Vendor } from "../HttpCalls.ts"
import { SourceError } from "../SourceError.ts"

/** How a secret is sent. `oauth2` asks for a token by client credentials first. */
export type Authentication =
  | { readonly type: "none" }
  | { readonly type: "bearer"; readonly secret: Redacted.Redacted }
  | { readonly type: "header" | "query"; readonly name: string; readonly secret: Redacted.Redacted }
  | { readonly type: "basic"; readonly username: string; readonly secret: Redacted.Redacted }
  | {
      readonly type: "oauth2"
      readonly tokenUrl: string
      readonly clientId: string
      readonly scope: string | undefined
      readonly secret: Redacted.Redacted
    }

const Name = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_.[\]-]{1,100}$/))
/** Members that lead to a value: `data.items`. */
export const Path = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,9}$/))

/** How the next page is asked for. `limit` items are asked for at a time; fewer are the last of `offset` and `page`. */
export const Paging = Schema.Union(
  Schema.Struct({ type: Schema.Literal("none", "link") }),
  Schema.Struct({ type: Schema.Literal("cursor"), parameter: Name, cursor_path: Path }),
  Schema.Struct({ type: Schema.Literal("offset"), parameter: Name }),
  Schema.Struct({
    type: Schema.Literal("page"),
    parameter: Name,
    first: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, 1)), { default: () => 1 })
  })
)

/** What is read. */
export interface Listing {
  readonly url: string
  readonly query: Readonly<Record<string, string>>
  readonly paging: typeof Paging.Type
  readonly limit: { readonly parameter: string; readonly items: number } | undefined
  /** Where the items stand; undefined: the answer itself is the list. */
  readonly dataPath: string | undefined
  readonly requestsPerSecond: number
}

/** Pages of one listing. */
export const pageLimit = 10_000
const pageLimitBytes = 64 * 1024 * 1024
const tokenLimitBytes = 64 * 1024

const vendor: Vendor = {
  name: "API",
  isWait: (header) => header === "retry-after",
  codeOf: (_headers, body) => /"code"\s*:\s*"([A-Za-z0-9_.-]{1,64})"/.exec(body)?.[1],
  requestIdHeader: "x-request-id",
  accessAdvice: "check the secret of the credential, and what it may read"
}

const Token = Schema.parseJson(Schema.Struct({ access_token: Schema.Redacted(Schema.NonEmptyString) }))

/** The items, in the order of the pages. A page that cannot be read, or pages without end, fail the stream. */
export const items = (listing: Listing, authentication: Authentication) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const calls = yield* makeCalls(vendor)
      const place = listing.url.split("?", 1)[0] ?? ""
      const unreadable = (what: string) =>
        new SourceError({
          kind: "permanent",
          code: "API_ANSWER_UNREADABLE",
          message: `${place}: ${what}`,
          suggestedAction: "compare the step's paging and data_path with the API's documentation"
        })

      let token: Redacted.Redacted | undefined
      const tokenOf = Effect.fnUntraced(function* (how: Extract<Authentication, { readonly type: "oauth2" }>) {
        if (token !== undefined) return token
        const request = HttpClientRequest.post(how.tokenUrl).pipe(
          HttpClientRequest.bodyUrlParams({
            grant_type: "client_credentials",
            client_id: how.clientId,
            client_secret: Redacted.value(how.secret),
            ...(how.scope === undefined ? {} : { scope: how.scope })
          })
        )
        const target = how.tokenUrl.split("?", 1)[0] ?? ""
        const { body } = yield* calls.send({ request, target }, tokenLimitBytes)
        const answer = yield* Effect.mapError(Schema.decode(Token)(new TextDecoder().decode(body)), () =>
          unreadable("the token's answer has no access_token")
        )
        token = answer.access_token
        return token
      })
      const signed = (request: HttpClientRequest.HttpClientRequest) => {
        switch (authentication.type) {
          case "none":
            return Effect.succeed(request)
          case "bearer":
            return Effect.succeed(HttpClientRequest.bearerToken(request, authentication.secret))
          case "header":
            return Effect.succeed(
              HttpClientRequest.setHeader(request, authentication.name, Redacted.value(authentication.secret))
            )
          case "query":
            return Effect.succeed(
              HttpClientRequest.setUrlParam(request, authentication.name, Redacted.value(authentication.secret))
            )
          case "basic":
            return Effect.succeed(
              HttpClientRequest.basicAuth(request, authentication.username, Redacted.value(authentication.secret))
            )
          case "oauth2":
            return Effect.map(tokenOf(authentication), (found) => HttpClientRequest.bearerToken(request, found))
        }
      }
      const send = (request: HttpClientRequest.HttpClientRequest) => {
        const once = Effect.flatMap(signed(request), (each) =>
          calls.send({ request: each, target: place }, pageLimitBytes)
        )
        return Effect.catchIf(
          once,
          (error) => error.code === "API_TOKEN_REFUSED" && token !== undefined,
          () =>
            Effect.zipRight(
              Effect.sync(() => (token = undefined)),
              once
            )
        )
      }

      const { limit, paging } = listing
      const fixed = { ...listing.query, ...(limit === undefined ? {} : { [limit.parameter]: String(limit.items) }) }
      const firstPage: Page = {
        url: listing.url,
        query: {
          ...fixed,
          ...(paging.type === "offset" ? { [paging.parameter]: "0" } : {}),
          ...(paging.type === "page" ? { [paging.parameter]: String(paging.first) } : {})
        }
      }
      const read = Effect.fnUntraced(function* ({ query, url }: Page, { number, seen }: Progress) {
        const answer = yield* send(
          HttpClientRequest.get(url).pipe(
            HttpClientRequest.setHeader("accept", "application/json"),
            HttpClientRequest.setUrlParams(query)
          )
        )
        const parsed = yield* Effect.mapError(Json.parseLossless(new TextDecoder().decode(answer.body)), () =>
          unreadable("the answer is no JSON")
        )
        const found = listing.dataPath === undefined ? parsed : at(parsed, listing.dataPath)
        if (!Array.isArray(found)) return yield* unreadable("there is no list at data_path")
        const list: ReadonlyArray<Json.Json> = found
        const isLast = limit === undefined ? list.length === 0 : list.length < limit.items
        const next = (): Page | undefined => {
          switch (paging.type) {
            case "none":
              return undefined
            case "link": {
              const link = nextLink(answer.headers["link"])
              return link === undefined ? undefined : { url: new URL(link, url).href, query: {} }
            }
            case "cursor": {
              const cursor = at(parsed, paging.cursor_path)
              return typeof cursor === "string" && cursor !== ""
                ? { url, query: { ...fixed, [paging.parameter]: cursor } }
                : undefined
            }
            case "offset":
              return isLast ? undefined : { url, query: { ...fixed, [paging.parameter]: String(seen + list.length) } }
            case "page":
              return isLast
                ? undefined
                : { url, query: { ...fixed, [paging.parameter]: String(paging.first + number) } }
          }
        }
        return { list, next: next() }
      })

      const asked = new Set<string>()
      const pause = `${Math.ceil(1000 / listing.requestsPerSecond)} millis` as const
      return Stream.paginateChunkEffect({ page: firstPage, number: 1, seen: 0 }, ({ number, page, seen }) =>
        Effect.gen(function* () {
          const name = JSON.stringify([page.url, page.query])
          if (asked.has(name) || number > pageLimit) return yield* unreadable("the pages do not end")
          asked.add(name)
          if (new URL(page.url).origin !== new URL(listing.url).origin) {
            return yield* unreadable("the next page is on another host")
          }
          if (number > 1) yield* Effect.sleep(pause)
          const { list, next } = yield* read(page, { number, seen })
          const following =
            next === undefined
              ? Option.none()
              : Option.some({ page: next, number: number + 1, seen: seen + list.length })
          return [Chunk.fromIterable(list), following] as const
        })
      )
    })
  )

interface Page {
  readonly url: string
  readonly query: Readonly<Record<string, string>>
}

interface Progress {
  readonly number: number
  readonly seen: number
}

/** The value that members lead to; undefined where there is none. */
export const at = (value: Json.Json, path: string): Json.Json | undefined =>
  path
    .split(".")
    .reduce<Json.Json | undefined>((inner, member) => (Json.isObject(inner) ? inner[member] : undefined), value)

const nextLink = (header: string | undefined): string | undefined =>
  /<([^<>]+)>\s*;[^,]*\brel="?next"?/i.exec(header ?? "")?.[1]
