/**
 * Where the hierarchies of organisations are kept.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { WarehouseError } from "../warehouse/Warehouse.ts"
import type { PlacedVersion } from "./Hierarchy.ts"

/** Somebody else keeps the hierarchies; the message says who. */
export class HierarchyKeptElsewhere extends Schema.TaggedError<HierarchyKeptElsewhere>()("HierarchyKeptElsewhere", {
  message: Schema.String
}) {}

export interface HierarchiesService {
  /** Replaces what was imported before by these versions, all or none. What others wrote stays. */
  readonly replace: (
    org: OrgSlug,
    versions: ReadonlyArray<PlacedVersion>
  ) => Effect.Effect<void, HierarchyKeptElsewhere | WarehouseError>
}

/** The hierarchies of all organisations. */
export class Hierarchies extends Context.Tag("pipeline-service/Hierarchies")<Hierarchies, HierarchiesService>() {}
