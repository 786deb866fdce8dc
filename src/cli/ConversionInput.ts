/**
 * Where the bill of a conversion lies, as the credential that its pipeline reads it with.
 */
import { resolve } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** The clouds whose bills can be converted. */
export const clouds = ["aws", "azure", "gcp", "oci"] as const
export type Cloud = (typeof clouds)[number]

/** The bill was not converted, or the result is not what it must be; the message says why in one line. */
export class ConversionFailed extends Schema.TaggedError<ConversionFailed>()("ConversionFailed", {
  message: Schema.String
}) {}

const bucketPattern = /^s3:\/\/([^/]+)\/?(.*)$/
const googleBucketPattern = /^gs:\/\/([^/]+)\/?(.*)$/
const containerPattern = /^(https:\/\/([a-z0-9]+)\.blob\.[a-z0-9.]+)\/([a-z0-9$-]+)\/?(.*)$/

/** The credential of a local path, a bucket or a container. What is secret comes from the environment. */
export const credentialOf = Effect.fn("ConversionInput.credentialOf")(function* (cloud: Cloud, from: string) {
  const bucket = cloud === "aws" ? bucketPattern.exec(from) : null
  if (bucket !== null) {
    const { region, session_token, ...keys } = yield* awsEnvironment
    return {
      provider: "AWS_KEYS",
      credentialType: "AWS_ACCESS_KEYS",
      credentialName: from,
      metadata: { cur_bucket: bucket[1] ?? "", cur_prefix: bucket[2] ?? "", region, all_periods: true },
      secret: secretOf({
        ...keys,
        ...Option.match(session_token, { onNone: () => ({}), onSome: (token) => ({ session_token: token }) })
      })
    }
  }
  const container = cloud === "azure" ? containerPattern.exec(from) : null
  if (container !== null) {
    const [, blob_endpoint = "", storage_account = "", name = "", prefix = ""] = container
    return {
      provider: "AZURE",
      credentialType: "SERVICE_PRINCIPAL_JSON",
      credentialName: from,
      metadata: { blob_endpoint, storage_account, container: name, prefix, all_periods: true },
      secret: secretOf(yield* azureEnvironment)
    }
  }
  const googleBucket = cloud === "gcp" ? googleBucketPattern.exec(from) : null
  if (googleBucket !== null) {
    const { endpoint, keyFile } = yield* googleEnvironment
    const files = yield* FileSystem.FileSystem
    const secret = yield* Effect.mapError(files.readFileString(keyFile), () => googleKeyMissing)
    return {
      provider: "GCP_SA",
      credentialType: "SERVICE_ACCOUNT_JSON",
      credentialName: from,
      metadata: { bucket: googleBucket[1] ?? "", prefix: googleBucket[2] ?? "", ...endpoint, all_periods: true },
      secret: Redacted.make(secret)
    }
  }
  const path = resolve(from)
  if (!(yield* (yield* FileSystem.FileSystem).exists(path))) {
    return yield* new ConversionFailed({ message: `${from}: there is no such file or folder` })
  }
  return {
    ...folderOf[cloud],
    credentialName: from,
    metadata: { path, all_periods: true },
    secret: Redacted.make("{}")
  }
})

const folderOf = {
  aws: { provider: "AWS_FILES", credentialType: "AWS_FOLDER" },
  azure: { provider: "AZURE_FILES", credentialType: "AZURE_FOLDER" },
  gcp: { provider: "GCP_FILES", credentialType: "GCP_FOLDER" },
  oci: { provider: "OCI_FILES", credentialType: "OCI_FOLDER" }
} as const

const secretOf = (fields: Readonly<Record<string, string | Redacted.Redacted>>) =>
  Redacted.make(
    JSON.stringify(
      Object.fromEntries(
        Object.entries(fields).map(([name, field]) => [name, typeof field === "string" ? field : Redacted.value(field)])
      )
    )
  )

const awsEnvironment = Config.all({
  access_key_id: Config.nonEmptyString("AWS_ACCESS_KEY_ID"),
  secret_access_key: Config.redacted("AWS_SECRET_ACCESS_KEY"),
  session_token: Config.option(Config.redacted("AWS_SESSION_TOKEN")),
  region: Config.nonEmptyString("AWS_REGION").pipe(Config.withDefault("us-east-1"))
}).pipe(
  Effect.mapError(
    () =>
      new ConversionFailed({ message: "s3:// needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment" })
  )
)

const azureEnvironment = Config.all({
  tenant_id: Config.nonEmptyString("AZURE_TENANT_ID"),
  client_id: Config.nonEmptyString("AZURE_CLIENT_ID"),
  client_secret: Config.redacted("AZURE_CLIENT_SECRET"),
  // A container is no part of a subscription's costs; the credential's shape asks for one.
  subscription_id: Config.nonEmptyString("AZURE_SUBSCRIPTION_ID").pipe(Config.withDefault("none"))
}).pipe(
  Effect.mapError(
    () =>
      new ConversionFailed({
        message: "a container needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET in the environment"
      })
  )
)

const googleKeyMissing = new ConversionFailed({
  message: "gs:// needs GOOGLE_APPLICATION_CREDENTIALS in the environment: the path of a service account's key file"
})

/** STORAGE_EMULATOR_HOST is the name by which Google's own tools know another Cloud Storage. */
const googleEnvironment = Config.all({
  keyFile: Config.nonEmptyString("GOOGLE_APPLICATION_CREDENTIALS"),
  endpoint: Config.option(Config.nonEmptyString("STORAGE_EMULATOR_HOST")).pipe(
    Config.map(Option.match({ onNone: () => ({}), onSome: (endpoint) => ({ endpoint }) }))
  )
}).pipe(Effect.mapError(() => googleKeyMissing))
