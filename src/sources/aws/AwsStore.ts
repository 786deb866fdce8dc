/**
 * Opens the place of one AWS credential's exports: a bucket by static keys, a bucket by a role that is taken over, or a local folder.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as ObjectStoreFile from "../object-store/ObjectStoreFile.ts"
import * as ObjectStoreS3 from "../object-store/ObjectStoreS3.ts"
import { checkEndpoint } from "../Endpoint.ts"
import { SourceError } from "../SourceError.ts"
import { attempt, clientSettings, judge, type AwsKeys } from "./AwsClient.ts"

/** The providers of credentials that this room can open. */
export const providers = ["AWS_IAM", "AWS_KEYS", "AWS_FILES"] as const

const sessionSeconds = 3600
const defaultRegion = "us-east-1"

/** What is not secret. `endpoint` and `sts_endpoint` replace AWS's own, for stores that speak S3. */
const Metadata = Schema.Struct({
  path: Schema.optional(Schema.String),
  cur_bucket: Schema.optional(Schema.String),
  cur_prefix: Schema.optional(Schema.String),
  region: Schema.optional(Schema.String),
  endpoint: Schema.optional(Schema.String),
  sts_endpoint: Schema.optional(Schema.String)
})

const KeysSecret = Schema.Struct({
  access_key_id: Schema.NonEmptyString,
  secret_access_key: Schema.Redacted(Schema.NonEmptyString),
  session_token: Schema.optional(Schema.Redacted(Schema.NonEmptyString)),
  region: Schema.optional(Schema.String)
})

const RoleSecret = Schema.Struct({
  role_arn: Schema.String.pipe(Schema.pattern(/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/)),
  external_id: Schema.optional(Schema.NonEmptyString),
  region: Schema.optional(Schema.String)
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
    const fault = incomplete(credential.credentialId, credential.provider)
    const metadata = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
      Effect.mapError(() => fault("metadata"))
    )
    if (credential.provider === "AWS_FILES") {
      const path = metadata.path ?? metadata.cur_prefix
      return path === undefined ? yield* fault("metadata.path") : yield* ObjectStoreFile.open(path)
    }
    const bucket = place.bucket ?? metadata.cur_bucket
    if (bucket === undefined) return yield* fault("metadata.cur_bucket")
    const decodeSecret = <A, I>(schema: Schema.Schema<A, I>, what: string) =>
      Schema.decodeUnknown(schema)(Redacted.value(secret)).pipe(Effect.mapError(() => fault(what)))
    const location = {
      bucket,
      prefix: (place.prefix ?? metadata.cur_prefix ?? "").replace(/^\/+/, ""),
      folder: place.folder,
      ...(metadata.endpoint === undefined ? {} : { endpoint: metadata.endpoint })
    }
    if (credential.provider === "AWS_KEYS") {
      const given = yield* decodeSecret(KeysSecret, "access_key_id and secret_access_key")
      const keys: AwsKeys = {
        accessKeyId: given.access_key_id,
        secretAccessKey: given.secret_access_key,
        ...(given.session_token === undefined ? {} : { sessionToken: given.session_token })
      }
      return yield* ObjectStoreS3.open({ ...location, keys, region: metadata.region ?? given.region ?? defaultRegion })
    }
    const role = yield* decodeSecret(RoleSecret, "role_arn and external_id")
    const region = metadata.region ?? role.region ?? defaultRegion
    const keys = yield* assumeRole({
      roleArn: role.role_arn,
      region,
      roleSessionName: `CloudAct-${credential.org}`,
      ...(role.external_id === undefined ? {} : { externalId: role.external_id }),
      ...(metadata.sts_endpoint === undefined ? {} : { endpoint: metadata.sts_endpoint })
    })
    return yield* ObjectStoreS3.open({ ...location, keys, region })
  },
  (effect, { credential }) => Effect.annotateSpans(effect, "credential", credential.credentialId)
)

/** Asks STS, as the process's own AWS identity, for an hour's keys of a role. */
const assumeRole = Effect.fn("AwsStore.assumeRole")(function* (request: {
  readonly roleArn: string
  readonly externalId?: string
  readonly roleSessionName: string
  readonly region: string
  readonly endpoint?: string
}) {
  yield* checkEndpoint(request.endpoint)
  const sdk = yield* Effect.promise(() => import("@aws-sdk/client-sts"))
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new sdk.STSClient(clientSettings(request))),
    (opened) => Effect.sync(() => opened.destroy())
  )
  const { Credentials: given } = yield* attempt(request.roleArn, (abortSignal) =>
    client.send(
      new sdk.AssumeRoleCommand({
        RoleArn: request.roleArn,
        RoleSessionName: request.roleSessionName,
        DurationSeconds: sessionSeconds,
        ...(request.externalId === undefined ? {} : { ExternalId: request.externalId })
      }),
      { abortSignal }
    )
  ).pipe(Effect.catchAll(judge))
  if (given?.AccessKeyId === undefined || given.SecretAccessKey === undefined || given.SessionToken === undefined) {
    return yield* new SourceError({
      kind: "permanent",
      code: "AWS_ANSWER_INCOMPLETE",
      message: `STS gave no keys for ${request.roleArn}`,
      suggestedAction: "check the endpoint of the credential"
    })
  }
  const keys: AwsKeys = {
    accessKeyId: given.AccessKeyId,
    secretAccessKey: Redacted.make(given.SecretAccessKey),
    sessionToken: Redacted.make(given.SessionToken)
  }
  return keys
}, Effect.scoped)

const incomplete = (credentialId: string, provider: string) => (what: string) =>
  new SourceError({
    kind: "permanent",
    code: "CREDENTIAL_INCOMPLETE",
    message: `credential ${credentialId} (${provider}) lacks a valid ${what}`,
    suggestedAction: "store the credential again with all its fields"
  })
