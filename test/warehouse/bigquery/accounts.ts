/**
 * A project whose central dataset keeps what organisations are, and rows of it as the API service writes them.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as CredentialsBigQuery from "../../../src/credentials/CredentialsBigQuery.ts"
import * as HierarchiesBigQuery from "../../../src/hierarchy/HierarchiesBigQuery.ts"
import * as ChannelsBigQuery from "../../../src/notifier/ChannelsBigQuery.ts"
import * as WebhookClient from "../../../src/notifier/WebhookClient.ts"
import * as Keys from "../../../src/organizations/keys.ts"
import * as OrganizationsBigQuery from "../../../src/organizations/OrganizationsBigQuery.ts"
import * as EncryptionLocal from "../../../src/platform/EncryptionLocal.ts"
import { OrgSlug } from "../../../src/platform/Identifiers.ts"
import * as CentralDatasetBigQuery from "../../../src/warehouse/bigquery/CentralDatasetBigQuery.ts"
import { CentralDataset } from "../../../src/warehouse/CentralDataset.ts"
import type { Counterpart } from "../../support/bigquery/Counterpart.ts"
import { real } from "../../support/bigquery/OnBigQuery.ts"
import { settings } from "../../support/ServiceDatabase.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"
import { project } from "./support.ts"

export const [acme, globex] = ["acme_corp", "globex_inc"].map((name) => Schema.decodeSync(OrgSlug)(name)) as [
  OrgSlug,
  OrgSlug
]
export const acmeKey = Redacted.make("acme_corp_api_0123456789abcdef")
export const globexKey = Redacted.make("globex_inc_api_0123456789abcdef")

/** The central dataset in real time, so that the test's clock moves what is kept only. */
export const central = Layer.effect(
  CentralDataset,
  Effect.map(CentralDataset, (found) => ({
    query: (...args) => real(found.query(...args)),
    change: (...args) => real(found.change(...args))
  }))
).pipe(Layer.provide(CentralDatasetBigQuery.layer))

export const settingsOf = (folder: string, counterpart: Counterpart, more: Record<string, string> = {}) =>
  settings(folder, {
    WAREHOUSE: "bigquery",
    BIGQUERY_ENDPOINT: counterpart.url,
    ENVIRONMENT: "test",
    API_PORT: "0",
    ...more
  })

const accounts = Layer.mergeAll(
  OrganizationsBigQuery.layer,
  CredentialsBigQuery.layer,
  ChannelsBigQuery.layer.pipe(Layer.provide(WebhookClient.layer)),
  HierarchiesBigQuery.layer
).pipe(Layer.provideMerge(central))

/** What an installation with this project keeps there. */
export const accountsOf = (folder: string, counterpart: Counterpart, more: Record<string, string> = {}) =>
  accounts.pipe(
    Layer.provideMerge(EncryptionLocal.layer),
    Layer.provideMerge(Layer.merge(settingsOf(folder, counterpart, more), NodeContext.layer)),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
  )

export const at = "TIMESTAMP '2026-01-02T03:04:05Z'"

/** Rows as the API service writes them; the tables must be there. */
export const organisation = (org: string, key: Redacted.Redacted, status = "ACTIVE") => `
  INSERT INTO org_profiles (org_slug, company_name, admin_email, org_dataset_id, status, created_at)
  SELECT '${org}', 'Company', 'ops@${org.replaceAll("_", "-")}.test', '${org}_test', '${status}', ${at};
  INSERT INTO org_subscriptions (org_slug, subscription_id, plan_name, status, daily_limit, monthly_limit, concurrent_limit, created_at)
  SELECT '${org}', '${org}-1', 'SCALE', 'ACTIVE', 100, 3000, 5, ${at};
  INSERT INTO org_api_keys (org_slug, org_api_key_id, org_api_key_hash, is_active, created_at)
  SELECT '${org}', '${org}-key', '${Keys.hash(key)}', TRUE, ${at};`

export const credential = (
  org: string,
  id: string,
  provider: string,
  secret: Buffer,
  more: Record<string, string> = {}
) => {
  const row: Record<string, string> = {
    org_slug: `'${org}'`,
    credential_id: `'${id}'`,
    provider: `'${provider}'`,
    credential_type: "'API_KEY'",
    validation_status: "'VALID'",
    is_active: "TRUE",
    encrypted_credential: `FROM_BASE64('${secret.toString("base64")}')`,
    created_at: at,
    ...more
  }
  return `INSERT INTO org_integration_credentials (${Object.keys(row).join(", ")}) SELECT ${Object.values(row).join(", ")};`
}

export const written = (counterpart: Counterpart, sql: string) =>
  Effect.promise(() => counterpart.run("organizations", sql))

/** Has the tables made. */
export const tables = Effect.flatMap(CentralDataset, (dataset) => dataset.query("open", "SELECT 1 AS one"))

export const given = <A, E, R>(
  use: (world: { readonly folder: string; readonly counterpart: Counterpart }) => Effect.Effect<A, E, R>
) => Effect.flatMap(Effect.all({ folder: temporaryFolder, counterpart: project }), use)
