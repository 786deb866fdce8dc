/**
 * Sliding rate limits: all calls, calls of one organisation, run requests of one organisation.
 *
 * The windows are exact and live in this process. That is enough for a single node; several nodes each allow the full limit, so there the
 * quota of the validator, which is shared, is the guard that counts.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { type ApiError, apiError } from "./Errors.ts"
import { RecentMap } from "./RecentMap.ts"

const minute = 60_000
const hour = 3_600_000
const maximumTrackedOrgs = 10_000

/** At most `limit` events in any span of `milliseconds`: a ring of the newest `limit` times. */
export class SlidingWindow {
  readonly limit: number
  readonly milliseconds: number
  readonly #times: Float64Array
  #next = 0
  #used = 0

  constructor(limit: number, milliseconds: number) {
    this.limit = Math.max(0, limit)
    this.milliseconds = milliseconds
    this.#times = new Float64Array(this.limit)
  }

  /** Milliseconds until another event is allowed, 0 when it is now. */
  wait(now: number): number {
    this.#forget(now)
    if (this.#used < this.limit) return 0
    return this.limit === 0 ? this.milliseconds : (this.#times[this.#oldest()] ?? now) + this.milliseconds - now
  }

  /** Counts an event that {@link wait} allowed. */
  record(now: number): void {
    this.#times[this.#next] = now
    this.#next = (this.#next + 1) % this.limit
    this.#used = Math.min(this.#used + 1, this.limit)
  }

  /** How many more events are allowed now. */
  remaining(now: number): number {
    this.#forget(now)
    return this.limit - this.#used
  }

  #oldest(): number {
    return (this.#next - this.#used + this.limit) % this.limit
  }

  #forget(now: number): void {
    while (this.#used > 0 && (this.#times[this.#oldest()] ?? now) <= now - this.milliseconds) this.#used--
  }
}

/** What an organisation has left of its limit per minute; sent as X-RateLimit-Org-* headers. */
export interface OrgAllowance {
  readonly limit: number
  readonly remaining: number
}

export interface RateLimitsService {
  /** Counts a call, whoever makes it. */
  readonly takeGlobal: Effect.Effect<void, ApiError>
  /** Counts a call of an organisation. Nothing when rate limits are off. */
  readonly takeOrg: (org: OrgSlug) => Effect.Effect<OrgAllowance | undefined, ApiError>
  /** Counts a run request of an organisation. */
  readonly takeRun: (org: OrgSlug) => Effect.Effect<void, ApiError>
}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  if (!settings.rateLimitEnabled) {
    return { takeGlobal: Effect.void, takeOrg: () => Effect.succeed(undefined), takeRun: () => Effect.void }
  }
  const global = [
    new SlidingWindow(settings.rateLimitGlobalPerMinute, minute),
    new SlidingWindow(settings.rateLimitGlobalPerHour, hour)
  ]
  const orgs = new RecentMap(maximumTrackedOrgs, () => ({
    perMinute: new SlidingWindow(settings.rateLimitPerMinute, minute),
    perHour: new SlidingWindow(settings.rateLimitPerHour, hour),
    runs: new SlidingWindow(settings.rateLimitRunsPerMinute, minute)
  }))
  return {
    takeGlobal: Effect.flatMap(Clock.currentTimeMillis, (now) => take(global, now, "the service")),
    takeOrg: (org: OrgSlug) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { perHour, perMinute } = orgs.get(org)
        return Effect.map(take([perMinute, perHour], now, `organisation ${org}`), () => ({
          limit: perMinute.limit,
          remaining: perMinute.remaining(now)
        }))
      }),
    takeRun: (org: OrgSlug) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => take([orgs.get(org).runs], now, `run requests of ${org}`))
  }
})

const take = (windows: ReadonlyArray<SlidingWindow>, now: number, whose: string): Effect.Effect<void, ApiError> => {
  const wait = Math.max(...windows.map((window) => window.wait(now)))
  if (wait === 0) return Effect.sync(() => windows.forEach((window) => window.record(now)))
  const retryAfterSeconds = Math.ceil(wait / 1000)
  return Effect.fail(
    apiError("RATE_LIMIT_EXCEEDED", `too many calls (limit of ${whose}): try again in ${retryAfterSeconds} s`, {
      retryAfterSeconds
    })
  )
}

/** The rate limits of this process. */
export class RateLimits extends Context.Tag("pipeline-service/RateLimits")<RateLimits, RateLimitsService>() {
  static readonly layer = Layer.effect(RateLimits, make)
}
