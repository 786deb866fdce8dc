/**
 * The HTTP API: groups, endpoints, schemas, failures. `/openapi.json` and `/docs` are made from it, and so is a typed client.
 */
import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { CoreApi } from "./CoreApi.ts"
import { withOneError } from "./OpenApiDocument.ts"
import { DeferredApi } from "./DeferredApi.ts"

/** Both parts as one API, with what its document says of it. */
export const joined = <
  Core extends HttpApiGroup.HttpApiGroup.Any,
  CoreError,
  Deferred extends HttpApiGroup.HttpApiGroup.Any,
  DeferredError
>(
  core: HttpApi.HttpApi<string, Core, CoreError, never>,
  deferred: HttpApi.HttpApi<string, Deferred, DeferredError, never>
) =>
  core
    .addHttpApi(deferred)
    .annotate(OpenApi.Title, "Pipeline service")
    .annotate(OpenApi.Version, "1.0.0")
    .annotate(
      OpenApi.Description,
      "Runs cost pipelines for many organisations: native bills in, FOCUS 1.3 out. Every failed answer is {detail, error_code, request_id}."
    )
    .annotate(OpenApi.Transform, withOneError)
    .annotate(OpenApi.License, { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" })

/** The whole API. */
export const Api = joined(CoreApi, DeferredApi)
