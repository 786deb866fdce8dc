/**
 * What the extractors of all clouds have in common: every usable credential is read with its own slices, one that fails does not stop the
 * others but fails the step, and the output names what was loaded and what still awaits conversion.
 */
import { createHash } from "node:crypto"
import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Credentials, type OpenCredential } from "../../credentials/Credentials.ts"
import { StepError, type Processor, type StepContext, type StepOutput } from "../../pipelines/Processor.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { Settings } from "../../platform/Settings.ts"
import type { SourceError } from "../../sources/SourceError.ts"
import { Warehouse, type WarehouseError } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import type { CloudName } from "./Clouds.ts"
import type { Load, LoadRequest } from "./PeriodLoad.ts"
import { unconvertedPeriods } from "./Unconverted.ts"

/** What was found for one credential, and what was made of it. */
export interface CredentialReport {
  readonly location: string
  /** Absent when nothing had to be read. */
  readonly format: string | undefined
  /** `{period, files, rows, bytes, skipped}` each; rows are those written, skipped means unchanged. */
  readonly periods: ReadonlyArray<JsonObject>
  readonly loads: ReadonlyArray<Load>
  /** What else is worth telling, such as the bytes that queries were announced to process. */
  readonly details?: JsonObject
}

/** How the bills of one cloud are read. */
export interface BillingSource<Config, Encoded> {
  /** `ps_type` of the step. */
  readonly type: string
  readonly cloud: CloudName
  /** The cloud's name for people. */
  readonly label: string
  /** Providers of the credentials that it can open. */
  readonly providers: readonly [string, ...ReadonlyArray<string>]
  readonly config: Schema.Schema<Config, Encoded>
  /** What `config` must be, for people. */
  readonly configHelp: string
  /** Named as the output's table when nothing was loaded. */
  readonly mainTable: string
  /** Loads what one credential can read. */
  readonly load: (
    request: LoadRequest,
    credential: OpenCredential,
    config: Config
  ) => Effect.Effect<CredentialReport, SourceError | WarehouseError, Scope.Scope>
}

/**
 * Makes the processor. Output: `affectedPeriods` are those that this attempt loaded and those that an earlier one loaded but nobody
 * converted; `details` has one report per credential, the quarantine by reason, and the native columns without a place of their own.
 */
export const make = <Config, Encoded>(
  source: BillingSource<Config, Encoded>
): Effect.Effect<Processor, never, Warehouse | Credentials | Settings> =>
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const credentials = yield* Credentials
    const settings = yield* Settings

    const execute = Effect.fn("BillingExtractor.execute")(function* (context: StepContext) {
      const config = yield* Schema.decodeUnknown(source.config)(context.config).pipe(
        Effect.mapError(() => invalidConfig(source.type))
      )
      const opened = yield* credentials
        .open({
          org: context.org,
          providers: source.providers,
          ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
        })
        .pipe(Effect.mapError((error) => unusableCredential(error, source)))
      const org = yield* warehouse.org(context.org).pipe(Effect.mapError(StepFailure.ofWarehouse))
      const folder = yield* downloads(join(settings.dataDir, "downloads"), context)
      const total = { rows: 0, bytes: 0 }
      const onLoaded: LoadRequest["onLoaded"] = ({ rows, bytes }) => {
        total.rows += rows
        total.bytes += bytes
        return context.progress(total)
      }

      const load = (credential: OpenCredential) => {
        const { credentialId } = credential.credential
        const request = {
          cloud: source.cloud,
          warehouse,
          org,
          context,
          folder,
          onLoaded,
          credential: credential.credential,
          superseded: credential.superseded
        }
        return source.load(request, credential, config).pipe(
          Effect.scoped,
          // The delivery went on while it was read: look once more, then leave it to the next attempt.
          Effect.retry({ times: 1, while: (error) => error._tag === "SourceError" && error.kind === "stale" }),
          Effect.mapError((error) =>
            error._tag === "SourceError" ? StepFailure.ofSource(error) : StepFailure.ofWarehouse(error)
          ),
          Effect.mapBoth({
            onFailure: (error) => ({ credentialId, error }),
            onSuccess: (report) => ({ credentialId, superseded: credential.superseded, report })
          }),
          Effect.annotateSpans("credential", credentialId)
        )
      }
      const [failures, reports] = yield* Effect.partition(opened, load)
      const [first, ...others] = failures
      if (first !== undefined) return yield* failed(context, source.label, [first, ...others], opened.length)
      const ofRun =
        context.credentialId === undefined
          ? undefined
          : opened.flatMap(({ credential, superseded }) => [credential.credentialId, ...superseded])
      const waiting = yield* unconvertedPeriods(org, source.cloud, ofRun).pipe(Effect.mapError(StepFailure.ofWarehouse))
      return outputOf(source.mainTable, reports, waiting)
    }, Effect.scoped)

    const admits: Processor["admits"] = (_config, request) =>
      credentials
        .check({ ...request, providers: source.providers })
        .pipe(Effect.mapError((error) => unusableCredential(error, source)))

    return {
      type: source.type,
      admits,
      check: (config) => (Schema.is(Schema.encodedSchema(source.config))(config) ? undefined : source.configHelp),
      execute
    }
  })

