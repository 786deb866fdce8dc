/**
 * A BigQuery to test against: the REST interface with real jobs on a real store, whose GoogleSQL is parsed and evaluated by Google's own
 * ZetaSQL. It keeps BigQuery's promises that the service builds on: job ids are unique, a job goes on when its caller is gone, a
 * transaction is all or nothing, REQUIRED columns refuse NULL, decimals are exact. Faults can be injected; see {@link Fault}.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Script } from "./Script.ts"
import { BigQueryError, Store } from "./Store.ts"
import { fieldOf, fromParquet, restCell, type RestField, scalarType } from "./Values.ts"
import {
  isNode,
  type Node,
  type Relation,
  start as startZetaSql,
  type Typed,
  type ZetaSql,
  type ZetaValue
} from "./ZetaSql.ts"

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
    /** The job ends with this error. */
    | { readonly kind: "fail job"; readonly reason: string; readonly message: string }
    /** The job is still running until {@link Counterpart.release}. */
    | { readonly kind: "hold job" }
}

interface Job {
  readonly id: string
  readonly configuration: Node
  state: "RUNNING" | "DONE"
  error: { readonly reason: string; readonly message: string } | undefined
  result: Relation
  outputRows: number
  cancelled: boolean
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
  /** The exact sum of a column, by the evaluator. */
  readonly sumOf: (dataset: string, table: string, column: string) => Promise<string>
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
      Array.from(state.jobs.values(), ({ cancelled, configuration, id, state }) => ({
        id,
        kind: "load" in configuration ? "load" : "query",
        state,
        cancelled,
        configuration
      })),
    fault: (fault) => state.faults.push({ ...fault }),
    heldJobs: () => state.heldJobs,
    sumOf: (dataset, table, column) => state.sumOf(dataset, table, column),
    release: () => state.release(),
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
  readonly jobs = new Map<string, Job>()
  readonly calls: Array<string> = []
  readonly faults: Array<Fault & { times: number }> = []
  readonly #zeta: ZetaSql
  /** BigQuery runs jobs at once and aborts transactions that meet; here they run one after the other. */
  #turn: Promise<void> = Promise.resolve()
  #held: Array<() => void> = []
  readonly #uploads = new Map<string, Node>()

  constructor(zeta: ZetaSql) {
    this.#zeta = zeta
  }

  get heldJobs(): number {
    return this.#held.length
  }

  async sumOf(dataset: string, table: string, column: string): Promise<string> {
    const script = new Script(this.#zeta, this.store, project, dataset)
    const { rows } = await script.run(
      `SELECT CAST(SUM(${column}) AS STRING) AS total FROM \`${project}.${dataset}.${table}\``,
      new Map()
    )
    return rows[0]?.[0]?.string_value ?? ""
  }

  release() {
    for (const go of this.#held.splice(0)) go()
  }

  clear() {
    this.store.datasets.clear()
    this.store.tables.clear()
    this.store.routines.clear()
    this.jobs.clear()
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
        ? this.#startJob(this.#uploads.get(upload) ?? {}, content, fault)
        : this.#route(method, path, url.searchParams, readJson(content), fault)
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
        return this.#startJob(body, undefined, fault)
      case "GET /jobs":
        return this.#jobResource(this.#job(first))
      case "POST /jobs/cancel":
        this.#job(first).cancelled = true
        this.release()
        return { job: this.#jobResource(this.#job(first)) }
      case "GET /queries":
        return this.#results(this.#job(first), query)
      case "POST /datasets":
        return this.#createDataset(body)
      case "GET /datasets":
        return this.store.dataset(`${project}.${first}`)
      case "POST /datasets/tables":
        return this.#createTable(first, body)
      case "GET /datasets/tables":
        return this.#tableResource(`${project}.${first}.${second}`)
      case "PATCH /datasets/tables":
        return this.#patchTable(`${project}.${first}.${second}`, body)
      case "DELETE /datasets/tables":
        this.store.table(`${project}.${first}.${second}`)
        this.store.tables.delete(`${project}.${first}.${second}`)
        return undefined
      case "GET /datasets/routines":
        this.store.dataset(`${project}.${first}`)
        return second === "" ? this.#routines(first) : this.#routine(first, second)
      case "DELETE /datasets/routines":
        this.#routine(first, second)
        this.store.routines.delete(`${project}.${first}.${second}`)
        return undefined
      default:
        throw new BigQueryError(404, "notFound", `the counterpart has no ${method} ${path}`)
    }
  }

  #createDataset(body: Node) {
    const name = String(asNode(body["datasetReference"])["datasetId"])
    const key = `${project}.${name}`
    if (this.store.datasets.has(key)) throw new BigQueryError(409, "duplicate", `Already Exists: Dataset ${key}`)
    const created = { location, ...body, creationTime: String(Date.now()) }
    this.store.datasets.set(key, created)
    return created
  }

  #createTable(dataset: string, body: Node) {
    const name = String(asNode(body["tableReference"])["tableId"])
    const key = `${project}.${dataset}.${name}`
    this.store.dataset(`${project}.${dataset}`)
    if (this.store.tables.has(key)) throw new BigQueryError(409, "duplicate", `Already Exists: Table ${key}`)
    const fields = fieldsOf(body)
    for (const field of fields) scalarType(field.type)
    checkLayout(body, fields)
    const resource = { ...body, creationTime: String(Date.now()) }
    this.store.tables.set(key, { resource, fields, rows: [] })
    return resource
  }

