/**
 * Opens what one Azure credential can read: a local folder of exports, a container of exports, or the cost details reports of a scope.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { checkEndpoint } from "../Endpoint.ts"
import type { ObjectStore } from "../object-store/ObjectStore.ts"
import * as ObjectStoreBlob from "../object-store/ObjectStoreBlob.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import { SourceError } from "../SourceError.ts"
import * as AzureClient from "./AzureClient.ts"
import * as CostDetails from "./CostDetails.ts"

/** The providers of credentials that this room can open. */
export const providers = ["AZURE", "AZURE_FILES"] as const

/** An open place. */
export type Opened =
  | { readonly _tag: "Exports"; readonly store: ObjectStore }
  | { readonly _tag: "Reports"; readonly reports: ReturnType<typeof CostDetails.make> }

/**
 * What is not secret. With `storage_account` and `container` exports are read, below `prefix`; without, reports of `scope`, the subscription
 * when absent. The endpoints replace Azure's own: for other clouds, or a proxy.
 */
const Metadata = Schema.Struct({
  path: Schema.optional(Schema.String),
  storage_account: Schema.optional(Schema.String.pipe(Schema.pattern(/^[a-z0-9]{3,24}$/))),
  container: Schema.optional(Schema.String.pipe(Schema.pattern(/^[a-z0-9$-]{1,63}$/))),
  prefix: Schema.optional(Schema.String),
  scope: Schema.optional(Schema.String.pipe(Schema.pattern(/^\/(subscriptions|providers)\/[A-Za-z0-9/._:;-]+$/))),
  blob_endpoint: Schema.optional(Schema.String),
  login_endpoint: Schema.optional(Schema.String),
  management_endpoint: Schema.optional(Schema.String)
})

const Secret = Schema.Struct({
  tenant_id: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9.-]+$/)),
  client_id: Schema.NonEmptyString,
  client_secret: Schema.Redacted(Schema.NonEmptyString),
  subscription_id: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9-]+$/))
})

/** Opens the place of a credential; `folder` exists and receives downloads. Nothing is asked of Azure yet. */
export const open = Effect.fn("AzureStore.open")(function* ({ credential, secret }: OpenCredential, folder: string) {
  const fault = incomplete(credential.credentialId, credential.provider)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
    Effect.mapError(() => fault("metadata"))
  )
  if (credential.provider === "AZURE_FILES") {
    if (metadata.path === undefined) return yield* fault("metadata.path")
    const opened: Opened = { _tag: "Exports", store: yield* ObjectStoreFile.open(metadata.path) }
    return opened
  }
  const given = yield* Schema.decodeUnknown(Secret)(Redacted.value(secret)).pipe(
    Effect.mapError(() => fault("tenant_id, client_id, client_secret and subscription_id"))
  )
  const endpoint = (replaced: string | undefined, own: string) =>
    Effect.as(checkEndpoint(replaced), (replaced ?? own).replace(/\/+$/, ""))
  const client = yield* AzureClient.make({
    tenantId: given.tenant_id,
    clientId: given.client_id,
    clientSecret: given.client_secret,
    loginEndpoint: yield* endpoint(metadata.login_endpoint, "https://login.microsoftonline.com")
  })
  const { container, storage_account } = metadata
  if (container === undefined && storage_account === undefined) {
    const reports = CostDetails.make(client, {
      managementEndpoint: yield* endpoint(metadata.management_endpoint, "https://management.azure.com"),
      scope: (metadata.scope ?? `/subscriptions/${given.subscription_id}`).replace(/\/+$/, ""),
      folder
    })
    const opened: Opened = { _tag: "Reports", reports }
    return opened
  }
  if (container === undefined || storage_account === undefined) {
    return yield* fault("metadata.storage_account and metadata.container: one is there without the other")
  }
  const store = yield* ObjectStoreBlob.open(client, {
    endpoint: yield* endpoint(metadata.blob_endpoint, `https://${storage_account}.blob.core.windows.net`),
    container,
    prefix: (metadata.prefix ?? "").replace(/^\/+/, ""),
    folder
  })
  const opened: Opened = { _tag: "Exports", store }
  return opened
}) satisfies (credential: OpenCredential, folder: string) => Effect.Effect<Opened, SourceError, HttpClient.HttpClient>

const incomplete = (credentialId: string, provider: string) => (what: string) =>
  new SourceError({
    kind: "permanent",
    code: "CREDENTIAL_INCOMPLETE",
    message: `credential ${credentialId} (${provider}) lacks a valid ${what}`,
    suggestedAction: "store the credential again with all its fields"
  })
