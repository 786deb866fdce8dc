/**
 * SIGKILL of a service that tells of its runs: no message is lost, and at most the one that was on its way is repeated, with the same id.
 */
import { describe, expect, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as Worker from "../../src/notifier/Worker.ts"
import * as NotifierKill from "../support/NotifierKill.ts"
import { smtpServer } from "../support/smtpServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const program = fileURLToPath(new URL("../support/notifierVictim.ts", import.meta.url))

/** A victim; `ended` answers the runs that it said have ended, when it is dead. */
const victim = (folder: string, port: number, ready: (child: ChildProcess) => void) =>
  Effect.async<ReadonlyArray<string>, Error>((resume) => {
    const child = spawn(process.execPath, [program, folder, String(port)], { stdio: ["ignore", "pipe", "inherit"] })
    let output = ""
    let isReady = false
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (!isReady && output.includes("ready\n")) {
        isReady = true
        ready(child)
      }
    })
    child.on("close", (code, signal) =>
      resume(
        signal === "SIGKILL"
          ? Effect.succeed([...output.matchAll(/^ended (\S+)$/gm)].map(([, id = ""]) => id))
          : Effect.fail(new Error(`the victim ended by itself with ${code}`))
      )
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Goes on in this process until everything is told; answers the runs that have failed. */
const drain = (folder: string, port: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const failed = yield* sql<{ readonly run_id: string }>`select run_id from runs where status = 'FAILED'`
    yield* sql<{ readonly n: number }>`select count(*) as n from notifications where status = 'sent'`.pipe(
      Effect.repeat({ until: ([row]) => row?.n === failed.length, schedule: Schedule.spaced("20 millis") }),
      Effect.timeout("30 seconds")
    )
    expect((yield* (yield* EventLog).verify).findings).toEqual([])
    return failed.map((row) => row.run_id)
  }).pipe(Effect.provide(Worker.layer.pipe(Layer.provideMerge(NotifierKill.layer(folder, port)))))

/** How often each message arrived, by its id, and the runs that were told of. */
const arrivals = (mails: Effect.Effect.Success<ReturnType<typeof smtpServer>>["mails"]) =>
  Effect.map(Queue.takeAll(mails), (all) => {
    const counts = new Map<string, number>()
    const runs = new Set<string>()
    for (const { mail } of Chunk.toReadonlyArray(all)) {
      const id = mail.messageId ?? expect.fail("a mail without an id")
      counts.set(id, (counts.get(id) ?? 0) + 1)
      runs.add(/^Run: (\S+)$/m.exec(mail.text ?? "")?.[1] ?? expect.fail("a mail without a run"))
    }
    return { counts, runs }
  })

describe("SIGKILL of a service that tells of its runs", () => {
  it.scopedLive("between the server's taking a message and the record of it: it comes once more, with its id", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      let child: ChildProcess | undefined
      // The first message is in the server's hands, and the victim never hears so.
      const mail = yield* smtpServer({ arrived: () => child?.kill("SIGKILL") })
      yield* victim(folder, mail.port, (started) => void (child = started))
      child = undefined
      const failed = yield* drain(folder, mail.port)
      const { counts, runs } = yield* arrivals(mail.mails)
      expect([...runs].sort()).toEqual([...failed].sort())
      expect(counts.size).toBe(failed.length)
      expect([...counts.values()].sort((a, b) => b - a).slice(0, 2)).toEqual(failed.length > 1 ? [2, 1] : [2])
    })
  )

  it.scopedLive(
    "at any moment, again and again: every run that ended is told of, a kill repeats one message at most",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const mail = yield* smtpServer()
        const kills = 3
        const ended = new Set<string>()
        for (let kill = 0; kill < kills; kill++) {
          const wait = yield* Random.nextIntBetween(100, 900)
          const runs = yield* victim(folder, mail.port, (child) => void setTimeout(() => child.kill("SIGKILL"), wait))
          for (const run of runs) ended.add(run)
        }
        const failed = yield* drain(folder, mail.port)
        const { counts, runs } = yield* arrivals(mail.mails)
        expect(ended.size).toBeGreaterThan(kills)
        expect([...ended].filter((run) => !failed.includes(run))).toEqual([])
        expect([...runs].sort()).toEqual([...failed].sort())
        expect(counts.size).toBe(failed.length)
        const repeated = [...counts.values()].reduce((sum, count) => sum + count - 1, 0)
        expect(repeated).toBeLessThanOrEqual(kills)
      })
  )
})
