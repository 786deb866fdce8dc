/**
 * Derives the project's rule data from the FOCUS Foundation's machine-readable rule model and this project's corrections of it.
 *
 * `node test/support/focusModel.ts ../shared/spec configs/focus/1.3` writes the derived files; the test compares them with the committed
 * ones, so that a changed model or correction cannot pass unseen.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { dump } from "js-yaml"

interface ModelRule {
  readonly Function: string
  readonly Reference: string
  readonly Status: string
  readonly ApplicabilityCriteria: ReadonlyArray<string>
  readonly Type: string
  readonly ValidationCriteria: {
    readonly Keyword: string
    readonly Requirement: Check
    readonly Condition: Check
  }
}

interface Check {
  readonly CheckFunction?: string
  readonly Items?: ReadonlyArray<Check>
  readonly ModelRuleId?: string
  readonly ColumnName?: string
  readonly ColumnAName?: string
  readonly ColumnBName?: string
  readonly ResultColumnName?: string
  readonly Value?: string | number | null
  readonly ExpectedCount?: number
  readonly Path?: string
  readonly PathA?: string
  readonly ParentPath?: string
  readonly ChildPath?: string
  readonly ExpectedType?: string
  readonly Prefix?: string
  readonly IgnoreKeys?: ReadonlyArray<string>
}

interface Model {
  readonly ModelDatasets: Readonly<Record<string, { readonly ModelRules: ReadonlyArray<string> }>>
  readonly ModelRules: Readonly<Record<string, ModelRule>>
}

interface Override {
  readonly id: string
  readonly set: {
    readonly Requirement?: Check
    readonly Condition?: Check
    readonly Type?: string
    readonly ApplicabilityCriteria?: ReadonlyArray<string>
  }
}

export interface DerivedRule {
  readonly id: string
  readonly kind: string
  readonly severity: "error" | "warning"
  readonly column: string
  readonly check: unknown
  readonly when?: unknown
  readonly needs?: ReadonlyArray<string>
}

export interface Derived {
  readonly rules: Readonly<Record<string, ReadonlyArray<DerivedRule>>>
  /** Every rule of the model that is not evaluated, by the reason why. */
  readonly notEvaluated: Readonly<Record<string, ReadonlyArray<string>>>
  readonly overridden: ReadonlyArray<string>
  readonly columns: Readonly<Record<string, ReadonlyArray<unknown>>>
  readonly lists: {
    readonly serviceSubcategories: Readonly<Record<string, ReadonlyArray<string>>>
    readonly currencies: ReadonlyArray<string>
  }
}

const readJson = <A>(file: string): A => JSON.parse(readFileSync(file, "utf8"))

/** Reads `focus-model-1.3.json` and its companions in `specFolder` and answers the rule data they stand for. */
export const derive = (specFolder: string): Derived => {
  const original = readJson<Model>(join(specFolder, "focus-model-1.3.json"))
  const overrides = readJson<{ overrides: ReadonlyArray<Override> }>(
    join(specFolder, "focus-model-overrides.json")
  ).overrides
  const rules = withOverrides(original.ModelRules, overrides)
  const derived: Record<string, Array<DerivedRule>> = {}
  const notEvaluated: Record<string, Array<string>> = {
    composite: [],
    prose: [],
    permission: [],
    removed: [],
    attribute: []
  }
  const reached = new Set<string>()

  for (const [dataset, roots] of Object.entries(original.ModelDatasets)) {
    const found: Array<DerivedRule> = []
    derived[dataset] = found
    const walk = (id: string, conditions: ReadonlyArray<unknown>, needs: ReadonlyArray<string>) => {
      const rule = rules[id]!
      reached.add(id)
      const { Condition, Keyword, Requirement } = rule.ValidationCriteria
      const when =
        Condition.CheckFunction === undefined ? conditions : [...conditions, expression(Condition, "condition")]
      const allNeeds = [...new Set([...needs, ...rule.ApplicabilityCriteria])].sort()
      const skip = (reason: string) => void notEvaluated[reason]!.push(id)
      if (rule.Status === "Removed") return skip("removed")
      if (rule.Function === "Composite") {
        skip("composite")
        for (const child of children(Requirement)) walk(child, when, allNeeds)
        return
      }
      if (rule.Type === "Dynamic") return skip("prose")
      if (Keyword === "MAY") return skip("permission")
      const conjunction = all(when)
      found.push({
        id,
        kind: rule.Function,
        severity: Keyword.startsWith("MUST") ? "error" : "warning",
        column: columnOf(Requirement) ?? rule.Reference,
        check: expression(Requirement, "requirement"),
        ...(conjunction === undefined ? {} : { when: conjunction }),
        ...(allNeeds.length === 0 ? {} : { needs: allNeeds })
      })
    }
    for (const root of roots.ModelRules) walk(root, [], [])
  }
  for (const [id, rule] of Object.entries(rules)) {
    if (!reached.has(id)) notEvaluated[rule.Status === "Removed" ? "removed" : "attribute"]!.push(id)
  }
  return {
    rules: derived,
    notEvaluated: Object.fromEntries(Object.entries(notEvaluated).map(([reason, ids]) => [reason, ids.sort()])),
    overridden: overrides.map((override) => override.id).sort(),
    ...columnsAndLists(specFolder)
  }
}

