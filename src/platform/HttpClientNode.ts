/**
 * The HTTP client of the service: Node's own, which is there without being loaded. It follows no redirect, since that could lead a key to
 * somebody else.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Layer from "effect/Layer"

/** The client. */
export const layer = FetchHttpClient.layer.pipe(
  Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }))
)
