/**
 * The providers of models that are paid as they are used: which credentials open them, who owns their data, and their APIs.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { SettingsValues } from "../../platform/Settings.ts"
import * as Anthropic from "../../sources/genai/Anthropic.ts"
import type { BilledLine, Month, UsageLine } from "../../sources/genai/Lines.ts"
import * as OpenAi from "../../sources/genai/OpenAi.ts"
import { checkEndpoint } from "../../sources/Endpoint.ts"
import type { SourceError } from "../../sources/SourceError.ts"

/** What a provider tells of a month, by its first day. */
export interface PaygSource {
  readonly usage: (month: string) => Effect.Effect<Month<UsageLine>, SourceError>
  readonly billed: (month: string) => Effect.Effect<Month<BilledLine>, SourceError>
}

/** One provider. */
export interface PaygProvider {
  readonly label: string
  /** Provider of its credentials. */
  readonly credential: string
  /** The template that owns its rows, whoever executes. */
  readonly pipelineId: string
  readonly open: (
    key: Redacted.Redacted,
    settings: SettingsValues
  ) => Effect.Effect<PaygSource, SourceError, HttpClient.HttpClient>
}

/** All providers by the name that a step's `config.provider` gives. */
export const providers = {
  openai: {
    label: "OpenAI",
    credential: "OPENAI",
    pipelineId: "genai_payg_openai",
    open: (key, { openAiUrl }) => Effect.zipRight(checkEndpoint(openAiUrl), OpenAi.make(key, openAiUrl))
  },
  anthropic: {
    label: "Anthropic",
    credential: "ANTHROPIC",
    pipelineId: "genai_payg_anthropic",
    open: (key, { anthropicUrl }) => Effect.zipRight(checkEndpoint(anthropicUrl), Anthropic.make(key, anthropicUrl))
  }
} as const satisfies Readonly<Record<string, PaygProvider>>

export type PaygProviderName = keyof typeof providers

/** The provider of this name, in upper or lower case. */
export const providerOf = (name: string): { readonly name: string; readonly provider: PaygProvider } | undefined =>
  Object.entries<PaygProvider>(providers)
    .filter(([known]) => known === name.toLowerCase())
    .map(([known, provider]) => ({ name: known, provider }))[0]
