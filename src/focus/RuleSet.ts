/**
 * The rules of one FOCUS version as data: `configs/focus/<version>/`. A new version is a new folder.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Yaml from "../platform/Yaml.ts"
import { Expression } from "./Expression.ts"

/** The two datasets of the specification. */
export const Dataset = Schema.Literal("CostAndUsage", "ContractCommitment")
export type Dataset = typeof Dataset.Type

/** An error makes a dataset non-conformant, a warning does not. */
export const Severity = Schema.Literal("error", "warning")
export type Severity = typeof Severity.Type

/** One rule: the rows that fulfil `when` (all, when absent) must fulfil `check`. */
export const Rule = Schema.Struct({
  /** The published model's id, or X-... for the project's own; a rule of several checks has an entry for each. */
  id: Schema.String,
  kind: Schema.Literal("Presence", "Type", "Format", "Nullability", "Validation"),
  severity: Severity,
  /** Column that the rule is about; `*` for the whole dataset. */
  column: Schema.String,
  check: Expression,
  when: Schema.optional(Expression),
  /** Abilities that a source must have for the rule to apply to it. */
  needs: Schema.optional(Schema.Array(Schema.String))
})
export type Rule = typeof Rule.Type

/** Rows of a source that cannot meet some rules because the source has no such data; everything else is a violation. */
export const Gap = Schema.Struct({
  rules: Schema.NonEmptyArray(Schema.String),
  when: Expression,
  reason: Schema.String
})
export type Gap = typeof Gap.Type

/** A column of the specification. */
export const FocusColumn = Schema.Struct({
  name: Schema.String,
  level: Schema.Literal("Mandatory", "Conditional", "Recommended"),
  type: Schema.Literal("String", "Decimal", "Date/Time", "JSON"),
  nullable: Schema.Boolean,
  since: Schema.String,
  deprecated: Schema.optional(Schema.String),
  values: Schema.optional(Schema.Array(Schema.String))
})
export type FocusColumn = typeof FocusColumn.Type

const byDataset = <A, I>(entry: Schema.Schema<A, I>) =>
  Schema.Struct({ CostAndUsage: Schema.Array(entry), ContractCommitment: Schema.Array(entry) })

const RulesFile = byDataset(Rule)
const AdditionalFile = Schema.Struct({
  ...RulesFile.fields,
  notEvaluated: Schema.Array(Schema.String),
  lists: Schema.Record({ key: Schema.String, value: Schema.Array(Schema.String) })
})
const ListsFile = Schema.Struct({
  currencies: Schema.Array(Schema.String),
  serviceSubcategories: Schema.Record({ key: Schema.String, value: Schema.Array(Schema.String) })
})

/** What each file of a rule set holds. */
export const kinds = {
  rules: Yaml.kind("rules", RulesFile),
  additional: Yaml.kind("additional", AdditionalFile),
  columns: Yaml.kind("columns", byDataset(FocusColumn)),
  lists: Yaml.kind("lists", ListsFile),
  notEvaluated: Yaml.kind("not-evaluated", Schema.Struct({ overridden: Schema.Array(Schema.String) })),
  gaps: Yaml.kind("gaps", Schema.Struct({ gaps: Schema.Array(Gap) }))
}

/** A list of values, or of the values of a second column by the value of the first. */
export type Lists = Readonly<Record<string, ReadonlyArray<string> | Readonly<Record<string, ReadonlyArray<string>>>>>

/** All that is needed to judge datasets of one FOCUS version. */
export interface RuleSet {
  readonly version: string
  readonly rules: Readonly<Record<Dataset, ReadonlyArray<Rule>>>
  readonly columns: Readonly<Record<Dataset, ReadonlyArray<FocusColumn>>>
  readonly lists: Lists
  /** Known gaps of every source. */
  readonly gaps: ReadonlyArray<Gap>
  /** Ids of the published rules that the project corrects. */
  readonly overridden: ReadonlyArray<string>
}

/** A file of the rule data is missing or malformed; names file and reason. */
export class RuleSetInvalid extends Schema.TaggedError<RuleSetInvalid>()("RuleSetInvalid", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file}: ${this.reason}`
  }
}

/** Reads `<configsPath>/focus/<version>/` and every file of its folder `gaps`. */
export const load = Effect.fn("RuleSet.load")(function* (configsPath: string, version: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = path.join(configsPath, "focus", version)
  const read = <A>(kind: Yaml.Kind<A>, ...parts: ReadonlyArray<string>) => {
    const file = path.join(folder, ...parts)
    return fs.readFileString(file).pipe(
      Effect.flatMap(kind.read),
      Effect.map(({ value }) => value),
      Effect.mapError((cause) => new RuleSetInvalid({ file, reason: cause.message }))
    )
  }
  const gapsFolder = path.join(folder, "gaps")
  const gapFiles = yield* fs
    .readDirectory(gapsFolder)
    .pipe(Effect.mapError((cause) => new RuleSetInvalid({ file: gapsFolder, reason: cause.message })))
  const gaps = yield* Effect.forEach(gapFiles.sort(), (file) => read(kinds.gaps, "gaps", file))
  const model = yield* read(kinds.rules, "rules.yml")
  const additional = yield* read(kinds.additional, "additional.yml")
  const lists = yield* read(kinds.lists, "lists.yml")
  const { overridden } = yield* read(kinds.notEvaluated, "not-evaluated.yml")
  const ruleSet: RuleSet = {
    version,
    rules: {
      CostAndUsage: [...model.CostAndUsage, ...additional.CostAndUsage],
      ContractCommitment: [...model.ContractCommitment, ...additional.ContractCommitment]
    },
    columns: yield* read(kinds.columns, "columns.yml"),
    lists: { ...lists, ...additional.lists, serviceCategories: Object.keys(lists.serviceSubcategories) },
    gaps: gaps.flatMap((file) => file.gaps),
    overridden
  }
  return ruleSet
})