  #tableResource(key: string) {
    const { resource, rows } = this.store.table(key)
    return { ...resource, numRows: String(rows.length) }
  }

  #patchTable(key: string, body: Node) {
    const table = this.store.table(key)
    const fields = "schema" in body ? fieldsOf(body) : table.fields
    for (const [index, field] of table.fields.entries()) {
      const now = fields[index]
      if (now?.name !== field.name || now.type !== field.type) {
        throw new BigQueryError(
          400,
          "invalid",
          `Provided Schema does not match Table ${key}. Field ${field.name} is missing in new schema`
        )
      }
    }
    const added = fields.slice(table.fields.length)
    if (added.some((field) => field.mode === "REQUIRED")) {
      throw new BigQueryError(400, "invalid", `Cannot add required fields to an existing schema`)
    }
    const rows = added.length === 0 ? table.rows : table.rows.map((row) => [...row, ...added.map(() => ({}))])
    const resource = { ...table.resource, ...body }
    this.store.tables.set(key, { resource, fields, rows })
    return resource
  }

  #routines(dataset: string) {
    const routines = [...this.store.routines.keys()]
      .filter((key) => key.startsWith(`${project}.${dataset}.`))
      .map((key) => ({ routineReference: { projectId: project, datasetId: dataset, routineId: key.split(".")[2] } }))
    return routines.length === 0 ? {} : { routines }
  }

  #routine(dataset: string, name: string) {
    const found = this.store.routines.get(`${project}.${dataset}.${name}`)
    if (found === undefined)
      throw new BigQueryError(404, "notFound", `Not found: Routine ${project}:${dataset}.${name}`)
    return {
      routineReference: { projectId: project, datasetId: dataset, routineId: name },
      routineType: "PROCEDURE",
      language: "SQL",
      definitionBody: found.body,
      description: found.description,
      creationTime: String(found.created),
      lastModifiedTime: String(found.modified)
    }
  }

  #job(id: string): Job {
    const job = this.jobs.get(id)
    if (job === undefined) throw new BigQueryError(404, "notFound", `Not found: Job ${project}:${location}.${id}`)
    return job
  }

  #startJob(body: Node, content: Buffer | undefined, fault: Fault | undefined) {
    const id = String(asNode(body["jobReference"])["jobId"])
    if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id)) throw new BigQueryError(400, "invalid", `Invalid job ID ${id}`)
    if (this.jobs.has(id)) throw new BigQueryError(409, "duplicate", `Already Exists: Job ${project}:${location}.${id}`)
    const job: Job = {
      id,
      configuration: asNode(body["configuration"]),
      state: "RUNNING",
      error: undefined,
      result: { columns: [], rows: [] },
      outputRows: 0,
      cancelled: false
    }
    this.jobs.set(id, job)
    const held =
      fault?.what.kind === "hold job" ? new Promise<void>((resolve) => this.#held.push(resolve)) : Promise.resolve()
    this.#turn = this.#runAfter(this.#turn, held, job, content, fault)
    return this.#jobResource(job)
  }

  async #runAfter(
    before: Promise<void>,
    held: Promise<void>,
    job: Job,
    content: Buffer | undefined,
    fault: Fault | undefined
  ) {
    await before
    await held
    await this.#runJob(job, content, fault)
  }

  async #runJob(job: Job, content: Buffer | undefined, fault: Fault | undefined) {
    try {
      if (job.cancelled)
        throw new BigQueryError(499, "stopped", "Job execution was cancelled: User requested cancellation")
      if (fault?.what.kind === "fail job") throw new BigQueryError(400, fault.what.reason, fault.what.message)
      if (content !== undefined) await this.#load(job, asNode(job.configuration["load"]), content)
      else await this.#query(job, asNode(job.configuration["query"]))
    } catch (error) {
      const reason = error instanceof BigQueryError ? error.reason : "invalid"
      job.error = { reason, message: error instanceof Error ? error.message : String(error) }
    }
    job.state = "DONE"
  }

  async #query(job: Job, configuration: Node) {
    const dataset = asNode(configuration["defaultDataset"] ?? {})["datasetId"]
    const script = new Script(this.#zeta, this.store, project, dataset === undefined ? undefined : String(dataset))
    const parameters = new Map<string, Typed>()
    for (const parameter of asList(configuration["queryParameters"])) {
      parameters.set(String(parameter["name"]), await this.#parameter(parameter))
    }
    job.result = await script.run(String(configuration["query"]), parameters)
    if ("destinationTable" in configuration) {
      const target = asNode(configuration["destinationTable"])
      const key = `${project}.${String(target["datasetId"])}.${String(target["tableId"])}`
      const fields = job.result.columns.map(({ name, type }) => fieldOf(name, type))
      const present = this.store.tables.get(key)
      this.store.tables.set(key, {
        resource: { ...present?.resource, schema: { fields } },
        fields,
        rows: job.result.rows
      })
    }
  }

  async #parameter(parameter: Node): Promise<Typed> {
    const type = asNode(parameter["parameterType"])
    const given = asNode(parameter["parameterValue"])
    const isArray = type["type"] === "ARRAY"
    const texts = isArray ? asList(given["arrayValues"]).map((item) => String(item["value"])) : []
    const values: ZetaValue = isArray
      ? { array_value: { element: texts.map((text) => ({ string_value: text })) } }
      : given["value"] === null || given["value"] === undefined
        ? {}
        : { string_value: String(given["value"]) }
    const text = scalarType("STRING")
    const source: Typed = {
      type: isArray ? { type_kind: "TYPE_ARRAY", array_type: { element_type: text } } : text,
      value: values
    }
    if (isArray || type["type"] === "STRING") return source
    const { columns, rows } = await this.#zeta.query(
      `SELECT ${type["type"] === "JSON" ? "PARSE_JSON(@p)" : `CAST(@p AS ${String(type["type"])})`} AS v`,
      {
        tables: new Map(),
        variables: new Map(),
        parameters: new Map([["p", source]])
      }
    )
    return { type: columns[0]?.type ?? text, value: rows[0]?.[0] ?? {} }
  }

  async #load(job: Job, load: Node, content: Buffer) {
    if (load["sourceFormat"] !== "PARQUET")
      throw new BigQueryError(400, "invalid", "the counterpart loads Parquet only")
    const target = asNode(load["destinationTable"])
    const key = `${project}.${String(target["datasetId"])}.${String(target["tableId"])}`
    this.store.dataset(`${project}.${String(target["datasetId"])}`)
    const fields = "schema" in load ? fieldsOf(load) : this.store.table(key).fields
    const rows = await readParquet(content, fields)
    const present = this.store.tables.get(key)
    if (present === undefined) this.store.tables.set(key, { resource: { schema: { fields } }, fields, rows: [] })
    const before = load["writeDisposition"] === "WRITE_TRUNCATE" ? [] : (present?.rows ?? [])
    this.store.setRows(key, [...before, ...rows])
    job.outputRows = rows.length
  }

  #jobResource(job: Job) {
    return {
      jobReference: { projectId: project, jobId: job.id, location },
      status: { state: job.state, ...(job.error === undefined ? {} : { errorResult: job.error }) },
      statistics: "load" in job.configuration ? { load: { outputRows: String(job.outputRows) } } : {},
      configuration: job.configuration
    }
  }

  #results(job: Job, query: URLSearchParams) {
    const { columns, rows } = job.result
    const from = Number(query.get("pageToken") ?? 0)
    const to = from + Number(query.get("maxResults") ?? 10_000)
    return {
      jobComplete: true,
      schema: { fields: columns.map(({ name, type }, index) => fieldOf(name === "" ? `f${index}_` : name, type)) },
      rows: rows
        .slice(from, to)
        .map((row) => ({ f: columns.map(({ type }, index) => ({ v: restCell(type, row[index] ?? {}) })) })),
      totalRows: String(rows.length),
      ...(to < rows.length ? { pageToken: String(to) } : {})
    }
  }
}