const withOverrides = (rules: Readonly<Record<string, ModelRule>>, overrides: ReadonlyArray<Override>) => {
  const result: Record<string, ModelRule> = { ...rules }
  for (const { id, set } of overrides) {
    const rule = result[id]!
    result[id] = {
      ...rule,
      Type: set.Type ?? rule.Type,
      ApplicabilityCriteria: set.ApplicabilityCriteria ?? rule.ApplicabilityCriteria,
      ValidationCriteria: {
        ...rule.ValidationCriteria,
        Requirement: set.Requirement ?? rule.ValidationCriteria.Requirement,
        Condition: set.Condition ?? rule.ValidationCriteria.Condition
      }
    }
  }
  return result
}

/** Composites only join rules by AND once the overrides are applied; anything else must not go by unseen. */
const children = (requirement: Check): ReadonlyArray<string> => {
  if (requirement.CheckFunction === "CheckModelRule") return [requirement.ModelRuleId!]
  if (requirement.CheckFunction !== "AND") throw new Error(`composite with ${requirement.CheckFunction}`)
  return requirement.Items!.flatMap(children)
}

const columnOf = (check: Check): string | undefined =>
  check.ColumnName ??
  check.ResultColumnName ??
  check.ColumnAName ??
  check.Items?.map(columnOf).find((name) => name !== undefined)

/** Conditions of a rule and its parents as one; a condition that a parent states already is not repeated. */
const all = (conditions: ReadonlyArray<unknown>): unknown => {
  const flat = conditions.flatMap((one) => (isConjunction(one) ? one.all : [one]))
  const unique = [...new Map(flat.map((one) => [JSON.stringify(one), one])).values()]
  return unique.length <= 1 ? unique[0] : { all: unique }
}

const isConjunction = (expression: unknown): expression is { readonly all: ReadonlyArray<unknown> } =>
  typeof expression === "object" && expression !== null && "all" in expression

const formats: Readonly<Record<string, string>> = {
  FormatString: "string",
  FormatNumeric: "numeric",
  CheckDecimalValue: "numeric",
  FormatDateTime: "datetime",
  FormatUnit: "unit",
  FormatCurrency: "string",
  FormatKeyValue: "key_value",
  FormatJSON: "json_object"
}

const jsonChecks: Readonly<Record<string, string>> = {
  JSONCheckPathKeyValueFormat: "flat",
  JSONCheckPathKeyExists: "exists",
  JSONCheckPathNumericFormat: "numeric",
  JSONFormatNumeric: "numeric",
  JSONFormatString: "string",
  JSONFormatUnit: "unit",
  JSONCheckPathUnitFormat: "unit"
}

const types: Readonly<Record<string, string>> = {
  TypeString: "string",
  TypeDecimal: "decimal",
  TypeDateTime: "datetime"
}

const expression = (check: Check, place: "condition" | "requirement"): unknown => {
  const fn = check.CheckFunction!
  switch (fn) {
    case "AND":
      return all(check.Items!.map((item) => expression(item, place)))
    case "OR":
      return valueList(check) ?? pairList(check) ?? { any: check.Items!.map((item) => expression(item, place)) }
    case "ColumnPresent":
      return ["present", check.ColumnName]
    case "CheckValue":
      return check.Value === null ? ["null", check.ColumnName] : ["is", check.ColumnName, check.Value]
    case "CheckNotValue":
      return check.Value === null ? ["not_null", check.ColumnName] : ["is_not", check.ColumnName, check.Value]
    case "CheckNationalCurrency":
      return ["in_list", check.ColumnName, "currencies"]
    case "CheckGreaterOrEqualThanValue":
      return ["at_least", check.ColumnName, check.Value]
    case "ColumnByColumnEqualsColumnValue":
      return ["product", check.ColumnAName, check.ColumnBName, check.ResultColumnName]
    case "CheckDistinctCount":
      return ["distinct", check.ColumnAName, check.ColumnBName, check.ExpectedCount]
    case "CheckNoDuplicates":
      return ["unique", check.ColumnName]
    case "JSONCheckPathType":
      return ["json", check.ColumnName, check.Path, "type", check.ExpectedType!.toLowerCase()]
    case "JSONCheckPathValue":
      return ["json", check.ColumnName, check.Path, "null"]
    case "JSONCheckPathNotValue":
      return ["json", check.ColumnName, check.Path, "not_null"]
    case "JSONCheckPathKeyStartsWith":
      return ["json", check.ColumnName, check.Path, "keys_start_with", check.Prefix, check.IgnoreKeys]
    case "JSONCheckPathSameValue":
      return ["json", check.ColumnAName, check.PathA, "same_as_column", check.ColumnBName]
    case "JSONCheckPathDistinctParent":
      return ["json", check.ColumnName, check.ParentPath, "one_per_value", check.ChildPath]
  }
  if (types[fn] !== undefined) return ["type", check.ColumnName, types[fn]]
  if (formats[fn] !== undefined) return ["format", check.ColumnName, formats[fn]]
  if (jsonChecks[fn] !== undefined) return ["json", check.ColumnName, check.Path, jsonChecks[fn]]
  throw new Error(`the model uses the function ${fn}, which the project does not know`)
}

