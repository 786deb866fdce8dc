/**
 * Which time of a schedule is due.
 */

/** What was never looked at, or not for long, is due when it should have been in this time. */
const LOOK_BACK_MILLISECONDS = 86_400_000
/** Of a schedule that is due every minute, this many are passed over to find the last one. */
const MAX_MISSED_SLOTS = 1_500

/** The last time at which the schedule was due after `after`, up to `now`; null when it was not. */
export const lastSlot = (next: (time: number) => number, after: number, now: number): number | null => {
  let slot: number | null = null
  for (let passed = 0, time = Math.max(after, now - LOOK_BACK_MILLISECONDS); passed < MAX_MISSED_SLOTS; passed++) {
    time = next(time)
    if (time > now) break
    slot = time
  }
  return slot
}
