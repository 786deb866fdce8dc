/**
 * The `runs` table: one row per run, written in the transaction of the events it shows. Steps are not projected: a run's own stream is
 * short, so they are folded when asked for.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import type { EventModel, KeyChange, Projection } from "../eventlog/Projection.ts"
import type { JsonObject } from "../platform/Json.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import { canonical, objectAt, textOrNull } from "../platform/Json.ts"
import type { RunState } from "./Run.ts"
import { runIdOf, runTimeout } from "./RunEvent.ts"
import { quotaProjection, quotaRule } from "./RunQuota.ts"

/** Seconds for which an Idempotency-Key is remembered. */
const idempotencySeconds = 86_400

/** A row of the table; null in a change means: as before. `open` is 1 until the run has ended and its completion is reported. */
interface RunChange {
  run_id: string
  org_slug: string | null
  tracking_id: string | null
  status: RunState["status"] | null
  trigger_type: string | null
  trigger_by: string | null
  start_time: number | null
  end_time: number | null
  run_date: string | null
  error_message: string | null
  error_context: string | null
  parameters: string | null
  definition_hash: string | null
  failed_steps: string | null
  open: number | null
}

/** The projection of all runs. */
export const runProjection: Projection = {
  name: "runs",
  shape: 1,
  tables: ["runs"],
  migrate: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table if not exists runs (
      run_id text primary key, org_slug text, tracking_id text, status text, trigger_type text, trigger_by text,
      start_time bigint, end_time bigint, run_date text, error_message text, error_context text, parameters text,
      definition_hash text, failed_steps text, open integer)`
    yield* sql`create index if not exists runs_by_org on runs (org_slug, start_time)`
    yield* sql`create index if not exists runs_open on runs (run_id) where open = 1`
  }),
  apply: (session, events) => {
    const changes = new Map<string, RunChange>()
    const started = new Set<string>()
    const working = new Set<string>()
    for (const event of events) {
      const runId = runIdOf(event.stream)
      const known = changes.get(runId)
      if (event.type === "StepStarted") {
        if (known !== undefined) known.status = "RUNNING"
        else if (!working.has(runId)) started.add(runId)
        continue
      }
      // A run of which a step has ended is RUNNING already.
      if (event.type === "StepSucceeded" || event.type === "StepFailed") working.add(runId)
      const change = known ?? noChange(runId)
      if (applyEvent(change, event)) changes.set(runId, change)
    }
    const inserted: Array<ReadonlyArray<string | number | null>> = []
    const changed: typeof inserted = []
    for (const change of changes.values()) {
      if (change.org_slug !== null) inserted.push(Object.values(change))
      else {
        const { end_time, error_message, error_context, failed_steps, open, run_id, status } = change
        changed.push([status, end_time, error_message, error_context, failed_steps, open, run_id])
      }
    }
    insertRuns(session, inserted)
    markRunning(
      session,
      Array.from(started, (runId) => [runId])
    )
    changeRun(session, changed)
  }
}

const markRunning = Sqlite.statement("update runs set status = 'RUNNING' where run_id = ? and status = 'PENDING'")
const changeRun = Sqlite.statement(`update runs set
  status = coalesce(?, status), end_time = coalesce(?, end_time), error_message = coalesce(?, error_message),
  error_context = coalesce(?, error_context), failed_steps = coalesce(?, failed_steps), open = coalesce(?, open)
  where run_id = ?`)

/** Members in the order of the table's columns. */
const noChange = (runId: string): RunChange => ({
  run_id: runId,
  org_slug: null,
  tracking_id: null,
  status: null,
  trigger_type: null,
  trigger_by: null,
  start_time: null,
  end_time: null,
  run_date: null,
  error_message: null,
  error_context: null,
  parameters: null,
  definition_hash: null,
  failed_steps: null,
  open: null
})

const insertRuns = Sqlite.insertion("runs", Object.keys(noChange("")))

const statusAfter: Readonly<Record<string, RunState["status"]>> = {
  RunRequested: "PENDING",
  RunRefused: "REFUSED",
  CancelRequested: "CANCELLING",
  RunCompleted: "COMPLETED",
  RunFailed: "FAILED",
  RunCancelled: "CANCELLED",
  RunTimedOut: "TIMEOUT"
}

/** True when the event changes the row. */
const applyEvent = (change: RunChange, event: RecordedEvent): boolean => {
  const { data, type, recordedAt } = event
  const status = statusAfter[type]
  if (status !== undefined) change.status = status
  switch (type) {
    case "RunRequested": {
      const pipeline = objectAt(data, "pipeline")
      change.org_slug = textOrNull(data["org"])
      change.tracking_id = textOrNull(data["trackingId"])
      change.trigger_type = textOrNull(data["trigger"])
      change.trigger_by = textOrNull(data["triggerBy"])
      change.start_time = recordedAt
      change.run_date = textOrNull(data["startDate"])
      change.parameters = canonical(data["parameters"] ?? {})
      change.definition_hash = textOrNull(pipeline["definitionHash"])
      change.open = 1
      return true
    }
    case "RunCompleted":
      change.end_time = recordedAt
      change.failed_steps = canonical(data["failedSteps"] ?? [])
      return true
    case "RunFailed": {
      const failure = objectAt(data, "failure")
      change.end_time = recordedAt
      change.error_message = textOrNull(failure["message"])
      change.error_context = canonical(failure)
      return true
    }
    case "RunTimedOut":
      change.end_time = recordedAt
      change.error_message = runTimeout(Number(data["timeoutSeconds"])).message
      change.error_context = canonical(runTimeout(Number(data["timeoutSeconds"])))
      return true
    case "RunRefused":
    case "CompletionReported":
      change.open = 0
      return true
    case "RunCancelled":
      change.end_time = recordedAt
      return true
    default:
      return status !== undefined
  }
}

const liveKey = (org: string, trackingId: string): string => `live/${org}/${trackingId}`
const idempotencyKey = (org: string, configId: string, key: string): string => `idempotency/${org}/${configId}/${key}`

/** At most one live run per org and pipeline, and one run per Idempotency-Key within a day: keys that the run's own events claim and release. */
const keys = (_stream: string, event: { readonly type: string; readonly data: JsonObject }): KeyChange | undefined => {
  switch (event.type) {
    case "RunRequested": {
      const org = textOrNull(event.data["org"]) ?? ""
      const configId = textOrNull(objectAt(event.data, "pipeline")["configId"]) ?? ""
      const idempotency = textOrNull(event.data["idempotencyKey"])
      const live = { key: liveKey(org, textOrNull(event.data["trackingId"]) ?? "") }
      return {
        acquire:
          idempotency === null
            ? [live]
            : [{ key: idempotencyKey(org, configId, idempotency), ttlSeconds: idempotencySeconds }, live]
      }
    }
    case "RunCompleted":
    case "RunFailed":
    case "RunCancelled":
    case "RunTimedOut":
      return { release: "live/" }
    case "RunRefused":
      return { release: "" }
    default:
      return undefined
  }
}

/** What the event log must know of runs. */
export const runEventModel: EventModel["Type"] = {
  projections: [runProjection, quotaProjection],
  keys,
  rules: [quotaRule]
}
