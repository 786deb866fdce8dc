/**
 * Which times of a schedule are run when somebody looks, and with which data date. Pure.
 */
import { createHash } from "node:crypto"
import type { CronSchedule } from "../platform/CronSchedule.ts"
import { dayOf } from "../platform/Identifiers.ts"
import type { ScheduledParameters } from "./Scheduler.ts"

const MILLISECONDS_PER_DAY = 86_400_000

/** Times that were missed longer ago are not caught up. */
const MAX_CATCH_UP_DAYS = 31

/** A time to be run, with what its run is asked for. */
export interface DueTime {
  readonly time: number
  readonly parameters: ScheduledParameters
}

/**
 * The times from `first` (the stored next time) to `now` that are run: the first one of each UTC day, since a run loads the day before its
 * time and another run of the same day would load it again. One in all for a pipeline that is always asked for the same dates.
 */
export const dueTimes = (
  schedule: CronSchedule,
  parameters: ScheduledParameters,
  pipelineTemplate: string,
  first: number,
  now: number
): ReadonlyArray<DueTime> => {
  const oldest = now - MAX_CATCH_UP_DAYS * MILLISECONDS_PER_DAY
  const times: Array<DueTime> = []
  const isDaily = isAskedByDay(parameters, pipelineTemplate)
  let time = first < oldest ? schedule.next(oldest) : first
  while (time <= now) {
    const date = dayOf(time - MILLISECONDS_PER_DAY)
    times.push({ time, parameters: isDaily ? { ...parameters, date } : parameters })
    if (!isDaily) break
    time = schedule.next(Date.parse(dayOf(time)) + MILLISECONDS_PER_DAY - 1)
  }
  return times
}

/** Subscriptions are always computed from the start of the plans to today. */
const isAskedByDay = ({ date, start_date }: ScheduledParameters, pipelineTemplate: string): boolean =>
  date === undefined && start_date === undefined && !pipelineTemplate.startsWith("subscription/")

/** Milliseconds from 0 to the maximum, spread evenly, and always the same for the same text: so many runs do not start at once. */
export const jitterOf = (text: string, maximumSeconds: number): number =>
  createHash("sha256").update(text).digest().readUInt32BE() % (maximumSeconds * 1000 + 1)
