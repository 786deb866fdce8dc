/**
 * Datasets, tables and routines as BigQuery's REST interface shows and changes them.
 */
import { asNode, fieldsOf } from "./Body.ts"
import { Script } from "./Script.ts"
import { BigQueryError, type Store } from "./Store.ts"
import { fieldOf, type RestField, scalarType } from "./Values.ts"
import { isNode, type Node, type ZetaSql } from "./ZetaSql.ts"

/** The resources of one project. */
export class Resources {
  readonly #zeta: ZetaSql
  readonly #store: Store
  readonly #project: string
  readonly #location: string

  constructor(zeta: ZetaSql, store: Store, project: string, location: string) {
    this.#zeta = zeta
    this.#store = store
    this.#project = project
    this.#location = location
  }

  createDataset(body: Node) {
    const name = String(asNode(body["datasetReference"])["datasetId"])
    const key = `${this.#project}.${name}`
    if (this.#store.datasets.has(key)) throw new BigQueryError(409, "duplicate", `Already Exists: Dataset ${key}`)
    const created = { location: this.#location, ...body, creationTime: String(Date.now()) }
    this.#store.datasets.set(key, created)
    return created
  }

  createTable(dataset: string, body: Node) {
    const name = String(asNode(body["tableReference"])["tableId"])
    const key = `${this.#project}.${dataset}.${name}`
    this.#store.dataset(`${this.#project}.${dataset}`)
    if (this.#store.tables.has(key)) throw new BigQueryError(409, "duplicate", `Already Exists: Table ${key}`)
    const fields = fieldsOf(body)
    for (const field of fields) scalarType(field.type)
    checkLayout(body, fields)
    const resource = { ...body, creationTime: String(Date.now()) }
    if (isNode(body["view"])) return this.#createView(key, String(body["view"]["query"]), resource)
    this.#store.tables.set(key, { resource, fields, rows: [] })
    return resource
  }

  async #createView(key: string, sql: string, resource: Node) {
    const { columns } = await new Script(this.#zeta, this.#store, this.#project, undefined).run(sql, new Map())
    const fields = columns.map(({ name, type }) => fieldOf(name, type))
    const shown = { ...resource, type: "VIEW", schema: { fields } }
    this.#store.tables.set(key, { resource: shown, fields, rows: [], view: sql })
    return shown
  }

  tableResource(key: string) {
    const { resource, rows } = this.#store.table(key)
    return { ...resource, numRows: String(rows.length) }
  }

  patchTable(key: string, body: Node) {
    const table = this.#store.table(key)
    if (isNode(body["view"]))
      return this.#createView(key, String(body["view"]["query"]), { ...table.resource, ...body })
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
    this.#store.tables.set(key, { resource, fields, rows })
    return resource
  }

  routines(dataset: string) {
    const routines = [...this.#store.routines.keys()]
      .filter((key) => key.startsWith(`${this.#project}.${dataset}.`))
      .map((key) => ({
        routineReference: { projectId: this.#project, datasetId: dataset, routineId: key.split(".")[2] }
      }))
    return routines.length === 0 ? {} : { routines }
  }

  routine(dataset: string, name: string) {
    const found = this.#store.routines.get(`${this.#project}.${dataset}.${name}`)
    if (found === undefined)
      throw new BigQueryError(404, "notFound", `Not found: Routine ${this.#project}:${dataset}.${name}`)
    return {
      routineReference: { projectId: this.#project, datasetId: dataset, routineId: name },
      routineType: "PROCEDURE",
      language: "SQL",
      definitionBody: found.body,
      description: found.description,
      creationTime: String(found.created),
      lastModifiedTime: String(found.modified)
    }
  }
}

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
