/**
 * Reads a whole hierarchy and puts it in place of what was imported before.
 */
import * as Effect from "effect/Effect"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { Hierarchies } from "./Hierarchies.ts"
import { type GivenEntity, readHierarchy } from "./Hierarchy.ts"

/** All rows or none; costs follow with their next conversion. */
export const importHierarchy = Effect.fn("HierarchyImport.importHierarchy")(function* (
  org: OrgSlug,
  given: ReadonlyArray<GivenEntity>
) {
  const versions = yield* readHierarchy(given)
  yield* (yield* Hierarchies).replace(org, versions)
  return {
    versions: versions.length,
    entities: new Set(versions.map(({ entityId }) => entityId.toLowerCase())).size
  }
})
