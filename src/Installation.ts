/**
 * An installation: all services of one machine, wired. What `main.ts` runs its commands on and what a program provides to use the
 * service in-process.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AuditLogSql from "./audit/AuditLogSql.ts"
import * as AlertsEventLog from "./alerts/AlertsEventLog.ts"
import * as CostSummaries from "./alerts/CostSummaries.ts"
import * as CredentialsSql from "./credentials/CredentialsSql.ts"
import { eventModel } from "./eventModel.ts"
import * as EventLogSql from "./eventlog/EventLogSql.ts"
import { EventModel } from "./eventlog/Projection.ts"
import type { Hierarchies } from "./hierarchy/Hierarchies.ts"
import * as HierarchiesWarehouse from "./hierarchy/HierarchiesWarehouse.ts"
import type * as InstallationBigQuery from "./InstallationBigQuery.ts"
import * as NotifierServices from "./notifier/NotifierServices.ts"
import * as OrganizationsSql from "./organizations/OrganizationsSql.ts"
import * as OrgProfile from "./organizations/OrgProfile.ts"
import * as CatalogueYaml from "./pipelines/CatalogueYaml.ts"
import * as Database from "./platform/Database.ts"
import { Judge } from "./focus/Judge.ts"
import * as HttpClientNode from "./platform/HttpClientNode.ts"
import type { Encryption } from "./platform/Encryption.ts"
import * as EncryptionKms from "./platform/EncryptionKms.ts"
import * as EncryptionLocal from "./platform/EncryptionLocal.ts"
import * as NodeFiles from "./platform/NodeFiles.ts"
import { Settings } from "./platform/Settings.ts"
import type { Processors } from "./pipelines/Processor.ts"
import * as Registry from "./processors/Registry.ts"
import * as RunsEventLog from "./runs/RunsEventLog.ts"
import * as BackfillsSql from "./scheduler/BackfillsSql.ts"
import * as BatchesSql from "./scheduler/BatchesSql.ts"
import * as SchedulerSql from "./scheduler/SchedulerSql.ts"
import * as SubscriptionPlansWarehouse from "./subscriptions/SubscriptionPlansWarehouse.ts"
import type { QuotaAdmin } from "./validator/QuotaAdmin.ts"
import * as QuotaAdminLayers from "./validator/QuotaAdminLayers.ts"
import type { Validator } from "./validator/Validator.ts"
import * as ValidatorLocal from "./validator/ValidatorLocal.ts"
import * as ValidatorRemote from "./validator/ValidatorRemote.ts"
import * as WarehouseDuckDb from "./warehouse/duckdb/WarehouseDuckDb.ts"
import * as ProcedureSync from "./warehouse/ProcedureSync.ts"
import * as WarehouseLayers from "./warehouse/WarehouseLayers.ts"

type EncryptionLayer = Layer.Layer<
  Encryption,
  Layer.Layer.Error<typeof EncryptionLocal.layer>,
  Layer.Layer.Context<typeof EncryptionLocal.layer>
>

const encryption = Layer.unwrapEffect(
  Effect.map(Settings, (settings): EncryptionLayer =>
    Option.isSome(EncryptionKms.keyName(settings)) ? EncryptionKms.layer : EncryptionLocal.layer
  )
)

const bigQuery = Effect.promise(() => import("./InstallationBigQuery.ts"))

const accountsInDatabase = Layer.mergeAll(OrganizationsSql.layer, CredentialsSql.layer, NotifierServices.channels)

type AccountsInBigQuery = typeof InstallationBigQuery.accounts

type AccountsLayer = Layer.Layer<
  Layer.Layer.Success<typeof accountsInDatabase>,
  Layer.Layer.Error<typeof accountsInDatabase> | Layer.Layer.Error<AccountsInBigQuery>,
  Layer.Layer.Context<typeof accountsInDatabase> | Layer.Layer.Context<AccountsInBigQuery>
>

/** Organisations, keys, credentials and channels, where the settings want them. */
const accounts = Layer.unwrapEffect(
  Effect.flatMap(Settings, (settings): Effect.Effect<AccountsLayer> =>
    settings.warehouse === "duckdb"
      ? Effect.succeed(accountsInDatabase)
      : Effect.map(bigQuery, ({ accounts }) => accounts)
  )
)

