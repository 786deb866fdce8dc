/**
 * A process that appends to the log in the file it is given until it is killed. Each line it prints names an append that was acknowledged.
 */
import * as Effect from "effect/Effect"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import { deposit, logOn } from "./Accounts.ts"

const WRITERS = 16

const [, , path = "", name = ""] = process.argv

const writer = (number: number) =>
  Effect.gen(function* () {
    const log = yield* EventLog
    const stream = `${name}-${number}`
    for (let version = 0; ; version += 2) {
      yield* log.append({ stream, expectedVersion: version, events: [deposit(1), deposit(2)] })
      // Waits where the reader is behind, as a plain write to the descriptor does not.
      yield* Effect.sync(() => process.stdout.write(`${stream}/${version + 2}\n`))
    }
  })

await Effect.runPromise(
  Effect.forEach(
    Array.from({ length: WRITERS }, (_, number) => number),
    writer,
    {
      concurrency: "unbounded",
      discard: true
    }
  ).pipe(Effect.provide(logOn(path)))
)
