/**
 * A typed client of the HTTP API: one method for each endpoint, requests encoded and answers decoded by the API's own schemas.
 */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Api } from "./Api.ts"

/** Where the service is and who asks. The root key is only needed for what is the operator's. */
export interface Access {
  /** Without a path: `http://localhost:8001`. */
  readonly baseUrl: string
  readonly key: Option.Option<Redacted.Redacted>
  readonly rootKey: Option.Option<Redacted.Redacted>
}

/** Sends the keys with every request of a client. */
export const withKeys = ({ key, rootKey }: Access) =>
  HttpClient.mapRequest(
    HttpClientRequest.setHeaders({
      ...(Option.isSome(key) ? { "X-API-Key": Redacted.value(key.value) } : {}),
      ...(Option.isSome(rootKey) ? { "X-CA-Root-Key": Redacted.value(rootKey.value) } : {})
    })
  )

/** The client, by group and endpoint: `client.pipelines.run({ path, urlParams, headers, payload })`. Refusals fail as `ApiError`. */
export const make = (access: Access) =>
  HttpApiClient.make(Api, { baseUrl: access.baseUrl, transformClient: withKeys(access) })
