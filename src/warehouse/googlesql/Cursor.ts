/**
 * A position in a list of tokens, with the small steps that the parsers are made of.
 */
import * as Either from "effect/Either"
import { StatementFailed, UnsupportedSql } from "../Warehouse.ts"
import type { Expr, Query } from "./Ast.ts"
import type { Token } from "./Tokens.ts"

/** The outcome of a parsing step: only an unclosed literal is surely the text's fault. */
export type Parse<A> = Either.Either<A, UnsupportedSql | StatementFailed>

/** The parsers that hold each other, handed in: what an expression is made of holds expressions and queries. */
interface Grammar {
  readonly expr: (cursor: Cursor) => Parse<Expr>
  readonly query: (cursor: Cursor) => Parse<Query>
}

const reserved = new Set(
  `ALL AND ANY ARRAY AS ASC ASSERT_ROWS_MODIFIED AT BETWEEN BY CASE CAST COLLATE CONTAINS CREATE CROSS CUBE CURRENT DEFAULT DEFINE DESC
   DISTINCT ELSE END ENUM ESCAPE EXCEPT EXCLUDE EXISTS EXTRACT FALSE FETCH FOLLOWING FOR FROM FULL GROUP GROUPING GROUPS HASH HAVING IF
   IGNORE IN INNER INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LIKE LIMIT LOOKUP MERGE NATURAL NEW NO NOT NULL NULLS OF ON OR ORDER OUTER
   OVER PARTITION PRECEDING PROTO QUALIFY RANGE RECURSIVE RESPECT RIGHT ROLLUP ROWS SELECT SET SOME STRUCT TABLESAMPLE THEN TO TREAT TRUE
   UNBOUNDED UNION UNNEST USING WHEN WHERE WINDOW WITH WITHIN`.split(/\s+/)
)

export class Cursor {
  /** Every path that stood where a table is read, so that the columns can be looked up before the statement is translated. */
  readonly tables: Array<ReadonlyArray<string>> = []
  readonly source: string
  /** How many positional parameters were read. */
  position = 0
  readonly expr: Grammar["expr"]
  readonly query: Grammar["query"]
  private readonly tokens: Array<Token>
  private cursor = 0

  constructor(source: string, tokens: ReadonlyArray<Token>, { expr, query }: Grammar) {
    this.source = source
    this.expr = expr
    this.query = query
    this.tokens = [...tokens]
  }

  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.cursor + ahead, this.tokens.length - 1)] ?? end
  }

  next(): Token {
    const token = this.peek()
    this.cursor++
    return token
  }

  /** Whether the coming tokens are these keywords or symbols. */
  at(...words: ReadonlyArray<string>): boolean {
    return words.every((word, index) => this.peek(index).upper === word)
  }

  /** Whether the coming token is one of these keywords or symbols. */
  atAny(...words: ReadonlyArray<string>): boolean {
    return words.includes(this.peek().upper) && this.peek().upper !== ""
  }

  accept(...words: ReadonlyArray<string>): boolean {
    if (!this.at(...words)) return false
    this.cursor += words.length
    return true
  }

  expect(...words: ReadonlyArray<string>): Parse<Token> {
    const first = this.peek()
    for (const word of words) {
      if (!this.at(word))
        return this.syntaxError(`Expected ${word === "(" || word === ")" ? `"${word}"` : `keyword ${word}`}`)
      this.cursor++
    }
    return Either.right(first)
  }

  /** Takes `>` even where the tokenizer saw `>>`. */
  closeAngle(): Parse<Token> {
    const token = this.peek()
    if (token.upper === ">>") {
      this.tokens[this.cursor] = { ...token, text: ">", upper: ">", start: token.start + 1, column: token.column + 1 }
      return Either.right(token)
    }
    return this.expect(">")
  }

  /** A name: quoted, or not reserved. */
  atName(): boolean {
    const token = this.peek()
    return token.kind === "quoted" || (token.kind === "identifier" && !reserved.has(token.upper))
  }

  name(what: string): Parse<string> {
    return this.atName() ? Either.right(this.next().text) : this.syntaxError(`Expected ${what}`)
  }

  /** The name after a dot, where reserved words are names too. */
  anyName(what: string): Parse<string> {
    const token = this.peek()
    return token.kind === "quoted" || token.kind === "identifier"
      ? Either.right(this.next().text)
      : this.syntaxError(`Expected ${what}`)
  }

  /** `AS name`, or a bare name when it cannot be anything else. */
  alias(): Parse<string | undefined> {
    if (this.accept("AS")) return this.name("alias")
    return Either.right(
      this.atName() && !(this.atAny("PIVOT", "UNPIVOT") && this.peek(1).upper === "(") ? this.next().text : undefined
    )
  }

  /** The names of a table, procedure or function: backticks may hold the dots, a project may hold dashes. */
  path(what: string): Parse<ReadonlyArray<string>> {
    if (!this.atName()) return this.syntaxError(`Expected ${what}`)
    const parts: Array<string> = []
    while (true) {
      const token = this.next()
      if (token.kind !== "quoted" && token.kind !== "identifier") return this.syntaxError(`Expected ${what}`, token)
      if (token.kind === "quoted") parts.push(...token.text.split("."))
      else {
        let text = token.text
        let last = token
        while (
          this.at("-") &&
          this.peek().start === last.end &&
          this.peek(1).start === this.peek().end &&
          this.peek(1).kind !== "symbol"
        ) {
          this.next()
          last = this.next()
          text += `-${last.text}`
        }
        parts.push(text)
      }
      if (!this.accept(".")) return Either.right(parts)
    }
  }

  /** `one, two, three`. */
  list<A>(item: (cursor: Cursor) => Parse<A>): Parse<Array<A>> {
    const items: Array<A> = []
    do {
      const parsed = item(this)
      if (Either.isLeft(parsed)) return Either.left(parsed.left)
      items.push(parsed.right)
    } while (this.accept(","))
    return Either.right(items)
  }

  /** What the grammar here does not know: a mistake, or syntax that only BigQuery has. */
  syntaxError(expectation: string, token: Token = this.peek()): Either.Either<never, UnsupportedSql> {
    const got = token.kind === "end" ? "end of script" : `"${token.text}"`
    return this.unsupported(`Syntax error: ${expectation} but got ${got}`, token)
  }

  unsupported(reason: string, token: Token = this.peek()): Either.Either<never, UnsupportedSql> {
    return Either.left(new UnsupportedSql({ source: this.source, line: token.line, column: token.column, reason }))
  }
}

const end: Token = { kind: "end", text: "", upper: "", line: 1, column: 1, start: 0, end: 0 }
