/**
 * The service principal of one Azure credential, and where its calls go.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { checkEndpoint } from "../Endpoint.ts"
import { credentialIncomplete } from "../SourceError.ts"
import * as AzureClient from "./AzureClient.ts"

/** What is not secret: endpoints that replace Azure's own, for other clouds, or a proxy. */
const Metadata = Schema.Struct({
  login_endpoint: Schema.optional(Schema.String),
  management_endpoint: Schema.optional(Schema.String)
})

const Secret = Schema.Struct({
  tenant_id: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9.-]+$/)),
  client_id: Schema.NonEmptyString,
  client_secret: Schema.Redacted(Schema.NonEmptyString),
  subscription_id: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9-]+$/))
})

/** Opens a credential. Nothing is asked of Azure yet. */
export const open = Effect.fn("AzureSession.open")(function* ({
  credential,
  secret
}: Pick<OpenCredential, "credential" | "secret">) {
  const fault = credentialIncomplete(credential)
  const metadata = yield* Effect.mapError(Schema.decodeUnknown(Metadata)(credential.metadata), () => fault("metadata"))
  const given = yield* Schema.decodeUnknown(Secret)(Redacted.value(secret)).pipe(
    Effect.mapError(() => fault("tenant_id, client_id, client_secret and subscription_id"))
  )
  const client = yield* AzureClient.make({
    tenantId: given.tenant_id,
    clientId: given.client_id,
    clientSecret: given.client_secret,
    loginEndpoint: yield* endpointOf(metadata.login_endpoint, "https://login.microsoftonline.com")
  })
  return {
    client,
    managementEndpoint: yield* endpointOf(metadata.management_endpoint, "https://management.azure.com"),
    subscriptionId: given.subscription_id
  }
})

/** The endpoint that replaces one of Azure's, or that one. */
export const endpointOf = (replaced: string | undefined, own: string) =>
  Effect.as(checkEndpoint(replaced), (replaced ?? own).replace(/\/+$/, ""))
