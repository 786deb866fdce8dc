/**
 * The whole command line.
 */
import * as Command from "@effect/cli/Command"
import * as Layer from "effect/Layer"
import { admin } from "./admin.ts"
import { convert } from "./convert.ts"
import { demo } from "./demo.ts"
import { focus } from "./focus.ts"
import { hierarchy } from "./hierarchy.ts"
import { notifications } from "./notifications.ts"
import { prices } from "./prices.ts"
import { procedures } from "./procedures.ts"
import { query } from "./query.ts"
import { rates } from "./rates.ts"
import { reconcile } from "./reconcile.ts"
import { replay } from "./replay.ts"
import { run } from "./run.ts"
import { runs } from "./runs.ts"
import { serve } from "./serve.ts"
import { tables } from "./tables.ts"
import * as Installation from "../Installation.ts"
import { Settings } from "../platform/Settings.ts"

const administration = admin.pipe(Command.provide(Installation.records.pipe(Layer.provideMerge(Settings.layer))))

/** All commands. */
export const command = Command.make("pipeline-service").pipe(
  Command.withDescription("Cost pipelines: native bills in, FOCUS 1.3 out, every cent accounted for."),
  Command.withSubcommands([
    serve,
    demo,
    run,
    runs,
    replay,
    convert,
    focus,
    reconcile,
    query,
    tables,
    notifications,
    hierarchy,
    prices,
    rates,
    procedures,
    administration
  ])
)
