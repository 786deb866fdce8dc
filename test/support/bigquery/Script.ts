/**
 * Runs GoogleSQL scripts: Google's parser gives the tree, Google's evaluator the answer of each statement; what is left is the control flow
 * as BigQuery documents it: variables, IF, blocks with handlers, transactions, CALL, EXECUTE IMMEDIATE.
 */
import { Changes } from "./Changes.ts"
import { answered, withoutJsonKeys } from "./Evaluation.ts"
import { BigQueryError, type Store, type StoredTable } from "./Store.ts"
import { expression, type Frame, member, nodes, pathOf, type Place, slice, unwrap } from "./Syntax.ts"
import { scalarType } from "./Values.ts"
import { isNode, type Node, type Relation, type Surroundings, type Typed, type ZetaSql } from "./ZetaSql.ts"

const nothing: Relation = { columns: [], rows: [] }

/** One job's script. Statements change the store at once; an open transaction that is not committed is undone. */
export class Script {
  readonly #zeta: ZetaSql
  readonly #store: Store
  readonly #project: string
  readonly #defaultDataset: string | undefined
  readonly #changes: Changes
  #snapshot: Map<string, StoredTable> | undefined
  #errorMessage = ""
  #rowCount = 0
  #result: Relation = nothing

  constructor(zeta: ZetaSql, store: Store, project: string, defaultDataset: string | undefined) {
    this.#zeta = zeta
    this.#store = store
    this.#project = project
    this.#defaultDataset = defaultDataset
    this.#changes = new Changes(zeta, store, {
      resolve: (written) => this.#resolve(written),
      surroundings: (sql, at) => this.#surroundings(sql, at)
    })
  }

  /** Runs a text with its parameters; answers the last SELECT's rows. */
  async run(text: string, parameters: ReadonlyMap<string, Typed>): Promise<Relation> {
    try {
      await this.#text(text, { parent: undefined, variables: new Map() }, parameters)
      if (this.#snapshot !== undefined) this.#rollback()
      return this.#result
    } catch (error) {
      if (this.#snapshot !== undefined) this.#rollback()
      throw error
    }
  }

  #rollback() {
    if (this.#snapshot !== undefined) this.#store.tables = this.#snapshot
    this.#snapshot = undefined
  }

  async #text(text: string, frame: Frame, parameters: ReadonlyMap<string, Typed>) {
    const source = Buffer.from(text)
    const script = await this.#zeta.parse(text)
    await this.#list(member(script, "statement_list_node"), { source, frame, parameters })
  }

  async #list(list: Node, at: Place) {
    for (const statement of nodes(list, "statement_list")) await this.#statement(statement, at)
  }

  async #statement(wrapped: Node, at: Place): Promise<void> {
    const [kind, node] = unwrap(wrapped)
    switch (kind) {
      case "ast_query_statement_node":
        this.#result = await this.#query(slice(at, node), at)
        return
      case "ast_insert_statement_node":
      case "ast_delete_statement_node":
      case "ast_update_statement_node":
      case "ast_merge_statement_node":
        this.#rowCount = await this.#changes.run(kind, node, at)
        this.#result = nothing
        return
      case "ast_begin_statement_node":
        if (this.#snapshot !== undefined) throw new BigQueryError(400, "invalidQuery", "Transaction is already open")
        this.#snapshot = new Map(this.#store.tables)
        return
      case "ast_commit_statement_node":
        if (this.#snapshot === undefined) throw new BigQueryError(400, "invalidQuery", "There is no transaction")
        this.#snapshot = undefined
        return
      case "ast_rollback_statement_node":
        if (this.#snapshot === undefined) throw new BigQueryError(400, "invalidQuery", "There is no transaction")
        return this.#rollback()
      case "ast_variable_declaration_node":
        return this.#declare(node, at)
      case "ast_single_assignment_node":
        return this.#assign(
          String(member(node, "variable")["id_string"]),
          slice(at, expression(node, "expression")),
          at
        )
      case "ast_if_statement_node":
        return this.#if(node, at)
      case "ast_begin_end_block_node":
        return this.#block(node, at)
      case "ast_raise_statement_node":
        throw new BigQueryError(400, "invalidQuery", await this.#messageOf(node, at))
      case "ast_call_statement_node":
        return this.#call(node, at)
      case "ast_execute_immediate_statement_node":
        return this.#executeImmediate(node, at)
      case "ast_create_procedure_statement_node":
        return this.#createProcedure(node, at)
      default:
        throw new Error(`the counterpart does not know the statement ${kind}: ${slice(at, node).slice(0, 80)}`)
    }
  }

  async #messageOf(node: Node, at: Place): Promise<string> {
    if (node["message"] === undefined || node["message"] === null) return this.#errorMessage
    return (await this.#scalar(slice(at, expression(node, "message")), at)).value.string_value ?? ""
  }

  async #declare(node: Node, at: Place) {
    const names = nodes(member(node, "variable_list"), "identifier_list").map((name) => String(name["id_string"]))
    const sqlType = isNode(node["type"]) ? slice(at, unwrap(node["type"])[1]) : undefined
    const initial = isNode(node["default_value"]) ? slice(at, expression(node, "default_value")) : "NULL"
    const value = await this.#scalar(sqlType === undefined ? initial : `CAST((${initial}) AS ${sqlType})`, at)
    for (const name of names) at.frame.variables.set(name.toLowerCase(), { ...value, sqlType })
  }

  async #assign(name: string, sql: string, at: Place) {
    const owner = ownerOf(at.frame, name)
    const known = owner.variables.get(name.toLowerCase())
    const value = await this.#scalar(known?.sqlType === undefined ? sql : `CAST((${sql}) AS ${known.sqlType})`, at)
    owner.variables.set(name.toLowerCase(), { ...value, sqlType: known?.sqlType })
  }

  async #if(node: Node, at: Place) {
    const branches = [node, ...(isNode(node["elseif_clauses"]) ? nodes(node["elseif_clauses"], "elseif_clauses") : [])]
    for (const branch of branches) {
      const list = isNode(branch["then_list"]) ? branch["then_list"] : member(branch, "body")
      if ((await this.#scalar(slice(at, expression(branch, "condition")), at)).value.bool_value === true) {
        return this.#list(list, at)
      }
    }
    if (isNode(node["else_list"])) await this.#list(node["else_list"], at)
  }

  async #block(node: Node, at: Place) {
    const inner = { ...at, frame: { parent: at.frame, variables: new Map() } }
    const [handler] = isNode(node["handler_list"]) ? nodes(node["handler_list"], "exception_handler_list") : []
    try {
      await this.#list(member(node, "statement_list_node"), inner)
    } catch (error) {
      if (handler === undefined) throw error
      this.#errorMessage = error instanceof Error ? error.message : String(error)
      await this.#list(member(handler, "statement_list"), inner)
    }
  }

  async #call(node: Node, at: Place) {
    const path = this.#resolve(pathOf(member(node, "procedure_name")))
    const routine = this.#store.routines.get(path)
    if (routine === undefined) throw new BigQueryError(404, "notFound", `Not found: Routine ${path}`)
    const args = nodes(node, "arguments").map((argument) => slice(at, expression(argument, "expr")))
    if (args.length !== routine.parameters.length) {
      throw new BigQueryError(
        400,
        "invalidQuery",
        `${routine.name} takes ${routine.parameters.length} arguments, not ${args.length}`
      )
    }
    const variables: Frame["variables"] = new Map()
    for (const [index, { isOut, name, type }] of routine.parameters.entries()) {
      const given = isOut ? "NULL" : args[index]
      variables.set(name.toLowerCase(), { ...(await this.#scalar(`CAST((${given}) AS ${type})`, at)), sqlType: type })
    }
    await this.#text(routine.body, { parent: undefined, variables }, new Map())
    for (const [index, { isOut, name }] of routine.parameters.entries()) {
      const result = variables.get(name.toLowerCase())
      const variable = (args[index] ?? "").trim().toLowerCase()
      if (isOut && result !== undefined) ownerOf(at.frame, variable).variables.set(variable, result)
    }
  }

  async #executeImmediate(node: Node, at: Place) {
    const text = (await this.#scalar(slice(at, expression(node, "sql")), at)).value.string_value ?? ""
    const parameters = new Map<string, Typed>()
    for (const argument of isNode(node["using_clause"]) ? nodes(node["using_clause"], "arguments") : []) {
      const alias = member(member(argument, "alias"), "identifier")
      parameters.set(String(alias["id_string"]), await this.#scalar(slice(at, expression(argument, "expression")), at))
    }
    // The text sees the parameters, not the variables around it.
    await this.#text(text, { parent: undefined, variables: new Map() }, parameters)
    if (!isNode(node["into_clause"])) return
    const [row, another] = this.#result.rows
    if (row === undefined || another !== undefined) {
      throw new BigQueryError(400, "invalidQuery", `EXECUTE IMMEDIATE INTO had ${this.#result.rows.length} rows`)
    }
    const names = nodes(member(node["into_clause"], "identifiers"), "identifier_list")
    for (const [index, name] of names.entries()) {
      const column = this.#result.columns[index]
      const variable = String(name["id_string"])
      const owner = ownerOf(at.frame, variable)
      const known = owner.variables.get(variable.toLowerCase())
      if (column !== undefined) {
        owner.variables.set(variable.toLowerCase(), {
          type: column.type,
          value: row[index] ?? {},
          sqlType: known?.sqlType
        })
      }
    }
    this.#result = nothing
  }

  async #createProcedure(node: Node, at: Place) {
    const path = this.#resolve(pathOf(member(node, "name")))
    this.#store.dataset(path.split(".").slice(0, 2).join("."))
    const body = slice(at, member(node, "body"))
    const options = isNode(node["options_list"]) ? nodes(node["options_list"], "options_entries") : []
    const description = options.find((option) => member(option, "name")["id_string"] === "description")
    const now = Date.now()
    this.#store.routines.set(path, {
      name: path.split(".").at(-1) ?? "",
      parameters: nodes(member(node, "parameters"), "parameter_entries").map((entry) => ({
        name: String(member(entry, "name")["id_string"]),
        type: slice(at, expression(entry, "type")),
        isOut: /^OUT\s/i.test(slice(at, entry))
      })),
      body: `${body};`,
      description:
        description === undefined
          ? ""
          : ((await this.#scalar(slice(at, expression(description, "value")), at)).value.string_value ?? ""),
      created: this.#store.routines.get(path)?.created ?? now,
      modified: now
    })
    this.#result = nothing
  }

  async #scalar(sql: string, at: Place): Promise<Typed> {
    const { columns, rows } = await this.#query(`SELECT ${sql}`, at)
    return { type: columns[0]?.type ?? scalarType("INT64"), value: rows[0]?.[0] ?? {} }
  }

  async #query(sql: string, at: Place): Promise<Relation> {
    const { around, text } = await this.#surroundings(sql, at)
    return answered(this.#zeta.query(text, around))
  }

  async #surroundings(sql: string, at: Place): Promise<{ readonly text: string; readonly around: Surroundings }> {
    const variables = new Map<string, Typed>([
      [errorVariable, { type: scalarType("STRING"), value: { string_value: this.#errorMessage } }],
      [countVariable, { type: scalarType("INT64"), value: { int64_value: String(this.#rowCount) } }]
    ])
    for (let frame: Frame | undefined = at.frame; frame !== undefined; frame = frame.parent) {
      for (const [name, value] of frame.variables) if (!variables.has(name)) variables.set(name, value)
    }
    const known = withoutJsonKeys(
      sql.replaceAll(/@@error\.message/gi, errorVariable).replaceAll(/@@row_count/gi, countVariable)
    )
    const { text, tables } = await answered(this.#withTables(known))
    return { text, around: { tables, variables, parameters: at.parameters } }
  }

  /** The tables that a statement names; a path of several names is written as one. */
  async #withTables(sql: string) {
    const tables = new Map<string, Relation>()
    let text = sql
    for (const written of await this.#zeta.tableNames(sql)) {
      const path = this.#resolve(written)
      const { view } = this.#store.table(path)
      tables.set(written, view === undefined ? this.#store.relation(path) : await this.#view(path, view))
      if (written.includes(".") && !sql.includes(`\`${written}\``)) {
        const plain = written.split(".").map((part) => `\`?${part}\`?`)
        text = text.replaceAll(new RegExp(plain.join("\\s*\\.\\s*"), "g"), `\`${written}\``)
      }
    }
    return { text, tables }
  }

  async #view(path: string, sql: string): Promise<Relation> {
    const inner = {
      source: Buffer.from(sql),
      frame: { parent: undefined, variables: new Map() },
      parameters: new Map()
    }
    const { rows } = await this.#query(sql, inner)
    return { ...this.#store.relation(path), rows }
  }

  #resolve(written: string): string {
    const parts = written.split(".")
    if (parts.length === 3) return written
    if (parts.length === 2) return `${this.#project}.${written}`
    if (this.#defaultDataset === undefined) {
      throw new BigQueryError(
        400,
        "invalid",
        `Table "${written}" must be qualified with a dataset (e.g. dataset.table).`
      )
    }
    return `${this.#project}.${this.#defaultDataset}.${written}`
  }
}

const errorVariable = "system_error_message"
const countVariable = "system_row_count"

const ownerOf = (frame: Frame, name: string): Frame => {
  for (let owner: Frame | undefined = frame; owner !== undefined; owner = owner.parent) {
    if (owner.variables.has(name.toLowerCase())) return owner
  }
  throw new BigQueryError(400, "invalidQuery", `Undeclared variable: ${name}`)
}
