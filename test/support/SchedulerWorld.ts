/**
 * The scheduler on a database file, with real runs of test pipelines. One call is one process: the layer is closed at the end.
 */
import { dirname } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import type { EventLog } from "../../src/eventlog/EventLog.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import type { Pipeline } from "../../src/pipelines/Pipeline.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import type { OrgSlug } from "../../src/platform/Identifiers.ts"
import type { Runs } from "../../src/runs/Runs.ts"
import type { Backfills } from "../../src/scheduler/Backfills.ts"
import * as BackfillsSql from "../../src/scheduler/BackfillsSql.ts"
import type { Batches } from "../../src/scheduler/Batches.ts"
import * as BatchesSql from "../../src/scheduler/BatchesSql.ts"
import type { Scheduler } from "../../src/scheduler/Scheduler.ts"
import * as SchedulerSql from "../../src/scheduler/SchedulerSql.ts"
import { definition } from "./TestRuns.ts"
import { layer as runsLayer, type Ledger, makeLedger, type Script } from "./RunsWorld.ts"
import { settings } from "./ServiceDatabase.ts"

export interface SchedulerOptions {
  readonly database: string
  readonly script?: Script
  readonly ledger?: Ledger["Type"]
  readonly pipelines?: ReadonlyArray<Pipeline>
  readonly settings?: Record<string, string>
}

/** Runs, organisations and the scheduler; nothing looks at the clock by itself. */
export const layer = (options: SchedulerOptions) =>
  Layer.mergeAll(SchedulerSql.layer, BackfillsSql.layer, BatchesSql.layer).pipe(
    Layer.provideMerge(OrganizationsSql.layer),
    Layer.provideMerge(
      runsLayer({
        database: options.database,
        pipelines: options.pipelines ?? [definition],
        script: options.script ?? {},
        ledger: options.ledger ?? makeLedger()
      })
    ),
    Layer.provide(EncryptionLocal.layer),
    Layer.provide([
      settings(dirname(options.database), {
        SCHEDULER_JITTER_SECONDS: "0",
        ...options.settings
      }),
      NodeContext.layer
    ])
  )

/** One process on the database. */
export const inScheduler = <A, E>(
  options: SchedulerOptions,
  use: Effect.Effect<
    A,
    E,
    Scheduler | Backfills | Batches | Runs | EventLog | Organizations | SqlClient.SqlClient | Scope
  >
) => Effect.scoped(Effect.provide(use, layer(options)))

/** An organisation with a key. */
export const organization = (org: OrgSlug) =>
  Effect.gen(function* () {
    const organizations = yield* Organizations
    yield* organizations.create({ org, companyName: org, adminEmail: "a@b.test", plan: "ENTERPRISE" })
    return yield* organizations.createKey(org)
  })

/** A row of the scheduled runs, as far as the tests look at it. */
export interface ScheduledRow {
  readonly run_id: string
  readonly org_slug: string
  readonly pipeline_template: string
  readonly state: string
  readonly scheduled_time: number
  readonly parameters: string
  readonly retry_count: number
  readonly error_message: string | null
  readonly pipeline_logging_id: string | null
  readonly queue_state: string
  readonly due_time: number
}

/** All scheduled runs, in the order of their times. */
export const scheduledRows = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<ScheduledRow>`select s.*, q.state as queue_state, q.scheduled_time as due_time
    from org_scheduled_pipeline_runs s join org_pipeline_execution_queue q on q.run_id = s.run_id
    order by s.scheduled_time, s.pipeline_template, s.parameters`
)
