/**
 * When a cron expression is due in a time zone, over changes of the clock.
 *
 * An expression that names hours is due once at each time that it names: one that the spring change leaves out is due as much later as the
 * clock was put forward (02:30 at 03:30), one that the autumn change repeats is due the first time only. An expression for every hour
 * (`*` in the field of hours) follows elapsed time: no hour without it, and the repeated hour has it twice.
 */
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** Longer than any change of the clock. */
const LONGEST_SHIFT_MILLISECONDS = 3 * 3_600_000

const FIELDS = 5
const CRON_MAX_CHARACTERS = 200

/** The expression or the zone is not usable; the message says why. */
export class ScheduleInvalid extends Schema.TaggedError<ScheduleInvalid>()("ScheduleInvalid", {
  message: Schema.String
}) {}

/** A cron expression in its time zone. */
export interface CronSchedule {
  /** Minute, hour, day of the month, month, day of the week. */
  readonly cron: string
  /** IANA name. */
  readonly timezone: string
  /** The first time after `time` at which it is due; milliseconds since 1970 UTC. */
  readonly next: (time: number) => number
}

/** By its offset: looked up by name it would load the tables of all zones. */
const utc = DateTime.zoneMakeOffset(0)

/** Checks expression and zone; one that is never due (30 February) is refused. `now` in milliseconds. */
export const parse = (cron: string, timezone: string, now: number): Either.Either<CronSchedule, ScheduleInvalid> =>
  Either.gen(function* () {
    const wrong = (message: string) => Either.left(new ScheduleInvalid({ message }))
    const shown = JSON.stringify(cron.slice(0, CRON_MAX_CHARACTERS))
    if (cron.length > CRON_MAX_CHARACTERS || cron.trim().split(/\s+/).length !== FIELDS) {
      return yield* wrong(`${shown} is no cron expression: give minute, hour, day, month and day of the week`)
    }
    const zone = timezone === "UTC" ? utc : Option.getOrUndefined(DateTime.zoneFromString(timezone))
    if (zone === undefined)
      return yield* wrong(`${JSON.stringify(timezone)} is no time zone: give one as Europe/Berlin`)
    // In UTC: the fields are matched against the local clock's reading, which is brought into the zone here.
    const fields = yield* Either.mapLeft(
      Cron.parse(cron, utc),
      (error) => new ScheduleInvalid({ message: `${shown} is no cron expression: ${error.message}` })
    )
    yield* Either.mapLeft(
      Either.try(() => Cron.next(fields, new Date(now))),
      () => new ScheduleInvalid({ message: `${shown} is never due: there is no such day` })
    )
    return { cron, timezone, next: (time: number) => nextDue(fields, zone, time) }
  })

/** {@link parse} at the time of the clock. */
export const make = (cron: string, timezone: string): Effect.Effect<CronSchedule, ScheduleInvalid> =>
  Effect.flatMap(DateTime.now, (now) => parse(cron, timezone, now.epochMillis))

const nextDue = (fields: Cron.Cron, zone: DateTime.TimeZone, time: number): number => {
  const isEveryHour = fields.hours.size === 0
  const lookBack = isNearChange(zone, time) ? LONGEST_SHIFT_MILLISECONDS : 0
  let best: number | undefined
  let lastReading = Number.POSITIVE_INFINITY
  for (const date of Cron.sequence(fields, new Date(time + offsetAt(zone, time) - lookBack))) {
    const reading = date.getTime()
    if (reading > lastReading) break
    for (const instant of instantsOf(zone, reading, isEveryHour)) {
      if (instant <= time || (best !== undefined && instant >= best)) continue
      best = instant
      // Near a change a later reading may be due earlier: one that was left out is due after some that follow it.
      lastReading = reading + (isNearChange(zone, instant) ? LONGEST_SHIFT_MILLISECONDS : 0)
    }
  }
  return best ?? Number.POSITIVE_INFINITY
}

/** The instants at which the local clock shows the reading: the first one, or both of a repeated hour. */
const instantsOf = (zone: DateTime.TimeZone, reading: number, both: boolean): ReadonlyArray<number> =>
  (both ? (["earlier", "later"] as const) : (["compatible"] as const)).flatMap((disambiguation) =>
    Option.match(DateTime.makeZoned(reading, { timeZone: zone, adjustForTimeZone: true, disambiguation }), {
      onNone: () => [],
      onSome: (zoned) => [zoned.epochMillis]
    })
  )

const isNearChange = (zone: DateTime.TimeZone, time: number): boolean =>
  offsetAt(zone, time - LONGEST_SHIFT_MILLISECONDS) !== offsetAt(zone, time + LONGEST_SHIFT_MILLISECONDS)

const offsetAt = (zone: DateTime.TimeZone, time: number): number =>
  DateTime.zonedOffset(DateTime.unsafeMakeZoned(time, { timeZone: zone }))
