/**
 * Follows the event log and tells of runs. Where it is in the log is durable: after a crash it looks at the last events again, and what it
 * had decided about them is found by its id, so nothing is lost and nothing is decided twice.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { EventLog, EventLogUnavailable, type RecordedEvent } from "../eventlog/EventLog.ts"
import { Organizations } from "../organizations/Organizations.ts"
import { Pipeline } from "../pipelines/Pipeline.ts"
import { resolve } from "../pipelines/Variables.ts"
import { RunId } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { Runs } from "../runs/Runs.ts"
import { AddressBook } from "./AddressBook.ts"
import type { ChannelType } from "./Channels.ts"
import { isAddress } from "./Mailer.ts"
import type { Message } from "./Message.ts"
import { EmailNotice, SlackNotice } from "./Notice.ts"
import type { EventName } from "./NotificationEvent.ts"
import { type Delivery, Notifier } from "./Notifier.ts"
import { messageOf, type Told, variablesOf, withNotice } from "./RunMessage.ts"

/** Events that are passed over before the place is saved without a reason of its own: what a restart reads again at most. */
const SAVE_AFTER_EVENTS = 2_000
const storeRetry = Schedule.spaced(Duration.seconds(5))

const decodePipeline = Schema.decodeUnknown(Schema.Struct({ pipeline: Pipeline }))
const decodeEmail = Schema.decodeUnknownEither(EmailNotice)
const decodeSlack = Schema.decodeUnknownEither(SlackNotice)

const eventOf: Readonly<Record<string, EventName>> = {
  RunCompleted: "pipeline_success",
  RunFailed: "pipeline_failure",
  RunTimedOut: "pipeline_failure",
  RunCancelled: "pipeline_cancelled",
  StepFailed: "pipeline_failure"
}

const make = Effect.gen(function* () {
  const log = yield* EventLog
  const runs = yield* Runs
  const notifier = yield* Notifier
  const book = yield* AddressBook
  const organizations = yield* Organizations
  const settings = yield* Settings
  const cursor = yield* makeCursor

  const toldOf = Effect.fnUntraced(function* (recorded: RecordedEvent) {
    const runId = yield* Schema.decode(RunId)(recorded.stream.slice("run/".length))
    const [requested] = yield* runs.events(runId)
    const { run: now, steps } = yield* runs.get(runId)
    // A step that failed in a run that goes on is told of as of then, however late it is.
    const run = recorded.type === "StepFailed" ? { ...now, status: "RUNNING" as const, endTime: null } : now
    const { pipeline } = yield* decodePipeline(requested?.data)
    const stepId = recorded.data["stepId"]
    const failedStep =
      steps.find((step) => step.stepId === stepId) ??
      (run.status === "TIMEOUT" ? steps.find((step) => step.status === "TIMEOUT") : undefined)
    const organization = yield* Effect.option(organizations.get(run.org))
    return {
      run,
      steps,
      pipeline,
      failedStep,
      adminEmail: organization._tag === "Some" ? organization.value?.adminEmail : undefined,
      publicUrl: settings.publicUrl
    } satisfies Told
  })

  const tell = Effect.fn("RunFollower.tell")(function* (recorded: RecordedEvent, event: EventName) {
    const told = yield* toldOf(recorded)
    const { pipeline, run } = told
    const isStep = recorded.type === "StepFailed"
    if (isStep && pipeline.steps.find(({ stepId }) => stepId === told.failedStep?.stepId)?.onFailure !== "alert") return
    const config = yield* book.config(run.org)
    if (!config.enabled) return
    const trigger = config.trigger(event)
    const limit = channelsOf(pipeline, event)
    const message = messageOf(told, trigger.severity)
    const notices = isStep ? [] : noticesOf(told)
    const wanted = {
      org: run.org,
      event,
      category: "pipeline",
      provider: pipeline.provider,
      severity: trigger.severity
    } as const
    const direct = yield* Effect.forEach(notices, ({ addresses, text }) =>
      addresses.length === 0
        ? Effect.succeed([])
        : Effect.map(book.emailTo(run.org, addresses), (destination) => [{ destination, message: text(message) }])
    )
    // A notify step without addresses of its own changes what the organisation's channels of its kind are told.
    const common = notices.filter(({ addresses }) => addresses.length === 0)
    const isOn = trigger.enabled || limit.length > 0
    const kinds = [...new Set([...(isOn ? limit : []), ...common.map(({ type }) => type)])]
    const found =
      isOn || common.length > 0
        ? yield* book.find({ ...wanted, ...(isOn && limit.length === 0 ? {} : { only: kinds }) })
        : { recipients: [], cooldownSeconds: trigger.cooldown_seconds }
    const deliveries = [
      ...direct.flat(),
      ...found.recipients.map((recipient) => ({
        ...recipient,
        message: common.find(({ type }) => type === recipient.destination.type)?.text(message) ?? message
      }))
    ]
    yield* notifier.queue(
      {
        org: run.org,
        event,
        source: `${recorded.stream}@${recorded.version}`,
        pipeline: run.trackingId,
        runId: run.runId,
        cooldownSeconds: found.cooldownSeconds
      },
      withoutTwice(deliveries)
    )
  })

  const handle = (recorded: RecordedEvent) => {
    const event = recorded.stream.startsWith("run/") ? eventOf[recorded.type] : undefined
    if (event === undefined) return cursor.passed(recorded.position)
    return tell(recorded, event).pipe(
      Effect.catchTags({
        // Neither will be better next time; the run's own record says what happened.
        RunNotFound: () => Effect.void,
        ParseError: (error) => Effect.logError(`run event at ${recorded.position} cannot be told of: ${error.message}`),
        NotifierConfigInvalid: (error) => Effect.logError(`nobody is told of ${recorded.stream}: ${error.message}`)
      }),
      Effect.zipRight(cursor.save(recorded.position))
    )
  }

  return Effect.gen(function* () {
    const position = yield* cursor.read
    return yield* Effect.zipRight(Stream.runForEach(log.follow(position), handle), Effect.never)
  }).pipe(
    Effect.tapError((error) => Effect.logWarning(`notifications wait for the store: ${error.message}`)),
    Effect.retry(storeRetry),
    Effect.orDie
  )
})

