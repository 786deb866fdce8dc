/**
 * The library: what a program needs to run pipelines in-process, to bring processors of its own, and to talk to a running service.
 *
 * `Installation.layer` is everything wired as the service wires it; the tags here reach into it.
 */

/** All services of one machine, wired: `Installation.layer`, or `Installation.layerOf` with processors of your own. */
export * as Installation from "./Installation.ts"
/** The shipped processors: `Processing.layerWith([...])` adds your own to them. */
export * as Processing from "./processors/Registry.ts"
/** The settings; `Settings.layer` reads the current `ConfigProvider`. */
export { Settings, type SettingsValues } from "./platform/Settings.ts"
/** Organisations, runs and days as checked texts. */
export { Day, OrgSlug, RunId } from "./platform/Identifiers.ts"
export type { Json, JsonObject } from "./platform/Json.ts"

/** The runs: ask for one, follow it, cancel it, retry it. */
export * from "./runs/Runs.ts"
/** What a step runs. */
export {
  type DateRules,
  ErrorType,
  type Processor,
  Processors,
  type StepContext,
  StepError,
  StepOutput
} from "./pipelines/Processor.ts"
/** The pipelines of the configuration folders. */
export { Catalogue, type CatalogueService, PipelineInvalid, TemplateNotFound } from "./pipelines/Catalogue.ts"
export { Pipeline, Step } from "./pipelines/Pipeline.ts"

/** The durable log of events, for audit and replay. */
export * from "./eventlog/EventLog.ts"
/** The warehouse: organisations' datasets, slices, queries, procedures. */
export * from "./warehouse/Warehouse.ts"
export { Column, ColumnType, lineageColumns, Table } from "./warehouse/Table.ts"
export { type ProcedureFile, ProcedureSync, type SyncReport } from "./warehouse/ProcedureSync.ts"

/** Who may use an installation, and with which secrets. */
export * from "./organizations/Organizations.ts"
export * from "./credentials/Credentials.ts"
/** May a run start, and the quota that it takes. */
export * from "./validator/Validator.ts"
/** Schedules and the durable queue. */
export { Scheduler, type SchedulerService } from "./scheduler/Scheduler.ts"
/** Messages to people. */
export { Notifier, type NotifierService } from "./notifier/Notifier.ts"
/** Judges FOCUS rows by the rules of FOCUS 1.3. */
export { Judge } from "./focus/Judge.ts"

/** The HTTP API as a definition, and a typed client made of it. */
export { Api } from "./http/Api.ts"
export { ApiError } from "./http/Errors.ts"
export * as Client from "./http/Client.ts"