interface Reported {
  readonly credentialId: string
  readonly superseded: ReadonlyArray<string>
  readonly report: CredentialReport
}

const outputOf = (mainTable: string, reports: ReadonlyArray<Reported>, waiting: ReadonlyArray<string>): StepOutput => {
  const loads = reports.flatMap(({ report }) => report.loads)
  const reasons = new Map<string, { readonly rows: number; readonly example: string }>()
  for (const { reason, rows, example } of loads.flatMap((load) => load.report.quarantine)) {
    const known = reasons.get(reason)
    reasons.set(reason, { rows: rows + (known?.rows ?? 0), example: known?.example ?? example })
  }
  const sum = (count: (load: Load) => number) => loads.reduce((total, load) => total + count(load), 0)
  return {
    rowsProcessed: sum(({ report }) => report.rowsRead),
    rowsWritten: sum(({ report }) => report.rowsWritten),
    outputTable: loads[0]?.table ?? mainTable,
    affectedPeriods: [...new Set([...loads.flatMap(({ report }) => report.periods), ...waiting])].sort(),
    details: {
      credentials: reports.map(({ credentialId, superseded, report: { details, format, location, periods } }) => ({
        ...details,
        credential_id: credentialId,
        superseded,
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

/** A credential that could not be read. */
export interface Failed {
  readonly credentialId: string
  readonly error: StepError
}

/** A failure that another attempt may heal wins: the credentials that went through are not downloaded again. */
export const failed = (
  context: StepContext,
  label: string,
  failures: readonly [Failed, ...ReadonlyArray<Failed>],
  credentials: number
) => {
  const worst = failures.find(({ error }) => error.errorType === "TRANSIENT") ?? failures[0]
  const waits = failures.flatMap(({ error }) => error.retryAfterSeconds ?? [])
  const texts = failures.map(({ credentialId, error }) => `credential ${credentialId}: ${error.message}`)
  return new StepError({
    errorType: worst.error.errorType,
    code: worst.error.code,
    message: `${failures.length} of ${credentials} ${label} credentials of ${context.org} failed: ${texts.join("; ")}`,
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

const invalidConfig = (type: string) =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: `the step's config is no config of ${type}`,
    suggestedAction: "correct the pipeline's file"
  })

/** No credential of these providers can be used, or they cannot be read. */
export const unusableCredential = (
  error: { readonly _tag: string; readonly message: string },
  { label, providers }: { readonly label: string; readonly providers: ReadonlyArray<string> }
) =>
  new StepError({
    errorType: error._tag === "CredentialMissing" ? "PERMANENT" : "TRANSIENT",
    code: error._tag === "CredentialMissing" ? "INTEGRATION_NOT_CONFIGURED" : "CREDENTIALS_UNAVAILABLE",
    message: error.message,
    suggestedAction: `store a credential of ${label}: ${providers.join(" or ")}`
  })
