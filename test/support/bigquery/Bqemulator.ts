/**
 * A BigQuery that others wrote: `bqemulator` from PyPI (DuckDB and SQLGlot), in an environment of its own that is made at the first use, with
 * the versions of bqemulator.txt. A proxy before it keeps what the emulator does not: job ids are unique, uploaded load jobs have the id
 * that was asked for, and a whole upload needs no Content-Range. The evaluator of the other tests remains the judge of SQL, for the emulator
 * does not
 *
 * - write a query's result into a table that is there without columns (`destinationTable`),
 * - read `CREATE PROCEDURE ... OPTIONS (description = ...)`, nor, having no procedure, CALL one,
 * - hold BIGNUMERIC with more than 38 digits, nor round casts,
 * - load Google's geography here: DuckDB's extension for it is not on PyPI's machines, so it is left out at the start.
 */
import { execFile, spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { createServer as createSocket } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { isNode, type Node } from "./ZetaSql.ts"

const run = promisify(execFile)
const cacheFolder = fileURLToPath(new URL("../../../node_modules/.cache/bqemulator", import.meta.url))
const versions = fileURLToPath(new URL("bqemulator.txt", import.meta.url))
const installMillis = 300_000
const startMillis = 60_000

const launcher = `
import sys
from bqemulator.storage.engine import DuckDBEngine
DuckDBEngine._load_spatial = lambda self: None
from bqemulator.cli import main
main(["start", "--ephemeral", "--rest-port", sys.argv[1], "--grpc-port", "0", "--project", "local-dev-project"])
`

/** Whether this machine can have it: Python from 3.11 on, with venv. */
export const isPossible = async (): Promise<boolean> => {
  try {
    await run("python3", ["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"])
    return true
  } catch {
    return false
  }
}

export interface Emulator {
  readonly url: string
  /** Every call: `POST /jobs`. */
  readonly calls: ReadonlyArray<string>
  /** The next call that matches is carried out, and its answer lost. */
  readonly lose: (method: string, path: RegExp) => void
  readonly close: () => Promise<void>
}

/** Installs it when it is not there, and starts it behind its proxy. */
export const start = async (): Promise<Emulator> => {
  const python = await install()
  const port = await freePort()
  // The pipe breaks when this process ends, however it ends; then the shell ends the emulator.
  const child = spawn(
    "sh",
    ["-c", '"$0" "$@" < /dev/null & cat > /dev/null; kill $!', python, "-c", launcher, String(port)],
    { stdio: ["pipe", "ignore", "ignore"] }
  )
  await answering(`http://127.0.0.1:${port}/bigquery/v2/projects/local-dev-project/datasets`)
  const proxy = new Proxy(`http://127.0.0.1:${port}`)
  const server = createServer((request, response) => void proxy.answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    calls: proxy.calls,
    lose: (method, path) => void proxy.lost.push({ method, path }),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      child.stdin.end()
    }
  }
}

/** Installs it when it is not there; answers its Python. One process at a time may do so. */
export const install = async (): Promise<string> => {
  const python = join(cacheFolder, "bin/python")
  const mark = join(cacheFolder, "installed.txt")
  const wanted = readFileSync(versions, "utf8")
  if (existsSync(mark) && readFileSync(mark, "utf8") === wanted) return python
  await run("python3", ["-m", "venv", "--clear", cacheFolder], { timeout: installMillis })
  await run(python, ["-m", "pip", "install", "--quiet", "--no-deps", "--requirement", versions], {
    timeout: installMillis
  })
  writeFileSync(mark, wanted)
  return python
}

const answering = async (url: string): Promise<void> => {
  const end = Date.now() + startMillis
  for (;;) {
    const isThere = await fetch(url).then(
      ({ ok }) => ok,
      () => false
    )
    if (isThere) return
    if (Date.now() > end) throw new Error(`bqemulator does not answer ${startMillis / 1000} s after its start`)
    await sleep(100)
  }
}

const portOf = (server: Pick<Server, "address">): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const freePort = async (): Promise<number> => {
  const socket = createSocket()
  await new Promise<void>((resolve) => socket.listen(0, "127.0.0.1", resolve))
  const port = portOf(socket)
  await new Promise((resolve) => socket.close(resolve))
  return port
}

/** Headers of one connection only. */
const ownHeaders = new Set(["host", "connection", "content-length", "transfer-encoding", "content-encoding"])

class Proxy {
  readonly calls: Array<string> = []
  readonly lost: Array<{ readonly method: string; readonly path: RegExp }> = []
  readonly #target: string
  readonly #jobs = new Set<string>()
  /** Of uploads: what was asked for, and the emulator's id of the job. */
  readonly #asked = new Map<string, string>()
  readonly #named = new Map<string, string>()

  constructor(target: string) {
    this.#target = target
  }

  async answer(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`)
    const method = request.method ?? "GET"
    const path = url.pathname.replace(/\/bigquery\/v2\/projects\/[^/]+/, "")
    this.calls.push(`${method} ${path}`)
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const body = Buffer.concat(chunks)
    const starts = method === "POST" && path.endsWith("/jobs") ? idOf(body) : undefined
    if (starts !== undefined && this.#jobs.has(starts)) {
      const message = `Already Exists: Job ${starts}`
      response.writeHead(409, { "content-type": "application/json" })
      response.end(JSON.stringify({ error: { code: 409, message, errors: [{ reason: "duplicate", message }] } }))
      return
    }
    if (starts !== undefined && !path.startsWith("/upload")) this.#jobs.add(starts)
    const headers = new Headers()
    for (const [name, value] of Object.entries(request.headers)) {
      if (!ownHeaders.has(name) && typeof value === "string") headers.set(name, value)
    }
    if (method === "PUT") headers.set("content-range", `bytes 0-${body.length - 1}/${body.length}`)
    const [, room, id = ""] = path.split("/")
    const known = room === "jobs" ? (this.#named.get(id) ?? id) : id
    const answered = await fetch(`${this.#target}${url.pathname.replace(id, known)}${url.search}`, {
      method,
      headers,
      ...(body.length === 0 ? {} : { body })
    })
    const content = Buffer.from(await answered.arrayBuffer())
    const location = answered.headers.get("location")
    const upload = new URL(location ?? url.href).searchParams.get("upload_id") ?? ""
    if (starts !== undefined && path.startsWith("/upload")) this.#asked.set(upload, starts)
    const wanted = this.#asked.get(upload)
    if (method === "PUT" && answered.ok && wanted !== undefined) {
      this.#jobs.add(wanted)
      this.#named.set(wanted, idOf(content) ?? "")
    }
    const lost = this.lost.findIndex((each) => each.method === method && each.path.test(path))
    if (lost >= 0) {
      this.lost.splice(lost, 1)
      return void request.socket.destroy()
    }
    response.writeHead(answered.status, {
      "content-type": answered.headers.get("content-type") ?? "application/json",
      ...(location === null ? {} : { location: location.replace(this.#target, url.origin) })
    })
    response.end(content)
  }
}

const idOf = (body: Buffer): string | undefined => {
  const read: unknown = body.length === 0 ? {} : JSON.parse(body.toString())
  const reference: Node = isNode(read) && isNode(read["jobReference"]) ? read["jobReference"] : {}
  return typeof reference["jobId"] === "string" ? reference["jobId"] : undefined
}
