#!/usr/bin/env node
/**
 * The process: reads the command line and the settings, runs one command.
 */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PlatformConfigProvider from "@effect/platform/PlatformConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { admin } from "./cli/admin.ts"
import { convert } from "./cli/convert.ts"
import { demo } from "./cli/demo.ts"
import { procedures } from "./cli/procedures.ts"
import { query } from "./cli/query.ts"
import { replay } from "./cli/replay.ts"
import { run } from "./cli/run.ts"
import { runs } from "./cli/runs.ts"
import { serve } from "./cli/serve.ts"
import * as Installation from "./Installation.ts"
import { Settings } from "./platform/Settings.ts"

const administration = admin.pipe(Command.provide(Installation.records.pipe(Layer.provideMerge(Settings.layer))))

const command = Command.make("pipeline-service").pipe(
  Command.withDescription("Cost pipelines: native bills in, FOCUS 1.3 out, every cent accounted for."),
  Command.withSubcommands([serve, demo, run, runs, replay, convert, query, procedures, administration])
)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const start = Command.run(command, { name: "pipeline-service", version: "0.1.0" })

start(process.argv).pipe(
  // A wrong command line has been explained already.
  Effect.tapError((error) =>
    ValidationError.isValidationError(error) ? Effect.void : Console.error(messageOf(error))
  ),
  Effect.provide(Layer.provideMerge(PlatformConfigProvider.layerDotEnvAdd(".env.local"), NodeContext.layer)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
