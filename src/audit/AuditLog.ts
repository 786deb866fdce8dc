/**
 * Who did what to what: entries that are only ever added. The table is `org_audit_logs`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"

/** The entries cannot be written or read. */
export class AuditLogUnavailable extends Schema.TaggedError<AuditLogUnavailable>()("AuditLogUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect
}) {
  override get message() {
    return `the audit log does not answer (${this.operation}): look at the service's database`
  }
}

/** One entry. `action` and `resourceType` are words in capitals; `details` holds no secret. */
export interface AuditEntry {
  readonly org: OrgSlug
  /** `EXECUTE_PROCEDURE` */
  readonly action: string
  /** `PROCEDURE` */
  readonly resourceType: string
  readonly resourceId: string
  readonly status: "START" | "SUCCESS" | "FAILURE"
  readonly errorMessage?: string
  readonly details: JsonObject
}

/** An entry as it was recorded; `recordedAt` is ISO 8601 UTC. */
export interface RecordedAuditEntry extends AuditEntry {
  readonly auditId: string
  readonly recordedAt: string
}

export interface AuditLogService {
  readonly record: (entry: AuditEntry) => Effect.Effect<void, AuditLogUnavailable>
  /** The newest entries of an organisation, newest first, at most `limit`. */
  readonly list: (org: OrgSlug, limit: number) => Effect.Effect<ReadonlyArray<RecordedAuditEntry>, AuditLogUnavailable>
}

/** The audit log. */
export class AuditLog extends Context.Tag("pipeline-service/AuditLog")<AuditLog, AuditLogService>() {}
