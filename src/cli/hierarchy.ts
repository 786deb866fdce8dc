/**
 * `hierarchy`: who bears an organisation's costs.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Installation from "../Installation.ts"
import { HierarchyRejected } from "../hierarchy/Hierarchy.ts"
import { importHierarchy } from "../hierarchy/HierarchyImport.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { readCsv } from "./PlanCsv.ts"

const importFile = Command.make(
  "import",
  {
    org: Options.text("org").pipe(
      Options.withSchema(OrgSlug),
      Options.withDescription("The organisation whose hierarchy it is")
    ),
    file: Args.file({ name: "file", exists: "yes" }).pipe(
      Args.withDescription(
        "CSV of all entities: entity_id, entity_name, level_code, parent_id, start_date, end_date (the first day without it)"
      )
    ),
    json: Options.boolean("json").pipe(Options.withDescription("Print JSON"))
  },
  ({ file, json, org }) =>
    Effect.gen(function* () {
      const content = yield* (yield* FileSystem.FileSystem).readFileString(file)
      const rows = yield* Effect.mapError(readCsv(content), ({ faults }) => new HierarchyRejected({ faults }))
      const imported = yield* importHierarchy(org, rows)
      yield* Console.log(
        json
          ? JSON.stringify(imported)
          : `Imported ${imported.entities} entities in ${imported.versions} versions; ${org} has no others from a file.\n` +
              "Costs follow with the next conversion: pipeline-service run cloud/unified/focus_convert"
      )
    }).pipe(Effect.provide(Installation.hierarchies.pipe(Layer.provide(Settings.layer))))
).pipe(
  Command.withDescription(
    "Replace the hierarchy by a CSV file, all or nothing (the embedded warehouse only while no service holds it)."
  )
)

/** The command. */
export const hierarchy = Command.make("hierarchy").pipe(
  Command.withDescription("The entities that costs are allocated to: import."),
  Command.withSubcommands([importFile])
)
