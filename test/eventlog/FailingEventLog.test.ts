import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as Accounts from "../support/Accounts.ts"
import { Crash, crashAt, LogCrashed } from "../support/FailingEventLog.ts"
import * as TemporaryDatabase from "../support/TemporaryDatabase.ts"

describe("FailingEventLog", () => {
  for (const [when, recorded] of [
    ["before", 2],
    ["after", 3]
  ] as const) {
    it.scoped(`dies ${when} the third append and stays dead`, () =>
      Effect.gen(function* () {
        const path = yield* TemporaryDatabase.temporaryFile
        yield* Effect.gen(function* () {
          const log = yield* EventLog
          const crash = yield* Crash
          for (const expectedVersion of [0, 1]) {
            yield* log.append({ stream: "a", expectedVersion, events: [Accounts.deposit(1)] })
          }
          const third = yield* Effect.exit(
            log.append({ stream: "a", expectedVersion: 2, events: [Accounts.deposit(1)] })
          )
          yield* crash.crashed
          const later = yield* Effect.exit(
            log.append({ stream: "b", expectedVersion: 0, events: [Accounts.deposit(1)] })
          )
          for (const exit of [Exit.asVoid(third), Exit.asVoid(later), Exit.asVoid(yield* Effect.exit(log.head))]) {
            const defect = Exit.isFailure(exit) ? Cause.dieOption(exit.cause) : Option.none()
            expect(Option.getOrThrow(defect)).toBeInstanceOf(LogCrashed)
          }
          expect(yield* crash.appends).toBe(3)
        }).pipe(Effect.provide(Layer.fresh(crashAt(3, when).pipe(Layer.provide(Accounts.logOn(path))))))
        expect(
          yield* Effect.flatMap(EventLog, (reopened) => reopened.read("a")).pipe(
            Effect.map((events) => events.length),
            Effect.provide(Layer.fresh(Accounts.logOn(path)))
          )
        ).toBe(recorded)
      })
    )
  }
})
