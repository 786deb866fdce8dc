/**
 * Opens the place of one AWS credential's exports: a bucket by static keys, a bucket by a role that is taken over, or a local folder.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import * as ObjectStoreS3 from "../object-store/ObjectStoreS3.ts"
import { credentialIncomplete } from "../SourceError.ts"
import * as AwsSession from "./AwsSession.ts"

/** The providers of credentials that this room can open. */
export const providers = ["AWS_IAM", "AWS_KEYS", "AWS_FILES"] as const

/** What is not secret. `endpoint` replaces AWS's own, for stores that speak S3. */
const Metadata = Schema.Struct({
  path: Schema.optional(Schema.String),
  cur_bucket: Schema.optional(Schema.String),
  cur_prefix: Schema.optional(Schema.String),
  endpoint: Schema.optional(Schema.String)
})

/** Where to read, when the pipeline says it instead of the credential; `folder` exists and receives downloads. */
export interface Place {
  readonly bucket?: string
  readonly prefix?: string
  readonly folder: string
}

/** Opens the store of a credential; connections close with the scope. A role's session lasts an hour. */
export const open = Effect.fn("AwsStore.open")(
  function* ({ credential, secret }: OpenCredential, place: Place) {
    const fault = credentialIncomplete(credential)
    const metadata = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
      Effect.mapError(() => fault("metadata"))
    )
    if (credential.provider === "AWS_FILES") {
      const path = metadata.path ?? metadata.cur_prefix
      return path === undefined ? yield* fault("metadata.path") : yield* ObjectStoreFile.open(path)
    }
    const bucket = place.bucket ?? metadata.cur_bucket
    if (bucket === undefined) return yield* fault("metadata.cur_bucket")
    const location = {
      bucket,
      prefix: (place.prefix ?? metadata.cur_prefix ?? "").replace(/^\/+/, ""),
      folder: place.folder,
      ...(metadata.endpoint === undefined ? {} : { endpoint: metadata.endpoint })
    }
    const { keys, region } = yield* AwsSession.open({ credential, secret })
    return yield* ObjectStoreS3.open({ ...location, keys, region })
  },
  (effect, { credential }) => Effect.annotateSpans(effect, "credential", credential.credentialId)
)
