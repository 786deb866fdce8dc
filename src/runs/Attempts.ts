/**
 * What goes on in a live run: the fiber of each attempt, and the timer of each attempt and wait.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Timer, Timers } from "../platform/Timers.ts"

/** How long a cancelled or timed-out run waits for its fibers before it says so. */
const interruptionGrace = Duration.seconds(25)

/** Fibers and timers by step; the run has a timer of its own. Only the run's actor touches it. */
export class Attempts {
  readonly #watch: Timers
  readonly #fibers = new Map<string, Fiber.RuntimeFiber<void>>()
  readonly #timers = new Map<string, Timer>()

  constructor(watch: Timers) {
    this.#watch = watch
  }

  /** Calls `due` at `time` (milliseconds since 1970 UTC), unless what it is about is forgotten before; no `stepId`: the run itself. */
  setTimer(stepId: string | undefined, time: number, due: () => void): void {
    this.#timers.set(stepId ?? "", this.#watch.at(time, due))
  }

  /** Keeps the fiber of an attempt that has begun. */
  began(stepId: string, fiber: Fiber.RuntimeFiber<void>): void {
    this.#fibers.set(stepId, fiber)
  }

  /** The attempt or the wait is over; no `stepId`: the run is. */
  forget(stepId?: string): void {
    const key = stepId ?? ""
    this.#timers.get(key)?.drop()
    this.#timers.delete(key)
    this.#fibers.delete(key)
  }

  /** Interrupts the attempt of a step, or all, and waits a while for them to stop their outside work. */
  interrupt(stepId?: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const stepIds = stepId === undefined ? [...this.#fibers.keys()] : [stepId]
      const fibers = stepIds.flatMap((each) => this.#fibers.get(each) ?? [])
      for (const each of stepIds) this.forget(each)
      return Fiber.interruptAll(fibers).pipe(Effect.disconnect, Effect.timeoutOption(interruptionGrace), Effect.asVoid)
    })
  }

  /** Drops all timers; answers the fibers that are left. */
  stop(): ReadonlyArray<Fiber.RuntimeFiber<void>> {
    for (const timer of this.#timers.values()) timer.drop()
    return [...this.#fibers.values()]
  }
}