/** The kinds of channels that the pipeline's file names for the outcome. */
const channelsOf = (pipeline: Pipeline, event: EventName): ReadonlyArray<ChannelType> => {
  const { onFailure, onSuccess } = pipeline.notifications
  const named = event === "pipeline_failure" ? onFailure : event === "pipeline_success" ? onSuccess : []
  return (["email", "slack", "webhook"] as const).filter((type) => named.includes(type))
}

type NoticeConfig = SlackNotice & Partial<EmailNotice>

interface DueNotice {
  readonly type: "email" | "slack"
  readonly addresses: ReadonlyArray<string>
  readonly text: (message: Message) => Message
}

/** The notify steps that the end of the run has found due. */
const noticesOf = (told: Told): ReadonlyArray<DueNotice> => {
  const variables = variablesOf(told)
  const due = new Set(told.steps.filter(({ status }) => status === "COMPLETED").map(({ stepId }) => stepId))
  return told.pipeline.steps
    .filter(({ stepId, trigger }) => trigger !== undefined && due.has(stepId))
    .flatMap((step): ReadonlyArray<DueNotice> => {
      const isEmail = step.psType === "notify_systems.email_notification"
      const decoded: Either.Either<NoticeConfig, unknown> = isEmail
        ? decodeEmail(step.config)
        : decodeSlack(step.config)
      if (Either.isLeft(decoded)) return []
      const notice = decoded.right
      return [
        {
          type: isEmail ? "email" : "slack",
          addresses: (notice.to_emails ?? [])
            .map((address) => String(resolve(address, variables)).trim())
            .filter(isAddress),
          text: (message) => withNotice(message, notice, variables)
        }
      ]
    })
}

/** An address that is told already is not told again of the same event. */
const withoutTwice = (deliveries: ReadonlyArray<Delivery>): ReadonlyArray<Delivery> => {
  const seen = new Set<string>()
  return deliveries.flatMap((delivery) => {
    const { destination } = delivery
    if (destination.type !== "email" || delivery.skip !== undefined || delivery.isEscalation === true) {
      return [delivery]
    }
    const to = destination.to.filter((address) => !seen.has(address.toLowerCase()))
    for (const address of to) seen.add(address.toLowerCase())
    return to.length === 0 ? [] : [{ ...delivery, destination: { ...destination, to } }]
  })
}

/** Where the follower is: the position of the last event that it has dealt with. The first time, it begins at the end of the log. */
const makeCursor = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const log = yield* EventLog
  const store = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.mapError(effect, (cause) => new EventLogUnavailable({ operation: "keep the place of the notifier", cause }))
  yield* store(sql`create table if not exists notifier_cursor (name text primary key, position bigint not null)`)
  let saved = 0
  const save = (position: number) =>
    Effect.zipRight(
      store(sql`insert into notifier_cursor (name, position) values ('runs', ${position})
        on conflict (name) do update set position = excluded.position`),
      Effect.sync(() => void (saved = position))
    )
  return {
    read: Effect.gen(function* () {
      const [row] = yield* store(
        sql<{ readonly position: number }>`select position from notifier_cursor where name = 'runs'`
      )
      if (row === undefined) yield* save(yield* log.head)
      else saved = row.position
      return saved
    }),
    save,
    passed: (position: number) => (position - saved >= SAVE_AFTER_EVENTS ? save(position) : Effect.void)
  }
})

/** Tells of runs, for ever, from where the last process stopped. One fiber of one process does this. */
export const follow = Effect.flatten(make)

/** Forgets the place: the next follower begins at the end of the log, and nobody is told of what is old by then. */
export const forget = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`drop table if exists notifier_cursor`)
