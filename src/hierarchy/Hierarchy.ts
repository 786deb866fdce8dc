/**
 * The hierarchy of an organisation as a list of dated versions of its entities, and what such a list must be.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Day } from "../platform/Identifiers.ts"

/** Versions of one import. */
export const MAX_VERSIONS_PER_IMPORT = 10_000
const MAX_LEVELS = 20
const MAX_TEXT_CHARACTERS = 1000
const MAX_NAMED_FAULTS = 20

/** One row as somebody gave it: texts by column, and the line of the file that it begins on. */
export interface GivenEntity {
  readonly line: number
  readonly cells: Readonly<Record<string, unknown>>
}

const Fault = Schema.Struct({
  line: Schema.Number,
  column: Schema.optionalWith(Schema.String, { exact: true }),
  reason: Schema.String
})
type Fault = typeof Fault.Type

/** At least one row cannot be taken; nothing was changed. */
export class HierarchyRejected extends Schema.TaggedError<HierarchyRejected>()("HierarchyRejected", {
  faults: Schema.Array(Fault)
}) {
  override get message() {
    const named = this.faults
      .slice(0, MAX_NAMED_FAULTS)
      .map(({ column, line, reason }) => `line ${line}: ${column === undefined ? "" : `${column} `}${reason}`)
    const more = this.faults.length > named.length ? [`and ${this.faults.length - named.length} more`] : []
    return ["the hierarchy was not imported:", ...named, ...more].join("\n")
  }
}

/** A version of an entity, with its ancestors as they are on its first day. It counts from `start` to the day before `end`. */
export interface EntityVersion {
  readonly line: number
  readonly entityId: string
  readonly name: string
  readonly levelCode: string
  readonly parentId: string | undefined
  readonly start: string
  readonly end: string | undefined
}
/** A version with the ids and names from the root down to itself. */
export interface PlacedVersion extends EntityVersion {
  readonly version: number
  readonly pathIds: ReadonlyArray<string>
  readonly pathNames: ReadonlyArray<string>
}

const required = ["entity_id", "entity_name", "level_code", "start_date"]
const columns = [...required, "parent_id", "end_date"]

/** Reads a whole hierarchy, or says all that is wrong with it. Ids are one whatever their case. */
export const readHierarchy = (
  given: ReadonlyArray<GivenEntity>
): Either.Either<ReadonlyArray<PlacedVersion>, HierarchyRejected> => {
  if (given.length > MAX_VERSIONS_PER_IMPORT) {
    const reason = `is more than ${MAX_VERSIONS_PER_IMPORT} rows`
    return Either.left(new HierarchyRejected({ faults: [{ line: given.length, reason }] }))
  }
  const rows = given.map(readRow)
  const broken = rows.flatMap(Either.match({ onLeft: (faults) => faults, onRight: () => [] }))
  if (broken.length > 0) return Either.left(new HierarchyRejected({ faults: broken }))

  const versions = rows.flatMap(Either.match({ onLeft: () => [], onRight: (version) => [version] }))
  const byEntity = Map.groupBy(
    versions.toSorted((a, b) => (a.start < b.start ? -1 : 1)),
    ({ entityId }) => entityId.toLowerCase()
  )
  const placed = versions.map((version) => place(version, byEntity))
  const faults = [...byEntity.values()]
    .flatMap(overlaps)
    .concat(placed.flatMap(Either.match({ onLeft: (fault) => [fault], onRight: () => [] })))
  return faults.length === 0
    ? Either.right(placed.flatMap(Either.match({ onLeft: () => [], onRight: (version) => [version] })))
    : Either.left(new HierarchyRejected({ faults: faults.toSorted((a, b) => a.line - b.line) }))
}

const readRow = ({ cells, line }: GivenEntity): Either.Either<EntityVersion, ReadonlyArray<Fault>> => {
  const text = (column: string) => String(cells[column] ?? "").trim()
  const [start, end] = [text("start_date"), text("end_date")]
  const faults: Array<Fault> = []
  for (const column of Object.keys(cells)) {
    if (!columns.includes(column)) faults.push({ line, column, reason: "is no column of a hierarchy" })
    else if (text(column).length > MAX_TEXT_CHARACTERS) {
      faults.push({ line, column, reason: `is longer than ${MAX_TEXT_CHARACTERS} characters` })
    }
  }
  for (const column of required) if (text(column) === "") faults.push({ line, column, reason: "is missing" })
  for (const column of ["start_date", "end_date"]) {
    if (text(column) !== "" && !Schema.is(Day)(text(column))) {
      faults.push({ line, column, reason: "is no day YYYY-MM-DD" })
    }
  }
  if (text("entity_id").includes("/"))
    faults.push({ line, column: "entity_id", reason: "has a slash, which parts paths" })
  if (end !== "" && end <= start) {
    faults.push({
      line,
      column: "end_date",
      reason: `is not after start_date ${start}: it is the first day without it`
    })
  }
  return faults.length > 0
    ? Either.left(faults)
    : Either.right({
        line,
        entityId: text("entity_id"),
        name: text("entity_name"),
        levelCode: text("level_code"),
        parentId: text("parent_id") === "" ? undefined : text("parent_id"),
        start,
        end: end === "" ? undefined : end
      })
}

/** Versions of one entity by start: each must end before the next begins. */
const overlaps = (versions: ReadonlyArray<EntityVersion>): ReadonlyArray<Fault> =>
  versions.flatMap((later, index): ReadonlyArray<Fault> => {
    const before = versions[index - 1]
    if (before === undefined || (before.end !== undefined && before.end <= later.start)) return []
    const reason = `lies within the version of ${before.entityId} on line ${before.line}: end that one by it`
    return [{ line: later.line, column: "start_date", reason }]
  })

/** Walks up to the root through the parents as they are on the version's first day; before its first version a parent is what it first was. */
const place = (
  version: EntityVersion,
  byEntity: ReadonlyMap<string, ReadonlyArray<EntityVersion>>
): Either.Either<PlacedVersion, Fault> => {
  const chain: Array<EntityVersion> = [version]
  let at = version
  while (at.parentId !== undefined) {
    const all = byEntity.get(at.parentId.toLowerCase()) ?? []
    const [first] = all
    const parent =
      first !== undefined && version.start < first.start
        ? first
        : all.find(({ end, start }) => start <= version.start && (end === undefined || version.start < end))
    if (parent === undefined) {
      return Either.left({
        line: at.line,
        column: "parent_id",
        reason: `${at.parentId} is no entity on ${version.start}`
      })
    }
    if (chain.length === MAX_LEVELS) {
      const reason = `leads above ${MAX_LEVELS} levels, or in a circle`
      return Either.left({ line: version.line, column: "parent_id", reason })
    }
    chain.unshift(parent)
    at = parent
  }
  return Either.right({
    ...version,
    version: (byEntity.get(version.entityId.toLowerCase()) ?? []).indexOf(version) + 1,
    pathIds: chain.map(({ entityId }) => entityId),
    pathNames: chain.map(({ name }) => name)
  })
}
