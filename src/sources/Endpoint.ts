/**
 * Endpoints that replace a provider's own.
 */
import * as Effect from "effect/Effect"
import { SourceError } from "./SourceError.ts"

/** Fails unless the endpoint, where there is one, is https, or http on the loopback. */
export const checkEndpoint = (endpoint: string | undefined): Effect.Effect<void, SourceError> => {
  const url = endpoint === undefined || !URL.canParse(endpoint) ? undefined : new URL(endpoint)
  const isLoopback = url !== undefined && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname)
  return endpoint === undefined || url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback)
    ? Effect.void
    : Effect.fail(
        new SourceError({
          kind: "permanent",
          code: "ENDPOINT_REFUSED",
          message: "the endpoint of the credential is neither https nor http on the loopback",
          suggestedAction: "give an https URL"
        })
      )
}
