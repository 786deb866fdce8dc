/**
 * The settings: one table, read once from the environment and from `.env.local` (the environment wins). A bad value stops the start and
 * is named by its variable only.
 */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

/** The package's own folder: this file lies two folders below it, the bundle in `dist` one. */
const packageFolder = fileURLToPath(new URL(/\/dist\/[^/]+$/.test(import.meta.url) ? ".." : "../..", import.meta.url))

const notNegative = (name: string) =>
  Config.integer(name).pipe(
    Config.validate({ message: `${name} is 0 to 86400`, validation: (value) => value >= 0 && value <= 86_400 })
  )

const settings = Config.all({
  /** `ENVIRONMENT`: production, staging, test or development; part of each dataset's name. */
  environment: Config.literal(
    "production",
    "staging",
    "test",
    "development"
  )("ENVIRONMENT").pipe(Config.withDefault("development")),
  /** `API_PORT`: port of the HTTP API; 0 takes a free one. */
  port: Config.integer("API_PORT").pipe(Config.withDefault(8001)),
  /** `DATA_DIR`: the event log, the embedded warehouse and the local key lie here. */
  dataDir: Config.nonEmptyString("DATA_DIR").pipe(Config.withDefault("./data")),
  /** `CONFIGS_BASE_PATH`: pipelines, tables, lookups, FOCUS data; the package's own by default. */
  configsPath: Config.nonEmptyString("CONFIGS_BASE_PATH").pipe(Config.withDefault(join(packageFolder, "configs"))),
  /** `CUSTOM_CONFIGS_PATH`: pipelines and tables of your own in the same layout; a file there wins over the one of the same path. */
  customConfigsPath: Config.nonEmptyString("CUSTOM_CONFIGS_PATH").pipe(Config.option),
  /** `PROCEDURES_PATH`: the stored procedures; the package's own by default. */
  proceduresPath: Config.nonEmptyString("PROCEDURES_PATH").pipe(Config.withDefault(join(packageFolder, "procedures"))),
  /** `CA_ROOT_API_KEY`: the root key; without it root endpoints answer 503. */
  rootKey: Config.redacted("CA_ROOT_API_KEY").pipe(Config.option),
  /** `PIPELINE_SERVICE_URL`: the service that the command line talks to. */
  serviceUrl: Config.nonEmptyString("PIPELINE_SERVICE_URL").pipe(Config.withDefault("http://localhost:8001")),
  /** `PIPELINE_API_KEY`: the organisation's key that the command line sends. */
  apiKey: Config.redacted(Config.nonEmptyString("PIPELINE_API_KEY")).pipe(Config.option),
  /** `DISABLE_AUTH`: every call is DEFAULT_ORG_SLUG; refused in production. */
  disableAuth: Config.boolean("DISABLE_AUTH").pipe(Config.withDefault(false)),
  /** `DEFAULT_ORG_SLUG`: the org that the first start creates. */
  defaultOrg: Config.nonEmptyString("DEFAULT_ORG_SLUG").pipe(Config.withDefault("dev_org_local")),
  /** `VALIDATOR`: `local` keeps quotas beside the event log, `remote` asks API_SERVICE_URL. */
  validator: Config.literal("local", "remote")("VALIDATOR").pipe(Config.withDefault("local")),
  /** `API_SERVICE_URL`: the API service that validates runs. */
  apiServiceUrl: Config.nonEmptyString("API_SERVICE_URL").pipe(Config.withDefault("http://localhost:8000")),
  /** `API_SERVICE_TIMEOUT`: seconds to wait for its answer. */
  apiServiceTimeoutSeconds: Config.integer("API_SERVICE_TIMEOUT").pipe(Config.withDefault(30)),
  /** `ENCRYPTION_KEY`: 32 bytes in base64 that wrap the credentials' data keys; absent: a 0600 file in DATA_DIR. */
  encryptionKey: Config.redacted("ENCRYPTION_KEY").pipe(Config.option),
  /** `KMS_KEY_NAME`: a key of Google KMS wraps the data keys instead; or `KMS_PROJECT_ID` with the three others names it. */
  kmsKeyName: Config.nonEmptyString("KMS_KEY_NAME").pipe(Config.option),
  kmsProjectId: Config.nonEmptyString("KMS_PROJECT_ID").pipe(Config.option),
  kmsLocation: Config.nonEmptyString("KMS_LOCATION").pipe(Config.withDefault("us-central1")),
  kmsKeyring: Config.nonEmptyString("KMS_KEYRING").pipe(Config.withDefault("cloudact-keyring")),
  kmsKey: Config.nonEmptyString("KMS_KEY").pipe(Config.withDefault("cloudact-encryption-key")),
  /** `PIPELINE_MAX_PARALLEL_STEPS`: steps of one run at a time. */
  maxParallelSteps: Config.integer("PIPELINE_MAX_PARALLEL_STEPS").pipe(Config.withDefault(10)),
  /** `PIPELINE_GLOBAL_CONCURRENT_LIMIT`: runs of this process at a time; more wait as PENDING. */
  maxConcurrentRuns: Config.integer("PIPELINE_GLOBAL_CONCURRENT_LIMIT").pipe(Config.withDefault(500)),
  /** `SCHEDULER_INTERVAL_SECONDS`: how often `serve` looks for schedules that are due; 0: only when its endpoints are called. */
  schedulerIntervalSeconds: notNegative("SCHEDULER_INTERVAL_SECONDS").pipe(Config.withDefault(30)),
  /** `SCHEDULER_JITTER_SECONDS`: a scheduled run starts up to so much later, so that not all start at once. */
  scheduleJitterSeconds: notNegative("SCHEDULER_JITTER_SECONDS").pipe(Config.withDefault(60)),
  /** `QUEUE_PROCESS_TIME_LIMIT_SECONDS`: how long one look at the queue may start runs. */
  queueSeconds: notNegative("QUEUE_PROCESS_TIME_LIMIT_SECONDS").pipe(Config.withDefault(50)),
  /** `RATE_LIMIT_ENABLED` and the limits of section 2.2 of the contract. */
  rateLimitEnabled: Config.boolean("RATE_LIMIT_ENABLED").pipe(Config.withDefault(true)),
  rateLimitPerMinute: Config.integer("RATE_LIMIT_REQUESTS_PER_MINUTE").pipe(Config.withDefault(100)),
  rateLimitPerHour: Config.integer("RATE_LIMIT_REQUESTS_PER_HOUR").pipe(Config.withDefault(1000)),
  rateLimitGlobalPerMinute: Config.integer("RATE_LIMIT_GLOBAL_REQUESTS_PER_MINUTE").pipe(Config.withDefault(10_000)),
  rateLimitGlobalPerHour: Config.integer("RATE_LIMIT_GLOBAL_REQUESTS_PER_HOUR").pipe(Config.withDefault(100_000)),
  rateLimitRunsPerMinute: Config.integer("RATE_LIMIT_PIPELINE_RUN_PER_MINUTE").pipe(Config.withDefault(50)),
  /** `CORS_ORIGINS`: comma-separated. */
  corsOrigins: Config.nonEmptyString("CORS_ORIGINS").pipe(Config.withDefault("http://localhost:3000")),
  /** `ENABLE_API_DOCS`: /docs and /openapi.json. */
  apiDocs: Config.boolean("ENABLE_API_DOCS").pipe(Config.withDefault(true)),
  /** `RELEASE_VERSION`, `RELEASE_TIMESTAMP`: shown by /health. */
  release: Config.nonEmptyString("RELEASE_VERSION").pipe(Config.withDefault("v0.1.0")),
  releaseTimestamp: Config.nonEmptyString("RELEASE_TIMESTAMP").pipe(Config.withDefault("2026-11-23T00:00:00Z")),
  /** `GCP_PROJECT_ID`: the project that `{project_id}` in procedures becomes. */
  projectId: Config.nonEmptyString("GCP_PROJECT_ID").pipe(Config.withDefault("local-dev-project")),
  /** `WAREHOUSE`: `duckdb` is the embedded one in DATA_DIR, `bigquery` that of GCP_PROJECT_ID. */
  warehouse: Config.literal("duckdb", "bigquery")("WAREHOUSE").pipe(Config.withDefault("duckdb")),
  /** `BIGQUERY_LOCATION`: region or multi-region of the datasets and jobs. */
  bigqueryLocation: Config.nonEmptyString("BIGQUERY_LOCATION").pipe(Config.withDefault("US")),
  /** `BIGQUERY_ENDPOINT`: `http://localhost:9050`; calls go there, without credentials. */
  bigqueryEndpoint: Config.nonEmptyString("BIGQUERY_ENDPOINT").pipe(Config.option),
  /** `GOOGLE_APPLICATION_CREDENTIALS`: key file of a service account; absent: the machine's own identity. */
  googleKeyFile: Config.nonEmptyString("GOOGLE_APPLICATION_CREDENTIALS").pipe(Config.option),
  /** `BIGQUERY_MAXIMUM_BYTES_BILLED`: a query that would read more is refused. */
  bigqueryMaximumBytesBilled: Config.integer("BIGQUERY_MAXIMUM_BYTES_BILLED").pipe(Config.withDefault(100 * 1024 ** 3)),
  /** `BQ_QUERY_TIMEOUT_SECONDS`: a query that takes longer is cancelled; steps have limits of their own. */
  bigqueryTimeoutSeconds: Config.integer("BQ_QUERY_TIMEOUT_SECONDS").pipe(Config.withDefault(300)),
  /** `BQ_MAX_RETRY_ATTEMPTS`: attempts after the first one, for failures that can heal. */
  bigqueryRetries: Config.integer("BQ_MAX_RETRY_ATTEMPTS").pipe(Config.withDefault(5)),
  /** `AUTO_SYNC_PROCEDURES`: create and update the stored procedures at start. */
  syncProcedures: Config.boolean("AUTO_SYNC_PROCEDURES").pipe(Config.withDefault(true)),
  /** `OPENAI_API_BASE_URL`, `ANTHROPIC_API_BASE_URL`: where the providers' APIs are reached; https, or http on this machine. */
  openAiUrl: Config.nonEmptyString("OPENAI_API_BASE_URL").pipe(Config.withDefault("https://api.openai.com/v1")),
  anthropicUrl: Config.nonEmptyString("ANTHROPIC_API_BASE_URL").pipe(Config.withDefault("https://api.anthropic.com")),
  /** `GENAI_CLOUD_OVERLAP`: `skip` leaves models and GPUs that a loaded cloud bill has out of the FOCUS rows of GenAI, `keep` keeps both. */
  genaiCloudOverlap: Config.literal("skip", "keep")("GENAI_CLOUD_OVERLAP").pipe(Config.withDefault("skip")),
  /** `DUCKDB_MEMORY_LIMIT`: memory of the embedded warehouse; it spills to DATA_DIR beyond. */
  duckdbMemoryLimit: Config.nonEmptyString("DUCKDB_MEMORY_LIMIT").pipe(Config.withDefault("384MB")),
  /** `DUCKDB_THREADS`: threads of the embedded warehouse, whatever the machine has; converting a bill takes 160 MB of the limit for each. */
  duckdbThreads: Config.integer("DUCKDB_THREADS").pipe(
    Config.withDefault(2),
    Config.validate({ message: "DUCKDB_THREADS is 1 to 256", validation: (value) => value >= 1 && value <= 256 })
  ),
  /** `PUBLIC_URL`: where people reach this service; links in notifications begin with it. */
  publicUrl: Config.nonEmptyString("PUBLIC_URL").pipe(Config.withDefault("http://localhost:8001")),
  /** `NOTIFICATIONS_ENABLED`: tell people about runs and alerts. */
  notificationsEnabled: Config.boolean("NOTIFICATIONS_ENABLED").pipe(Config.withDefault(false)),
  /** `NOTIFICATION_RETRY_MAX_ATTEMPTS`, `NOTIFICATION_RETRY_DELAY_SECONDS`, `NOTIFICATION_TIMEOUT_SECONDS`: of one delivery. */
  notificationMaxAttempts: Config.integer("NOTIFICATION_RETRY_MAX_ATTEMPTS").pipe(Config.withDefault(3)),
  notificationRetryDelaySeconds: Config.integer("NOTIFICATION_RETRY_DELAY_SECONDS").pipe(Config.withDefault(1)),
  notificationTimeoutSeconds: Config.integer("NOTIFICATION_TIMEOUT_SECONDS").pipe(Config.withDefault(30)),
  /** `NOTIFICATION_ALLOW_LOOPBACK`: webhooks may be http and on this machine; without effect in production. */
  notificationAllowLoopback: Config.boolean("NOTIFICATION_ALLOW_LOOPBACK").pipe(Config.withDefault(false)),
  /** `EMAIL_NOTIFICATIONS_ENABLED` and the SMTP server; `EMAIL_TO_ADDRESSES`, comma-separated, when nobody else is to be told. */
  emailEnabled: Config.boolean("EMAIL_NOTIFICATIONS_ENABLED").pipe(Config.withDefault(false)),
  smtpHost: Config.nonEmptyString("EMAIL_SMTP_HOST").pipe(Config.option),
  smtpPort: Config.integer("EMAIL_SMTP_PORT").pipe(Config.withDefault(587)),
  smtpUsername: Config.nonEmptyString("EMAIL_SMTP_USERNAME").pipe(Config.option),
  smtpPassword: Config.redacted("EMAIL_SMTP_PASSWORD").pipe(Config.option),
  smtpUseTls: Config.boolean("EMAIL_SMTP_USE_TLS").pipe(Config.withDefault(true)),
  emailFrom: Config.nonEmptyString("EMAIL_FROM_ADDRESS").pipe(Config.option),
  emailTo: Config.array(Config.string(), "EMAIL_TO_ADDRESSES").pipe(Config.withDefault([])),
  /** `SLACK_NOTIFICATIONS_ENABLED`, `SLACK_WEBHOOK_URL`, `SLACK_CHANNEL`: for organisations without a Slack channel of their own. */
  slackEnabled: Config.boolean("SLACK_NOTIFICATIONS_ENABLED").pipe(Config.withDefault(false)),
  slackWebhookUrl: Config.redacted("SLACK_WEBHOOK_URL").pipe(Config.option),
  slackChannel: Config.nonEmptyString("SLACK_CHANNEL").pipe(Config.option),
  /** `ALERT_QUERY_TIMEOUT_SECONDS`: of summing the costs of one alert. */
  alertQueryTimeoutSeconds: Config.integer("ALERT_QUERY_TIMEOUT_SECONDS").pipe(Config.withDefault(60)),
  /** `LOG_LEVEL`. */
  logLevel: Config.logLevel("LOG_LEVEL").pipe(Config.option),
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`: traces, metrics and logs go there when set. */
  otlpEndpoint: Config.nonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.option)
})

export type SettingsValues = Config.Config.Success<typeof settings>

/** Whether this service keeps organisations, keys, credentials and channels itself. On BigQuery with a remote validator the API service does. */
export const keepsOrganizations = ({ validator, warehouse }: SettingsValues): boolean =>
  warehouse === "duckdb" || validator === "local"

/** The settings service. */
export class Settings extends Context.Tag("pipeline-service/Settings")<Settings, SettingsValues>() {
  /** Reads the current config provider. */
  static readonly layer = Layer.effect(Settings, settings)
}

/** The folders that hold configuration, the one that wins first. */
export const configFolders = ({ configsPath, customConfigsPath }: SettingsValues): ReadonlyArray<string> => [
  ...Option.toArray(customConfigsPath),
  configsPath
]
