/**
 * The keys of one AWS credential: its own, or an hour's keys of the role that it names.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { checkEndpoint } from "../Endpoint.ts"
import { credentialIncomplete, SourceError } from "../SourceError.ts"
import { attempt, clientSettings, judge, type AwsKeys } from "./AwsClient.ts"

const sessionSeconds = 3600
const defaultRegion = "us-east-1"

/** What is not secret. `sts_endpoint` replaces AWS's own. */
const Metadata = Schema.Struct({
  region: Schema.optional(Schema.String),
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

/** Keys, and the region that the credential names. */
export interface AwsSession {
  readonly keys: AwsKeys
  readonly region: string
}

/** The session of a credential. A role's lasts an hour; keys (AWS_KEYS) last as long as they do. */
export const open = Effect.fn("AwsSession.open")(function* ({
  credential,
  secret
}: Pick<OpenCredential, "credential" | "secret">) {
  const fault = credentialIncomplete(credential)
  const metadata = yield* Effect.mapError(Schema.decodeUnknown(Metadata)(credential.metadata), () => fault("metadata"))
  const decode = <A, I>(schema: Schema.Schema<A, I>, what: string) =>
    Effect.mapError(Schema.decodeUnknown(schema)(Redacted.value(secret)), () => fault(what))
  if (credential.provider === "AWS_KEYS") {
    const given = yield* decode(KeysSecret, "access_key_id and secret_access_key")
    const keys: AwsKeys = {
      accessKeyId: given.access_key_id,
      secretAccessKey: given.secret_access_key,
      ...(given.session_token === undefined ? {} : { sessionToken: given.session_token })
    }
    return { keys, region: metadata.region ?? given.region ?? defaultRegion } satisfies AwsSession
  }
  const role = yield* decode(RoleSecret, "role_arn and external_id")
  const region = metadata.region ?? role.region ?? defaultRegion
  const keys = yield* assumeRole({
    roleArn: role.role_arn,
    region,
    roleSessionName: `CloudAct-${credential.org}`,
    ...(role.external_id === undefined ? {} : { externalId: role.external_id }),
    ...(metadata.sts_endpoint === undefined ? {} : { endpoint: metadata.sts_endpoint })
  })
  return { keys, region } satisfies AwsSession
})

/** Asks STS, as the process's own AWS identity, for an hour's keys of a role. */
const assumeRole = Effect.fn("AwsSession.assumeRole")(function* (request: {
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
