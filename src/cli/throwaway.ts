/**
 * What works without a service: an installation that lasts as long as the command.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Installation from "../Installation.ts"
import { Settings } from "../platform/Settings.ts"

/** An installation in a temporary folder; its key file, its log and its warehouse go with it. */
export const installation = Layer.unwrapScoped(
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "pipeline-service-"))),
      (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
    )
    const fixed = ConfigProvider.fromMap(
      new Map([
        ["DATA_DIR", folder],
        ["VALIDATOR", "local"],
        ["WAREHOUSE", "duckdb"]
      ])
    )
    const outer = yield* Effect.configProviderWith(Effect.succeed)
    const settings = Settings.layer.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.orElse(fixed, () => outer)))
    )
    return Installation.layer.pipe(
      Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None)),
      Layer.provideMerge(settings)
    )
  })
)
