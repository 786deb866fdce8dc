/**
 * Opens the place of one Azure credential's exports: a local folder in the layout of a container.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import { SourceError } from "../SourceError.ts"

/** The providers of credentials that this room can open. */
export const providers = ["AZURE_FILES"] as const

const Metadata = Schema.Struct({ path: Schema.optional(Schema.String) })

/** Opens the store of a credential; connections close with the scope. */
export const open = Effect.fn("AzureStore.open")(function* ({ credential }: OpenCredential) {
  const fault = incomplete(credential.credentialId, credential.provider)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
    Effect.mapError(() => fault("metadata"))
  )
  return metadata.path === undefined ? yield* fault("metadata.path") : yield* ObjectStoreFile.open(metadata.path)
})

const incomplete = (credentialId: string, provider: string) => (what: string) =>
  new SourceError({
    kind: "permanent",
    code: "CREDENTIAL_INCOMPLETE",
    message: `credential ${credentialId} (${provider}) lacks a valid ${what}`,
    suggestedAction: "store the credential again with all its fields"
  })
