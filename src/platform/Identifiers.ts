/**
 * The names by which tenants, runs and days are known everywhere in the service.
 */
import * as Schema from "effect/Schema"

/** Tenant: 3 to 50 lower-case letters, digits and underscores. Safe as a part of a dataset name, a path and a SQL identifier. */
export const OrgSlug = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9_]{3,50}$/, { message: () => "an organisation is 3 to 50 of a-z, 0-9 and _" }),
  Schema.brand("OrgSlug")
)
export type OrgSlug = typeof OrgSlug.Type

/** Run id: a UUID in lower case; `pipeline_logging_id` over HTTP, `x_run_id` in the warehouse. */
export const RunId = Schema.UUID.pipe(Schema.brand("RunId"))
export type RunId = typeof RunId.Type

/**
 * A new run's id, a UUID of version 7 (RFC 9562, 5.7): it begins with the time (milliseconds since 1970), so that the index entries of a
 * time stand together. Those of random ids would be spread: each run of a commit would then change a page of every index for itself.
 */
export const newRunId = (milliseconds: number): RunId => {
  const time = milliseconds.toString(16).padStart(12, "0")
  return RunId.make(`${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`, true)
}

/** A real calendar day, `YYYY-MM-DD`, always UTC. */
export const Day = Schema.String.pipe(
  Schema.filter((text) => isRealDay(text) || `${text} is not a real day YYYY-MM-DD`),
  Schema.brand("Day")
)
export type Day = typeof Day.Type

/** The UTC day of a point in time (milliseconds since 1970). */
export const dayOf = (milliseconds: number): Day => Day.make(new Date(milliseconds).toISOString().slice(0, 10), true)

const isRealDay = (text: string): boolean => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 10) === text
}

/** `org_slug` and environment make the dataset (BigQuery) or schema (DuckDB) that holds one tenant's tables. */
export const datasetOf = (org: OrgSlug, environment: string): string => `${org}_${environmentSuffix(environment)}`

const environmentSuffix = (environment: string): string =>
  ({ production: "prod", staging: "stage", test: "test" })[environment] ?? "local"
