/**
 * Opens what one OCI credential can read: the reports in the bucket that OCI keeps for its tenancy in the home region, or in a local
 * folder, and the tenancy's Usage API.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { checkEndpoint } from "../Endpoint.ts"
import type { ObjectStore } from "../object-store/ObjectStore.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import * as ObjectStoreOci from "../object-store/ObjectStoreOci.ts"
import { SourceError } from "../SourceError.ts"
import * as OciClient from "./OciClient.ts"
import * as UsageApi from "./UsageApi.ts"

/** The providers of credentials that this room can open. */
export const providers = ["OCI", "OCI_FILES"] as const

/** Where OCI keeps the reports of every tenancy; the bucket has the tenancy's own name. */
const reportNamespace = "bling"

/** What is not secret. `prefix` chooses among the reports, `source` passes them over; `endpoint` replaces OCI's own. */
const Metadata = Schema.Struct({
  source: Schema.optional(Schema.Literal("reports", "usage_api")),
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

/** What a credential can read: `usage` where there is an API, `reports` unless they are passed over. */
export interface OciPlaces {
  readonly reports: ObjectStore | undefined
  readonly usage: UsageApi.UsageApi | undefined
}

/** Opens the places of a credential; `folder` exists and receives downloads. Nothing is asked of OCI yet. */
export const open = Effect.fn("OciStore.open")(function* ({ credential, secret }: OpenCredential, folder: string) {
  const fault = incomplete(credential.credentialId, credential.provider)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
    Effect.mapError(() => fault("metadata"))
  )
  if (credential.provider === "OCI_FILES") {
    if (metadata.path === undefined) return yield* fault("metadata.path")
    const places: OciPlaces = { reports: yield* ObjectStoreFile.open(metadata.path), usage: undefined }
    return places
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
  const endpointOf = (host: string) => (metadata.endpoint ?? `https://${host}`).replace(/\/+$/, "")
  const reports = ObjectStoreOci.open(client, {
    endpoint: endpointOf(`objectstorage.${key.region}.oraclecloud.com`),
    namespace: reportNamespace,
    bucket: key.tenancy_ocid,
    prefix: metadata.prefix,
    folder
  })
  const places: OciPlaces = {
    reports: metadata.source === "usage_api" ? undefined : reports,
    usage: UsageApi.open(client, endpointOf(`usageapi.${key.region}.oci.oraclecloud.com`), key.tenancy_ocid)
  }
  return places
})

const incomplete = (credentialId: string, provider: string) => (what: string) =>
  new SourceError({
    kind: "permanent",
    code: "CREDENTIAL_INCOMPLETE",
    message: `credential ${credentialId} (${provider}) lacks a valid ${what}`,
    suggestedAction: "store the credential again with all its fields"
  })
