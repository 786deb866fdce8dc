/**
 * A BigQuery to test against: the REST interface with real jobs on a real store, whose GoogleSQL is parsed and evaluated by Google's own
 * ZetaSQL. It keeps BigQuery's promises that the service builds on: job ids are unique, a job goes on when its caller is gone, a
 * transaction is all or nothing, REQUIRED columns refuse NULL, decimals are exact. Faults can be injected; see {@link Fault}.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { readJson } from "./Body.ts"
import { type JobFault, Jobs } from "./Jobs.ts"
import { Resources } from "./Resources.ts"
import { Script } from "./Script.ts"
import { BigQueryError, Store } from "./Store.ts"
import { type Node, start as startZetaSql, type ZetaSql } from "./ZetaSql.ts"

/** What goes wrong at the next calls that match. */
export interface Fault {
  readonly method: string
  /** Of the path after the project. */
  readonly path: RegExp
  /** Of the call's body, for an upload of its job; absent: any. */
  readonly text?: RegExp
  readonly times: number
  readonly what:
    | { readonly kind: "refuse"; readonly status: number; readonly reason: string; readonly message: string }
    /** The call is carried out, its answer is lost. */
    | { readonly kind: "lose" }
    | JobFault
}

export interface Counterpart {
  readonly url: string
  readonly project: string
  readonly store: Store
  /** Every call: `POST /jobs`. */
  readonly calls: ReadonlyArray<string>
  /** Ids and kinds of the jobs in the order of their start. */
  readonly jobs: () => ReadonlyArray<{
    readonly id: string
    readonly kind: string
    readonly state: string
    readonly cancelled: boolean
    readonly configuration: Node
  }>
  readonly fault: (fault: Fault) => void
  readonly heldJobs: () => number
  /** Runs a script beside all jobs, as somebody else would; answers the rows' texts. */
  readonly run: (dataset: string, sql: string) => Promise<ReadonlyArray<ReadonlyArray<string | undefined>>>
  /** Lets held jobs go on. */
  readonly release: () => void
  /** Forgets all data. */
  readonly clear: () => void
  readonly close: () => Promise<void>
}

const project = "local-dev-project"
const location = "US"

let evaluator: Promise<ZetaSql> | undefined

