/**
 * The providers of provisioned throughput: which credentials open them, who owns their data, and how their commitments are read.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as AzurePtu from "../../sources/genai/AzurePtu.ts"
import * as BedrockThroughput from "../../sources/genai/BedrockThroughput.ts"
import type { Commitments, Days } from "../../sources/genai/Commitments.ts"
import * as VertexGsu from "../../sources/genai/VertexGsu.ts"
import type { SourceError } from "../../sources/SourceError.ts"

/** One provider. */
export interface CommitmentProvider {
  readonly label: string
  /** Provider of its credentials. */
  readonly credential: string
  /** The template that owns its rows, whoever executes. */
  readonly pipelineId: string
  readonly commitmentType: "ptu" | "provisioned_throughput" | "gsu"
  readonly read: (
    credential: OpenCredential,
    days: Days
  ) => Effect.Effect<Commitments, SourceError, HttpClient.HttpClient | Scope.Scope>
}

/** All providers by the name that a step's `config.provider` gives. */
export const providers: Readonly<Record<string, CommitmentProvider>> = {
  azure_openai: {
    label: "Azure OpenAI",
    credential: "AZURE_OPENAI",
    pipelineId: "genai_commitment_azure_ptu",
    commitmentType: "ptu",
    read: AzurePtu.read
  },
  aws_bedrock: {
    label: "Amazon Bedrock",
    credential: "AWS_BEDROCK",
    pipelineId: "genai_commitment_aws_bedrock",
    commitmentType: "provisioned_throughput",
    read: BedrockThroughput.read
  },
  gcp_vertex: {
    label: "Vertex AI",
    credential: "GCP_VERTEX",
    pipelineId: "genai_commitment_gcp_vertex",
    commitmentType: "gsu",
    read: VertexGsu.read
  }
}

/** The provider of this name, in upper or lower case. */
export const providerOf = (
  name: string
): { readonly name: string; readonly provider: CommitmentProvider } | undefined => {
  const known = name.toLowerCase()
  const provider = Object.hasOwn(providers, known) ? providers[known] : undefined
  return provider === undefined ? undefined : { name: known, provider }
}
