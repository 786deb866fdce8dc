/**
 * The providers of models that are paid as they are used: which credentials open them, who owns their data, and where they tell of usage.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import type { SettingsValues } from "../../platform/Settings.ts"
import * as AwsSession from "../../sources/aws/AwsSession.ts"
import * as AzureSession from "../../sources/azure/AzureSession.ts"
import { accountsOf, neededForAccounts } from "../../sources/azure/OpenAiAccounts.ts"
import { checkEndpoint } from "../../sources/Endpoint.ts"
import * as GoogleClient from "../../sources/gcp/GoogleClient.ts"
import * as Monitoring from "../../sources/gcp/Monitoring.ts"
import * as Anthropic from "../../sources/genai/Anthropic.ts"
import * as AzureOpenAi from "../../sources/genai/AzureOpenAi.ts"
import * as BedrockTokens from "../../sources/genai/BedrockTokens.ts"
import * as DeepSeek from "../../sources/genai/DeepSeek.ts"
import * as DeepSeekFiles from "../../sources/genai/DeepSeekFiles.ts"
import * as Gemini from "../../sources/genai/Gemini.ts"
import * as GeminiFiles from "../../sources/genai/GeminiFiles.ts"
import { type PaygSource, usageUnavailable } from "../../sources/genai/Lines.ts"
import * as OpenAi from "../../sources/genai/OpenAi.ts"
import * as VertexAi from "../../sources/genai/VertexAi.ts"
import * as ObjectStoreFile from "../../sources/object-store/ObjectStoreFile.ts"
import * as ObjectStoreS3 from "../../sources/object-store/ObjectStoreS3.ts"
import { credentialIncomplete, SourceError } from "../../sources/SourceError.ts"

/** One provider. */
export interface PaygProvider {
  readonly label: string
  /** Providers of its credentials. */
  readonly credentials: readonly [string, ...ReadonlyArray<string>]
  /** The template that owns its rows, whoever executes. */
  readonly pipelineId: string
  readonly open: (
    credential: OpenCredential,
    settings: SettingsValues
  ) => Effect.Effect<PaygSource, SourceError, HttpClient.HttpClient | Scope.Scope>
}

/** All providers by the name that a step's `config.provider` gives. */
export const providers = {
  openai: {
    label: "OpenAI",
    credentials: ["OPENAI"],
    pipelineId: "genai_payg_openai",
    open: (credential, { openAiUrl }) =>
      Effect.flatMap(keyOf(credential), (key) => Effect.zipRight(checkEndpoint(openAiUrl), OpenAi.make(key, openAiUrl)))
  },
  anthropic: {
    label: "Anthropic",
    credentials: ["ANTHROPIC"],
    pipelineId: "genai_payg_anthropic",
    open: (credential, { anthropicUrl }) =>
      Effect.flatMap(keyOf(credential), (key) =>
        Effect.zipRight(checkEndpoint(anthropicUrl), Anthropic.make(key, anthropicUrl))
      )
  },
  gemini: {
    label: "Gemini",
    credentials: ["GEMINI", "GEMINI_FILES"],
    pipelineId: "genai_payg_gemini",
    open: Effect.fnUntraced(function* (opened) {
      const { path, endpoint, project } = yield* metadataOf(opened)
      if (path !== undefined) return yield* GeminiFiles.read(yield* storeOf(opened, path))
      if (Redacted.value(opened.secret)["type"] === undefined) {
        return yield* usageUnavailable(
          `credential ${opened.credential.credentialId} (GEMINI) is a plain API key`,
          "Google tells usage of the Gemini API to a service account: store the JSON key file of one with the role Monitoring Viewer on the project as GEMINI, or saved answers of timeSeries.list as GEMINI_FILES"
        )
      }
      const account = yield* GoogleClient.accountOf(opened)
      return yield* Gemini.live(yield* Monitoring.make(account, endpoint), project ?? account.projectId)
    })
  },
  deepseek: {
    label: "DeepSeek",
    credentials: ["DEEPSEEK", "DEEPSEEK_FILES"],
    pipelineId: "genai_payg_deepseek",
    open: Effect.fnUntraced(function* (opened) {
      const { credential } = opened
      const { endpoint, path } = yield* metadataOf(opened)
      const files = path === undefined ? undefined : yield* DeepSeekFiles.read(yield* storeOf(opened, path))
      if (credential.provider === "DEEPSEEK_FILES" && files !== undefined) return files
      yield* checkEndpoint(endpoint)
      const balances = yield* DeepSeek.balances(yield* keyOf(opened), (endpoint ?? deepSeekUrl).replace(/\/+$/, ""))
      const without: PaygSource = {
        usage: () =>
          usageUnavailable(
            `credential ${credential.credentialId} (DEEPSEEK) is a plain API key`,
            "DeepSeek tells usage only in the export of its console: put the files usage_data_*.zip into a folder, and name it in metadata.path or store it as DEEPSEEK_FILES"
          )
      }
      return { ...(files ?? without), balances } satisfies PaygSource
    })
  },
  azure_openai: {
    label: "Azure OpenAI",
    credentials: ["AZURE_OPENAI"],
    pipelineId: "genai_payg_azure_openai",
    open: Effect.fnUntraced(function* (opened) {
      const { client, managementEndpoint, subscriptionId } = yield* AzureSession.open(opened)
      const accounts = yield* accountsOf(opened, subscriptionId)
      if (accounts.length === 0) {
        return yield* usageUnavailable(
          `credential ${opened.credential.credentialId} (AZURE_OPENAI) names no account`,
          `store ${neededForAccounts}, and give the service principal Monitoring Reader on it`
        )
      }
      return yield* AzureOpenAi.make(client, accounts, managementEndpoint)
    })
  },
  aws_bedrock: {
    label: "Amazon Bedrock",
    credentials: ["AWS_BEDROCK"],
    pipelineId: "genai_payg_aws_bedrock",
    open: Effect.fnUntraced(function* (opened) {
      const { endpoint, model_ids = "" } = yield* metadataOf(opened)
      const place = { ...(yield* AwsSession.open(opened)), ...(endpoint === undefined ? {} : { endpoint }) }
      return yield* BedrockTokens.make(
        place,
        model_ids.split(",").flatMap((id) => id.trim() || [])
      )
    })
  },
  gcp_vertex: {
    label: "Vertex AI",
    credentials: ["GCP_VERTEX"],
    pipelineId: "genai_payg_gcp_vertex",
    open: Effect.fnUntraced(function* (opened) {
      const { endpoint, project } = yield* metadataOf(opened)
      const account = yield* GoogleClient.accountOf(opened)
      return yield* VertexAi.make(yield* Monitoring.make(account, endpoint), project ?? account.projectId)
    })
  }
} as const satisfies Readonly<Record<string, PaygProvider>>