const asNode = (value: unknown): Node => {
  if (!isNode(value)) throw new BigQueryError(400, "invalid", "Invalid JSON payload received")
  return value
}

const asList = (value: unknown): ReadonlyArray<Node> => (Array.isArray(value) ? value.filter(isNode) : [])

const fieldsOf = (holder: Node): ReadonlyArray<RestField> =>
  "schema" in holder
    ? asList(asNode(holder["schema"])["fields"]).map((field) => ({
        name: String(field["name"]),
        type: String(field["type"]),
        mode: field["mode"] === undefined ? "NULLABLE" : String(field["mode"]),
        ...(field["description"] === undefined ? {} : { description: String(field["description"]) })
      }))
    : []

/** BigQuery refuses a partition or clustering by a column that is not there or not fit, and long descriptions. */
const checkLayout = (body: Node, fields: ReadonlyArray<RestField>) => {
  const clustering = isNode(body["clustering"]) ? body["clustering"]["fields"] : []
  const clusterable = ["STRING", "INT64", "INTEGER", "NUMERIC", "BIGNUMERIC", "DATE", "TIMESTAMP", "DATETIME", "BOOL"]
  if (Array.isArray(clustering)) {
    if (clustering.length > 4) throw new BigQueryError(400, "invalid", "Too many clustering columns")
    for (const name of clustering) {
      const field = fields.find((field) => field.name === name)
      if (field === undefined || field.mode === "REPEATED" || !clusterable.includes(field.type)) {
        throw new BigQueryError(400, "invalid", `The field specified for clustering cannot be used: ${String(name)}`)
      }
    }
  }
  if (isNode(body["timePartitioning"])) {
    const field = fields.find((field) => field.name === asNode(body["timePartitioning"])["field"])
    if (field === undefined || !["DATE", "TIMESTAMP", "DATETIME"].includes(field.type)) {
      throw new BigQueryError(400, "invalid", "The field specified for partitioning cannot be found in the schema")
    }
  }
  if (fields.some((field) => (field.description ?? "").length > 1024)) {
    throw new BigQueryError(400, "invalid", "A field's description is longer than 1024 characters")
  }
}

const readJson = (bytes: Buffer): Node => {
  if (bytes.length === 0) return {}
  const read: unknown = JSON.parse(bytes.toString())
  return asNode(read)
}

const readParquet = async (content: Buffer, fields: ReadonlyArray<RestField>) => {
  const folder = mkdtempSync(join(tmpdir(), "bigquery-load-"))
  try {
    const file = join(folder, "load.parquet")
    writeFileSync(file, content)
    const instance = await DuckDBInstance.create(":memory:")
    const connection = await instance.connect()
    try {
      const columns = fields.map((field) => `"${field.name.replaceAll('"', '""')}"`).join(", ")
      const reader = await connection.runAndReadAll(`SELECT ${columns} FROM read_parquet('${file}')`)
      return reader.getRows().map((row) => fields.map((field, index) => fromParquet(field, row[index] ?? null)))
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
