import { describe, expect, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as Accounts from "../support/Accounts.ts"
import * as TemporaryDatabase from "../support/TemporaryDatabase.ts"

const program = fileURLToPath(new URL("../support/appendForever.ts", import.meta.url))

/** Starts the program, kills it (SIGKILL) once it has acknowledged so many appends, and answers all that it acknowledged. */
const killAfter = (path: string, name: string, lines: number) =>
  Effect.async<ReadonlyArray<readonly [stream: string, version: number]>, Error>((resume) => {
    const child = spawn(process.execPath, [program, path, name], { stdio: ["ignore", "pipe", "inherit"] })
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (output.split("\n").length > lines) child.kill("SIGKILL")
    })
    child.on("close", (code, signal) =>
      resume(
        signal === "SIGKILL"
          ? Effect.succeed(
              output
                .split("\n")
                .slice(0, -1)
                .map((line) => line.split("/"))
                .map(([stream, version]) => [String(stream), Number(version)] as const)
            )
          : Effect.fail(new Error(`the program ended by itself with ${code}`))
      )
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("SIGKILL of a process that appends", () => {
  it.scoped("loses no append that was acknowledged, also when two processes append, and the log stays whole", () =>
    Effect.gen(function* () {
      const path = yield* TemporaryDatabase.temporaryFile
      const lengths = new Map<string, number>()
      const kill = (name: string, lines: number) =>
        Effect.map(killAfter(path, name, lines), (acknowledged) => {
          for (const [stream, version] of acknowledged) lengths.set(stream, version)
        })
      yield* kill("at once", 1)
      yield* kill("soon", 40)
      yield* Effect.all([kill("one of two", 200), kill("the other", 300)], { concurrency: 2 })
      expect(lengths.size).toBeGreaterThan(30)
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        for (const [stream, acknowledged] of lengths) {
          const { length } = yield* log.read(stream)
          expect(length, stream).toBeGreaterThanOrEqual(acknowledged)
          expect(length % 2, `${stream} has half an append`).toBe(0)
        }
        expect((yield* log.verify).findings).toEqual([])
      }).pipe(Effect.provide(Layer.fresh(Accounts.logOn(path))))
    })
  )
})
