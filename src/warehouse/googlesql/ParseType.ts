/**
 * Written types.
 */
import * as Either from "effect/Either"
import { type TypeName } from "./Ast.ts"
import type { Cursor, Parse } from "./Cursor.ts"

/** A type, as in a cast, a column or a parameter. */
export const parseType = (c: Cursor): Parse<TypeName> =>
  Either.gen(function* () {
    const at = c.peek()
    const name = (yield* c.anyName("type")).toUpperCase()
    if (name === "ARRAY") {
      yield* c.expect("<")
      const type = yield* parseType(c)
      yield* c.closeAngle()
      return { at, name, fields: [{ name: "", type }], parameters: [] }
    }
    if (name === "STRUCT") {
      yield* c.expect("<")
      const fields: Array<{ name: string; type: TypeName }> = []
      if (!c.at(">")) {
        do {
          const named = c.peek(1).kind === "identifier" || c.peek(1).kind === "quoted"
          fields.push({ name: named ? yield* c.anyName("field name") : "", type: yield* parseType(c) })
        } while (c.accept(","))
      }
      yield* c.closeAngle()
      return { at, name, fields, parameters: [] }
    }
    const parameters: Array<string> = []
    if (c.accept("(")) {
      do parameters.push(c.next().text)
      while (c.accept(","))
      yield* c.expect(")")
    }
    return { at, name, fields: [], parameters }
  })
