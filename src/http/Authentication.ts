/**
 * Who calls, and what the caller may do: the middlewares of the endpoints. Each checks, in this order, key, scope, rate limits, and that
 * the organisation in the path is the key's own; nothing of the request is decoded before.
 */
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createHash, timingSafeEqual } from "node:crypto"
import { type Caller, Organizations } from "../organizations/Organizations.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Settings, type SettingsValues } from "../platform/Settings.ts"
import { type ApiError, apiError, failure, fromDomain } from "./Errors.ts"
import { RateLimits, SlidingWindow } from "./RateLimits.ts"
import { RecentMap } from "./RecentMap.ts"
import { currentNotes } from "./RequestNotes.ts"

const orgKeyHeader = "x-api-key"
const rootKeyHeader = "x-ca-root-key"

const orgKey = HttpApiSecurity.apiKey({ key: "X-API-Key", in: "header" }).pipe(
  HttpApiSecurity.annotate(OpenApi.Description, "Key of an organisation, `{org_slug}_api_{16 random}`")
)
const rootKey = HttpApiSecurity.apiKey({ key: "X-CA-Root-Key", in: "header" }).pipe(
  HttpApiSecurity.annotate(OpenApi.Description, "The operator's root key")
)

const failures = Schema.Union(
  failure(400, "Malformed request, path or parameter"),
  failure(401, "No key, or not a valid one"),
  failure(403, "The key may not do this"),
  failure(429, "Too many calls; Retry-After says when to come again"),
  failure(500, "A fault of the service"),
  failure(503, "The service or a store of it does not answer; try again")
)

/** The authenticated organisation; `apiKey` is absent where authentication is off. */
export class CurrentCaller extends Context.Tag("pipeline-service/CurrentCaller")<
  CurrentCaller,
  Caller & { readonly apiKey?: Redacted.Redacted }
>() {}

/** Whose runs may be cancelled: one organisation's, or, for the root key, anybody's. */
export class CancelScope extends Context.Tag("pipeline-service/CancelScope")<
  CancelScope,
  { readonly org: Option.Option<OrgSlug> }
>() {}

/** An organisation's key with `pipelines:read`. */
export class ReadAccess extends HttpApiMiddleware.Tag<ReadAccess>()("pipeline-service/ReadAccess", {
  provides: CurrentCaller,
  failure: failures,
  security: { orgKey }
}) {}

/** An organisation's key with `pipelines:execute`, within the rate limit of run requests. */
export class RunAccess extends HttpApiMiddleware.Tag<RunAccess>()("pipeline-service/RunAccess", {
  provides: CurrentCaller,
  failure: failures,
  security: { orgKey }
}) {}

/** An organisation's key with `pipelines:write`. */
export class WriteAccess extends HttpApiMiddleware.Tag<WriteAccess>()("pipeline-service/WriteAccess", {
  provides: CurrentCaller,
  failure: failures,
  security: { orgKey }
}) {}

/** The root key, or an organisation's key with `pipelines:execute`. */
export class CancelAccess extends HttpApiMiddleware.Tag<CancelAccess>()("pipeline-service/CancelAccess", {
  provides: CancelScope,
  failure: failures,
  security: { rootKey, orgKey }
}) {}

/** The root key. */
export class RootAccess extends HttpApiMiddleware.Tag<RootAccess>()("pipeline-service/RootAccess", {
  failure: failures,
  security: { rootKey }
}) {}

/** The settings of keys and limits do not go together; names the variables, never their values. */
export class AccessSettingsInvalid extends Schema.TaggedError<AccessSettingsInvalid>()("AccessSettingsInvalid", {
  message: Schema.String
}) {}

const minimumRootKeyCharacters = 32

const checkProduction = (settings: SettingsValues): Effect.Effect<void, AccessSettingsInvalid> => {
  if (settings.environment !== "production") return Effect.void
  const faults = [
    settings.disableAuth ? "DISABLE_AUTH must be false" : "",
    settings.rateLimitEnabled ? "" : "RATE_LIMIT_ENABLED must be true",
    Option.exists(settings.rootKey, (key) => Redacted.value(key).length >= minimumRootKeyCharacters)
      ? ""
      : `CA_ROOT_API_KEY must have at least ${minimumRootKeyCharacters} characters`
  ].filter((fault) => fault !== "")
  return faults.length === 0
    ? Effect.void
    : new AccessSettingsInvalid({ message: `ENVIRONMENT is production: ${faults.join(", ")}` })
}

/** The organisation of all calls where keys are off. */
const developerOf = (settings: SettingsValues): Effect.Effect<OrgSlug | undefined, AccessSettingsInvalid> =>
  settings.disableAuth
    ? Effect.mapError(
        Schema.decode(OrgSlug)(settings.defaultOrg),
        () => new AccessSettingsInvalid({ message: "DEFAULT_ORG_SLUG must be 3 to 50 of a-z, 0-9 and _" })
      )
    : Effect.succeed(undefined)

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest()

const makeRootCheck = (settings: SettingsValues) => {
  const expected = settings.rootKey.pipe(
    Option.map(Redacted.value),
    Option.filter((key) => key !== ""),
    Option.map(sha256)
  )
  return (key: string | undefined): Effect.Effect<void, ApiError> => {
    if (Option.isNone(expected)) {
      return apiError("ROOT_KEY_NOT_CONFIGURED", "this service has no root key: the operator sets CA_ROOT_API_KEY")
    }
    if (key === undefined || key === "")
      return apiError("ROOT_KEY_REQUIRED", "this call needs the header X-CA-Root-Key")
    return timingSafeEqual(sha256(key), expected.value)
      ? Effect.void
      : apiError("ROOT_KEY_INVALID", "the root key is not the right one")
  }
}

