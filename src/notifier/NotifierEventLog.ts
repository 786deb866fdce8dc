/**
 * The notifier on the event log: a queued notification is a stream, the table `notifications` says which are due, and each end is recorded
 * after the other side has taken the message.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { EventLog, EventLogUnavailable } from "../eventlog/EventLog.ts"
import { Encryption } from "../platform/Encryption.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { ChannelsUnavailable, ChannelType } from "./Channels.ts"
import { sealText } from "./ChannelsSql.ts"
import {
  EventName,
  fromRecorded,
  idOf,
  type NotificationEvent,
  type NotificationQueued,
  streamOf,
  toNewEvent
} from "./NotificationEvent.ts"
import { type Delivery, type Notification, Notifier, type NotifierService, Status, type Subject } from "./Notifier.ts"
import { counted } from "./NotifierMetrics.ts"
import * as Send from "./Send.ts"

/** Deliveries under way at a time, and of one organisation: one that hangs must not keep the others waiting. */
const MAX_DELIVERIES = 16
const MAX_DELIVERIES_OF_ORG = 4
/** How long the sender sleeps at most: the table may be changed by another process. */
const IDLE_SECONDS = 60
/** What `settle` waits for: a retry that is due later is left to the sender. */
const SETTLE_SECONDS = 60
const LONGEST_RETRY_SECONDS = 30
const LONGEST_RETRY_AFTER_SECONDS = 3600
const RETRY_JITTER = 0.25
const storeWait = Duration.seconds(5)

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
  ended_at: Schema.NullOr(Schema.Number)
})
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))

interface Open {
  readonly queued: typeof NotificationQueued.Type
  readonly attempts: number
  readonly dueAt: number
  readonly version: number
}

