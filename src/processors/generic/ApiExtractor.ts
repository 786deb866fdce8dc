/**
 * `generic.api_extractor`: the items of any JSON API on the public internet, as raw rows of the run's first day. The secret of a credential
 * goes to the host that the credential itself names, and to no other.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Credentials, type OpenCredential } from "../../credentials/Credentials.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { isPublicAddress } from "../../platform/PublicAddress.ts"
import * as PublicHttpClient from "../../platform/PublicHttpClient.ts"
import * as JsonApi from "../../sources/api/JsonApi.ts"
import { SourceError } from "../../sources/SourceError.ts"
import { type OrgWarehouse, Warehouse } from "../../warehouse/Warehouse.ts"
import { failed, unusableCredential } from "../cloud/BillingExtractor.ts"
import { ingestionId } from "../genai/PaygRows.ts"
import * as StepFailure from "../StepFailure.ts"
import { Identifier, invalid } from "./StatementParameters.ts"

const Config = Schema.Struct({
  url: Schema.String.pipe(Schema.pattern(/^https?:\/\/[^\s?#]+$/)),
  query: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), { default: () => ({}) }),
  auth: Schema.optionalWith(
    Schema.Union(
      Schema.Struct({ type: Schema.Literal("none", "bearer", "basic", "oauth2") }),
      Schema.Struct({
        type: Schema.Literal("header", "query"),
        name: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,100}$/))
      })
    ),
    { default: () => ({ type: "none" as const }) }
  ),
  pagination: Schema.optionalWith(JsonApi.Paging, { default: () => ({ type: "none" as const }) }),
  limit: Schema.optionalWith(
    Schema.Struct({ parameter: Schema.NonEmptyString, items: Schema.Int.pipe(Schema.between(1, 10_000)) }),
    { exact: true }
  ),
  data_path: Schema.optionalWith(JsonApi.Path, { exact: true }),
  requests_per_second: Schema.optionalWith(Schema.Number.pipe(Schema.between(0.1, 100)), { default: () => 5 }),
  /** Members of `mapped`, each from a path in the item. */
  mapping: Schema.optionalWith(Schema.Record({ key: Identifier, value: JsonApi.Path }), { default: () => ({}) }),
  destination: Schema.optionalWith(Schema.Struct({ table: Identifier }), {
    default: () => ({ table: "generic_api_raw" })
  })
})
type Config = typeof Config.Type
const decode = Schema.decodeUnknownOption(Config, { onExcessProperty: "error" })

const help =
  "config has url (https), query, auth {type: none, bearer, header, query, basic or oauth2, name}, pagination {type: none, link, cursor, offset or page, parameter, cursor_path, first}, limit {parameter, items}, data_path, requests_per_second, mapping, destination {table}"

const api = { label: "the API", providers: ["API"] } as const

/** Metadata of a credential: the host that its secret is for, and what is not secret of it. */
const Metadata = Schema.Struct({
  base_url: Schema.String.pipe(Schema.filter((text) => URL.canParse(text))),
  username: Schema.optional(Schema.NonEmptyString),
  client_id: Schema.optional(Schema.NonEmptyString),
  token_url: Schema.optional(Schema.NonEmptyString),
  scope: Schema.optional(Schema.NonEmptyString)
})

/** Makes the processor for the public internet. */
export const make = Effect.suspend(() => makeFor(isPublicAddress))

/** Makes the processor; only hosts whose addresses are all allowed are called. */
export const makeFor = (
  isAllowed: PublicHttpClient.IsAllowed
): Effect.Effect<Processor, never, Warehouse | Credentials> =>
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const credentials = yield* Credentials

    const execute = Effect.fn("ApiExtractor.execute")(function* (context: StepContext) {
      const config = yield* Effect.mapError(decode(context.config), () => invalid(help))
      const opened = config.auth.type === "none" ? [undefined] : yield* openedFor(config, context)
      const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
      const [failures, rows] = yield* Effect.partition(opened, (credential) =>
        extract({ config, context, isAllowed, org }, credential).pipe(
          Effect.provide(PublicHttpClient.layer(isAllowed)),
          Effect.mapError((error) => ({
            credentialId: credential?.credential.credentialId ?? "default",
            error: stepErrorOf(error)
          }))
        )
      )
      if (Arr.isNonEmptyReadonlyArray(failures)) return yield* failed(context, api.label, failures, opened.length)
      const total = rows.reduce((sum, count) => sum + count, 0)
      return { rowsProcessed: total, rowsWritten: total, outputTable: config.destination.table, details: {} }
    })

    const openedFor = Effect.fnUntraced(function* ({ url }: Config, context: StepContext) {
      const all = yield* credentials
        .open({
          org: context.org,
          providers: api.providers,
          ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
        })
        .pipe(Effect.mapError((error) => unusableCredential(error, api)))
      const { origin } = new URL(url)
      const own = all.filter(({ credential }) => originOf(credential.metadata["base_url"]) === origin)
      if (own.length > 0) return own
      return yield* new StepError({
        errorType: "PERMANENT",
        code: "INTEGRATION_NOT_CONFIGURED",
        message: `${context.org} has no credential of the provider API whose base_url is at ${origin}`,
        suggestedAction: "store one with that base_url"
      })
    })

    return {
      type: "generic.api_extractor",
      check: (config) => (Option.isSome(decode(config)) ? undefined : help),
      admits: (config, request) =>
        Option.getOrUndefined(decode(config))?.auth.type === "none"
          ? Effect.void
          : Effect.mapError(credentials.check({ ...request, providers: api.providers }), (error) =>
              unusableCredential(error, api)
            ),
      execute
    }
  })