export type PaygProviderName = keyof typeof providers

/** The provider of this name, in upper or lower case. */
export const providerOf = (name: string): { readonly name: string; readonly provider: PaygProvider } | undefined =>
  Object.entries<PaygProvider>(providers)
    .filter(([known]) => known === name.toLowerCase())
    .map(([known, provider]) => ({ name: known, provider }))[0]

const deepSeekUrl = "https://api.deepseek.com"

/** What is not secret. `path` is a folder, a file or `s3://bucket/prefix`; the endpoints replace the providers' own. */
const Metadata = Schema.Struct({
  path: Schema.optional(Schema.NonEmptyString),
  endpoint: Schema.optional(Schema.String),
  region: Schema.optional(Schema.String),
  project: Schema.optional(Schema.String.pipe(Schema.pattern(/^[a-z][a-z0-9-]*[a-z0-9]$/))),
  /** Comma-separated. */
  model_ids: Schema.optional(Schema.String)
})
const metadataOf = (opened: OpenCredential) =>
  Effect.mapError(Schema.decodeUnknown(Metadata)(opened.credential.metadata), () =>
    credentialIncomplete(opened.credential)("metadata")
  )

const keyOf = ({ credential, secret }: OpenCredential) => {
  const key = Redacted.value(secret)["api_key"]
  return typeof key === "string" && /^[\x21-\x7e]+$/.test(key)
    ? Effect.succeed(Redacted.make(key))
    : Effect.fail(
        new SourceError({
          kind: "permanent",
          code: "CREDENTIAL_UNUSABLE",
          message: `the secret of credential ${credential.credentialId} (${credential.provider}) has no api_key that can be sent`,
          suggestedAction: "store the key again, without spaces and line ends"
        })
      )
}

const S3Path = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,62})(?:\/(.*))?$/
const S3Keys = Schema.Struct({
  access_key_id: Schema.NonEmptyString,
  secret_access_key: Schema.Redacted(Schema.NonEmptyString)
})

/** The place of exports: a bucket, opened with the keys in the secret, or what is on this machine. */
const storeOf = Effect.fnUntraced(function* (opened: OpenCredential, path: string) {
  const [, bucket, prefix = ""] = S3Path.exec(path) ?? []
  if (bucket === undefined) return yield* ObjectStoreFile.open(path)
  const { endpoint, region = "us-east-1" } = yield* metadataOf(opened)
  const keys = yield* Schema.decodeUnknown(S3Keys)(Redacted.value(opened.secret)).pipe(
    Effect.mapError(() => credentialIncomplete(opened.credential)("access_key_id and secret_access_key for its bucket"))
  )
  return yield* ObjectStoreS3.open({
    bucket,
    prefix,
    region,
    keys: { accessKeyId: keys.access_key_id, secretAccessKey: keys.secret_access_key },
    folder: "",
    ...(endpoint === undefined ? {} : { endpoint })
  })
})
