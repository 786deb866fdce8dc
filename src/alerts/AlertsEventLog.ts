/**
 * The alerts on the event log: each evaluation that was due, and each time one triggered, is an event of the alert's stream of the
 * organisation. Two evaluators that see the same version tell the same notification, which is sent once.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { EventLog, EventLogUnavailable } from "../eventlog/EventLog.ts"
import { AddressBook } from "../notifier/AddressBook.ts"
import { announce } from "../notifier/Announce.ts"
import { idOf } from "../notifier/NotificationEvent.ts"
import { Notifier } from "../notifier/Notifier.ts"
import { Organizations } from "../organizations/Organizations.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"
import { Settings } from "../platform/Settings.ts"
import { usageOf } from "../runs/RunQuota.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import type { Alert } from "./AlertDefinition.ts"
import { type AlertEvent, streamOf, toNewEvent } from "./AlertEvent.ts"
import * as AlertFiles from "./AlertFiles.ts"
import { conditionsOf, messageOf } from "./AlertMessage.ts"
import {
  AlertNotFound,
  type AlertRecord,
  Alerts,
  type AlertsService,
  type Evaluation,
  type EvaluationRequest
} from "./Alerts.ts"
import { daysNeeded, judge, judgeQuota, type Match, type Verdict } from "./Conditions.ts"
import { daySums } from "./CostQuery.ts"
import { lastSlot } from "./DueSlot.ts"

/** Alerts that are evaluated at a time. */
const MAX_EVALUATIONS = 4
const TICK = "1 minute"

interface State {
  readonly org_slug: string
  readonly alert_id: string
  readonly slot: number | null
  readonly version: number
}

const HistoryRow = Schema.Struct({
  alert_history_id: Schema.String,
  alert_id: Schema.String,
  status: Schema.Literal("SENT", "FAILED"),
  severity: Schema.String,
  recipients: Schema.parseJson(Schema.Array(Schema.String)),
  trigger_data: Schema.parseJson(JsonObject),
  condition_results: Schema.parseJson(Schema.Array(JsonObject)),
  error_message: Schema.NullOr(Schema.String),
  created_at: Schema.Number
})
const decodeHistory = Schema.decodeUnknown(Schema.Array(HistoryRow))

