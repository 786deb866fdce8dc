/**
 * Answers the endpoints of stored procedures. The root key is checked before (see Authentication.ts).
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { type ProceduresUnreadable, ProcedureSync, type SyncReport as Report } from "../warehouse/ProcedureSync.ts"
import { type StoredProcedure, Warehouse, type WarehouseError } from "../warehouse/Warehouse.ts"
import { CoreApi } from "./CoreApi.ts"
import { readJson } from "./Body.ts"
import { type ApiError, apiError, fromDomain, internalErrorDetail } from "./Errors.ts"
import { SyncRequestBody, type SyncReport } from "./ProcedureSchemas.ts"

const readSyncRequest = readJson(SyncRequestBody)
const dataset = "organizations"
const procedureName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

const toApiError = (error: ProceduresUnreadable | WarehouseError): ApiError =>
  error._tag === "ProceduresUnreadable"
    ? apiError("INTERNAL_ERROR", internalErrorDetail, { cause: error })
    : fromDomain(error)

const checkName = (name: string): Effect.Effect<void, ApiError> =>
  procedureName.test(name)
    ? Effect.void
    : apiError("INVALID_PARAMETER", "a procedure's name is 1 to 128 of a-z, A-Z, 0-9 and _, not starting with a digit")

const notFound = (name: string, where: string): ApiError =>
  apiError("PROCEDURE_NOT_FOUND", `procedure ${name} is not ${where}`)

const reportOf = (report: Report): typeof SyncReport.Type => ({
  success: report.failed.length === 0,
  ...report,
  message:
    `${report.created.length} created, ${report.updated.length} updated, ` +
    `${report.skipped.length} unchanged, ${report.failed.length} failed`
})

/** The handlers of the group `procedures`. */
export const layer = HttpApiBuilder.group(CoreApi, "procedures", (handlers) =>
  Effect.gen(function* () {
    const sync = yield* ProcedureSync
    const warehouse = yield* Warehouse
    const shown = (stored: StoredProcedure, inSync: boolean) => ({
      name: stored.name,
      dataset,
      project_id: warehouse.projectId,
      full_name: `${warehouse.projectId}.${dataset}.${stored.name}`,
      created_at: stored.createdAt,
      modified_at: stored.modifiedAt,
      content_hash: stored.contentHash,
      in_sync: inSync
    })
    const stored = Effect.mapError(sync.list, toApiError)
    const list = Effect.map(stored, (found) => ({
      procedures: found.map(({ inSync, procedure }) => shown(procedure, inSync)),
      count: found.length
    }))
    const files = Effect.mapError(sync.files, toApiError)
    return handlers
      .handle("procedures", () => list)
      .handle("list", () => list)
      .handle("files", ({ urlParams: { domain } }) =>
        Effect.map(files, (found) => {
          const wanted = found.filter((file) => domain === undefined || file.domain === domain)
          return { files: wanted, count: wanted.length, domain_filter: domain ?? null }
        })
      )
      .handleRaw("sync", ({ request }) =>
        Effect.gen(function* () {
          const { domain, force, procedures } = yield* readSyncRequest(request)
          const report = yield* sync.sync({
            force: force ?? false,
            ...(procedures === undefined || procedures === null ? {} : { procedures }),
            ...(domain === undefined || domain === null ? {} : { domain })
          })
          return reportOf(report)
        }).pipe(Effect.mapError((error) => (error._tag === "ApiError" ? error : toApiError(error))))
      )
      .handle("syncOne", ({ path: { name }, urlParams: { force } }) =>
        Effect.gen(function* () {
          yield* checkName(name)
          if (!(yield* files).some((file) => file.name === name)) {
            return yield* notFound(name, "among the files of this installation")
          }
          return reportOf(yield* Effect.mapError(sync.sync({ force, procedures: [name] }), toApiError))
        })
      )
      .handle("get", ({ path: { name } }) =>
        Effect.gen(function* () {
          yield* checkName(name)
          const found = (yield* stored).find(({ procedure }) => procedure.name === name)
          if (found === undefined) return yield* notFound(name, "in the warehouse")
          return { ...shown(found.procedure, found.inSync), definition: found.procedure.definition }
        })
      )
      .handle("drop", ({ path: { name } }) =>
        Effect.gen(function* () {
          yield* checkName(name)
          if (!(yield* Effect.mapError(warehouse.procedures.drop(name), toApiError))) {
            return yield* notFound(name, "in the warehouse")
          }
          return { success: true, procedure_name: name, message: `procedure ${name} dropped` }
        })
      )
  })
)
