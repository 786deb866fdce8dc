/**
 * Opens the place of files of Google Cloud's billing exports.
 */
import * as Effect from "effect/Effect"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import { SourceError } from "../SourceError.ts"

/** Opens the folder or file of a GCP_FILES credential. */
export const open = Effect.fn("GcpStore.open")(function* ({ credential }: OpenCredential) {
  const path = credential.metadata["path"]
  if (typeof path === "string" && path !== "") return yield* ObjectStoreFile.open(path)
  return yield* new SourceError({
    kind: "permanent",
    code: "CREDENTIAL_INCOMPLETE",
    message: `credential ${credential.credentialId} (${credential.provider}) lacks metadata.path`,
    suggestedAction: "store the credential again with the folder of the exports"
  })
})
