/**
 * `alert_states`: when each alert was evaluated for each organisation; `alert_history`: one row for each time it triggered.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import type { Projection } from "../eventlog/Projection.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import { type AlertEvent, fromRecorded } from "./AlertEvent.ts"

/** The projection of all alerts. */
export const alertProjection: Projection = {
  name: "alerts",
  shape: 1,
  tables: ["alert_states", "alert_history"],
  migrate: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table if not exists alert_states (
      org_slug text not null, alert_id text not null, slot bigint, version integer not null,
      last_evaluated_at bigint not null, last_triggered_at bigint, trigger_count integer not null,
      primary key (org_slug, alert_id))`
    yield* sql`create table if not exists alert_history (
      alert_history_id text primary key, org_slug text not null, alert_id text not null, status text not null,
      severity text not null, recipients text not null, trigger_data text not null, condition_results text not null,
      error_message text, sent_at bigint, created_at bigint not null)`
    yield* sql`create index if not exists alert_history_by_org on alert_history (org_slug, created_at)`
    yield* sql`create index if not exists alert_history_sent on alert_history (sent_at) where status = 'SENT'`
  }),
  apply: (session, events) => {
    for (const recorded of events) {
      if (recorded.stream.startsWith("alert/")) applyEvent(session, fromRecorded(recorded), recorded)
    }
  }
}

const applyEvent = (session: Sqlite.Session, event: AlertEvent, { recordedAt, version }: RecordedEvent): void => {
  const triggered = event._tag === "AlertTriggered"
  changeState(session, [
    [event.org, event.alertId, event.slot, version, recordedAt, triggered ? recordedAt : null, triggered ? 1 : 0]
  ])
  if (!triggered) return
  insertTriggered(session, [
    [
      event.historyId,
      event.org,
      event.alertId,
      event.status,
      event.severity,
      JSON.stringify(event.recipients),
      JSON.stringify(event.values),
      JSON.stringify(event.conditions),
      event.problem,
      event.status === "SENT" ? recordedAt : null,
      recordedAt
    ]
  ])
}

const changeState = Sqlite.statement(`
  insert into alert_states values (?, ?, ?, ?, ?, ?, ?)
  on conflict (org_slug, alert_id) do update set
    slot = coalesce(excluded.slot, alert_states.slot), version = excluded.version,
    last_evaluated_at = excluded.last_evaluated_at,
    last_triggered_at = coalesce(excluded.last_triggered_at, alert_states.last_triggered_at),
    trigger_count = alert_states.trigger_count + excluded.trigger_count`)
const insertTriggered = Sqlite.statement("insert into alert_history values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
