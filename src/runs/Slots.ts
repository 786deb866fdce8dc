/**
 * How many runs may work at the same time: the others wait in the order in which they came.
 */

/** A claim to a slot; `leave` gives it up, whether it was granted or still waits. */
export interface Claim {
  readonly isGranted: () => boolean
  readonly leave: () => void
}

export interface Slots {
  /** Calls `granted` now or when it is this caller's turn; it must be short and must not throw. */
  readonly enter: (granted: () => void) => Claim
}

/** At most `limit` claims are granted at a time; `changed` hears how many are granted and how many wait. */
export const make = (limit: number, changed: (taken: number, waiting: number) => void): Slots => {
  const waiting = new Set<() => void>()
  let taken = 0
  return {
    enter: (granted) => {
      let held = false
      let left = false
      const grant = () => {
        taken++
        held = true
        granted()
      }
      if (taken < limit) grant()
      else waiting.add(grant)
      changed(taken, waiting.size)
      return {
        isGranted: () => held,
        leave: () => {
          if (left) return
          left = true
          if (held) {
            taken--
            const [next] = waiting
            if (next !== undefined) {
              waiting.delete(next)
              next()
            }
          } else waiting.delete(grant)
          changed(taken, waiting.size)
        }
      }
    }
  }
}
