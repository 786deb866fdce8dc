/**
 * `/docs` and `/openapi.json`, from the API itself, without a file of another host.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Shared from "../platform/Shared.ts"
import { joined } from "./Api.ts"

/** Their routes, for the API that is on the router and `core`. The document takes long to make, the page's code is two megabytes. */
export const layer = (core: HttpApi.Api["Type"]["api"]) =>
  HttpApiBuilder.Router.use((router) =>
    Effect.gen(function* () {
      const deferred = yield* HttpApi.Api
      const api = joined(core, deferred.api)
      const document = yield* Shared.once(
        Effect.suspend(() => Effect.orDie(HttpServerResponse.json(OpenApi.fromApi(api))))
      )
      const page = yield* Shared.once(
        Effect.gen(function* () {
          const swagger = yield* Effect.promise(() => import("@effect/platform/HttpApiSwagger"))
          const routes = swagger
            .layer({ path: "/docs" })
            .pipe(
              Layer.provide(Layer.succeed(HttpApi.Api, { api, context: deferred.context })),
              Layer.provideMerge(HttpApiBuilder.Router.Live)
            )
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
