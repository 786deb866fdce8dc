/**
 * The quota's administration where the API service keeps the quota, and where the log does.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { JsonObject } from "../platform/Json.ts"
import { Settings } from "../platform/Settings.ts"
import { exchange } from "./apiClient.ts"
import { QuotaAdmin, QuotaUnavailable } from "./QuotaAdmin.ts"

const decodeAnswer = Schema.decode(Schema.parseJson(JsonObject))

/** Asks the API service, with the root key. */
export const layerRemote = Layer.effect(
  QuotaAdmin,
  Effect.gen(function* () {
    const { apiServiceTimeoutSeconds, apiServiceUrl, rootKey } = yield* Settings
    const http = yield* HttpClient.HttpClient
    const reset = Effect.fn("QuotaAdmin.reset")(function* (what: string, org?: string) {
      const url = new URL(`/api/v1/quota/${what}`, apiServiceUrl)
      if (org !== undefined) url.searchParams.set("org_slug", org)
      const request = HttpClientRequest.post(url).pipe(
        HttpClientRequest.setHeader(
          "X-CA-Root-Key",
          Option.match(rootKey, { onNone: () => "", onSome: Redacted.value })
        )
      )
      const unusable = () => new QuotaUnavailable({ message: `the API service gave no usable answer to ${what}` })
      const answer = yield* exchange(request, Duration.seconds(apiServiceTimeoutSeconds)).pipe(
        Effect.provideService(HttpClient.HttpClient, http),
        Effect.mapError(unusable)
      )
      if (answer.status < 200 || answer.status >= 300) return yield* unusable()
      return yield* Effect.mapError(decodeAnswer(answer.body), unusable)
    })
    return { reset }
  })
)

/** Where the quota is a fold of the runs, days and months begin by themselves and no slot outlives its run. */
export const layerLocal = Layer.succeed(QuotaAdmin, {
  reset: (what) =>
    Effect.succeed({ status: "SUCCESS", action: what, message: "the quota is counted from the runs: nothing to reset" })
})