const failuresPerMinute = 10
const failuresPerHour = 50
const throttleSeconds = 60
const maximumTrackedKeys = 10_000
const prefixCharacters = 16

const makeThrottle = () => {
  const failed = new RecentMap(maximumTrackedKeys, () => [
    new SlidingWindow(failuresPerMinute, 60_000),
    new SlidingWindow(failuresPerHour, 3_600_000)
  ])
  const prefixOf = (key: string) => sha256(key).toString("hex").slice(0, prefixCharacters)
  return {
    isThrottled: (key: string, now: number): boolean =>
      !failed.isEmpty && failed.find(prefixOf(key))?.some((window) => window.wait(now) > 0) === true,
    countFailure: (key: string, now: number): void => failed.get(prefixOf(key)).forEach((window) => window.record(now))
  }
}

const allScopes: ReadonlyArray<string> = ["pipelines:execute", "pipelines:read", "pipelines:write"]

const covers = (granted: ReadonlyArray<string>, needed: string): boolean =>
  (granted.length === 0 ? allScopes : granted).some(
    (scope) => scope === "*" || scope === needed || (scope.endsWith(":*") && needed.startsWith(scope.slice(0, -1)))
  )

const isOrgSlug = Schema.is(OrgSlug)

const makeOrgCheck = Effect.gen(function* () {
  const settings = yield* Settings
  const organizations = yield* Organizations
  const limits = yield* RateLimits
  const throttle = makeThrottle()
  const developer = yield* developerOf(settings)
  const keyCheck = (key: string | undefined): Effect.Effect<CurrentCaller["Type"], ApiError> => {
    if (developer !== undefined) return Effect.succeed({ org: developer, keyId: "none", scopes: ["*"] })
    if (key === undefined || key === "") {
      return apiError("MISSING_API_KEY", "this call needs the header X-API-Key")
    }
    const apiKey = Redacted.make(key)
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      throttle.isThrottled(key, now)
        ? apiError("AUTH_THROTTLED", "too many calls with a key that is not valid: wait a minute", {
            retryAfterSeconds: throttleSeconds
          })
        : Effect.matchEffect(organizations.authenticate(apiKey), {
            onFailure: (error) => {
              if (error._tag === "InvalidApiKey") throttle.countFailure(key, now)
              return fromDomain(error)
            },
            onSuccess: (caller) => Effect.succeed({ ...caller, apiKey })
          })
    )
  }
  const takeLimits = (org: OrgSlug, isRun: boolean) =>
    Effect.flatMap(limits.takeOrg(org), (allowance) => {
      const taken = isRun ? limits.takeRun(org) : Effect.void
      if (allowance === undefined) return taken
      return Effect.flatMap(FiberRef.get(currentNotes), (notes) => {
        notes.allowance = allowance
        return taken
      })
    })
  return (scope: string, { isRun }: { readonly isRun: boolean }) =>
    Effect.withFiberRuntime<CurrentCaller["Type"], ApiError, RequestPlace>(({ currentContext }) => {
      const { headers } = Context.unsafeGet(currentContext, HttpServerRequest.HttpServerRequest)
      const { org } = Context.unsafeGet(currentContext, HttpRouter.RouteContext).params
      return Effect.flatMap(keyCheck(headers[orgKeyHeader]), (caller) => {
        if (!covers(caller.scopes, scope)) return apiError("INSUFFICIENT_SCOPE", `this key has not the scope ${scope}`)
        return Effect.flatMap(takeLimits(caller.org, isRun), () => {
          if (org === undefined || org === caller.org) return Effect.succeed(caller)
          return isOrgSlug(org)
            ? apiError("ORG_MISMATCH", "the key belongs to another organisation than the one in the path")
            : apiError("INVALID_ORG_SLUG", "an organisation is 3 to 50 of a-z, 0-9 and _")
        })
      })
    })
})

type RequestPlace = HttpServerRequest.HttpServerRequest | HttpRouter.RouteContext

const makeAccess = Effect.gen(function* () {
  const settings = yield* Settings
  yield* checkProduction(settings)
  const orgCheck = yield* makeOrgCheck
  const rootCheck = makeRootCheck(settings)
  const root = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    rootCheck(request.headers[rootKeyHeader])
  )
  const read = orgCheck("pipelines:read", { isRun: false })
  const run = orgCheck("pipelines:execute", { isRun: true })
  const write = orgCheck("pipelines:write", { isRun: false })
  const cancel = orgCheck("pipelines:execute", { isRun: false })
  // The second of two keys is asked for when the first one failed: a root key that was given and is wrong must not become "no org key".
  const cancelAsOrg = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    request.headers[rootKeyHeader] === undefined
      ? Effect.map(cancel, ({ org }) => ({ org: Option.some(org) }))
      : Effect.as(root, { org: Option.none<OrgSlug>() })
  )
  return Context.empty().pipe(
    Context.add(ReadAccess, { orgKey: () => read }),
    Context.add(RunAccess, { orgKey: () => run }),
    Context.add(WriteAccess, { orgKey: () => write }),
    Context.add(RootAccess, { rootKey: () => root }),
    Context.add(CancelAccess, {
      rootKey: () => Effect.as(root, { org: Option.none<OrgSlug>() }),
      orgKey: () => cancelAsOrg
    })
  )
})

/** The access checks, on the organisations, the root key and the rate limits. */
export const layer = Layer.effectContext(makeAccess)