/** `C is a or C is b`: a list of values. */
const valueList = (check: Check): unknown => {
  const items = check.Items!
  const column = items[0]!.ColumnName
  return items.every((item) => item.CheckFunction === "CheckValue" && item.ColumnName === column)
    ? column === "ServiceCategory" || column === "ServiceSubcategory"
      ? ["in_list", column, column === "ServiceCategory" ? "serviceCategories" : "serviceSubcategories"]
      : ["one_of", column, items.map((item) => item.Value)]
    : undefined
}

/** `(A is a and B is b) or ...`: a list of pairs, which stands in `lists.yml`. */
const pairList = (check: Check): unknown =>
  check.Items!.every((item) => item.CheckFunction === "AND" && item.Items?.[0]?.ColumnName === "ServiceSubcategory")
    ? ["pair_in_list", "ServiceCategory", "ServiceSubcategory", "serviceSubcategories"]
    : undefined

interface SpecColumn {
  readonly dataset: string
  readonly column: string
  readonly featureLevel: string
  readonly dataType: string
  readonly nullsAllowed: boolean
  readonly deprecated: string | null
  readonly introduced: string
  readonly allowedValues: ReadonlyArray<string | { readonly serviceCategory: string; readonly value: string }> | null
}

const columnsAndLists = (specFolder: string): Pick<Derived, "columns" | "lists"> => {
  const spec = readJson<ReadonlyArray<SpecColumn>>(join(specFolder, "focus-1.3-columns.json"))
  const columns: Record<string, Array<unknown>> = {}
  for (const one of spec) {
    const closed = one.allowedValues?.filter((value) => typeof value === "string") ?? []
    const entry = {
      name: one.column,
      level: one.featureLevel,
      type: one.dataType,
      nullable: one.nullsAllowed,
      since: one.introduced,
      ...(one.deprecated === null ? {} : { deprecated: one.deprecated }),
      ...(closed.length === 0 || one.column === "ServiceCategory" ? {} : { values: closed })
    }
    ;(columns[one.dataset] ??= []).push(entry)
  }
  const serviceSubcategories: Record<string, Array<string>> = {}
  for (const line of dataLines(join(specFolder, "lookups", "focus_service_categories.csv"))) {
    const [category, subcategory] = splitOnce(line)
    ;(serviceSubcategories[category] ??= []).push(subcategory)
  }
  const currencies = dataLines(join(specFolder, "lookups", "currency_codes.csv")).map((line) => splitOnce(line)[1])
  return { columns, lists: { serviceSubcategories, currencies: currencies.sort() } }
}

const dataLines = (file: string) => readFileSync(file, "utf8").trim().split(/\r?\n/).slice(1)

const splitOnce = (line: string): [string, string] => {
  const unquoted = line.replaceAll('"', "")
  const comma = unquoted.indexOf(",")
  return [unquoted.slice(0, comma), unquoted.slice(comma + 1)]
}

const flow = (value: unknown) => dump(value, { flowLevel: 0, lineWidth: -1, quoteStyle: "double" }).trim()

const block = (name: string, entries: ReadonlyArray<unknown>, indent = "") =>
  `${indent}${name}:\n${entries.map((entry) => `${indent}  - ${flow(entry)}`).join("\n")}\n`

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [spec = "", target = ""] = process.argv.slice(2)
  const { columns, lists, notEvaluated, overridden, rules } = derive(spec)
  const sections = (entries: Readonly<Record<string, ReadonlyArray<unknown>>>) =>
    Object.entries(entries)
      .map(([name, list]) => block(name, list))
      .join("\n")
  writeFileSync(
    join(target, "rules.yml"),
    "# The rules of FOCUS 1.3 that data alone can decide, with the project's corrections of the published model applied.\n" +
      "# check: what a row must fulfil; when: the rows it applies to; needs: what the source must support. src/focus/Expression.ts\n" +
      `# explains the operators. Derived by test/support/focusModel.ts.\n\n${sections(rules)}`
  )
  writeFileSync(
    join(target, "not-evaluated.yml"),
    "# Rules of the published model that are not evaluated as such, by reason, and those that the project corrects.\n" +
      "# composite: its parts are; prose: data alone cannot decide it; permission: MAY; removed: withdrawn by the model;\n" +
      `# attribute: text behind a format that other rules check.\n\n${sections({ ...notEvaluated, overridden })}`
  )
  writeFileSync(join(target, "columns.yml"), `# The columns of both FOCUS 1.3 datasets.\n\n${sections(columns)}`)
  writeFileSync(
    join(target, "lists.yml"),
    "# Closed lists that rules name: ISO 4217 codes, service categories with their subcategories.\n\n" +
      `currencies: ${flow(lists.currencies)}\n\nserviceSubcategories:\n` +
      Object.entries(lists.serviceSubcategories)
        .map(([name, values]) => `  ${flow(name)}: ${flow(values)}\n`)
        .join("")
  )
}
