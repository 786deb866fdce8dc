/**
 * Deadlines of many, watched by one fiber: setting or dropping one costs a heap entry, not a fiber. Time comes from the Clock.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A set deadline; dropping it twice, or after it was due, does nothing. */
export interface Timer {
  readonly drop: () => void
}

export interface Timers {
  /** Calls `due` at `time` (milliseconds since 1970 UTC) or at once when that is past. `due` must be short and must not throw. */
  readonly at: (time: number, due: () => void) => Timer
}

interface Entry {
  readonly time: number
  due: (() => void) | undefined
}

/** Starts the fiber, which lives as long as the scope. */
export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function* () {
  let heap: Array<Entry> = []
  let dropped = 0
  // When the fiber looks next: also the deadline of a timer that was dropped since, for to go to sleep anew costs more than to look in vain.
  let wakeTime = Infinity
  const earlier = Effect.unsafeMakeLatch(false)
  yield* Effect.gen(function* () {
    earlier.unsafeClose()
    const now = yield* Clock.currentTimeMillis
    for (let first = heap[0]; first !== undefined && (first.due === undefined || first.time <= now); first = heap[0]) {
      pop(heap)
      const { due } = first
      first.due = undefined
      if (due === undefined) dropped -= 1
      else due()
    }
    wakeTime = heap[0]?.time ?? Infinity
    yield* wakeTime === Infinity
      ? earlier.await
      : Effect.raceFirst(Effect.sleep(Duration.millis(wakeTime - now)), earlier.await)
  }).pipe(Effect.forever, Effect.forkScoped)
  return {
    at: (time, due) => {
      const entry: Entry = { time, due }
      push(heap, entry)
      if (time < wakeTime) {
        wakeTime = time
        earlier.unsafeOpen()
      }
      return {
        drop: () => {
          if (entry.due === undefined) return
          entry.due = undefined
          dropped += 1
          // Far deadlines that were dropped would fill the heap for as long as they had been set.
          if (2 * dropped <= heap.length) return
          heap = heap.filter(({ due }) => due !== undefined).sort((one, other) => one.time - other.time)
          dropped = 0
        }
      }
    }
  }
})

const push = (heap: Array<Entry>, entry: Entry): void => {
  let index = heap.length
  heap.push(entry)
  while (index > 0) {
    const parentIndex = (index - 1) >> 1
    const parent = heap[parentIndex]
    if (parent === undefined || parent.time <= entry.time) break
    heap[index] = parent
    index = parentIndex
  }
  heap[index] = entry
}

const pop = (heap: Array<Entry>): void => {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let index = 0
  for (;;) {
    const left = heap[2 * index + 1]
    const right = heap[2 * index + 2]
    const child = right !== undefined && left !== undefined && right.time < left.time ? 2 * index + 2 : 2 * index + 1
    const smaller = heap[child]
    if (smaller === undefined || smaller.time >= last.time) break
    heap[index] = smaller
    index = child
  }
  heap[index] = last
}
