/**
 * The demo's model providers: what files tell of DeepSeek and Gemini, and what OpenAI and Anthropic tell where a key is there.
 */
import { join } from "node:path"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../credentials/Credentials.ts"
import type { OrgSlug } from "../../platform/Identifiers.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import type * as ServiceClient from "../client/ServiceClient.ts"
import * as RunProgress from "../RunProgress.ts"
import * as DemoScreen from "./DemoScreen.ts"
import { writeModelFiles } from "./ModelFiles.ts"

/** Admin keys of organisations that the demo also reads, when they are set. */
const keys = { openai: "OPENAI_ADMIN_KEY", anthropic: "ANTHROPIC_ADMIN_KEY" }

/** Loads, prices and converts what there is, and shows what was billed beside what was calculated. */
export const runModels = Effect.fn("demo.models")(function* (given: {
  readonly folder: string
  readonly seed: number
  readonly org: OrgSlug
  readonly client: Effect.Effect.Success<ReturnType<typeof ServiceClient.make>>
}) {
  const { client, folder, org, seed } = given
  const { endDate, startDate } = yield* writeModelFiles(folder, seed)
  yield* store(org, "DEEPSEEK_FILES", { metadata: { path: join(folder, "deepseek") } })
  yield* store(org, "GEMINI_FILES", { metadata: { path: join(folder, "gemini") } })
  const live = yield* Effect.filter(Object.entries(keys), ([name, variable]) =>
    Effect.flatMap(
      Config.option(Config.redacted(variable)),
      Option.match({
        onNone: () => Effect.succeed(false),
        onSome: (key) => Effect.as(store(org, name.toUpperCase(), { secret: Redacted.value(key) }), true)
      })
    )
  )
  const run = Effect.fnUntraced(function* (domain: string, pipeline: string, dates: object) {
    const { pipeline_logging_id: runId } = yield* client.call(({ pipelines }) =>
      pipelines.run({
        path: { org, category: "genai", domain, pipeline },
        urlParams: {},
        headers: {},
        payload: { force_refresh: true, ...dates }
      })
    )
    yield* client.follow(runId, () => Effect.void)
    const ended = yield* client.run(runId)
    yield* Console.log(DemoScreen.indent(summaryOf(`genai/${domain}/${pipeline}`, ended)))
  })
  const dates = { start_date: startDate, end_date: endDate }
  for (const pipeline of ["deepseek", "gemini"]) yield* run("payg", pipeline, dates)
  for (const [pipeline] of live) yield* run("payg", pipeline, {})
  yield* run("unified", "consolidate", dates)
  return yield* (yield* (yield* Warehouse).org(org)).query(DemoScreen.modelsSql)
})

const summaryOf = (pipeline: string, ended: ServiceClient.Run) =>
  RunProgress.succeeded(ended)
    ? `${pipeline}: ${((ended.duration_ms ?? 0) / 1000).toFixed(1)} s`
    : `${pipeline}: ${RunProgress.detail(ended)}`

/** A credential of the demo, stored anew each time: its key or folder may be another. */
const store = Effect.fnUntraced(function* (
  org: OrgSlug,
  provider: string,
  what: { readonly metadata?: { readonly path: string }; readonly secret?: string }
) {
  yield* (yield* Credentials).put({
    org,
    credentialId: `demo_${provider.toLowerCase()}`,
    provider,
    credentialName: `Demo ${provider}`,
    metadata: { ...what.metadata },
    secret: Redacted.make(what.secret ?? "{}")
  })
})
