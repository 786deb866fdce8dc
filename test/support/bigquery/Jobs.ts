/**
 * Jobs: their ids are unique, they run one after the other, they go on when their caller is gone, and their results can be asked for.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { asList, asNode, fieldsOf } from "./Body.ts"
import { Script } from "./Script.ts"
import { BigQueryError, type Store } from "./Store.ts"
import { fieldOf, fromParquet, restCell, type RestField, scalarType } from "./Values.ts"
import type { Node, Relation, Typed, ZetaSql, ZetaValue } from "./ZetaSql.ts"

/** Who asks for a job is told at once that it is done: what waits between looks is not what the tests are about. */
const longestLookMillis = 300

/** A job, running or done. */
export interface Job {
  readonly id: string
  readonly configuration: Node
  state: "RUNNING" | "DONE"
  /** Resolves at its end. */
  done: Promise<void>
  error: { readonly reason: string; readonly message: string } | undefined
  result: Relation
  outputRows: number
  cancelled: boolean
}

/** What goes wrong with a job. */
export type JobFault =
  /** It ends with this error. */
  | { readonly kind: "fail job"; readonly reason: string; readonly message: string }
  /** It is still running until it is released. */
  | { readonly kind: "hold job" }

/** The jobs of one project. */
export class Jobs {
  readonly all = new Map<string, Job>()
  readonly #zeta: ZetaSql
  readonly #store: Store
  readonly #project: string
  readonly #location: string
  /** BigQuery runs jobs at once and aborts transactions that meet; here they run one after the other. */
  #turn: Promise<void> = Promise.resolve()
  #held: Array<() => void> = []

  constructor(zeta: ZetaSql, store: Store, project: string, location: string) {
    this.#zeta = zeta
    this.#store = store
    this.#project = project
    this.#location = location
  }

  get held(): number {
    return this.#held.length
  }

  /** Lets held jobs go on. */
  release() {
    for (const go of this.#held.splice(0)) go()
  }

  cancel(id: string) {
    this.job(id).cancelled = true
    this.release()
    return { job: this.resource(this.job(id)) }
  }

  job(id: string): Job {
    const job = this.all.get(id)
    if (job === undefined)
      throw new BigQueryError(404, "notFound", `Not found: Job ${this.#project}:${this.#location}.${id}`)
    return job
  }

  start(body: Node, content: Buffer | undefined, fault: JobFault | undefined) {
    const id = String(asNode(body["jobReference"])["jobId"])
    if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id)) throw new BigQueryError(400, "invalid", `Invalid job ID ${id}`)
    if (this.all.has(id))
      throw new BigQueryError(409, "duplicate", `Already Exists: Job ${this.#project}:${this.#location}.${id}`)
    const job: Job = {
      id,
      configuration: asNode(body["configuration"]),
      state: "RUNNING",
      done: Promise.resolve(),
      error: undefined,
      result: { columns: [], rows: [] },
      outputRows: 0,
      cancelled: false
    }
    this.all.set(id, job)
    const held =
      fault?.kind === "hold job" ? new Promise<void>((resolve) => this.#held.push(resolve)) : Promise.resolve()
    job.done = this.#runAfter(this.#turn, held, job, content, fault)
    this.#turn = job.done
    return this.resource(job)
  }

  async #runAfter(
    before: Promise<void>,
    held: Promise<void>,
    job: Job,
    content: Buffer | undefined,
    fault: JobFault | undefined
  ) {
    await before
    await held
    await this.#runJob(job, content, fault)
  }

  async #runJob(job: Job, content: Buffer | undefined, fault: JobFault | undefined) {
    try {
      if (job.cancelled)
        throw new BigQueryError(499, "stopped", "Job execution was cancelled: User requested cancellation")
      if (fault?.kind === "fail job") throw new BigQueryError(400, fault.reason, fault.message)
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
    const script = new Script(
      this.#zeta,
      this.#store,
      this.#project,
      dataset === undefined ? undefined : String(dataset)
    )
    const parameters = new Map<string, Typed>()
    for (const parameter of asList(configuration["queryParameters"])) {
      parameters.set(String(parameter["name"]), await this.#parameter(parameter))
    }
    job.result = await script.run(String(configuration["query"]), parameters)
    if ("destinationTable" in configuration) {
      const target = asNode(configuration["destinationTable"])
      const key = `${this.#project}.${String(target["datasetId"])}.${String(target["tableId"])}`
      const fields = job.result.columns.map(({ name, type }) => fieldOf(name, type))
      const present = this.#store.tables.get(key)
      this.#store.tables.set(key, {
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
    const key = `${this.#project}.${String(target["datasetId"])}.${String(target["tableId"])}`
    this.#store.dataset(`${this.#project}.${String(target["datasetId"])}`)
    const fields = "schema" in load ? fieldsOf(load) : this.#store.table(key).fields
    const rows = await readParquet(content, fields)
    const present = this.#store.tables.get(key)
    if (present === undefined) this.#store.tables.set(key, { resource: { schema: { fields } }, fields, rows: [] })
    const before = load["writeDisposition"] === "WRITE_TRUNCATE" ? [] : (present?.rows ?? [])
    this.#store.setRows(key, [...before, ...rows])
    job.outputRows = rows.length
  }

  /** A job as it is at its end, or after a while. */
  async look(job: Job) {
    await Promise.race([job.done, sleep(longestLookMillis, undefined, { ref: false })])
    return this.resource(job)
  }

  resource(job: Job) {
    return {
      jobReference: { projectId: this.#project, jobId: job.id, location: this.#location },
      status: { state: job.state, ...(job.error === undefined ? {} : { errorResult: job.error }) },
      statistics: "load" in job.configuration ? { load: { outputRows: String(job.outputRows) } } : {},
      configuration: job.configuration
    }
  }

  results(job: Job, query: URLSearchParams) {
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
