/**
 * Opens what one Azure credential can read: a local folder of exports, a container of exports, or the cost details reports of a scope.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import type { ObjectStore } from "../object-store/ObjectStore.ts"
import * as ObjectStoreBlob from "../object-store/ObjectStoreBlob.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import { credentialIncomplete, type SourceError } from "../SourceError.ts"
import * as AzureSession from "./AzureSession.ts"
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
  blob_endpoint: Schema.optional(Schema.String)
})

/** Opens the place of a credential; `folder` exists and receives downloads. Nothing is asked of Azure yet. */
export const open = Effect.fn("AzureStore.open")(function* ({ credential, secret }: OpenCredential, folder: string) {
  const fault = credentialIncomplete(credential)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
    Effect.mapError(() => fault("metadata"))
  )
  if (credential.provider === "AZURE_FILES") {
    if (metadata.path === undefined) return yield* fault("metadata.path")
    const opened: Opened = { _tag: "Exports", store: yield* ObjectStoreFile.open(metadata.path) }
    return opened
  }
  const { client, managementEndpoint, subscriptionId } = yield* AzureSession.open({ credential, secret })
  const { container, storage_account } = metadata
  if (container === undefined && storage_account === undefined) {
    const reports = CostDetails.make(client, {
      managementEndpoint,
      scope: (metadata.scope ?? `/subscriptions/${subscriptionId}`).replace(/\/+$/, ""),
      folder
    })
    const opened: Opened = { _tag: "Reports", reports }
    return opened
  }
  if (container === undefined || storage_account === undefined) {
    return yield* fault("metadata.storage_account and metadata.container: one is there without the other")
  }
  const store = yield* ObjectStoreBlob.open(client, {
    endpoint: yield* AzureSession.endpointOf(
      metadata.blob_endpoint,
      `https://${storage_account}.blob.core.windows.net`
    ),
    container,
    prefix: (metadata.prefix ?? "").replace(/^\/+/, ""),
    folder
  })
  const opened: Opened = { _tag: "Exports", store }
  return opened
}) satisfies (credential: OpenCredential, folder: string) => Effect.Effect<Opened, SourceError, HttpClient.HttpClient>
