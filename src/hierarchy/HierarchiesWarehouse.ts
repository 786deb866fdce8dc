/**
 * The hierarchy of each organisation in the table `org_hierarchy` of its own dataset, where the conversions join it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Day, RunId } from "../platform/Identifiers.ts"
import { type Slice, Warehouse } from "../warehouse/Warehouse.ts"
import { Hierarchies } from "./Hierarchies.ts"
import { rowOf } from "./hierarchyRow.ts"

/** A hierarchy is no fact of a day: all of it that was imported is one slice, under a day that no usage has. */
const slice: Slice = {
  table: "org_hierarchy",
  pipelineId: "hierarchy_import",
  credentialId: "default",
  extent: { kind: "day", date: Schema.decodeSync(Day)("1970-01-01") }
}

/** The layer over the warehouse. */
export const layer = Layer.effect(
  Hierarchies,
  Effect.map(Warehouse, (warehouse) => ({
    replace: (org, versions) =>
      Effect.flatMap(warehouse.org(org), (dataset) =>
        dataset.replaceSlice({
          slice,
          source: { _tag: "Rows", rows: Stream.map(Stream.fromIterable(versions), rowOf) },
          runId: Schema.decodeSync(RunId)(crypto.randomUUID())
        })
      )
  }))
)
