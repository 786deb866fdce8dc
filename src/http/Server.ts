/**
 * The HTTP server: the API on a port of 127.0.0.1 or of every address, with an answer for what Node's parser refuses, and an end that open
 * streams do not hold up.
 */
import * as NodeHttpPlatform from "@effect/platform-node/NodeHttpPlatform"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Etag from "@effect/platform/Etag"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Headers from "@effect/platform/Headers"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpPlatform from "@effect/platform/HttpPlatform"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as NodeFiles from "../platform/NodeFiles.ts"
import { Settings } from "../platform/Settings.ts"
import * as Shared from "../platform/Shared.ts"
import * as Authentication from "./Authentication.ts"
import { CoreApi } from "./CoreApi.ts"
import * as Lifecycle from "./Lifecycle.ts"
import { LiveStreams } from "./LiveEvents.ts"
import { makeServer } from "./NodeServer.ts"
import * as ProcedureHandlers from "./ProcedureHandlers.ts"
import { RateLimits } from "./RateLimits.ts"
import { currentNotes } from "./RequestNotes.ts"
import * as RunHandlers from "./RunHandlers.ts"
import * as ServiceHandlers from "./ServiceHandlers.ts"
import { Shutdown } from "./Shutdown.ts"

const coreGroups = HttpApiBuilder.api(CoreApi).pipe(
  Layer.provide([RunHandlers.layer, ProcedureHandlers.layer, ServiceHandlers.layer]),
  Layer.provide(LiveStreams.layer)
)

const noteRoute = Effect.withFiberRuntime<void, never, HttpRouter.RouteContext>((fiber) => {
  const { route } = Context.unsafeGet(fiber.currentContext, HttpRouter.RouteContext)
  fiber.getFiberRef(currentNotes).route = route.path
  return Effect.void
})

/** What is on the router of `HttpApiBuilder`: an app, which fails for a path that it does not have, and its routes. */
const routed = Effect.gen(function* () {
  const router = yield* HttpApiBuilder.Router.router
  const noted = HttpRouter.use(router, (handler) => Effect.zipRight(noteRoute, handler))
  const app = yield* HttpRouter.toHttpApp(noted).pipe(
    Effect.locally(HttpRouter.currentRouterConfig, {
      caseSensitive: true,
      maxParamLength: maximumParameterCharacters
    })
  )
  const { api } = yield* HttpApi.Api
  return {
    api,
    app,
    routes: [...router.routes].map((route) => ({ method: route.method, pattern: patternOf(route.path) }))
  }
})

/** The groups that a start leaves out, and the documentation: the first request to a path of theirs, or to an unknown one, loads them. */
const deferredBeside = Effect.fnUntraced(function* (core: HttpApi.Api["Type"]["api"]) {
  const { apiDocs } = yield* Settings
  return yield* Shared.once(
    Effect.gen(function* () {
      const groups = yield* Effect.promise(() => import("./DeferredGroups.ts"))
      const docs = yield* Effect.promise(() => import("./Docs.ts"))
      const built = yield* (apiDocs ? docs.layer(core) : Layer.empty).pipe(
        Layer.provideMerge(groups.layer),
        Layer.provideMerge(HttpApiBuilder.Router.Live),
        Layer.build
      )
      return yield* Effect.provide(routed, built)
    })
  )
})

const app = Effect.gen(function* () {
  const core = yield* routed
  const deferred = yield* deferredBeside(core.api)
  const allowedMethods = (path: string) =>
    Effect.map(deferred, ({ routes }) => {
      const found = [...core.routes, ...routes].filter(({ pattern }) => pattern.test(path))
      const methods = new Set(found.map(({ method }) => method))
      return [...methods, ...(methods.has("GET") ? ["HEAD"] : [])].sort()
    })
  const around = yield* Lifecycle.make(allowedMethods)
  const deferredApp = Effect.flatMap(deferred, ({ app }) => app)
  return around(
    Effect.catchAll(core.app, (error) =>
      error instanceof HttpServerError.RouteNotFound ? deferredApp : Effect.fail(error)
    )
  )
})

/** Longer than any target the parser lets through: a long parameter gets its handler's answer, not "no such path". */
const maximumParameterCharacters = 16 * 1024

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/:\w+/g, "[^/]+")}$`)

type RequestServices = HttpServer.HttpServer | HttpRouter.HttpRouter.DefaultServices | Scope.Scope

/** What requests find. The context is copied at each step of their way, so it holds only what the routes ask for. */
const requestServices: (all: Context.Context<RequestServices>) => Context.Context<RequestServices> = Context.pick(
  HttpServer.HttpServer,
  HttpPlatform.HttpPlatform,
  Etag.Generator,
  FileSystem.FileSystem,
  Path.Path,
  Scope.Scope
)

const serve = Effect.gen(function* () {
  const { otlpEndpoint } = yield* Settings
  const served = Effect.mapInputContext(HttpServer.serveEffect(yield* app), requestServices)
  // Spans of requests cost time that nobody sees the result of unless they are exported; keys never go into one.
  yield* served.pipe(
    HttpMiddleware.withTracerDisabledWhenEffect(() => Option.isNone(otlpEndpoint)),
    Effect.locallyWith(Headers.currentRedactedNames, (names) => [...names, "x-api-key", "x-ca-root-key"])
  )
})

/** Serves the API on an `HttpServer`. */
export const layerApp = Layer.scopedDiscard(serve).pipe(
  Layer.provide(coreGroups),
  Layer.provide([HttpApiBuilder.Router.Live, Authentication.layer]),
  Layer.provide(RateLimits.layer)
)

/** Tells load balancers before the port closes. */
const announceEnd = Layer.scopedDiscard(Effect.flatMap(Shutdown, ({ begin }) => Effect.addFinalizer(() => begin)))

/** The server does not listen; the message says why and what to do. */
export class PortRefused extends Schema.TaggedError<PortRefused>()("PortRefused", { message: Schema.String }) {}

const port = Layer.unwrapEffect(
  Effect.map(Settings, ({ port }) =>
    NodeHttpServer.layerServer(makeServer, { port }).pipe(
      Layer.mapError(({ cause }) => {
        const reason = cause instanceof Error ? cause.message : String(cause)
        return new PortRefused({
          message: `port ${port} cannot be opened: ${reason}. Stop the process that has it, or set another API_PORT`
        })
      })
    )
  )
)

const listen = Layer.mergeAll(port, NodeHttpPlatform.layer, Etag.layerWeak, NodeFiles.layer)

/** The address that the server listens on is that of the `HttpServer` service; API_PORT 0 takes a free port. */
export const layer = announceEnd.pipe(
  Layer.provideMerge(layerApp),
  Layer.provideMerge(Shutdown.layer),
  Layer.provideMerge(listen)
)
