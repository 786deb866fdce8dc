/**
 * YAML 1.2 files: the value, and the line on which each part of it stands, so that a fault found later can be shown where it is.
 */
import { hash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { ParseOptions } from "effect/SchemaAST"
import {
  constructFromEvents,
  CORE_SCHEMA,
  type Event,
  EVENT_ID,
  getScalarValue,
  mergeTag,
  parseEvents,
  YAMLException
} from "js-yaml"

/** Aliases of one file: what is written once and counts many times must not grow beyond measure. */
const MAX_ALIASES = 32

const schema = CORE_SCHEMA.withTags(mergeTag)

/** The text is not one YAML document; `line` counts from 1. */
export class InvalidYaml extends Schema.TaggedError<InvalidYaml>()("InvalidYaml", {
  line: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `line ${this.line}: ${this.reason}`
  }
}

/** A document: its value, null when the text is empty. */
export interface YamlDocument<A = unknown> {
  readonly value: A
  /** The line of the innermost member or item of the path that the text has; 1 is the first. */
  readonly lineOf: (path: ReadonlyArray<PropertyKey>) => number
}

/** Reads one document. Members are merged by `<<`, a member named twice is a fault. */
export const parse = (text: string): Either.Either<YamlDocument, InvalidYaml> =>
  Either.gen(function* () {
    const fault = (cause: unknown) =>
      cause instanceof YAMLException
        ? new InvalidYaml({ line: (cause.mark?.line ?? 0) + 1, reason: cause.reason })
        : new InvalidYaml({ line: 1, reason: cause instanceof Error ? cause.message : "not YAML" })
    const { documents, events } = yield* Either.try({
      try: () => {
        const events = parseEvents(text, {})
        return { events, documents: constructFromEvents(events, { source: text, schema, maxAliases: MAX_ALIASES }) }
      },
      catch: fault
    })
    if (documents.length > 1) {
      return yield* Either.left(new InvalidYaml({ line: 1, reason: "the file has more than one document" }))
    }
    return { value: documents[0] ?? null, lineOf: (path) => lineOf(text, events, path) }
  })

/** A kind of document, of which `schema` says what it holds: a value that JSON can hold. The fault is the first one. */
export interface Kind<A> {
  readonly name: string
  readonly read: (text: string) => Either.Either<YamlDocument<A>, InvalidYaml>
  /** Whether the text is a document that the build has read and found in order. */
  readonly isBuilt: (text: string) => boolean
}

/** Makes a kind. No two have one name. */
export const kind = <A, I>(name: string, schema: Schema.Schema<A, I>, options?: ParseOptions): Kind<A> => {
  let built: Readonly<Record<string, A>> | undefined
  const builtValue = (text: string): A | undefined => (built ??= readBuilt<A>(name))[digest(text)]
  const readNow = (text: string) =>
    Either.gen(function* () {
      const { lineOf, value } = yield* parse(text)
      const decoded = yield* Either.mapLeft(Schema.decodeUnknownEither(schema, options)(value), (error) => {
        const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
        const path = issue?.path ?? []
        const place = path.length === 0 ? name : path.map(String).join(".")
        const reason = `${place}: ${issue?.message.split("\n", 1)[0] ?? "not valid"}`
        return new InvalidYaml({ line: lineOf(path), reason })
      })
      return { value: decoded, lineOf }
    })
  return {
    name,
    read: (text) => {
      const value = builtValue(text)
      return value === undefined ? readNow(text) : Either.right({ value, lineOf: lineIn(text) })
    },
    isBuilt: (text) => builtValue(text) !== undefined
  }
}

/**
 * The values of the package's own documents of a kind, by the {@link digest} of their texts: the build has read them, since that is an eighth
 * of a start. They lie beside the bundle; beside the sources there are none.
 */
const readBuilt = <A>(kindName: string): Readonly<Record<string, A>> => {
  const file = new URL(`documents/${kindName}.json`, import.meta.url)
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}
}

/** What tells a text from every other. */
export const digest = (text: string): string => hash("sha256", text, "base64")

/** Lines of a text that is known to be a document. */
const lineIn =
  (text: string): YamlDocument["lineOf"] =>
  (path) =>
    Either.match(parse(text), { onLeft: () => 1, onRight: ({ lineOf }) => lineOf(path) })

const lineOf = (text: string, events: ReadonlyArray<Event>, path: ReadonlyArray<PropertyKey>): number => {
  let line = 1
  // The first event opens the document, the second its value.
  let node = 1
  for (const part of path) {
    const found = partOf(text, events, node, part)
    if (found === undefined) return line
    line = lineAt(text, events[found.at])
    node = found.value
  }
  return line
}

/** Where a member or an item of a node begins, and its value. */
const partOf = (text: string, events: ReadonlyArray<Event>, node: number, part: PropertyKey) => {
  const type = events[node]?.type
  let next = node + 1
  if (type === EVENT_ID.SEQUENCE) {
    for (let index = 0; events[next]?.type !== EVENT_ID.POP; index++) {
      if (index === part) return { at: next, value: next }
      next = after(events, next)
    }
  }
  if (type === EVENT_ID.MAPPING) {
    while (events[next]?.type !== EVENT_ID.POP) {
      const key = events[next]
      const value = after(events, next)
      if (key?.type === EVENT_ID.SCALAR && getScalarValue(text, key) === part) return { at: next, value }
      next = after(events, value)
    }
  }
  return undefined
}

/** The event after a node. */
const after = (events: ReadonlyArray<Event>, node: number): number => {
  let depth = 0
  let next = node
  do {
    const type = events[next]?.type
    if (type === EVENT_ID.MAPPING || type === EVENT_ID.SEQUENCE) depth += 1
    if (type === EVENT_ID.POP) depth -= 1
    next += 1
  } while (depth > 0)
  return next
}

const lineAt = (text: string, event: Event | undefined): number => {
  const start =
    event?.type === EVENT_ID.SCALAR ? event.valueStart : event !== undefined && "start" in event ? event.start : 0
  return text.slice(0, Math.max(0, start)).split("\n").length
}
