/**
 * Writes an organisation's hierarchy to the table `org_hierarchy` of its own dataset, where the conversions join it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Day, RunId } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { OrgWarehouse, Slice } from "../warehouse/Warehouse.ts"
import { type GivenEntity, type PlacedVersion, readHierarchy } from "./Hierarchy.ts"

/** A hierarchy is no fact of a day: all of it that was imported is one slice, under a day that no usage has. */
const slice: Slice = {
  table: "org_hierarchy",
  pipelineId: "hierarchy_import",
  credentialId: "default",
  extent: { kind: "day", date: Schema.decodeSync(Day)("1970-01-01") }
}

/** Replaces the imported hierarchy by these rows, all or none; costs follow with their next conversion. */
export const importHierarchy = Effect.fn("HierarchyImport.importHierarchy")(function* (
  org: OrgWarehouse,
  given: ReadonlyArray<GivenEntity>
) {
  const versions = yield* readHierarchy(given)
  yield* org.replaceSlice({
    slice,
    source: { _tag: "Rows", rows: Stream.map(Stream.fromIterable(versions), rowOf) },
    runId: Schema.decodeSync(RunId)(crypto.randomUUID())
  })
  return {
    versions: versions.length,
    entities: new Set(versions.map(({ entityId }) => entityId.toLowerCase())).size
  }
})

const rowOf = (entity: PlacedVersion): JsonObject => ({
  id: `${entity.entityId}/${entity.version}`,
  entity_id: entity.entityId,
  entity_name: entity.name,
  parent_id: entity.parentId ?? null,
  level: entity.pathIds.length,
  level_code: entity.levelCode,
  depth: entity.pathIds.length - 1,
  path: entity.pathIds.map((id) => `/${id}`).join(""),
  path_ids: entity.pathIds,
  path_names: entity.pathNames,
  version: entity.version,
  is_active: entity.end === undefined,
  created_at: `${entity.start}T00:00:00Z`,
  created_by: "import",
  end_date: entity.end === undefined ? null : `${entity.end}T00:00:00Z`
})