/** The program of the event log's thread: TypeScript in the sources, JavaScript where they are compiled or bundled. */
export const eventLogThread = new URL(
  `eventLogThread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
  import.meta.url
)

/**
 * Organisations, keys, credentials, channels, the audit log and the event log: what several processes may use at a time. All in the service
 * database; with BigQuery as the warehouse the first four in its dataset `organizations`.
 */
export const records = Layer.mergeAll(
  accounts,
  AuditLogSql.layer,
  EventLogSql.layerThread(eventLogThread).pipe(Layer.provide(Layer.succeed(EventModel, eventModel)))
).pipe(Layer.provideMerge(encryption), Layer.provideMerge(Database.layer))

const remoteValidator = ValidatorRemote.layer.pipe(Layer.provide(HttpClientNode.layer))

type ValidatorLayer = Layer.Layer<
  Validator,
  Layer.Layer.Error<typeof remoteValidator>,
  Layer.Layer.Context<typeof ValidatorLocal.layer> | Layer.Layer.Context<typeof remoteValidator>
>

const validator = Layer.unwrapEffect(
  Effect.map(Settings, (settings): ValidatorLayer =>
    settings.validator === "local" ? ValidatorLocal.layer : remoteValidator
  )
)

const hierarchiesInDatasets = HierarchiesWarehouse.layer.pipe(Layer.provide(WarehouseDuckDb.layer))

type HierarchiesLayer = Layer.Layer<
  Hierarchies,
  Layer.Layer.Error<typeof hierarchiesInDatasets> | Layer.Layer.Error<typeof InstallationBigQuery.hierarchies>,
  Settings
>

/** The hierarchies, where the settings want them. */
export const hierarchies = Layer.unwrapEffect(
  Effect.flatMap(Settings, (settings): Effect.Effect<HierarchiesLayer> =>
    settings.warehouse === "duckdb"
      ? Effect.succeed(hierarchiesInDatasets)
      : Effect.map(bigQuery, ({ hierarchies }) => hierarchies)
  )
)

const onWarehouse = Layer.merge(ProcedureSync.ProcedureSync.layer, SubscriptionPlansWarehouse.layer).pipe(
  Layer.provideMerge(OrgProfile.layer.pipe(Layer.provide(WarehouseLayers.layer)))
)

/** Cost alerts and summaries, on the warehouse, told by the notifier. */
export const alerts = Layer.merge(AlertsEventLog.layer, CostSummaries.layer).pipe(
  Layer.provideMerge(NotifierServices.layer)
)

const remoteQuota = QuotaAdminLayers.layerRemote.pipe(Layer.provide(HttpClientNode.layer))

const quotaAdmin = Layer.unwrapEffect(
  Effect.map(Settings, (settings): Layer.Layer<QuotaAdmin, never, Settings> =>
    settings.validator === "local" ? QuotaAdminLayers.layerLocal : remoteQuota
  )
)

/** Schedules, backfills and batches, on the runs and the records, and what an operator's clock does beside them. */
export const scheduling = Layer.mergeAll(SchedulerSql.layer, BackfillsSql.layer, BatchesSql.layer, quotaAdmin)

type ShippedProcessors = typeof Registry.layer

/**
 * Everything but the HTTP server, on the settings given, with the processors given: those of a program beside or instead of the shipped ones.
 * `Runs.recover`, then `Scheduler.run`, and the notifier's worker are left to the caller.
 */
export const layerOf = <E = never>(
  processors: Layer.Layer<Processors, E | Layer.Layer.Error<ShippedProcessors>, Layer.Layer.Context<ShippedProcessors>>
) =>
  scheduling.pipe(
    Layer.provideMerge(RunsEventLog.layer),
    Layer.provideMerge(CatalogueYaml.layer),
    Layer.provideMerge(processors.pipe(Layer.provide(HttpClientNode.layer))),
    Layer.provideMerge(Layer.merge(validator, alerts)),
    Layer.provideMerge(onWarehouse),
    // The engine opens its file on threads of its own meanwhile.
    Layer.provideMerge(Layer.mergeAll(Layer.discard(WarehouseLayers.layer), records, Judge.layer)),
    Layer.provideMerge(NodeFiles.layer)
  )

/** The same with the shipped processors: what the service runs on. */
export const layer = layerOf(Registry.layer)
