/**
 * Which accounts of Azure OpenAI a credential stands for.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { credentialIncomplete } from "../SourceError.ts"

const accountsLimit = 100
const accountPattern =
  /^\/subscriptions\/[A-Za-z0-9-]+\/resourceGroups\/[A-Za-z0-9._()-]+\/providers\/Microsoft\.CognitiveServices\/accounts\/[A-Za-z0-9.-]+$/i

const Metadata = Schema.Struct({
  resource_ids: Schema.optional(
    Schema.Array(Schema.String.pipe(Schema.pattern(accountPattern))).pipe(
      Schema.minItems(1),
      Schema.maxItems(accountsLimit)
    )
  ),
  resource_group: Schema.optional(Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9._()-]+$/)))
})

/** What a credential must have to stand for an account. */
export const neededForAccounts =
  "metadata.resource_ids (a list of /subscriptions/.../accounts/NAME), or metadata.resource_group beside an endpoint https://NAME.openai.azure.com"

/**
 * The resource ids of the accounts, ascending: those in `resource_ids`, or else the one of the secret's endpoint in `resource_group`; none
 * where the credential names neither.
 */
export const accountsOf = Effect.fn("OpenAiAccounts.accountsOf")(function* (
  { credential, secret }: Pick<OpenCredential, "credential" | "secret">,
  subscriptionId: string
) {
  const { resource_group, resource_ids } = yield* Schema.decodeUnknown(Metadata)(credential.metadata).pipe(
    Effect.mapError(() => credentialIncomplete(credential)(neededForAccounts))
  )
  if (resource_ids !== undefined) return [...new Set(resource_ids)].sort()
  const endpoint = Redacted.value(secret)["endpoint"]
  const name = /^https:\/\/([A-Za-z0-9-]+)\./.exec(typeof endpoint === "string" ? endpoint : "")?.[1]
  return name === undefined || resource_group === undefined
    ? []
    : [
        `/subscriptions/${subscriptionId}/resourceGroups/${resource_group}/providers/Microsoft.CognitiveServices/accounts/${name}`
      ]
})
