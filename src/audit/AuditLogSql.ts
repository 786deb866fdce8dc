/**
 * The audit log in the service database.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { OrgSlug } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"
import { AuditLog, type AuditLogService, AuditLogUnavailable, type RecordedAuditEntry } from "./AuditLog.ts"

const Row = Schema.Struct({
  audit_id: Schema.String,
  org_slug: OrgSlug,
  action: Schema.String,
  resource_type: Schema.String,
  resource_id: Schema.String,
  status: Schema.Literal("START", "SUCCESS", "FAILURE"),
  error_message: Schema.NullOr(Schema.String),
  details: Schema.parseJson(JsonObject),
  created_at: Schema.String
})
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))

/** Entries are kept so long. */
export const AUDIT_RETENTION_DAYS = 400

/** Forgets at most `limit` old entries; answers how many. */
export const sweep = Effect.fnUntraced(function* (now: number, limit: number) {
  const sql = yield* SqlClient.SqlClient
  const before = new Date(now - AUDIT_RETENTION_DAYS * 86_400_000).toISOString()
  const entries = yield* sql`delete from org_audit_logs where audit_id in (
    select audit_id from org_audit_logs where created_at < ${before} limit ${limit}) returning audit_id`
  return entries.length
})

/** The layer over the service database; creates its table. */
export const layer = Layer.effect(
  AuditLog,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Effect.mapError(
      Effect.all([
        sql`create table if not exists org_audit_logs (
          audit_id text primary key,
          org_slug text not null,
          action text not null,
          resource_type text not null,
          resource_id text not null,
          status text not null,
          error_message text,
          details text not null,
          created_at text not null
        )`,
        sql`create index if not exists org_audit_logs_by_org on org_audit_logs (org_slug, created_at)`
      ]),
      unavailable("create its table")
    )
    const service: AuditLogService = {
      record: Effect.fn("AuditLog.record")(function* (entry) {
        const millis = yield* Clock.currentTimeMillis
        yield* sql`insert into org_audit_logs ${sql.insert({
          audit_id: randomUUID(),
          org_slug: entry.org,
          action: entry.action,
          resource_type: entry.resourceType,
          resource_id: entry.resourceId,
          status: entry.status,
          error_message: entry.errorMessage ?? null,
          details: JSON.stringify(entry.details),
          created_at: new Date(millis).toISOString()
        })}`.pipe(Effect.mapError(unavailable("record an entry")))
      }),
      list: Effect.fn("AuditLog.list")(function* (org, limit) {
        const rows = yield* sql`select * from org_audit_logs where org_slug = ${org}
          order by created_at desc, rowid desc limit ${limit}`.pipe(
          Effect.flatMap(decodeRows),
          Effect.mapError(unavailable("read entries"))
        )
        return rows.map(recorded)
      })
    }
    return service
  })
)

const unavailable = (operation: string) => (cause: unknown) => new AuditLogUnavailable({ operation, cause })

const recorded = (row: typeof Row.Type): RecordedAuditEntry => ({
  auditId: row.audit_id,
  org: row.org_slug,
  action: row.action,
  resourceType: row.resource_type,
  resourceId: row.resource_id,
  status: row.status,
  ...(row.error_message === null ? {} : { errorMessage: row.error_message }),
  details: row.details,
  recordedAt: row.created_at
})
