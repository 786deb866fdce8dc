/**
 * Finding one's way in the syntax tree that the parser gives.
 */
import { isNode, type Node, type Typed } from "./ZetaSql.ts"

/** Variables of a block, and of those around it. */
export interface Frame {
  readonly parent: Frame | undefined
  readonly variables: Map<string, Typed & { readonly sqlType: string | undefined }>
}

/** A text, and what its statements see. */
export interface Place {
  readonly source: Buffer
  readonly frame: Frame
  readonly parameters: ReadonlyMap<string, Typed>
}

/** The parser wraps a node in its kinds, from the widest to its own. */
export const unwrap = (wrapped: Node): readonly [kind: string, node: Node] => {
  let kind = ""
  let node = wrapped
  for (;;) {
    const inner = Object.entries(node).find(([key, value]) => /^ast_\w+_node$/.test(key) && isNode(value))
    if (inner === undefined || !isNode(inner[1])) return [kind, node]
    ;[kind, node] = [inner[0], inner[1]]
  }
}

/** A member that must be there. */
export const member = (node: Node, name: string): Node => {
  const found = node[name]
  if (!isNode(found)) throw new Error(`the counterpart finds no ${name} in ${Object.keys(node).join(", ")}`)
  return found
}

/** A member without its kinds. */
export const expression = (node: Node, name: string): Node => unwrap(member(node, name))[1]

/** The nodes of a list; none where there is no list. */
export const nodes = (node: Node, name: string): ReadonlyArray<Node> => {
  const found = node[name]
  return Array.isArray(found) ? found.filter(isNode) : []
}

/** A name of several parts, with dots. */
export const pathOf = (node: Node): string =>
  nodes(node, "names")
    .map((name) => String(name["id_string"]))
    .join(".")

/** The table that a statement writes, as it is written. */
export const targetOf = (node: Node): string => pathOf(expression(node, "target_path"))

/** The text of a node, from the place that the parser says. */
export const slice = ({ source }: { readonly source: Buffer }, node: Node): string => {
  for (let at: unknown = node; isNode(at); at = at["parent"]) {
    const range = at["parse_location_range"]
    if (isNode(range)) return source.subarray(Number(range["start"]), Number(range["end"])).toString()
  }
  throw new Error("the parser says no place for a node")
}