const originOf = (url: JsonObject[string] | undefined): string | undefined =>
  typeof url === "string" && URL.canParse(url) ? new URL(url).origin : undefined

const stepErrorOf = (error: Effect.Effect.Error<ReturnType<typeof extract>>): StepError => {
  if (error._tag === "StepError") return error
  return error._tag === "SourceError" ? StepFailure.ofSource(error) : StepFailure.ofWarehouse(error)
}

interface Extraction {
  readonly config: Config
  readonly context: StepContext
  readonly isAllowed: PublicHttpClient.IsAllowed
  readonly org: OrgWarehouse
}

const extract = Effect.fn("ApiExtractor.extract")(function* (
  { config, context, isAllowed, org }: Extraction,
  opened: OpenCredential | undefined
) {
  const { table } = config.destination
  const authentication = opened === undefined ? { type: "none" as const } : yield* authenticationOf(config, opened)
  for (const url of [config.url, ...(authentication.type === "oauth2" ? [authentication.tokenUrl] : [])]) {
    const fault = yield* PublicHttpClient.fault(url, isAllowed)
    if (fault !== undefined) yield* refused(url, fault)
  }
  yield* checkAlone(org, context, table)
  const credentialId = opened?.credential.credentialId ?? "default"
  const now = new Date(yield* Clock.currentTimeMillis).toISOString()
  const listing: JsonApi.Listing = {
    url: config.url,
    query: config.query,
    paging: config.pagination,
    limit: config.limit,
    dataPath: config.data_path,
    requestsPerSecond: config.requests_per_second
  }
  const client = yield* HttpClient.HttpClient
  const rows = JsonApi.items(listing, authentication).pipe(
    Stream.zipWithIndex,
    Stream.map(([item, index]): JsonObject => ({
      source: context.stepId,
      raw_data: item,
      extracted_at: now,
      mapped: Object.fromEntries(
        Object.entries(config.mapping).map(([name, path]) => [name, JsonApi.at(item, path) ?? null])
      ),
      x_ingestion_id: ingestionId([
        context.org,
        context.pipelineId,
        context.stepId,
        credentialId,
        context.startDate,
        index
      ])
    })),
    Stream.provideService(HttpClient.HttpClient, client)
  )
  const { rowsWritten } = yield* org.replaceSlice({
    slice: { table, pipelineId: context.pipelineId, credentialId, extent: { kind: "day", date: context.startDate } },
    source: { _tag: "Rows", rows },
    runId: context.runId
  })
  return rowsWritten
})

/** A slice has the rows of one step: another step of this run that wrote into it would lose them. */
const checkAlone = Effect.fnUntraced(function* (org: OrgWarehouse, context: StepContext, table: string) {
  const [other] = yield* org.query(
    `SELECT source FROM ${table} WHERE x_run_id = @run_id AND source <> @source LIMIT 1`,
    { run_id: { type: "STRING", value: context.runId }, source: { type: "STRING", value: context.stepId } }
  )
  if (other !== undefined) {
    yield* invalid(`the step ${String(other["source"])} of this run writes ${table} too: give each its own table`)
  }
})

const authenticationOf = Effect.fnUntraced(function* ({ auth }: Config, { credential, secret }: OpenCredential) {
  const fault = (what: string) =>
    new SourceError({
      kind: "permanent",
      code: "CREDENTIAL_INCOMPLETE",
      message: `credential ${credential.credentialId} (${credential.provider}) lacks ${what}`,
      suggestedAction: "store the credential again with all its fields"
    })
  const metadata = yield* Effect.mapError(Schema.decodeUnknown(Metadata)(credential.metadata), () => fault("base_url"))
  const text = Redacted.value(secret)["secret"]
  if (typeof text !== "string" || !/^[\x20-\x7e]+$/.test(text)) return yield* fault("a secret that can be sent")
  const own = Redacted.make(text)
  switch (auth.type) {
    case "none":
      return { type: "none" } satisfies JsonApi.Authentication
    case "bearer":
      return { type: "bearer", secret: own } satisfies JsonApi.Authentication
    case "header":
    case "query":
      return { type: auth.type, name: auth.name, secret: own } satisfies JsonApi.Authentication
    case "basic":
      return metadata.username === undefined
        ? yield* fault("username")
        : ({ type: "basic", username: metadata.username, secret: own } satisfies JsonApi.Authentication)
    case "oauth2":
      return metadata.client_id === undefined || metadata.token_url === undefined
        ? yield* fault("client_id and token_url")
        : ({
            type: "oauth2",
            tokenUrl: metadata.token_url,
            clientId: metadata.client_id,
            scope: metadata.scope,
            secret: own
          } satisfies JsonApi.Authentication)
  }
})

const refused = (url: string, why: string) =>
  new SourceError({
    kind: "permanent",
    code: "ENDPOINT_REFUSED",
    message: `${URL.canParse(url) ? new URL(url).origin : "the URL"} is not called: ${why}`,
    suggestedAction: "name an API on the public internet, by https"
  })
