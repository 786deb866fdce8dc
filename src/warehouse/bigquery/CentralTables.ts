/**
 * The tables of `organizations` that the service shares with the API service (service contract, section 7.2): their columns by type. Created
 * where the service is their owner; the API service's own are taken as they are.
 */
import * as Effect from "effect/Effect"
import { keepsOrganizations } from "../../platform/Settings.ts"
import type { ColumnType } from "../Table.ts"
import type { Session } from "./Session.ts"
import * as Tables from "./Tables.ts"

type Columns = Readonly<Partial<Record<ColumnType, string>>>

const declare = (description: string, required: Columns, nullable: Columns) => ({
  description,
  columns: [
    ...columnsOf({ ...required, STRING: `org_slug ${required.STRING ?? ""}` }, true),
    ...columnsOf({ TIMESTAMP: "created_at" }, true),
    ...columnsOf(nullable, false)
  ]
})

const typeNames: ReadonlyArray<ColumnType> = [
  "STRING",
  "INT64",
  "BOOL",
  "DATE",
  "TIMESTAMP",
  "JSON",
  "BYTES",
  "ARRAY<STRING>"
]

const columnsOf = (columns: Columns, required: boolean) =>
  typeNames.flatMap((type) =>
    (columns[type] ?? "")
      .split(/\s+/)
      .filter((name) => name !== "")
      .map((name) => ({ name, type, required, description: "" }))
  )

/** The tables by name; every one is clustered by `org_slug`. */
export const centralTables: ReadonlyMap<string, ReturnType<typeof declare>> = new Map([
  [
    "org_profiles",
    declare(
      "Organisations.",
      { STRING: "company_name admin_email org_dataset_id status" },
      {
        STRING: "subscription_plan default_currency default_country default_language default_timezone",
        INT64: "fiscal_year_start_month",
        TIMESTAMP: "updated_at"
      }
    )
  ],
  [
    "org_subscriptions",
    declare(
      "What organisations may run.",
      { STRING: "subscription_id plan_name status", INT64: "daily_limit monthly_limit concurrent_limit" },
      { INT64: "seat_limit providers_limit", DATE: "trial_end_date subscription_end_date", TIMESTAMP: "updated_at" }
    )
  ],
  [
    "org_api_keys",
    declare(
      "API keys by their SHA-256 hashes.",
      { STRING: "org_api_key_id org_api_key_hash", BOOL: "is_active" },
      { TIMESTAMP: "expires_at last_used_at", BYTES: "encrypted_org_api_key", "ARRAY<STRING>": "scopes" }
    )
  ],
  [
    "org_integration_credentials",
    declare(
      "Providers' credentials, encrypted.",
      {
        STRING: "provider validation_status credential_id credential_type",
        BOOL: "is_active",
        BYTES: "encrypted_credential"
      },
      {
        STRING: `credential_name last_error default_x_hierarchy_entity_id default_x_hierarchy_entity_name default_x_hierarchy_level_code
          default_x_hierarchy_path default_x_hierarchy_path_names created_by_user_id updated_by_user_id`,
        TIMESTAMP: "last_validated_at updated_at expires_at deactivation_scheduled_at",
        JSON: "metadata"
      }
    )
  ],
  [
    "org_notification_channels",
    declare(
      "Where organisations want to be told.",
      { STRING: "name channel_id channel_type", BOOL: "is_active" },
      {
        STRING: `email_subject_prefix slack_channel webhook_method created_by updated_by slack_webhook_url_encrypted webhook_url_encrypted
          webhook_headers_encrypted`,
        BOOL: "is_default slack_mention_channel",
        TIMESTAMP: "updated_at",
        "ARRAY<STRING>": "slack_mention_users email_recipients email_cc_recipients"
      }
    )
  ],
  [
    "org_notification_rules",
    declare(
      "Which channels are told of what.",
      { STRING: "name priority conditions rule_id rule_category rule_type", BOOL: "is_active" },
      {
        STRING: `description acknowledged_by created_by quiet_hours_start quiet_hours_end quiet_hours_timezone hierarchy_entity_id
          hierarchy_path`,
        INT64: "escalate_after_mins trigger_count_today cooldown_minutes batch_window_minutes",
        TIMESTAMP: "last_triggered_at acknowledged_at updated_at",
        "ARRAY<STRING>": "notify_channel_ids escalate_to_channel_ids provider_filter service_filter"
      }
    )
  ],
  [
    "org_hierarchy",
    declare(
      "Entities that bear costs, by version.",
      {
        STRING: "id level_code path created_by entity_id entity_name",
        INT64: "level depth version",
        BOOL: "is_active"
      },
      {
        STRING: "parent_id description updated_by owner_id owner_name owner_email",
        INT64: "sort_order",
        TIMESTAMP: "updated_at end_date",
        JSON: "metadata",
        "ARRAY<STRING>": "path_ids path_names"
      }
    )
  ]
])

/** Creates those of the tables that are missing, unless they are the API service's. */
export const ensure = Effect.fn("BigQueryCentralTables.ensure")(function* (
  session: Session,
  wanted: ReadonlyArray<string> = [...centralTables.keys()]
) {
  if (!keepsOrganizations(session.settings)) return
  yield* Tables.ensureCentral(session)
  yield* Tables.ensureShared(session, new Map([...centralTables].filter(([table]) => wanted.includes(table))))
})
