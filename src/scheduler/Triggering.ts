/**
 * Claims the schedules that are due: each moves on to its next time and its runs are queued, in one transaction.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CronSchedule from "../platform/CronSchedule.ts"
import { Settings } from "../platform/Settings.ts"
import type { ConfigRow } from "./Configs.ts"
import { dueTimes, jitterOf } from "./DueTimes.ts"
import type { Queue } from "./Queue.ts"
import type { SchedulerService, Triggered } from "./Scheduler.ts"
import { isoTime, isoTimeOrNull, parametersOf, unavailable } from "./Tables.ts"

/** The trigger of the service. */
export const make = Effect.fnUntraced(function* (queue: Queue) {
  const sql = yield* SqlClient.SqlClient
  const { scheduleJitterSeconds } = yield* Settings

  const claim = Effect.fnUntraced(function* (row: ConfigRow, now: number) {
    const { config_id: configId, org_slug: org, pipeline_template: pipelineTemplate } = row
    const schedule = CronSchedule.parse(row.schedule_cron, row.timezone, now)
    const due = Either.isLeft(schedule)
      ? []
      : dueTimes(schedule.right, parametersOf(row.parameters), pipelineTemplate, row.next_run_time ?? now, now)
    const next = Either.isLeft(schedule) ? null : schedule.right.next(now)
    const items = due.map(({ parameters, time }) => ({
      org,
      configId,
      pipelineTemplate,
      trigger: "scheduler" as const,
      priority: row.priority,
      parameters,
      scheduledTime: time,
      dueTime: time + jitterOf(`${configId}/${time}`, scheduleJitterSeconds)
    }))
    yield* queue.add(items, now)
    yield* sql`update org_pipeline_configs set next_run_time = ${next}, is_active = ${next === null ? 0 : 1}
      where config_id = ${configId}`
    const triggered: Triggered = {
      configId,
      org,
      pipelineTemplate,
      times: due.map(({ time }) => isoTime(time)),
      nextRunTime: isoTimeOrNull(next)
    }
    return triggered
  })

  const claimAll = Effect.fnUntraced(function* (limit: number) {
    const now = yield* Clock.currentTimeMillis
    const rows = yield* sql<ConfigRow>`select * from org_pipeline_configs
      where is_active = 1 and next_run_time <= ${now}
        and org_slug not in (select org_slug from org_scheduler_pauses)
      order by next_run_time, config_id limit ${limit}`
    const triggered = yield* Effect.forEach(rows, (row) => claim(row, now))
    const [next] = yield* sql<{ readonly time: number | null }>`select min(next_run_time) as time
      from org_pipeline_configs where is_active = 1`
    return { triggered, nextTriggerTime: isoTimeOrNull(next?.time ?? null) }
  }, sql.withTransaction)

  const trigger: SchedulerService["trigger"] = Effect.fn("Scheduler.trigger")((limit) =>
    claimAll(limit).pipe(unavailable("claim schedules"))
  )
  return trigger
})