/** Starts it on a free port of this machine. All of a process share one evaluator, which keeps nothing. */
export const startCounterpart = async (port = 0): Promise<Counterpart> => {
  evaluator ??= startZetaSql()
  const zeta = await evaluator
  const state = new State(zeta)
  const server = createServer((request, response) => {
    void state.answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    project,
    store: state.store,
    calls: state.calls,
    jobs: () =>
      Array.from(state.jobs.all.values(), ({ cancelled, configuration, id, state }) => ({
        id,
        kind: "load" in configuration ? "load" : "query",
        state,
        cancelled,
        configuration
      })),
    fault: (fault) => state.faults.push({ ...fault }),
    heldJobs: () => state.jobs.held,
    run: (dataset, sql) => state.run(dataset, sql),
    release: () => state.jobs.release(),
    clear: () => state.clear(),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

class State {
  readonly store = new Store()
  readonly jobs: Jobs
  readonly calls: Array<string> = []
  readonly faults: Array<Fault & { times: number }> = []
  readonly #zeta: ZetaSql
  readonly #resources: Resources
  readonly #uploads = new Map<string, Node>()

  constructor(zeta: ZetaSql) {
    this.#zeta = zeta
    this.jobs = new Jobs(zeta, this.store, project, location)
    this.#resources = new Resources(zeta, this.store, project, location)
  }

  async run(dataset: string, sql: string) {
    const { rows } = await new Script(this.#zeta, this.store, project, dataset).run(sql, new Map())
    return rows.map((row) => row.map((cell) => cell.string_value))
  }

  clear() {
    this.store.datasets.clear()
    this.store.tables.clear()
    this.store.routines.clear()
    this.jobs.all.clear()
    this.faults.length = 0
    this.calls.length = 0
  }

  async answer(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? "/", "http://localhost")
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const path = url.pathname.replace(/\/bigquery\/v2\/projects\/[^/]+/, "")
    const method = request.method ?? "GET"
    this.calls.push(`${method} ${path}`)
    const content = Buffer.concat(chunks)
    const upload = url.searchParams.get("upload_id") ?? ""
    const fault = this.faults.find(
      (fault) =>
        fault.times > 0 &&
        fault.method === method &&
        fault.path.test(path) &&
        (fault.text === undefined || fault.text.test(JSON.stringify(this.#uploads.get(upload)) ?? content.toString()))
    )
    if (fault !== undefined) fault.times--
    try {
      if (fault?.what.kind === "refuse")
        throw new BigQueryError(fault.what.status, fault.what.reason, fault.what.message)
      const isUpload = url.pathname.startsWith("/upload")
      if (isUpload && method === "POST") {
        const id = String(this.#uploads.size)
        this.#uploads.set(id, readJson(content))
        url.searchParams.set("upload_id", id)
        response.writeHead(200, { location: `http://${request.headers.host}${url.pathname}${url.search}` })
        response.end()
        return
      }
      const answer = isUpload
        ? this.jobs.start(this.#uploads.get(upload) ?? {}, content, jobFaultOf(fault))
        : await this.#route(method, path, url.searchParams, readJson(content), fault)
      if (fault?.what.kind === "lose") return void request.socket.destroy()
      response.writeHead(answer === undefined ? 204 : 200, { "content-type": "application/json" })
      response.end(answer === undefined ? undefined : JSON.stringify(answer))
    } catch (error) {
      const { message, reason, status } =
        error instanceof BigQueryError ? error : new BigQueryError(500, "backendError", String(error))
      response.writeHead(status, { "content-type": "application/json" })
      response.end(
        JSON.stringify({ error: { code: status, message, errors: [{ domain: "global", reason, message }] } })
      )
    }
  }

  #route(method: string, path: string, query: URLSearchParams, body: Node, fault: Fault | undefined): unknown {
    const [, room = "", first = "", inner = "", second = ""] = path.split("/")
    switch (`${method} /${room}${inner === "" ? "" : `/${inner}`}`) {
      case "POST /jobs":
        return this.jobs.start(body, undefined, jobFaultOf(fault))
      case "GET /jobs":
        return this.jobs.look(this.jobs.job(first))
      case "POST /jobs/cancel":
        return this.jobs.cancel(first)
      case "GET /queries":
        return this.jobs.results(this.jobs.job(first), query)
      case "POST /datasets":
        return this.#resources.createDataset(body)
      case "GET /datasets":
        return this.store.dataset(`${project}.${first}`)
      case "POST /datasets/tables":
        return this.#resources.createTable(first, body)
      case "GET /datasets/tables":
        return this.#resources.tableResource(`${project}.${first}.${second}`)
      case "PATCH /datasets/tables":
        return this.#resources.patchTable(`${project}.${first}.${second}`, body)
      case "DELETE /datasets/tables":
        this.store.table(`${project}.${first}.${second}`)
        this.store.tables.delete(`${project}.${first}.${second}`)
        return undefined
      case "GET /datasets/routines":
        this.store.dataset(`${project}.${first}`)
        return second === "" ? this.#resources.routines(first) : this.#resources.routine(first, second)
      case "DELETE /datasets/routines":
        this.#resources.routine(first, second)
        this.store.routines.delete(`${project}.${first}.${second}`)
        return undefined
      default:
        throw new BigQueryError(404, "notFound", `the counterpart has no ${method} ${path}`)
    }
  }
}

const jobFaultOf = (fault: Fault | undefined): JobFault | undefined =>
  fault?.what.kind === "fail job" || fault?.what.kind === "hold job" ? fault.what : undefined
