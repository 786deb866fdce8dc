/**
 * Which summaries of its costs an organisation wants, when, and where.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as CronSchedule from "../platform/CronSchedule.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { ChannelInvalid, Channels, ChannelsUnavailable } from "./Channels.ts"

const text = Schema.NonEmptyString.pipe(Schema.maxLength(200))
const id = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/))

/** One summary. `daily` is of yesterday, `weekly` of the seven days to yesterday, `monthly` of the month before; all UTC. */
export const Summary = Schema.Struct({
  summaryId: id,
  name: text,
  type: Schema.Literal("daily", "weekly", "monthly"),
  schedule: Schema.Struct({ cron: text, timezone: Schema.optionalWith(text, { default: () => "UTC" }) }),
  /** Channels of the organisation; none: its owners, by e-mail. */
  channelIds: Schema.optionalWith(Schema.Array(id), { default: () => [] }),
  /** So many providers and services of each currency, the most expensive first. */
  topItems: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 20)), { default: () => 5 }),
  /** Only these providers, as in ServiceProviderName; none: all. */
  providers: Schema.optionalWith(Schema.Array(text), { default: () => [] }),
  /** Only this node of the hierarchy and all below it. */
  hierarchyPath: Schema.optionalWith(text, { exact: true }),
  sections: Schema.optionalWith(Schema.Array(Schema.Literal("change", "providers", "services")), {
    default: () => ["change", "providers", "services"] as const
  }),
  isActive: Schema.optionalWith(Schema.Boolean, { default: () => true })
})
export type Summary = typeof Summary.Type

export interface SummariesService {
  /** Stores a summary, or replaces the one of this id. Its channels must exist, its schedule must be one. */
  readonly put: (org: OrgSlug, summary: Summary) => Effect.Effect<void, ChannelInvalid | ChannelsUnavailable>
  readonly list: (org: OrgSlug) => Effect.Effect<ReadonlyArray<Summary>, ChannelsUnavailable>
  /** The active ones of all organisations. */
  readonly active: Effect.Effect<
    ReadonlyArray<{ readonly org: OrgSlug; readonly summary: Summary }>,
    ChannelsUnavailable
  >
}

/** The summaries that organisations want. */
export class Summaries extends Context.Tag("pipeline-service/Summaries")<Summaries, SummariesService>() {}

const Row = Schema.Struct({ org_slug: OrgSlug, definition: Schema.parseJson(Summary) })
const encode = Schema.encode(Schema.parseJson(Summary))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { channels } = yield* Channels
  yield* sql`create table if not exists org_notification_summaries (
    org_slug text not null, summary_id text not null, definition text not null, updated_at text not null,
    primary key (org_slug, summary_id))`.pipe(unavailable)

  const put: SummariesService["put"] = Effect.fn("Summaries.put")(function* (org, summary) {
    const known = new Set((yield* channels(org)).map(({ channelId }) => channelId))
    const missing = summary.channelIds.find((channelId) => !known.has(channelId))
    if (missing !== undefined) return yield* new ChannelInvalid({ message: `${org} has no channel ${missing}` })
    const { cron, timezone } = summary.schedule
    yield* Effect.mapError(CronSchedule.make(cron, timezone), ({ message }) => new ChannelInvalid({ message }))
    yield* sql`insert into org_notification_summaries ${sql.insert({
      org_slug: org,
      summary_id: summary.summaryId,
      definition: yield* Effect.orDie(encode(summary)),
      updated_at: DateTime.formatIso(yield* DateTime.now)
    })} on conflict (org_slug, summary_id) do update set definition = excluded.definition,
      updated_at = excluded.updated_at`.pipe(unavailable)
  })

  const rows = (where: Effect.Effect<ReadonlyArray<unknown>, unknown>) =>
    where.pipe(Effect.flatMap(Schema.decodeUnknown(Schema.Array(Row))), unavailable)

  return {
    put,
    list: (org) =>
      Effect.map(
        rows(
          sql`select org_slug, definition from org_notification_summaries where org_slug = ${org} order by summary_id`
        ),
        (found) => found.map(({ definition }) => definition)
      ),
    active: Effect.map(
      rows(sql`select org_slug, definition from org_notification_summaries order by org_slug, summary_id`),
      (found) =>
        found
          .filter(({ definition }) => definition.isActive)
          .map(({ definition, org_slug }) => ({ org: org_slug, summary: definition }))
    )
  } satisfies SummariesService
})

const unavailable = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(
    effect,
    () => new ChannelsUnavailable({ message: "summaries could not be read or stored: look at the service database" })
  )

/** The summaries on the service database; creates their table. */
export const layer = Layer.effect(Summaries, make)
