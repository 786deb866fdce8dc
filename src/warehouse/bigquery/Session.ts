/**
 * The project's BigQuery, shared by all that stands on it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings, type SettingsValues } from "../../platform/Settings.ts"
import * as Api from "./Api.ts"
import { Ledger } from "./Quotas.ts"

/** The API, what was used of its quotas, and the settings that every job obeys. */
export interface Session {
  readonly api: Api.Api
  readonly ledger: Ledger
  readonly settings: SettingsValues
}

/** The session of GCP_PROJECT_ID; nothing is asked of BigQuery before the first use. */
export class BigQuerySession extends Context.Tag("pipeline-service/BigQuerySession")<BigQuerySession, Session>() {
  static readonly layer = Layer.effect(
    BigQuerySession,
    Effect.flatMap(Settings, (settings) =>
      Effect.map(Api.make(settings), (api): Session => ({ api, ledger: new Ledger(), settings }))
    )
  )
}
