/**
 * `integrations.kms_decrypt`: proves that the credentials of a provider decrypt and are complete, before a pipeline relies on them. It
 * answers ids only; what was decrypted goes nowhere.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../credentials/Credentials.ts"
import * as Shapes from "../../credentials/shapes.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { failed, unusableCredential } from "../cloud/BillingExtractor.ts"

const Config = Schema.Struct({ provider: Schema.NonEmptyString })

/** Makes the processor. `details.output_credential_ids` has the ids of the credentials that can be used. */
export const make: Effect.Effect<Processor, never, Credentials> = Effect.gen(function* () {
  const credentials = yield* Credentials

  const providerOf = (config: StepContext["config"]) =>
    Effect.mapBoth(Schema.decodeUnknown(Config)(config), {
      onSuccess: ({ provider }) => Shapes.providerName(provider),
      onFailure: () =>
        new StepError({
          errorType: "VALIDATION_ERROR",
          code: "STEP_CONFIG_INVALID",
          message: "the step's config is no config of integrations.kms_decrypt",
          suggestedAction: "correct the pipeline's file"
        })
    })

  const execute = Effect.fn("KmsDecrypt.execute")(function* (context: StepContext) {
    const provider = yield* providerOf(context.config)
    const opened = yield* credentials
      .open({
        org: context.org,
        providers: [provider],
        ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
      })
      .pipe(Effect.mapError((error) => unusableCredential(error, { label: provider, providers: [provider] })))
    const [failures, ids] = yield* Effect.partition(opened, ({ credential, secret }) =>
      Shapes.check({ ...credential, secret: Redacted.make(JSON.stringify(Redacted.value(secret))) }).pipe(
        Effect.mapBoth({
          onSuccess: () => credential.credentialId,
          onFailure: ({ message }) => ({
            credentialId: credential.credentialId,
            error: new StepError({
              errorType: "PERMANENT",
              code: "CREDENTIAL_INCOMPLETE",
              message,
              suggestedAction: "store the credential again with all its fields"
            })
          })
        })
      )
    )
    const [first, ...others] = failures
    if (first !== undefined) return yield* failed(context, provider, [first, ...others], opened.length)
    return { rowsProcessed: ids.length, rowsWritten: 0, details: { output_credential_ids: ids } }
  })

  return {
    type: "integrations.kms_decrypt",
    check: (config) => (Schema.is(Config)(config) ? undefined : "config needs a provider"),
    admits: (config, request) =>
      Effect.flatMap(providerOf(config), (provider) =>
        Effect.mapError(credentials.check({ ...request, providers: [provider] }), (error) =>
          unusableCredential(error, { label: provider, providers: [provider] })
        )
      ),
    execute
  }
})
