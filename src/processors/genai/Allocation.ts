/**
 * Who in the organisation bears what models cost: by the credential's `hierarchy_map` (API key, project or workspace -> entity), else by its
 * default entity, as the hierarchy was on the day. Credentials that no longer serve count too: what they loaded is still theirs.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CredentialsService } from "../../credentials/Credentials.ts"
import type { OrgSlug } from "../../platform/Identifiers.ts"
import * as Json from "../../platform/Json.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"

/** What is allocated. `keys` are what a map may name, the finest first. */
export interface Charge {
  readonly credentialId: string
  readonly day: string
  readonly keys: ReadonlyArray<Json.Json | undefined>
}

const columns = ["entity_id", "entity_name", "level_code", "path", "path_names"]
const none: Json.JsonObject = Object.fromEntries(columns.map((column) => [`x_hierarchy_${column}`, null]))

interface Version {
  readonly from: string
  readonly to: string
  readonly row: Json.JsonObject
}

/** The columns x_hierarchy_* of a charge, all null when nobody bears it. */
export type Allocate = (charge: Charge) => Json.JsonObject

/** Reads the organisation's hierarchy and its credentials. */
export const load = Effect.fn("Allocation.load")(function* (
  org: OrgWarehouse,
  credentials: CredentialsService,
  slug: OrgSlug
) {
  const rows = yield* org.query(
    `SELECT
      LOWER(TRIM(entity_id)) AS entity, CAST(DATE(created_at) AS STRING) AS valid_from, CAST(DATE(end_date) AS STRING) AS valid_to,
      entity_id AS x_hierarchy_entity_id, entity_name AS x_hierarchy_entity_name, level_code AS x_hierarchy_level_code,
      path AS x_hierarchy_path, ARRAY_TO_STRING(path_names, ' > ') AS x_hierarchy_path_names
    FROM org_hierarchy ORDER BY created_at, id`
  )
  const maps = new Map(
    (yield* credentials.list(slug)).map(({ credentialId, metadata }) => [credentialId, metadata] as const)
  )
  const validatedAt = new Date(yield* Clock.currentTimeMillis).toISOString()
  const versions = new Map<string, Array<Version>>()
  for (const { entity, valid_from, valid_to, ...row } of rows) {
    const name = String(entity)
    const known = versions.get(name) ?? []
    // The first version also counts for the days before it.
    known.push({
      from: known.length === 0 ? "" : String(valid_from),
      to: typeof valid_to === "string" ? valid_to : "9999-12-31",
      row
    })
    versions.set(name, known)
  }
  const versionOn = (entity: Json.Json | undefined, day: string) =>
    typeof entity === "string"
      ? versions.get(entity.trim().toLowerCase())?.findLast(({ from, to }) => from <= day && day < to)
      : undefined

  const allocate: Allocate = ({ credentialId, day, keys }) => {
    const metadata = maps.get(credentialId) ?? {}
    const map = Json.objectAt(metadata, "hierarchy_map")
    const named = keys.flatMap((key) => (typeof key === "string" && Object.hasOwn(map, key) ? [map[key]] : []))
    for (const entity of [...named, metadata["default_x_hierarchy_entity_id"]]) {
      const version = versionOn(entity, day)
      if (version !== undefined) return { ...version.row, x_hierarchy_validated_at: validatedAt }
    }
    return { ...none, x_hierarchy_validated_at: null }
  }
  return allocate
})
