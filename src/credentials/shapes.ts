/**
 * What a credential of each provider consists of (service contract, section 9).
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Json from "../platform/Json.ts"
import { CredentialInvalid } from "./Credentials.ts"

const SECRET_MAX_BYTES = 64 * 1024
const METADATA_MAX_BYTES = 64 * 1024

interface Shape {
  readonly credentialType: string
  /** Fields of the secret that must be there, as text that is not empty. */
  readonly secret: ReadonlyArray<string>
  /** Fields that may be there instead: another kind of secret. */
  readonly otherSecret?: ReadonlyArray<string>
  readonly metadata: ReadonlyArray<string>
  /** The fields of secret and metadata that name the account it reads; the credential's name where there are none. */
  readonly account: ReadonlyArray<string>
}

const apiKey: Shape = { credentialType: "API_KEY", secret: ["api_key"], metadata: [], account: [] }
const awsExport = ["cur_bucket", "cur_prefix"]
const awsRole: Shape = {
  credentialType: "AWS_IAM_ROLE",
  secret: ["role_arn", "external_id"],
  metadata: [],
  account: ["role_arn", ...awsExport]
}
const serviceAccount: Shape = {
  credentialType: "SERVICE_ACCOUNT_JSON",
  secret: ["type", "project_id", "private_key", "client_email"],
  metadata: [],
  account: ["billing_export_table", "detailed_export_table", "bucket", "prefix"]
}
const servicePrincipal: Shape = {
  credentialType: "SERVICE_PRINCIPAL_JSON",
  secret: ["tenant_id", "client_id", "client_secret", "subscription_id"],
  metadata: [],
  account: ["tenant_id", "subscription_id"]
}

const shapes: Readonly<Record<string, Shape>> = {
  OPENAI: apiKey,
  ANTHROPIC: apiKey,
  // A plain key calls models; only a service account can read what was used.
  GEMINI: { ...apiKey, otherSecret: serviceAccount.secret },
  GEMINI_FILES: { credentialType: "GEMINI_FOLDER", secret: [], metadata: ["path"], account: ["path"] },
  DEEPSEEK: apiKey,
  DEEPSEEK_FILES: { credentialType: "DEEPSEEK_FOLDER", secret: [], metadata: ["path"], account: ["path"] },
  AWS_IAM: awsRole,
  AWS_BEDROCK: awsRole,
  AWS_KEYS: {
    credentialType: "AWS_ACCESS_KEYS",
    secret: ["access_key_id", "secret_access_key"],
    metadata: [],
    account: awsExport
  },
  AWS_FILES: { credentialType: "AWS_FOLDER", secret: [], metadata: ["path"], account: ["path"] },
  GCP_FILES: { credentialType: "GCP_FOLDER", secret: [], metadata: ["path"], account: ["path"] },
  GCP_SA: serviceAccount,
  GCP_VERTEX: serviceAccount,
  AZURE: {
    ...servicePrincipal,
    account: [...servicePrincipal.account, "storage_account", "container", "prefix", "scope"]
  },
  AZURE_FILES: { credentialType: "AZURE_FOLDER", secret: [], metadata: ["path"], account: ["path"] },
  AZURE_OPENAI: { ...servicePrincipal, secret: [...servicePrincipal.secret, "endpoint", "api_key"] },
  /** Any JSON API: the secret goes to the host of base_url alone. */
  API: {
    credentialType: "API_SECRET",
    secret: ["secret"],
    metadata: ["base_url"],
    account: ["base_url", "username", "client_id"]
  },
  OCI_FILES: { credentialType: "OCI_FOLDER", secret: [], metadata: ["path"], account: ["path"] },
  OCI: {
    credentialType: "OCI_API_KEY",
    secret: ["tenancy_ocid", "user_ocid", "fingerprint", "private_key", "region"],
    metadata: [],
    account: ["tenancy_ocid"]
  }
}

/** Upper case, and CLAUDE as ANTHROPIC. */
export const providerName = (provider: string): string => {
  const upper = provider.toUpperCase()
  return upper === "CLAUDE" ? "ANTHROPIC" : upper
}

