/**
 * Opens the place of one OCI credential's reports: the bucket that OCI keeps for its tenancy in the home region, or a local folder.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { checkEndpoint } from "../Endpoint.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import * as ObjectStoreOci from "../object-store/ObjectStoreOci.ts"
import { SourceError } from "../SourceError.ts"
import * as OciClient from "./OciClient.ts"

/** The providers of credentials that this room can open. */
export const providers = ["OCI", "OCI_FILES"] as const

/** Where OCI keeps the reports of every tenancy; the bucket has the tenancy's own name. */
const reportNamespace = "bling"

/** What is not secret. `prefix` chooses among the reports; `endpoint` replaces OCI's own. */
const Metadata = Schema.Struct({
  path: Schema.optional(Schema.String),
  prefix: Schema.optionalWith(Schema.String, { default: () => "reports/cost-csv/" }),
  endpoint: Schema.optional(Schema.String)
})

const ocid = Schema.String.pipe(Schema.pattern(/^ocid1\.[A-Za-z0-9._-]+$/))
const Secret = Schema.Struct({
  tenancy_ocid: ocid,
  user_ocid: ocid,
  fingerprint: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{2}(:[0-9a-f]{2}){15}$/)),
  private_key: Schema.Redacted(Schema.NonEmptyString),
  region: Schema.String.pipe(Schema.pattern(/^[a-z0-9-]+$/))
})

/** Opens the place of a credential; `folder` exists and receives downloads. Nothing is asked of OCI yet. */
export const open = Effect.fn("OciStore.open")(function* ({ credential, secret }: OpenCredential, folder: string) {
  const fault = incomplete(credential.credentialId, credential.provider)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
    Effect.mapError(() => fault("metadata"))
  )
  if (credential.provider === "OCI_FILES") {
    return metadata.path === undefined ? yield* fault("metadata.path") : yield* ObjectStoreFile.open(metadata.path)
  }
  const key = yield* Schema.decodeUnknown(Secret)(Redacted.value(secret)).pipe(
    Effect.mapError(() => fault("tenancy_ocid, user_ocid, fingerprint, private_key and region"))
  )
  yield* checkEndpoint(metadata.endpoint)
  const client = yield* OciClient.make({
    tenancy: key.tenancy_ocid,
    user: key.user_ocid,
    fingerprint: key.fingerprint,
    privateKey: key.private_key
  })
  return ObjectStoreOci.open(client, {
    endpoint: (metadata.endpoint ?? `https://objectstorage.${key.region}.oraclecloud.com`).replace(/\/+$/, ""),
    namespace: reportNamespace,
    bucket: key.tenancy_ocid,
    prefix: metadata.prefix,
    folder
  })
})

const incomplete = (credentialId: string, provider: string) => (what: string) =>
  new SourceError({
    kind: "permanent",
    code: "CREDENTIAL_INCOMPLETE",
    message: `credential ${credentialId} (${provider}) lacks a valid ${what}`,
    suggestedAction: "store the credential again with all its fields"
  })
