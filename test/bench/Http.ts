/**
 * Runs per second over HTTP: a server process, and clients of this process that ask for runs on kept connections. Each organisation has one
 * live run at a time, so the clients go round many organisations; only answers that accepted a new run count. Beside it the ceiling: the
 * same process is asked for the same runs through Node's own server, with nothing in between.
 */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { processorTimeOf, startEnvironment, startOptions } from "./Child.ts"
import { measure as measureRate } from "./Engine.ts"
import { connect } from "./HttpClients.ts"

const program = fileURLToPath(new URL("httpChild.ts", import.meta.url))
const organisations = 512

interface Api {
  readonly pid: number | undefined
  readonly port: number
  readonly ceilingPort: number
  readonly keys: ReadonlyArray<{ readonly org: string; readonly key: string }>
}

const server = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [...startOptions, program, folder, String(organisations)], {
        stdio: ["ignore", "pipe", "inherit"],
        env: { ...process.env, ...startEnvironment }
      })
    ),
    (running) =>
      Effect.async<void>((resume) => {
        running.once("close", () => resume(Effect.void))
        running.kill("SIGTERM")
      })
  )
  return yield* Effect.async<Api, Error>((resume) => {
    let output = ""
    child.once("close", (code) => resume(Effect.fail(new Error(`the server ended with ${code}`))))
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      const port = /Listening on (\d+)/.exec(output)?.[1]
      if (port === undefined) return
      const ceilingPort = Number(/^Ceiling on (\d+)$/m.exec(output)?.[1])
      const keys = [...output.matchAll(/^key (\S+) (\S+)$/gm)].map(([, org = "", key = ""]) => ({ org, key }))
      resume(Effect.succeed({ pid: child.pid, port: Number(port), ceilingPort, keys }))
    })
  })
})

/** The text that asks for a run, for each organisation. */
const requestsTo = (api: Api, port: number) =>
  api.keys.map(({ key, org }) =>
    [
      `POST /api/v1/pipelines/run/${org}/test/bench/cost/noop HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      `X-API-Key: ${key}`,
      "Content-Length: 0",
      "\r\n"
    ].join("\r\n")
  )

const isAccepted = (answer: string) => !/already running|"existing":true/.test(answer)

/** Accepted runs per second at several numbers of clients, and of the ceiling at the last of them; `cpu` is the server's. */
export const runs = (sizes: Arr.NonEmptyReadonlyArray<{ readonly clients: number; readonly total: number }>) =>
  Effect.gen(function* () {
    const api = yield* server
    let next = 0
    const measureOn = Effect.fnUntraced(function* (port: number, { clients, total }: (typeof sizes)[number]) {
      const requests = requestsTo(api, port)
      const asks = yield* Effect.replicateEffect(connect(port), clients)
      const one = (client: number): Effect.Effect<void, Error> =>
        Effect.flatMap(
          Effect.suspend(() => asks[client]!(requests[next++ % requests.length]!)),
          (answer) => (isAccepted(answer) ? Effect.void : one(client))
        )
      // A busy server accepts one connection each turn of its loop: what is measured begins with all of them open.
      yield* measureRate(clients, 20 * clients, one)
      const used = processorTimeOf(api.pid)
      const rate = yield* measureRate(clients, total, one)
      return { ...rate, cpu: ((processorTimeOf(api.pid) - used) * 1000) / total }
    }, Effect.scoped)
    const most = Arr.lastNonEmpty(sizes)
    yield* measureOn(api.port, most)
    const rates = yield* Effect.forEach(sizes, (size) => measureOn(api.port, size))
    const ceiling = yield* measureOn(api.ceilingPort, most)
    return { runs: rates, ceiling }
  }).pipe(Effect.scoped)
