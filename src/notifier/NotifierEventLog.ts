/**
 * The notifier on the event log: a queued notification is a stream, the table `notifications` says which are due, and each end is recorded
 * after the other side has taken the message.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { EventLog, type EventLogUnavailable } from "../eventlog/EventLog.ts"
import { Encryption } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { ChannelsUnavailable } from "./Channels.ts"
import { sealText } from "./ChannelSecrets.ts"
import {
  fromRecorded,
  idOf,
  type NotificationEvent,
  type NotificationQueued,
  streamOf,
  toNewEvent
} from "./NotificationEvent.ts"
import { digestOf, toAcknowledge, unacknowledged } from "./Digest.ts"
import { type Delivery, NotAcknowledged, Notifier, type NotifierService } from "./Notifier.ts"
import * as NotificationQueries from "./NotificationQueries.ts"
import { viewOf } from "./NotificationQueries.ts"
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

interface Open {
  readonly id: string
  readonly queued: typeof NotificationQueued.Type
  readonly attempts: number
  readonly dueAt: number
  readonly version: number
}

const make = Effect.gen(function* () {
  const log = yield* EventLog
  const settings = yield* Settings
  const encryption = yield* Encryption
  const send = yield* Send.make
  const table = yield* NotificationQueries.make
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
      const event = fromRecorded(recorded)
      state =
        event._tag === "NotificationQueued"
          ? { id, queued: event, attempts: 0, dueAt: event.dueAt, version: recorded.version }
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
    if (state === undefined) return
    // While it waited for its lane, it may have gone out as part of a digest.
    const sendIfDue = Effect.flatMap(Effect.all([open(id), Clock.currentTimeMillis]), ([current, now]) =>
      current === undefined || current.dueAt > now ? Effect.void : sendAndRecord(current)
    )
    yield* laneOf(state.queued).withPermits(1)(sendIfDue)
  })

  const sendAndRecord = Effect.fnUntraced(function* (state: Open) {
    const { id, queued } = state
    if (queued.isEscalation === true && (yield* table.isAcknowledged(queued.source))) {
      return yield* record(id, state.version, { _tag: "NotificationWithdrawn", reason: "acknowledged in time" })
    }
    const others = queued.isDigest === true ? yield* dueWith(queued) : []
    const message = digestOf([queued.message, ...others.map((other) => other.queued.message)])
    const number = state.attempts + 1
    const event: Ended = yield* send({ ...queued, message }).pipe(
      Effect.matchEffect({
        onSuccess: (rejected) => Effect.succeed<Ended>({ _tag: "NotificationSent", attempt: number, rejected }),
        onFailure: (error) => afterFailure(number, error)
      })
    )
    // The one that gives a digest its id comes last: after a crash in between, the digest is sent once more with that id.
    for (const other of others) {
      const within = event._tag === "NotificationSent" ? { within: id } : {}
      yield* record(other.id, other.version, { ...event, ...within, attempt: other.attempts + 1 })
    }
    yield* record(id, state.version, event)
    yield* counted(queued.destination.type, outcomes[event._tag])
  })

  /** The other messages of a digest that is due. */
  const dueWith = Effect.fnUntraced(function* (queued: Open["queued"]) {
    const ids = yield* table.dueWith(queued, yield* Clock.currentTimeMillis)
    return (yield* Effect.forEach(ids, open)).filter((each) => each !== undefined)
  })

  /** A digest that is open takes the message; else the message opens one. */
  const dueOf = Effect.fnUntraced(function* (org: OrgSlug, delivery: Delivery, now: number) {
    const { destination, digestSeconds, dueAt = now, ruleId } = delivery
    if (digestSeconds === undefined) return dueAt
    return (yield* table.openDigest({ org, destination, ruleId }, now)) ?? Math.max(dueAt, now + digestSeconds * 1000)
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

  const queue: NotifierService["queue"] = Effect.fn("Notifier.queue")(function* (subject, deliveries) {
    const now = yield* Clock.currentTimeMillis
    const { cooldownSeconds = 0, ...about } = subject
    const throttled = cooldownSeconds === 0 ? undefined : yield* table.lastTold(about, now - cooldownSeconds * 1000)
    const ids = yield* Effect.forEach(deliveries, (delivery) =>
      Effect.gen(function* () {
        const { digestSeconds, escalatesAt, isEscalation, ruleId } = delivery
        const skip = settings.notificationsEnabled ? (delivery.skip ?? throttled) : switchedOff
        const id = idOf(subject.source, placeOf(delivery))
        const destination = yield* sealed(subject.org, id, delivery)
        const all = {
          notificationId: id,
          ...about,
          ...(ruleId === undefined ? {} : { ruleId }),
          ...(digestSeconds === undefined ? {} : { isDigest: true }),
          ...(isEscalation === undefined ? {} : { isEscalation }),
          destination,
          message:
            isEscalation === true
              ? unacknowledged(delivery.message)
              : escalatesAt === undefined
                ? delivery.message
                : toAcknowledge(delivery.message, id, escalatesAt)
        }
        yield* record(
          id,
          0,
          skip === undefined
            ? { _tag: "NotificationQueued", ...all, dueAt: yield* dueOf(subject.org, delivery, now) }
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
    const rows = new Map((yield* table.rowsOf(ids)).map((row) => [row.notification_id, row]))
    return ids.flatMap((id) => {
      const row = rows.get(id)
      return row === undefined ? [] : [viewOf(row)]
    })
  })

  const acknowledge: NotifierService["acknowledge"] = Effect.fn("Notifier.acknowledge")(function* (org, id, by) {
    const [row] = yield* table.rowsOf([id])
    if (row === undefined || row.org_slug !== org) {
      return yield* new NotAcknowledged({ isKnown: false, message: `${org} has no notification ${id}` })
    }
    if (row.status === "queued") {
      return yield* new NotAcknowledged({ isKnown: true, message: `notification ${id} has not been sent yet` })
    }
    if (row.acknowledged_by === null) yield* record(id, row.version, { _tag: "NotificationAcknowledged", by })
    const [after = row] = yield* table.rowsOf([id])
    return viewOf(after)
  })

  const pass = Effect.gen(function* () {
    woken.unsafeClose()
    const now = yield* Clock.currentTimeMillis
    for (const { notification_id: id } of yield* table.due(now, MAX_DELIVERIES_OF_ORG)) {
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
    const wait = Math.min((yield* table.nextDue(now)) - now, IDLE_SECONDS * 1000)
    yield* Effect.timeoutOption(woken.await, Duration.millis(wait))
  })

  const run: NotifierService["run"] = pass.pipe(
    Effect.catchAll((error) =>
      Effect.zipRight(Effect.logWarning(`the notifier waits for its store: ${error.message}`), Effect.sleep(storeWait))
    ),
    Effect.forever,
    Effect.scoped
  )

  return { queue, settle, history: table.history, acknowledge, run } satisfies NotifierService
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
const placeOf = ({ destination, isEscalation }: Delivery): string =>
  `${isEscalation === true ? "escalation " : ""}${destination.type} ${destination.channelId}` +
  (destination.type === "email" ? ` ${[...destination.to].sort().join(" ")}` : "")

/** The notifier; nothing is sent by itself until `run` is. */
export const layer = Layer.effect(Notifier, make)
