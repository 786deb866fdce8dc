/**
 * When a schedule is due, over changes of the clock. The expected times are worked by hand from the zones' rules: Berlin changes at
 * 01:00 UTC on 29 March and 25 October 2026, New York at 07:00 UTC on 8 March and 06:00 UTC on 1 November.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { parse } from "../../src/platform/CronSchedule.ts"

const due = (cron: string, zone: string, from: string, times: number): ReadonlyArray<string> => {
  const schedule = Either.getOrThrow(parse(cron, zone, 0))
  const found: Array<number> = []
  for (let time = Date.parse(from); found.length < times;) found.push((time = schedule.next(time)))
  return found.map((time) => new Date(time).toISOString().slice(5, 16))
}

describe("a cron expression in a zone", () => {
  it("that names an hour left out in spring is due as much later, once", () => {
    expect(due("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 4)).toEqual([
      "03-28T01:30",
      "03-29T01:30",
      "03-30T00:30",
      "03-31T00:30"
    ])
    expect(due("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2)).toEqual(["03-08T07:30", "03-09T06:30"])
    // 02:15 and 02:45 do not exist: they fall on 03:15 and 03:45, which are named as well.
    expect(due("15,45 2,3 * * *", "America/New_York", "2026-03-08T06:20:00Z", 3)).toEqual([
      "03-08T07:15",
      "03-08T07:45",
      "03-09T06:15"
    ])
  })

  it("that names a repeated hour is due the first time only, also when asked for in the second one", () => {
    expect(due("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual(["10-25T00:30", "10-26T01:30"])
    expect(due("30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", 1)).toEqual(["11-02T06:30"])
  })

  it("of every hour follows elapsed time", () => {
    expect(due("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", 4)).toEqual([
      "03-29T00:00",
      "03-29T01:00",
      "03-29T02:00",
      "03-29T03:00"
    ])
    expect(due("30 * * * *", "Europe/Berlin", "2026-10-24T22:40:00Z", 4)).toEqual([
      "10-24T23:30",
      "10-25T00:30",
      "10-25T01:30",
      "10-25T02:30"
    ])
    const quarters = due("*/15 * * * *", "America/New_York", "2026-10-31T00:00:00Z", 4 * 24 * 3)
    expect(new Set(quarters).size).toBe(288)
    expect(quarters.at(-1)).toBe("11-03T00:00")
  })

  it("knows half hours, a change at midnight, leap days and zones of quarter hours", () => {
    expect(due("0 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2)).toEqual(["10-03T15:30", "10-04T15:00"])
    expect(due("0 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", 2)).toEqual(["03-08T05:00", "03-09T04:00"])
    expect(due("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1)).toEqual(["02-29T00:00"])
    expect(due("0 9 * * MON", "Asia/Kathmandu", "2026-11-23T12:00:00Z", 1)).toEqual(["11-30T03:15"])
  })

  it("is strictly later than the time asked for, whatever that is", () => {
    for (const cron of ["30 2 * * *", "0 * * * *", "*/20 1,2 * * *", "15 3 * * SUN"]) {
      const schedule = Either.getOrThrow(parse(cron, "Europe/Berlin", 0))
      for (const day of ["2026-03-29", "2026-10-25"]) {
        for (let minute = 0; minute < 300; minute += 7) {
          const time = Date.parse(`${day}T00:00:00Z`) - 3_600_000 + minute * 60_000
          expect(schedule.next(time), `${cron} after ${new Date(time).toISOString()}`).toBeGreaterThan(time)
        }
      }
    }
  })

  it("is refused when it is none, is never due, or the zone is unknown", () => {
    for (const [cron, zone, reason] of [
      ["0 0 30 2 *", "UTC", /never due/],
      ["61 * * * *", "UTC", /no cron expression/],
      ["0 0 4 * * *", "UTC", /no cron expression/],
      ["", "UTC", /no cron expression/],
      ["0 4 * * *", "Berlin/Europe", /no time zone/]
    ] as const) {
      expect(Either.getLeft(parse(cron, zone, 0)).pipe((left) => String(left))).toMatch(reason)
    }
  })
})
