/**
 * `cloud.aws.cur_extractor`: loads the billing periods of AWS exports, CUR 1.0, CUR 2.0 or FOCUS, of every credential into the native
 * tables. A period is replaced as a whole; one whose change token did not move is not downloaded.
 */
import { createHash } from "node:crypto"
import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Credentials, type OpenCredential } from "../../credentials/Credentials.ts"
import { StepError, type Processor, type StepContext, type StepOutput } from "../../pipelines/Processor.ts"
import { Settings } from "../../platform/Settings.ts"
import * as AwsStore from "../../sources/aws/AwsStore.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { loadExports, type CredentialReport } from "./AwsLoad.ts"
import { unconvertedPeriods } from "./Unconverted.ts"

const Config = Schema.Struct({
  provider: Schema.Literal("aws"),
  source: Schema.optional(
    Schema.Struct({ source_bucket: Schema.optional(Schema.String), source_prefix: Schema.optional(Schema.String) })
  )
})

/**
 * Makes the processor. Output: `affectedPeriods` are those that this attempt loaded and those that an earlier one loaded but nobody
 * converted; `details` has one report per credential, the quarantine by reason, and the native columns without a place of their own.
 */
export const make: Effect.Effect<Processor, never, Warehouse | Credentials | Settings> = Effect.gen(function* () {
  const warehouse = yield* Warehouse
  const credentials = yield* Credentials
  const settings = yield* Settings

  const execute = Effect.fn("CurExtractor.execute")(function* (context: StepContext) {
    const { source } = yield* Schema.decodeUnknown(Config)(context.config).pipe(Effect.mapError(invalidConfig))
    const opened = yield* credentials
      .open({
        org: context.org,
        providers: AwsStore.providers,
        ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
      })
      .pipe(Effect.mapError(unusableCredential))
    const org = yield* warehouse.org(context.org).pipe(Effect.mapError(StepFailure.ofWarehouse))
    const folder = yield* downloads(join(settings.dataDir, "downloads"), context)
    const total = { rows: 0, bytes: 0 }

    const load = (credential: OpenCredential) =>
      Effect.gen(function* () {
        const store = yield* AwsStore.open(credential, {
          folder,
          ...(source?.source_bucket === undefined ? {} : { bucket: source.source_bucket }),
          ...(source?.source_prefix === undefined ? {} : { prefix: source.source_prefix })
        })
        return yield* loadExports({
          warehouse,
          org,
          store,
          credential: credential.credential,
          context,
          onLoaded: (loaded) => {
            total.rows += loaded.rows
            total.bytes += loaded.bytes
            return context.progress(total)
          }
        })
      }).pipe(
        Effect.scoped,
        // The delivery went on while it was read: look once more, then leave it to the next attempt.
        Effect.retry({ times: 1, while: (error) => error._tag === "SourceError" && error.kind === "stale" }),
        Effect.mapError((error) =>
          error._tag === "SourceError" ? StepFailure.ofSource(error) : StepFailure.ofWarehouse(error)
        ),
        Effect.mapError((error) => ({ credentialId: credential.credential.credentialId, error }))
      )
    const [failures, reports] = yield* Effect.partition(opened, load)
    const [first, ...others] = failures
    if (first !== undefined) return yield* failed(context, [first, ...others], opened.length)
    const waiting = yield* unconvertedPeriods(org, "aws", context.credentialId).pipe(
      Effect.mapError(StepFailure.ofWarehouse)
    )
    return outputOf(reports, waiting)
  }, Effect.scoped)

  return {
    type: "cloud.aws.cur_extractor",
    check: (config) =>
      Schema.is(Config)(config)
        ? undefined
        : 'config needs provider "aws", and may have source with source_bucket and source_prefix',
    execute
  }
})

const outputOf = (reports: ReadonlyArray<CredentialReport>, waiting: ReadonlyArray<string>): StepOutput => {
  const loads = reports.flatMap((report) => report.loads)
  const reasons = new Map<string, { readonly rows: number; readonly example: string }>()
  for (const { reason, rows, example } of loads.flatMap((load) => load.report.quarantine)) {
    const known = reasons.get(reason)
    reasons.set(reason, { rows: rows + (known?.rows ?? 0), example: known?.example ?? example })
  }
  const sum = (count: (load: (typeof loads)[number]) => number) => loads.reduce((total, load) => total + count(load), 0)
  return {
    rowsProcessed: sum(({ report }) => report.rowsRead),
    rowsWritten: sum(({ report }) => report.rowsWritten),
    outputTable: loads[0]?.table ?? "cloud_aws_billing_raw_daily",
    affectedPeriods: [...new Set([...loads.flatMap(({ report }) => report.periods), ...waiting])].sort(),
    details: {
      credentials: reports.map(({ credentialId, location, format, periods }) => ({
        credential_id: credentialId,
        location,
        format: format ?? null,
        periods
      })),
      quarantined: sum(({ report }) => report.rowsQuarantined),
      quarantine: [...reasons].map(([reason, { rows, example }]) => ({ reason, rows, example })),
      unmapped_columns: [...new Set(loads.flatMap(({ report }) => report.unmappedColumns))].sort()
    }
  }
}

/** A failure that another attempt may heal wins: the credentials that went through are not downloaded again. */
const failed = (
  context: StepContext,
  failures: readonly [
    { readonly credentialId: string; readonly error: StepError },
    ...ReadonlyArray<{ readonly credentialId: string; readonly error: StepError }>
  ],
  credentials: number
) => {
  const worst = failures.find(({ error }) => error.errorType === "TRANSIENT") ?? failures[0]
  const waits = failures.flatMap(({ error }) => error.retryAfterSeconds ?? [])
  const texts = failures.map(({ credentialId, error }) => `credential ${credentialId}: ${error.message}`)
  return new StepError({
    errorType: worst.error.errorType,
    code: worst.error.code,
    message: `${failures.length} of ${credentials} AWS credentials of ${context.org} failed: ${texts.join("; ")}`,
    ...(worst.error.suggestedAction === undefined ? {} : { suggestedAction: worst.error.suggestedAction }),
    ...(waits.length === 0 ? {} : { retryAfterSeconds: Math.max(...waits) })
  })
}

/** The folder of this step's downloads: emptied first, in case an attempt was killed, and removed with the scope. */
const downloads = (base: string, context: StepContext) => {
  const step = createHash("sha256").update(context.stepId).digest("hex").slice(0, 16)
  const folder = join(base, `${context.runId}-${step}`)
  const remove = () => rm(folder, { recursive: true, force: true })
  return Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        await remove()
        await mkdir(folder, { recursive: true, mode: 0o700 })
        return folder
      },
      catch: () =>
        new StepError({
          errorType: "TRANSIENT",
          code: "DOWNLOAD_FOLDER_UNUSABLE",
          message: `the folder ${folder} cannot be made`,
          suggestedAction: "look at the space and the permissions of the data folder"
        })
    }),
    () => Effect.ignoreLogged(Effect.tryPromise(remove))
  )
}

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of cloud.aws.cur_extractor",
    suggestedAction: "correct the pipeline's file"
  })

const unusableCredential = (error: { readonly _tag: string; readonly message: string }) =>
  new StepError({
    errorType: error._tag === "CredentialMissing" ? "PERMANENT" : "TRANSIENT",
    code: error._tag === "CredentialMissing" ? "INTEGRATION_NOT_CONFIGURED" : "CREDENTIALS_UNAVAILABLE",
    message: error.message,
    suggestedAction: "store a credential of AWS: AWS_IAM, AWS_KEYS or AWS_FILES"
  })
