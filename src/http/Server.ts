/**
 * The HTTP server: the API on a port of 127.0.0.1 or of every address, with an answer for what Node's parser refuses, and an end that open
 * streams do not hold up.
 */
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
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Settings } from "../platform/Settings.ts"
import * as AlertHandlers from "./AlertHandlers.ts"
import { Api } from "./Api.ts"
import * as Authentication from "./Authentication.ts"
import * as FocusHandlers from "./FocusHandlers.ts"
import * as Lifecycle from "./Lifecycle.ts"
import { LiveStreams } from "./LiveEvents.ts"
import { makeServer } from "./NodeServer.ts"
import * as NotificationHandlers from "./NotificationHandlers.ts"
import * as ProcedureHandlers from "./ProcedureHandlers.ts"
import { RateLimits } from "./RateLimits.ts"
import { currentNotes } from "./RequestNotes.ts"
import * as RunHandlers from "./RunHandlers.ts"
import * as SchedulerHandlers from "./SchedulerHandlers.ts"
import * as ServiceHandlers from "./ServiceHandlers.ts"
import { Shutdown } from "./Shutdown.ts"
import * as SubscriptionHandlers from "./SubscriptionHandlers.ts"
import * as TableHandlers from "./TableHandlers.ts"

const groups = Layer.mergeAll(
  RunHandlers.layer,
  SchedulerHandlers.layer,
  ProcedureHandlers.layer,
  AlertHandlers.layer,
  NotificationHandlers.layer,
  FocusHandlers.layer,
  SubscriptionHandlers.layer,
  TableHandlers.layer,
  ServiceHandlers.layer
).pipe(Layer.provide([Authentication.layer, LiveStreams.layer]))

const api = Layer.provide(HttpApiBuilder.api(Api), groups)

/** `/docs` and `/openapi.json`, from the API itself, without a file of another host. */
const docs = Layer.unwrapEffect(Effect.map(Settings, ({ apiDocs }) => (apiDocs ? docsPages : Layer.empty)))

/** Made when somebody asks for them, not at each start: the document takes long, the page's code is two megabytes. */
const docsPages = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function* () {
    const api = yield* HttpApi.Api
    const document = yield* Effect.cached(
      Effect.suspend(() => Effect.orDie(HttpServerResponse.json(OpenApi.fromApi(api.api))))
    )
    const page = yield* Effect.cached(
      Effect.gen(function* () {
        const swagger = yield* Effect.promise(() => import("@effect/platform/HttpApiSwagger"))
        const routes = swagger
          .layer({ path: "/docs" })
          .pipe(Layer.provide(Layer.succeed(HttpApi.Api, api)), Layer.provideMerge(HttpApiBuilder.Router.Live))
        return yield* Effect.flatMap(HttpApiBuilder.Router.router, HttpRouter.toHttpApp).pipe(
          Effect.provide(routes),
          Effect.scoped
        )
      })
    )
    yield* router.get("/docs", Effect.flatten(page))
    yield* router.get("/openapi.json", document)
  })
)

const noteRoute = Effect.withFiberRuntime<void, never, HttpRouter.RouteContext>((fiber) => {
  const { route } = Context.unsafeGet(fiber.currentContext, HttpRouter.RouteContext)
  fiber.getFiberRef(currentNotes).route = route.path
  return Effect.void
})

const app = Effect.gen(function* () {
  yield* HttpApi.Api
  const router = yield* HttpApiBuilder.Router.router
  const routes = [...router.routes].map((route) => ({ method: route.method, pattern: patternOf(route.path) }))
  const allowedMethods = (path: string): ReadonlyArray<string> => {
    const methods = new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))
    return [...methods, ...(methods.has("GET") ? ["HEAD"] : [])].sort()
  }
  const noted = HttpRouter.use(router, (handler) => Effect.zipRight(noteRoute, handler))
  const routed = yield* HttpRouter.toHttpApp(noted).pipe(
    Effect.locally(HttpRouter.currentRouterConfig, {
      caseSensitive: true,
      maxParamLength: maximumParameterCharacters
    })
  )
  const around = yield* Lifecycle.make(allowedMethods)
  return around(routed)
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
  Layer.provide(docs.pipe(Layer.provideMerge(api))),
  Layer.provide([HttpApiBuilder.Router.Live, RateLimits.layer])
)

/** Tells load balancers before the port closes. */
const announceEnd = Layer.scopedDiscard(Effect.flatMap(Shutdown, ({ begin }) => Effect.addFinalizer(() => begin)))

/** The server does not listen; the message says why and what to do. */
export class PortRefused extends Schema.TaggedError<PortRefused>()("PortRefused", { message: Schema.String }) {}

const listen = Layer.unwrapEffect(
  Effect.map(Settings, ({ port }) =>
    NodeHttpServer.layer(makeServer, { port }).pipe(
      Layer.mapError(({ cause }) => {
        const reason = cause instanceof Error ? cause.message : String(cause)
        return new PortRefused({
          message: `port ${port} cannot be opened: ${reason}. Stop the process that has it, or set another API_PORT`
        })
      })
    )
  )
)

/** The address that the server listens on is that of the `HttpServer` service; API_PORT 0 takes a free port. */
export const layer = announceEnd.pipe(
  Layer.provideMerge(layerApp),
  Layer.provideMerge(Shutdown.layer),
  Layer.provideMerge(listen)
)