const make = Effect.gen(function* () {
  const log = yield* EventLog
  const sql = yield* SqlClient.SqlClient
  const organizations = yield* Organizations
  const warehouse = yield* Warehouse
  const book = yield* AddressBook
  const notifier = yield* Notifier
  const settings = yield* Settings
  const files = yield* AlertFiles.make

  const record = (event: AlertEvent, expectedVersion: number) =>
    log.append({ stream: streamOf(event.org, event.alertId), expectedVersion, events: [toNewEvent(event)] }).pipe(
      Effect.as(true),
      Effect.catchTags({
        VersionConflict: () => Effect.succeed(false),
        KeyHeld: Effect.die,
        AppendForbidden: Effect.die
      })
    )

  /** Why the alert cools down. */
  const cooling = Effect.fnUntraced(function* (alert: Alert, org: OrgSlug, now: number) {
    if (!alert.cooldown.enabled) return undefined
    const since = now - alert.cooldown.hours * 3_600_000
    const { scope } = alert.cooldown
    const rows = yield* sql`select 1 from alert_history where ${sql.and([
      sql`status = 'SENT' and sent_at > ${since}`,
      ...(scope === "global" ? [] : [sql`alert_id = ${alert.id}`]),
      ...(scope === "org" ? [sql`org_slug = ${org}`] : [])
    ])} limit 1`.pipe(unreadable)
    return rows.length === 0 ? undefined : `sent within the last ${alert.cooldown.hours} hours`
  })

  const quotaOf = Effect.fnUntraced(function* (org: OrgSlug, now: number) {
    const subscription = yield* organizations.subscription(org)
    if (subscription === undefined) return yield* Effect.fail(new Error(`${org} has no subscription`))
    const today = new Date(now).toISOString().slice(0, "yyyy-mm-dd".length)
    return { ...subscription, ...(yield* usageOf(org, today).pipe(Effect.provideService(SqlClient.SqlClient, sql))) }
  })

  const verdictOf = (alert: Alert, org: OrgSlug, now: number): Effect.Effect<Verdict & { readonly again?: boolean }> =>
    Effect.gen(function* () {
      const { query_template: template } = alert.source
      if (template === "quota_usage") return judgeQuota(alert, yield* quotaOf(org, now))
      const source = { ...alert.source, query_template: template }
      const sums = yield* daySums(yield* warehouse.org(org), source, daysNeeded(alert, now))
      return judge(alert, sums, now)
    }).pipe(
      Effect.timeoutFail({
        duration: `${settings.alertQueryTimeoutSeconds} seconds`,
        onTimeout: () => new Error(`the costs were not summed within ${settings.alertQueryTimeoutSeconds} s`)
      }),
      Effect.catchAll((error) =>
        Effect.as(Effect.logWarning(`alert ${alert.id} of ${org} could not be evaluated: ${error.message}`), {
          outcome: "error" as const,
          reason: "the warehouse did not answer; the log of the service has the details",
          again: true
        })
      )
    )

  const addressesOf = (alert: Alert, org: OrgSlug) =>
    alert.recipients.type === "custom"
      ? Effect.succeed(alert.recipients.emails)
      : book.people(org, alert.recipients.type === "org_owners" ? "owner" : undefined)

  interface Due {
    readonly alert: Alert
    readonly org: OrgSlug
    readonly version: number
    readonly slot: number | null
  }

  const trigger = Effect.fnUntraced(function* (due: Due, verdict: Match) {
    const { alert, org, slot, version } = due
    const { channels, severity, slack } = alert.notification
    const addresses = yield* addressesOf(alert, org)
    if (addresses.length === 0 && channels.every((kind) => kind === "email")) {
      return { outcome: "no_recipients" as const, reason: "nobody with an address is known" }
    }
    const source = `${streamOf(org, alert.id)}@${version + 1}`
    const results = yield* announce({
      org,
      event: "alert_triggered",
      source,
      message: messageOf(alert, org, verdict),
      kinds: channels,
      addresses,
      alertId: alert.id,
      ...(slack?.channel === undefined ? {} : { slackChannel: slack.channel })
    }).pipe(Effect.provideService(Notifier, notifier), Effect.provideService(AddressBook, book))
    // What is still queued will be sent: it is durable.
    const told = results.filter(({ status }) => status === "sent" || status === "queued")
    const problem = results.find((each) => each.problem !== undefined)?.problem ?? null
    const recipients = told.flatMap((each) => (each.recipients.length > 0 ? each.recipients : [each.channelType]))
    const isFirst = yield* record(
      {
        _tag: "AlertTriggered",
        org,
        alertId: alert.id,
        historyId: idOf(source, "history"),
        slot,
        status: told.length > 0 ? "SENT" : "FAILED",
        severity,
        recipients,
        values: shownOf(verdict),
        conditions: conditionsOf(alert),
        problem
      },
      version
    )
    if (!isFirst) return { outcome: "cooldown" as const, reason: "another evaluation was faster" }
    return told.length > 0
      ? { outcome: "triggered" as const, recipients }
      : { outcome: "send_failed" as const, reason: problem ?? "nobody was told" }
  })

  /** What becomes of an alert that is due or asked for. */
  const evaluateDue = Effect.fnUntraced(function* (due: Due, request: EvaluationRequest, now: number) {
    const { alert, org } = due
    const about = { org, alertId: alert.id }
    const reason = request.force === true ? undefined : yield* cooling(alert, org, now)
    if (reason !== undefined) return { ...about, outcome: "cooldown", reason, again: false } as const
    const verdict = yield* verdictOf(alert, org, now)
    if (!("values" in verdict)) return { ...about, ...verdict, again: verdict.again === true }
    const values = shownOf(verdict)
    if (verdict.outcome === "no_match") return { ...about, outcome: "no_match", values, again: false } as const
    if (request.dryRun === true) {
      const recipients = yield* addressesOf(alert, org)
      return {
        ...about,
        outcome: "triggered",
        reason: "dry run: nothing was sent",
        values,
        recipients,
        again: false
      } as const
    }
    return { ...about, values, ...(yield* trigger(due, verdict)), again: false }
  })

  const evaluateOne = Effect.fn("Alerts.evaluateOne")(function* (due: Due, request: EvaluationRequest, now: number) {
    const { again, ...evaluation } = yield* evaluateDue(due, request, now).pipe(
      Effect.catchAll((error) =>
        Effect.as(Effect.logWarning(`alert ${due.alert.id} of ${due.org} could not be told of: ${error.message}`), {
          org: due.org,
          alertId: due.alert.id,
          outcome: "error" as const,
          reason: "the alert could not be told of; the log of the service has the details",
          again: true
        })
      )
    )
    const isRecorded = evaluation.outcome === "triggered" || evaluation.outcome === "send_failed"
    if (due.slot !== null && !again && !isRecorded && request.dryRun !== true) {
      const { alertId, org, outcome } = evaluation
      const reason = "reason" in evaluation ? (evaluation.reason ?? null) : null
      yield* record({ _tag: "AlertEvaluated", org, alertId, slot: due.slot, outcome, reason }, due.version)
    }
    return evaluation satisfies Evaluation
  })

  const evaluate: AlertsService["evaluate"] = Effect.fn("Alerts.evaluate")(function* (request) {
    const now = yield* Clock.currentTimeMillis
    if (request.alertIds !== undefined) {
      const known = new Set((yield* files.all).map(({ alert }) => alert.id))
      const missing = request.alertIds.find((alertId) => !known.has(alertId))
      if (missing !== undefined) return yield* new AlertNotFound({ alertId: missing })
    }
    const orgs = (yield* organizations.list).filter(
      ({ org, status }) => status === "ACTIVE" && (request.org === undefined || org === request.org)
    )
    const states = new Map(
      (yield* sql<State>`select org_slug, alert_id, slot, version from alert_states`.pipe(unreadable)).map((state) => [
        `${state.org_slug} ${state.alert_id}`,
        state
      ])
    )
    // All organisations have the same few slots, and looking for one costs more than all else of an alert that is not due.
    const slots = new Map<string, number | null>()
    const evaluations: Array<Evaluation> = []
    const due: Array<Due> = []
    for (const { org } of orgs) {
      for (const { alert, schedule } of yield* files.of(org)) {
        if (request.alertIds?.includes(alert.id) === false) continue
        const about = { org, alertId: alert.id }
        if (!alert.enabled && !(request.force === true && request.alertIds !== undefined)) {
          evaluations.push({ ...about, outcome: "disabled" })
          continue
        }
        const state = states.get(`${org} ${alert.id}`)
        const key = `${schedule.cron} ${schedule.timezone} ${state?.slot ?? ""}`
        const slot = slots.get(key) ?? lastSlot(schedule.next, state?.slot ?? 0, now)
        slots.set(key, slot)
        if (request.force !== true && slot === null) evaluations.push({ ...about, outcome: "not_due" })
        else due.push({ alert, org, version: state?.version ?? 0, slot: request.force === true ? null : slot })
      }
    }
    return [
      ...evaluations,
      ...(yield* Effect.forEach(due, (each) => evaluateOne(each, request, now), { concurrency: MAX_EVALUATIONS }))
    ]
  })

  const history: AlertsService["history"] = Effect.fn("Alerts.history")(function* (org, filter) {
    const since = (yield* Clock.currentTimeMillis) - filter.days * 86_400_000
    const where = sql.and([
      sql`org_slug = ${org} and created_at >= ${since}`,
      ...(filter.alertId === undefined ? [] : [sql`alert_id = ${filter.alertId}`]),
      ...(filter.status === undefined ? [] : [sql`status = ${filter.status}`])
    ])
    const rows = yield* sql`select * from alert_history where ${where}
      order by created_at desc, alert_history_id limit ${filter.limit}`.pipe(Effect.flatMap(decodeHistory), unreadable)
    const [counted] = yield* sql<{ readonly total: number }>`select count(*) as total from alert_history
      where ${where}`.pipe(unreadable)
    return { records: rows.map((row) => recordOf(org, row)), total: counted?.total ?? 0 }
  })

  const list = Effect.map(files.all, (all) => all.map(({ alert }) => alert))
  return {
    list,
    get: (alertId) =>
      Effect.flatMap(list, (all) => {
        const alert = all.find(({ id }) => id === alertId)
        return alert === undefined ? new AlertNotFound({ alertId }) : Effect.succeed(alert)
      }),
    evaluate,
    history,
    clearCache: files.clear,
    run: evaluate({}).pipe(
      Effect.catchAllCause((cause) => Effect.logError("alerts were not evaluated", cause)),
      Effect.delay(TICK),
      Effect.forever
    )
  } satisfies AlertsService
})

const shownOf = ({ currency, values }: Match): JsonObject => ({
  ...values,
  ...(currency === undefined ? {} : { currency })
})

const recordOf = (org: OrgSlug, row: typeof HistoryRow.Type): AlertRecord => ({
  historyId: row.alert_history_id,
  org,
  alertId: row.alert_id,
  status: row.status,
  severity: row.severity,
  recipients: row.recipients,
  values: row.trigger_data,
  conditions: row.condition_results,
  problem: row.error_message,
  createdAt: new Date(row.created_at).toISOString()
})

const unreadable = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (cause) => new EventLogUnavailable({ operation: "read the alerts", cause }))

/** The alerts; nothing is evaluated by itself until `run` is. */
export const layer = Layer.effect(Alerts, make)
