/**
 * The hierarchies of all organisations in the central table `org_hierarchy` of BigQuery, which the service shares with the API service; each
 * organisation's dataset has a view of its own rows. With a remote validator the API service keeps them, and an import is refused.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { keepsOrganizations, Settings } from "../platform/Settings.ts"
import { CentralDataset } from "../warehouse/CentralDataset.ts"
import { Hierarchies, HierarchyKeptElsewhere } from "./Hierarchies.ts"
import { importer, rowOf } from "./hierarchyRow.ts"

const table = "org_hierarchy"

/** The layer over the central dataset. */
export const layer = Layer.effect(
  Hierarchies,
  Effect.gen(function* () {
    const central = yield* CentralDataset
    const mayChange = keepsOrganizations(yield* Settings)
    return {
      replace: (org, versions) =>
        mayChange
          ? central.change(`import the hierarchy of ${org}`, [
              { kind: "delete", table, where: { org_slug: org, created_by: importer } },
              { kind: "insert", table, rows: versions.map((version) => ({ org_slug: org, ...rowOf(version) })) }
            ])
          : new HierarchyKeptElsewhere({
              message:
                "the API service keeps hierarchies (WAREHOUSE=bigquery with VALIDATOR=remote): change them there; conversions see it at once"
            })
    }
  })
)