/** Whether a secret belongs to the provider at all: a folder of exports has none. */
export const needsSecret = (provider: string): boolean => (shapes[providerName(provider)]?.secret.length ?? 1) > 0

/** Checks provider, type, metadata and secret; answers the provider's type and the secret as an object. */
export const check = Effect.fnUntraced(function* (credential: {
  readonly provider: string
  readonly credentialType?: string
  readonly metadata: Json.JsonObject
  readonly secret: Redacted.Redacted
}) {
  const provider = providerName(credential.provider)
  const shape = shapes[provider]
  if (shape === undefined) {
    return yield* invalid(
      `${JSON.stringify(credential.provider)} is no provider: choose one of ${Object.keys(shapes).join(", ")}`
    )
  }
  if (credential.credentialType !== undefined && credential.credentialType !== shape.credentialType) {
    return yield* invalid(`a credential of ${provider} has the type ${shape.credentialType}`)
  }
  if (Buffer.byteLength(JSON.stringify(credential.metadata)) > METADATA_MAX_BYTES) {
    return yield* invalid(`the metadata are longer than ${METADATA_MAX_BYTES} bytes`)
  }
  yield* requireFields(credential.metadata, shape.metadata, `the metadata of ${provider}`)
  const secret = yield* parseSecret(provider, shape, Redacted.value(credential.secret))
  const { otherSecret = shape.secret } = shape
  const isOther = shape.secret.every((field) => secret[field] === undefined)
  yield* requireFields(secret, isOther ? otherSecret : shape.secret, `the secret of ${provider}`)
  return { credentialType: shape.credentialType, secret: Redacted.make(secret) }
})

/** A secret that somebody else has stored: a JSON object, or the bare key of an API_KEY. */
export const read = (provider: string, raw: string): Effect.Effect<Json.JsonObject, CredentialInvalid> =>
  parseSecret(provider, shapes[providerName(provider)] ?? apiKey, raw)

const parseSecret = Effect.fnUntraced(function* (provider: string, shape: Shape, raw: string) {
  if (Buffer.byteLength(raw) > SECRET_MAX_BYTES) {
    return yield* invalid(`the secret of ${provider} is longer than ${SECRET_MAX_BYTES} bytes`)
  }
  const text = raw.trim()
  if (text === "" && shape.secret.length === 0) return {}
  // The parser's own words would quote the secret, so they are dropped.
  const parsed = yield* Effect.orElseSucceed(Json.parse(text), () => undefined)
  if (Json.isObject(parsed)) return parsed
  const isKey = shape.credentialType === apiKey.credentialType
  if (isKey && text !== "") return { api_key: text }
  const bare = isKey ? "the bare key or " : ""
  return yield* invalid(`the secret of ${provider} must be ${bare}a JSON object with ${shape.secret.join(", ")}`)
})

const requireFields = (object: Json.JsonObject, fields: ReadonlyArray<string>, where: string) => {
  const missing = fields.filter((field) => {
    const value = object[field]
    return typeof value !== "string" || value.trim() === ""
  })
  return missing.length === 0 ? Effect.void : invalid(`${where} lacks ${missing.join(", ")}`)
}

const invalid = (message: string) => Effect.fail(new CredentialInvalid({ message }))

/**
 * Equal for two credentials of an organisation that read the same account: then the newer one is a rotation of the older. A hash, so that
 * nothing of a secret can be read from it.
 */
export const accountOf = (credential: {
  readonly provider: string
  readonly credentialName: string
  readonly metadata: Json.JsonObject
  readonly secret: Redacted.Redacted<Json.JsonObject>
}): string => {
  const all: Json.JsonObject = { ...credential.metadata, ...Redacted.value(credential.secret) }
  const fields = (shapes[credential.provider]?.account ?? []).map((field) => all[field] ?? null)
  const named = fields.some((value) => value !== null)
  const account = JSON.stringify([credential.provider, ...(named ? fields : [credential.credentialName])])
  return createHash("sha256").update(account).digest("hex")
}
