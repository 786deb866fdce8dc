/**
 * What is asked of the table `notifications`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EventLogUnavailable } from "../eventlog/EventLog.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { ChannelType } from "./Channels.ts"
import { type Destination, EventName, type NotificationQueued } from "./NotificationEvent.ts"
import { type Notification, type NotifierService, Status, type Subject } from "./Notifier.ts"

/** Messages of one digest; those beyond are the next one. */
const MAX_DIGEST_MESSAGES = 100

const Row = Schema.Struct({
  notification_id: Schema.String,
  org_slug: OrgSlug,
  event: EventName,
  channel_type: ChannelType,
  channel_id: Schema.String,
  recipients: Schema.parseJson(Schema.Array(Schema.String)),
  subject: Schema.String,
  status: Status,
  attempts: Schema.Number,
  error_message: Schema.NullOr(Schema.String),
  queued_at: Schema.Number,
  due_at: Schema.NullOr(Schema.Number),
  ended_at: Schema.NullOr(Schema.Number),
  acknowledged_by: Schema.NullOr(Schema.String),
  version: Schema.Number
})
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))

/** The questions, on the service database. */
export const make = Effect.map(SqlClient.SqlClient, (sql) => {
  const rowsOf = (ids: ReadonlyArray<string>) =>
    sql`select * from notifications where notification_id in (select value from json_each(${JSON.stringify(ids)}))`.pipe(
      Effect.flatMap(decodeRows),
      unreadable
    )

  /** Why nothing is told now: the organisation was told of this event and pipeline, from another source, since that time. */
  const lastTold = (about: Subject, since: number) =>
    sql<{ readonly queued_at: number }>`select queued_at from notifications where ${sql.and([
      sql`org_slug = ${about.org} and queued_at > ${since} and event = ${about.event} and source <> ${about.source}`,
      sql`coalesce(pipeline, '') = ${about.pipeline ?? ""} and status in ('queued', 'sent')`
    ])} order by queued_at desc limit 1`.pipe(
      unreadable,
      Effect.map(([row]) =>
        row === undefined ? undefined : `throttled: the last one of this kind is of ${isoTime(row.queued_at)}`
      )
    )

  const history: NotifierService["history"] = Effect.fn("Notifier.history")((org, filter) =>
    sql`select * from notifications where ${sql.and([
      sql`org_slug = ${org}`,
      ...(filter.runId === undefined ? [] : [sql`run_id = ${filter.runId}`])
    ])} order by queued_at desc, notification_id limit ${filter.limit}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map((rows) => rows.map(viewOf)),
      unreadable
    )
  )

  /** Ids that are due: at most `perOrg` of each organisation, the first of each channel. */
  const due = (now: number, perOrg: number) =>
    sql<{ readonly notification_id: string }>`
      select notification_id from (
        select notification_id, due_at, row_number() over (partition by org_slug order by due_at, notification_id) as place
        from (
          select notification_id, org_slug, due_at, row_number() over (
            partition by org_slug, channel_type, channel_id order by due_at, notification_id) as lane
          from notifications where status = 'queued' and due_at <= ${now}) as waiting
        where lane = 1) as next
      where place <= ${perOrg} order by due_at, notification_id`.pipe(unreadable)

  const nextDue = (now: number) =>
    sql<{ readonly due: number | null }>`
      select min(due_at) as due from notifications where status = 'queued' and due_at > ${now}`.pipe(
      unreadable,
      Effect.map(([row]) => row?.due ?? Number.POSITIVE_INFINITY)
    )

  const ofDigest = ({ destination: { channelId, type }, org, ruleId }: DigestPlace) =>
    sql`org_slug = ${org} and channel_type = ${type} and channel_id = ${channelId} and rule_id = ${ruleId ?? ""}
      and is_digest = 1 and status = 'queued'`

  /** The others that are due with a message of a digest. */
  const dueWith = (queued: typeof NotificationQueued.Type, now: number) =>
    sql<{ readonly notification_id: string }>`select notification_id from notifications where ${sql.and([
      ofDigest({ ...queued, ruleId: queued.ruleId }),
      sql`due_at <= ${now} and notification_id <> ${queued.notificationId}`
    ])} order by queued_at, notification_id limit ${MAX_DIGEST_MESSAGES - 1}`.pipe(
      unreadable,
      Effect.map((rows) => rows.map((row) => row.notification_id))
    )

  /** When the digest that takes messages of this place goes out; null when none is open. */
  const openDigest = (place: DigestPlace, now: number) =>
    sql<{ readonly due: number | null }>`select min(due_at) as due from notifications
      where ${sql.and([ofDigest(place), sql`due_at > ${now}`])}`.pipe(
      unreadable,
      Effect.map(([row]) => row?.due ?? null)
    )

  /** Whether somebody has acknowledged a notification of the source. */
  const isAcknowledged = (source: string) =>
    sql`select 1 from notifications where source = ${source} and acknowledged_at is not null limit 1`.pipe(
      unreadable,
      Effect.map((rows) => rows.length > 0)
    )

  return { rowsOf, lastTold, history, due, nextDue, dueWith, openDigest, isAcknowledged }
})

/** The messages that may go out together. */
interface DigestPlace {
  readonly org: OrgSlug
  readonly destination: Destination
  readonly ruleId: string | undefined
}

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString()

/** A row as the history shows it. */
export const viewOf = (row: typeof Row.Type): Notification => ({
  notificationId: row.notification_id,
  org: row.org_slug,
  event: row.event,
  channelType: row.channel_type,
  channelId: row.channel_id,
  recipients: row.recipients,
  subject: row.subject,
  status: row.status,
  attempts: row.attempts,
  problem: row.error_message ?? undefined,
  queuedAt: isoTime(row.queued_at),
  endedAt: row.ended_at === null ? undefined : isoTime(row.ended_at),
  acknowledgedBy: row.acknowledged_by ?? undefined
})

const unreadable = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (cause) => new EventLogUnavailable({ operation: "read the notifications", cause }))
