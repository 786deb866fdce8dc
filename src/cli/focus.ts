/**
 * `focus check`: is this file, whoever made it, FOCUS 1.3?
 */
import { resolve } from "node:path"
import { randomUUID } from "node:crypto"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DeliveredFile from "../focus/DeliveredFile.ts"
import * as RuleSet from "../focus/RuleSet.ts"
import { Day, OrgSlug, RunId } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import * as WarehouseDuckDb from "../warehouse/duckdb/WarehouseDuckDb.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import { table } from "./table.ts"

const FOCUS_VERSION = "1.3"

/** The file is not what FOCUS says; the report has been printed. */
export class NotConformant extends Schema.TaggedError<NotConformant>()("NotConformant", { message: Schema.String }) {}

const check = Command.make(
  "check",
  {
    file: Args.file({ name: "file", exists: "yes" }).pipe(
      Args.withDescription("Parquet, CSV or NDJSON, also gzipped; cost and usage, or contract commitments")
    ),
    ability: Options.text("ability").pipe(
      Options.withDescription(
        "What the provider supports, as in CAPACITY_RESERVATION_SUPPORTED; rules that need another ability are left out. Absent: all"
      ),
      Options.repeated
    ),
    json: Options.boolean("json").pipe(Options.withDescription("Print the report as JSON"))
  },
  (given) =>
    Effect.gen(function* () {
      const path = resolve(given.file)
      const ruleSet = yield* RuleSet.load((yield* Settings).configsPath, FOCUS_VERSION)
      const format = DeliveredFile.formatOf(path)
      const header = yield* Effect.flatMap(Warehouse, (warehouse) =>
        warehouse.columnsOf({ path, uri: given.file, format })
      ).pipe(Effect.provide(WarehouseDuckDb.layerTemporaryOf([])))
      const into = DeliveredFile.tableOf(ruleSet, DeliveredFile.datasetOf(header), format)
      const report = yield* Effect.gen(function* () {
        return yield* DeliveredFile.judge(yield* (yield* Warehouse).org(nobody), ruleSet, {
          file: { path, format, header },
          table: into,
          runId: RunId.make(randomUUID()),
          today: Schema.decodeSync(Day)(
            new Date(yield* Clock.currentTimeMillis).toISOString().slice(0, "2026-11-23".length)
          ),
          ...(given.ability.length === 0 ? {} : { abilities: given.ability })
        })
      }).pipe(Effect.provide(WarehouseDuckDb.layerTemporaryOf([into])))
      yield* Console.log(given.json ? JSON.stringify(report) : render(given.file, report))
      const faults = report.violated.length + report.unreadable.length
      if (faults > 0)
        return yield* new NotConformant({ message: `${given.file} is not FOCUS ${FOCUS_VERSION}: ${faults} findings` })
    }).pipe(Effect.provide(Settings.layer))
).pipe(
  Command.withDescription(
    "Judge a file, whoever made it, by every rule of FOCUS 1.3; exit code 0 only when none is violated."
  )
)

const nobody = OrgSlug.make("focus_check")

const render = (file: string, report: DeliveredFile.FileReport): string =>
  [
    `${file}: ${report.rows.toLocaleString("en-US")} rows of ${report.dataset}, judged by ${report.evaluated} rules of FOCUS ${report.version}`,
    `${report.violated.length} violated, ${report.warnings.length} recommendations not followed, ${report.gaps.length} excused as gaps of the source`,
    ...section("Violated", report.violated),
    ...section("Recommendations not followed", report.warnings),
    ...(report.gaps.length === 0
      ? []
      : [
          "",
          "Excused",
          table(
            ["rule", "rows", "reason"],
            report.gaps.map(({ reason, rows, rule }) => [rule, rows, reason])
          )
        ]),
    ...(report.unreadable.length === 0
      ? []
      : [
          "",
          "Rows that cannot be read",
          table(
            ["rows", "reason", "example"],
            report.unreadable.map(({ example, reason, rows }) => [rows, reason, example])
          )
        ]),
    ...(report.unknownColumns.length === 0
      ? []
      : ["", `Columns that are neither of FOCUS nor custom (x_): ${report.unknownColumns.join(", ")}`])
  ].join("\n")

const section = (title: string, found: DeliveredFile.FileReport["violated"]) =>
  found.length === 0
    ? []
    : [
        "",
        title,
        table(
          ["rule", "column", "rows", "example"],
          found.map((each) => [each.rule, each.column, each.rows, each.example])
        )
      ]

/** The command. It needs no service. */
export const focus = Command.make("focus").pipe(
  Command.withDescription("FOCUS datasets of anybody: check."),
  Command.withSubcommands([check])
)
