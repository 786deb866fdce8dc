/**
 * A version of an entity as a row of `org_hierarchy`.
 */
import type { JsonObject } from "../platform/Json.ts"
import type { PlacedVersion } from "./Hierarchy.ts"

/** Who wrote the row, in `created_by`. */
export const importer = "import"

/** The columns of the table, without the organisation. */
export const rowOf = (entity: PlacedVersion): JsonObject => ({
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
  created_by: importer,
  end_date: entity.end === undefined ? null : `${entity.end}T00:00:00Z`
})
