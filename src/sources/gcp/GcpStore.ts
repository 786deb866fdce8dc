/**
 * Opens the place of files of Google Cloud's billing exports: a local folder, or a bucket of Cloud Storage.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { checkEndpoint } from "../Endpoint.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import * as ObjectStoreGcs from "../object-store/ObjectStoreGcs.ts"
import { SourceError } from "../SourceError.ts"
import * as GoogleClient from "./GoogleClient.ts"

/** What is not secret: the folder of GCP_FILES, or the bucket of GCP_SA. `endpoint` replaces Google's own. */
const Metadata = Schema.Struct({
  path: Schema.optional(Schema.NonEmptyString),
  bucket: Schema.optional(Schema.String.pipe(Schema.pattern(/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/))),
  prefix: Schema.optionalWith(Schema.String, { default: () => "" }),
  endpoint: Schema.optional(Schema.String)
})

/** Whether the credential reads files, and not a table of BigQuery. */
export const hasFiles = ({ credential }: OpenCredential): boolean =>
  credential.provider === "GCP_FILES" || credential.metadata["bucket"] !== undefined

/** Opens the folder or bucket of a credential; `folder` exists and receives downloads. */
export const open = Effect.fn("GcpStore.open")(function* (opened: OpenCredential, folder: string) {
  const { credentialId, provider } = opened.credential
  const fault = (what: string) =>
    new SourceError({
      kind: "permanent",
      code: "CREDENTIAL_INCOMPLETE",
      message: `credential ${credentialId} (${provider}) lacks a valid ${what}`,
      suggestedAction: "store the credential again with the place of the exports"
    })
  const metadata = yield* Effect.mapError(Schema.decodeUnknown(Metadata)(opened.credential.metadata), () =>
    fault("metadata.path, or metadata.bucket and metadata.prefix")
  )
  if (provider === "GCP_FILES") {
    return metadata.path === undefined ? yield* fault("metadata.path") : yield* ObjectStoreFile.open(metadata.path)
  }
  if (metadata.bucket === undefined) return yield* fault("metadata.bucket")
  yield* checkEndpoint(metadata.endpoint)
  const account = yield* GoogleClient.accountOf(opened)
  return ObjectStoreGcs.open(yield* GoogleClient.make(account, ObjectStoreGcs.access), {
    endpoint: (metadata.endpoint ?? "https://storage.googleapis.com").replace(/\/+$/, ""),
    bucket: metadata.bucket,
    prefix: metadata.prefix,
    folder
  })
})
