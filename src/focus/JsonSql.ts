/**
 * Checks at a path of a JSON column as GoogleSQL. A path with `[*]` is checked at each element of an array, which stands as `element`
 * where the test is evaluated. A missing key counts as null.
 */
import { columnsOf, type Leaf } from "./Expression.ts"
import { isFlatObjectText, isNumericText, isUnitText } from "./FormatSql.ts"
import { coalesce, not, pattern, text, textList } from "./SqlText.ts"

/** A check of a JSON path. */
export type JsonLeaf = Extract<Leaf, readonly ["json", ...ReadonlyArray<unknown>]>

const EACH = "[*]"
/** JSON_KEYS answers the keys of every depth: `a.b` is below `a`, while a key that holds a point stands in quotes. */
const KEY_BELOW = '^("[^"]*"|[^".]*)[.]'

/** Where the elements lie that a leaf looks at one by one; nothing for another leaf. */
export const elementsOf = (leaf: Leaf): { readonly column: string; readonly array: string } | undefined => {
  if (leaf[0] !== "json") return undefined
  const end = leaf[2].indexOf(EACH)
  return end < 0 ? undefined : { column: leaf[1], array: leaf[2].slice(0, end) }
}

/** TRUE when the value at the path passes; `document` is the column as JSON, `column` names another column of the row. */
export const passes = (leaf: JsonLeaf, document: string, column: (name: string) => string): string => {
  const json = valueAt(leaf[2], document)
  const scalar = scalarAt(leaf[2], document)
  switch (leaf[3]) {
    case "exists":
      return `${json} IS NOT NULL`
    case "null":
      return isNull(json)
    case "not_null":
      return not(isNull(json))
    case "type":
      return `COALESCE(JSON_TYPE(${json}), 'null') IN ${textList(["null", leaf[4] === "decimal" ? "number" : leaf[4]])}`
    case "string":
      return "TRUE"
    case "numeric":
      return coalesce(isNumericText(scalar), "TRUE")
    case "unit":
      return coalesce(isUnitText(scalar), "TRUE")
    case "flat":
      return coalesce(isFlatObjectText(`TO_JSON_STRING(${json})`), "TRUE")
    case "keys_start_with": {
      const isOwn = `REGEXP_CONTAINS(key, ${pattern(`^"?${leaf[4]}`)}) OR key IN ${textList(leaf[5])}`
      return `NOT EXISTS (SELECT 1 FROM UNNEST(JSON_KEYS(${json})) AS key WHERE NOT (${isOwn} OR REGEXP_CONTAINS(key, ${pattern(KEY_BELOW)})))`
    }
    case "same_as_column":
      return coalesce(`${scalar} = ${column(columnsOf(leaf)[1] ?? "")}`, "FALSE")
    case "one_per_value":
      return "TRUE"
  }
}

/** The text at a path, below `element` when the path has `[*]`; NULL for null, objects and arrays. */
export const scalarAt = (path: string, document: string): string => {
  const [source, below] = place(path, document)
  return `JSON_VALUE(${source}, ${text(below)})`
}

const valueAt = (path: string, document: string): string => {
  const [source, below] = place(path, document)
  return below === "$" ? source : `JSON_QUERY(${source}, ${text(below)})`
}

const place = (path: string, document: string): readonly [source: string, below: string] => {
  const end = path.indexOf(EACH)
  return end < 0 ? [document, path] : ["element", `$${path.slice(end + EACH.length)}`]
}

const isNull = (json: string) => `COALESCE(JSON_TYPE(${json}), 'null') = 'null'`