const make = Effect.gen(function* () {
  const log = yield* EventLog
  const sql = yield* SqlClient.SqlClient
  const settings = yield* Settings
  const encryption = yield* Encryption
  const send = yield* Send.make
  const underWay = new Map<string, Deferred.Deferred<void>>()
  const woken = Effect.unsafeMakeLatch(false)

  const record = (id: string, expectedVersion: number, event: NotificationEvent) =>
    log.append({ stream: streamOf(id), expectedVersion, events: [toNewEvent(event)] }).pipe(
      Effect.asVoid,
      // Whoever recorded first is right; keys are not claimed here, and no rule concerns notifications.
      Effect.catchTags({ VersionConflict: () => Effect.void, KeyHeld: Effect.die, AppendForbidden: Effect.die })
    )

  /** The fold of a notification that is not over. */
  const open = Effect.fnUntraced(function* (id: string) {
    let state: Open | undefined
    for (const recorded of yield* log.read(streamOf(id))) {
      const event = yield* fromRecorded(recorded)
      state =
        event._tag === "NotificationQueued"
          ? { queued: event, attempts: 0, dueAt: event.dueAt, version: recorded.version }
          : event._tag === "NotificationAttemptFailed" && state !== undefined
            ? { ...state, attempts: event.attempt, dueAt: event.retryAt, version: recorded.version }
            : undefined
    }
    return state
  })

  /** A channel gets one message at a time, so that a crash between sending and recording repeats no more than one there. */
  const lanes = new Map<string, Effect.Semaphore>()
  const laneOf = ({ destination, org }: Open["queued"]): Effect.Semaphore => {
    const key = `${org} ${destination.type} ${destination.channelId}`
    const lane = lanes.get(key) ?? Effect.unsafeMakeSemaphore(1)
    lanes.set(key, lane)
    return lane
  }

  const attempt = Effect.fn("Notifier.attempt")(function* (id: string) {
    const state = yield* open(id)
    if (state === undefined || state.dueAt > (yield* Clock.currentTimeMillis)) return
    yield* laneOf(state.queued).withPermits(1)(sendAndRecord(id, state))
  })

  const sendAndRecord = Effect.fnUntraced(function* (id: string, state: Open) {
    const number = state.attempts + 1
    const event: Ended = yield* send(state.queued).pipe(
      Effect.matchEffect({
        onSuccess: (rejected) => Effect.succeed<Ended>({ _tag: "NotificationSent", attempt: number, rejected }),
        onFailure: (error) => afterFailure(number, error)
      })
    )
    yield* record(id, state.version, event)
    yield* counted(state.queued.destination.type, outcomes[event._tag])
  })

  const afterFailure = Effect.fnUntraced(function* (number: number, error: Send.SendFailed) {
    const problem = error.message
    if (!error.retryable || number >= settings.notificationMaxAttempts) {
      return { _tag: "NotificationFailed", attempt: number, problem } satisfies NotificationEvent
    }
    const usual = Math.min(settings.notificationRetryDelaySeconds * 2 ** (number - 1), LONGEST_RETRY_SECONDS)
    const jittered = usual * (yield* Random.nextRange(1 - RETRY_JITTER, 1 + RETRY_JITTER))
    const asked = Math.min(error.retryAfterSeconds ?? 0, LONGEST_RETRY_AFTER_SECONDS)
    const retryAt = (yield* Clock.currentTimeMillis) + Math.round(Math.max(jittered, asked) * 1000)
    return { _tag: "NotificationAttemptFailed", attempt: number, problem, retryAt } satisfies NotificationEvent
  })

  /** One attempt of a notification at a time; who comes second waits for the end of the first one's. */
  const attemptOnce = (id: string): Effect.Effect<void, EventLogUnavailable> =>
    Effect.suspend(() => {
      const other = underWay.get(id)
      if (other !== undefined) return Deferred.await(other)
      const ended = Deferred.unsafeMake<void>(FiberId.none)
      underWay.set(id, ended)
      return Effect.ensuring(
        // A store that does not answer gets time before the sender comes back.
        Effect.tapError(attempt(id), () => Effect.sleep(storeWait)),
        Effect.suspend(() => {
          underWay.delete(id)
          woken.unsafeOpen()
          return Deferred.succeed(ended, undefined)
        })
      )
    })

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

  const queue: NotifierService["queue"] = Effect.fn("Notifier.queue")(function* (subject, deliveries) {
    const now = yield* Clock.currentTimeMillis
    const { cooldownSeconds = 0, ...about } = subject
    const throttled = cooldownSeconds === 0 ? undefined : yield* lastTold(about, now - cooldownSeconds * 1000)
    const ids = yield* Effect.forEach(deliveries, (delivery) =>
      Effect.gen(function* () {
        const { dueAt, message, ruleId } = delivery
        const skip = settings.notificationsEnabled ? (delivery.skip ?? throttled) : switchedOff
        const id = idOf(subject.source, placeOf(delivery.destination))
        const destination = yield* sealed(subject.org, id, delivery)
        const all = { notificationId: id, ...about, ...(ruleId === undefined ? {} : { ruleId }), destination, message }
        yield* record(
          id,
          0,
          skip === undefined
            ? { _tag: "NotificationQueued", ...all, dueAt: dueAt ?? now }
            : { _tag: "NotificationSkipped", ...all, reason: skip }
        )
        return id
      })
    )
    woken.unsafeOpen()
    return ids
  })

  const sealed = Effect.fnUntraced(function* (org: OrgSlug, id: string, { destination, secret }: Delivery) {
    if (secret === undefined || destination.type === "email") return destination
    const envelope = yield* encryption
      .seal(sealText(secret), { org, id })
      .pipe(Effect.mapError(({ message }) => new ChannelsUnavailable({ message })))
    return { ...destination, secret: { kind: "sealed" as const, envelope } }
  })

  const settle: NotifierService["settle"] = Effect.fn("Notifier.settle")(function* (ids) {
    const until = (yield* Clock.currentTimeMillis) + SETTLE_SECONDS * 1000
    const settleOne = (id: string): Effect.Effect<void, EventLogUnavailable> =>
      Effect.gen(function* () {
        const state = yield* open(id)
        if (state === undefined || state.dueAt > until) return
        const wait = state.dueAt - (yield* Clock.currentTimeMillis)
        if (wait > 0) yield* Effect.sleep(Duration.millis(wait))
        yield* attemptOnce(id)
        yield* settleOne(id)
      })
    yield* Effect.forEach(ids, settleOne, { concurrency: MAX_DELIVERIES, discard: true })
    const rows = new Map((yield* rowsOf(ids)).map((row) => [row.notification_id, row]))
    return ids.flatMap((id) => {
      const row = rows.get(id)
      return row === undefined ? [] : [viewOf(row)]
    })
  })

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

  const due = (now: number) =>
    sql<{ readonly notification_id: string }>`
      select notification_id from (
        select notification_id, due_at, row_number() over (partition by org_slug order by due_at, notification_id) as place
        from (
          select notification_id, org_slug, due_at, row_number() over (
            partition by org_slug, channel_type, channel_id order by due_at, notification_id) as lane
          from notifications where status = 'queued' and due_at <= ${now}) as waiting
        where lane = 1) as next
      where place <= ${MAX_DELIVERIES_OF_ORG} order by due_at, notification_id`.pipe(unreadable)

  const nextDue = (now: number) =>
    sql<{ readonly due: number | null }>`
      select min(due_at) as due from notifications where status = 'queued' and due_at > ${now}`.pipe(
      unreadable,
      Effect.map(([row]) => row?.due ?? Number.POSITIVE_INFINITY)
    )

  const pass = Effect.gen(function* () {
    woken.unsafeClose()
    const now = yield* Clock.currentTimeMillis
    for (const { notification_id: id } of yield* due(now)) {
      if (underWay.size >= MAX_DELIVERIES) break
      if (!underWay.has(id)) {
        yield* Effect.forkScoped(
          Effect.catchAllCause(attemptOnce(id), (cause) =>
            Effect.logError(`notification ${id} is left for later`, cause)
          )
        )
        // The fiber must have entered the map before the next look at it.
        yield* Effect.yieldNow()
      }
    }
    const wait = Math.min((yield* nextDue(now)) - now, IDLE_SECONDS * 1000)
    yield* Effect.timeoutOption(woken.await, Duration.millis(wait))
  })

  const run: NotifierService["run"] = pass.pipe(
    Effect.catchAll((error) =>
      Effect.zipRight(Effect.logWarning(`the notifier waits for its store: ${error.message}`), Effect.sleep(storeWait))
    ),
    Effect.forever,
    Effect.scoped
  )

  return { queue, settle, history, run } satisfies NotifierService
})

/** What an attempt ends with. */
type Ended = Extract<NotificationEvent, { readonly _tag: keyof typeof outcomes }>

const outcomes = {
  NotificationSent: "sent",
  NotificationAttemptFailed: "attempt_failed",
  NotificationFailed: "failed"
} as const

const switchedOff = "notifications are off: set NOTIFICATIONS_ENABLED"

/** Two deliveries of one event to the same place are one. */
const placeOf = (destination: (typeof NotificationQueued.Type)["destination"]): string =>
  destination.type === "email"
    ? `email ${destination.channelId} ${[...destination.to].sort().join(" ")}`
    : `${destination.type} ${destination.channelId}`

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString()

const viewOf = (row: typeof Row.Type): Notification => ({
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
  endedAt: row.ended_at === null ? undefined : isoTime(row.ended_at)
})

const unreadable = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (cause) => new EventLogUnavailable({ operation: "read the notifications", cause }))

/** The notifier; nothing is sent by itself until `run` is. */
export const layer = Layer.effect(Notifier, make)
