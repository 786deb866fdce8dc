/**
 * An installation: all services of one machine, wired. What `main.ts` runs its commands on and what a program provides to use the
 * service in-process.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AuditLogSql from "./audit/AuditLogSql.ts"
import { alertProjection } from "./alerts/AlertProjection.ts"
import * as AlertsEventLog from "./alerts/AlertsEventLog.ts"
import * as CredentialsSql from "./credentials/CredentialsSql.ts"
import * as EventLogSql from "./eventlog/EventLogSql.ts"
import { EventModel } from "./eventlog/Projection.ts"
import * as AddressBook from "./notifier/AddressBook.ts"
import * as ChannelsSql from "./notifier/ChannelsSql.ts"
import * as MailerSmtp from "./notifier/MailerSmtp.ts"
import { notificationProjection } from "./notifier/NotificationProjection.ts"
import * as NotifierEventLog from "./notifier/NotifierEventLog.ts"
import * as WebhookClient from "./notifier/WebhookClient.ts"
import * as OrganizationsSql from "./organizations/OrganizationsSql.ts"
import * as CatalogueYaml from "./pipelines/CatalogueYaml.ts"
import * as Database from "./platform/Database.ts"
import { Judge } from "./focus/Judge.ts"
import * as HttpClientNode from "./platform/HttpClientNode.ts"
import * as EncryptionLocal from "./platform/EncryptionLocal.ts"
import { Settings } from "./platform/Settings.ts"
import * as Registry from "./processors/Registry.ts"
import { runEventModel } from "./runs/RunProjection.ts"
import * as RunsEventLog from "./runs/RunsEventLog.ts"
import * as BackfillsSql from "./scheduler/BackfillsSql.ts"
import * as BatchesSql from "./scheduler/BatchesSql.ts"
import * as SchedulerSql from "./scheduler/SchedulerSql.ts"
import * as SubscriptionPlansWarehouse from "./subscriptions/SubscriptionPlansWarehouse.ts"
import type { Validator } from "./validator/Validator.ts"
import * as ValidatorLocal from "./validator/ValidatorLocal.ts"
import * as ValidatorRemote from "./validator/ValidatorRemote.ts"
import * as WarehouseDuckDb from "./warehouse/duckdb/WarehouseDuckDb.ts"
import * as ProcedureSync from "./warehouse/ProcedureSync.ts"

/** All that the event log is projected to. */
export const eventModel: EventModel["Type"] = {
  ...runEventModel,
  projections: [...runEventModel.projections, notificationProjection, alertProjection]
}

/** Where organisations want to be told. */
export const channels = ChannelsSql.layer.pipe(Layer.provideMerge(WebhookClient.layer))

/** Organisations, keys, credentials, channels, the audit log and the event log: the service database alone, which several processes may open. */
export const records = Layer.mergeAll(
  OrganizationsSql.layer,
  AuditLogSql.layer,
  CredentialsSql.layer,
  channels,
  EventLogSql.layer.pipe(Layer.provide(Layer.succeed(EventModel, eventModel)))
).pipe(Layer.provideMerge(EncryptionLocal.layer), Layer.provideMerge(Database.layer))

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

const warehouse = Layer.merge(ProcedureSync.ProcedureSync.layer, SubscriptionPlansWarehouse.layer).pipe(
  Layer.provideMerge(WarehouseDuckDb.layer)
)

/** The notifier's services; `Worker.layer` makes it work. */
export const notifier = Layer.merge(
  NotifierEventLog.layer.pipe(Layer.provide(MailerSmtp.layer)),
  AddressBook.layer.pipe(Layer.provide(HttpClientNode.layer))
).pipe(Layer.provideMerge(channels))

/** Cost alerts, on the warehouse, told by the notifier. */
export const alerts = AlertsEventLog.layer.pipe(Layer.provideMerge(notifier))

/** Schedules, backfills and batches, on the runs and the records. */
export const scheduling = Layer.mergeAll(SchedulerSql.layer, BackfillsSql.layer, BatchesSql.layer)

/** Everything but the HTTP server, on the settings given. `Runs.recover`, then `Scheduler.run`, and the notifier's worker are left to the caller. */
export const layer = scheduling.pipe(
  Layer.provideMerge(RunsEventLog.layer),
  Layer.provideMerge(CatalogueYaml.layer),
  Layer.provideMerge(Registry.layer),
  Layer.provideMerge(Layer.merge(validator, alerts)),
  Layer.provideMerge(Judge.layer),
  Layer.provideMerge(warehouse),
  Layer.provideMerge(records),
  Layer.provideMerge(NodeContext.layer)
)
