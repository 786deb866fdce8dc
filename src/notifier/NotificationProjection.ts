/**
 * The table `notifications`: one row for each message to one channel, sent or not. It is the history, and the queue of what is due.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import type { Projection } from "../eventlog/Projection.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import { fromRecorded, type NotificationEvent, streamOf } from "./NotificationEvent.ts"
import { toText } from "./Message.ts"

const previewCharacters = 500

/** The projection of all notifications. */
export const notificationProjection: Projection = {
  name: "notifications",
  shape: 2,
  tables: ["notifications"],
  migrate: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table if not exists notifications (
      notification_id text primary key, org_slug text not null, event text not null, severity text not null,
      source text not null, channel_type text not null, channel_id text not null, recipients text not null,
      subject text not null, body_preview text not null, status text not null, pipeline text, run_id text, rule_id text,
      alert_id text, summary_id text, queued_at bigint not null, due_at bigint, attempts integer not null,
      ended_at bigint, error_message text, is_digest integer not null, is_escalation integer not null,
      acknowledged_at bigint, acknowledged_by text, version integer not null)`
    yield* sql`create index if not exists notifications_due on notifications (due_at) where status = 'queued'`
    yield* sql`create index if not exists notifications_by_source on notifications (source)`
    yield* sql`create index if not exists notifications_by_org on notifications (org_slug, queued_at)`
  }),
  apply: (session, events) => {
    for (const recorded of events) {
      if (recorded.stream.startsWith(streamOf(""))) applyEvent(session, fromRecorded(recorded), recorded)
    }
  }
}

type Columns = Readonly<Record<string, string | number | null>>

const applyEvent = (
  session: Sqlite.Session,
  event: NotificationEvent,
  { recordedAt, stream, version }: RecordedEvent
): void => {
  const change = (columns: Columns) => {
    const changes = Object.keys(columns).map((column) => `${column} = ?`)
    session(`update notifications set ${changes.join(", ")}, version = ? where notification_id = ?`, [
      [...Object.values(columns), version, stream.slice(streamOf("").length)]
    ])
  }
  switch (event._tag) {
    case "NotificationQueued":
    case "NotificationSkipped": {
      const isQueued = event._tag === "NotificationQueued"
      const { destination, message } = event
      const row: Columns = {
        notification_id: event.notificationId,
        org_slug: event.org,
        event: event.event,
        severity: message.severity,
        source: event.source,
        channel_type: destination.type,
        channel_id: destination.channelId,
        recipients: JSON.stringify(destination.type === "email" ? [...destination.to, ...destination.cc] : []),
        subject: message.title,
        body_preview: toText(message).slice(0, previewCharacters),
        status: isQueued ? "queued" : "skipped",
        pipeline: event.pipeline ?? null,
        run_id: event.runId ?? null,
        rule_id: event.ruleId ?? null,
        alert_id: event.alertId ?? null,
        summary_id: event.summaryId ?? null,
        queued_at: recordedAt,
        due_at: isQueued ? event.dueAt : null,
        attempts: 0,
        ended_at: isQueued ? null : recordedAt,
        error_message: isQueued ? null : event.reason,
        is_digest: event.isDigest === true ? 1 : 0,
        is_escalation: event.isEscalation === true ? 1 : 0,
        version
      }
      const columns = Object.keys(row)
      session(`insert into notifications (${columns.join(", ")}) values (${columns.map(() => "?").join(", ")})`, [
        Object.values(row)
      ])
      return
    }
    case "NotificationSent":
      return change({
        status: "sent",
        attempts: event.attempt,
        ended_at: recordedAt,
        due_at: null,
        error_message: event.rejected.length === 0 ? null : `not taken for ${event.rejected.join(", ")}`
      })
    case "NotificationWithdrawn":
      return change({ status: "skipped", ended_at: recordedAt, due_at: null, error_message: event.reason })
    case "NotificationAcknowledged":
      return change({ acknowledged_at: recordedAt, acknowledged_by: event.by })
    case "NotificationAttemptFailed":
      return change({ attempts: event.attempt, due_at: event.retryAt, error_message: event.problem })
    case "NotificationFailed":
      return change({
        status: "failed",
        attempts: event.attempt,
        ended_at: recordedAt,
        due_at: null,
        error_message: event.problem
      })
  }
}
