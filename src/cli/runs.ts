/**
 * `runs`: the runs of a running service.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RunStatus } from "../runs/Runs.ts"
import { ServiceClient } from "./client/ServiceClient.ts"
import * as RunProgress from "./RunProgress.ts"
import { watch } from "./run.ts"
import { table } from "./table.ts"

const id = Args.text({ name: "run-id" })
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

const list = Command.make(
  "list",
  {
    status: Options.choice("status", RunStatus.literals).pipe(Options.optional),
    pipeline: Options.text("pipeline").pipe(
      Options.withDescription("A part of the pipeline id, as in aws-cost"),
      Options.optional
    ),
    limit: Options.integer("limit").pipe(
      Options.withSchema(Schema.Int.pipe(Schema.between(1, 100))),
      Options.withDefault(20)
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const runs = yield* (yield* ServiceClient).call(({ pipelines }) =>
      pipelines.runs({
        urlParams: {
          limit: given.limit,
          ...(Option.isSome(given.status) ? { status: given.status.value } : {}),
          ...(Option.isSome(given.pipeline) ? { pipeline_id: given.pipeline.value } : {})
        }
      })
    )
    yield* Console.log(
      given.json
        ? JSON.stringify(runs)
        : table(
            ["run id", "pipeline", "status", "started", "seconds", "trigger", "by"],
            runs.map((run) => [
              run.pipeline_logging_id,
              run.pipeline_id,
              run.status,
              run.start_time,
              run.duration_ms === null ? undefined : (run.duration_ms / 1000).toFixed(1),
              run.trigger_type,
              run.trigger_by
            ])
          )
    )
  })
).pipe(Command.withDescription("The newest runs of the organisation."))

const show = Command.make("show", { id, json }, (given) =>
  Effect.gen(function* () {
    const run = yield* (yield* ServiceClient).run(given.id)
    yield* Console.log(given.json ? JSON.stringify(run) : RunProgress.detail(run))
  })
).pipe(Command.withDescription("A run with its steps."))

const watchCommand = Command.make("watch", { id, json }, (given) => watch(given.id, given.json)).pipe(
  Command.withDescription("Follow a run to its end; exit code 0 only when it completes.")
)

const cancel = Command.make("cancel", { id, json }, (given) =>
  Effect.gen(function* () {
    const cancelled = yield* (yield* ServiceClient).call(({ pipelines }) =>
      pipelines.cancel({ path: { id: given.id } })
    )
    yield* Console.log(given.json ? JSON.stringify(cancelled) : `${cancelled.status}  ${cancelled.message}`)
  })
).pipe(Command.withDescription("Stop a run; what it has finished stays."))

const retry = Command.make(
  "retry",
  { id, detach: Options.boolean("detach").pipe(Options.withDescription("Do not wait for the end")), json },
  (given) =>
    Effect.gen(function* () {
      const client = yield* ServiceClient
      const path = { org: yield* client.orgOf(given.id), id: given.id }
      const retried = yield* client.call(({ pipelines }) => pipelines.retry({ path }))
      if (given.detach)
        return yield* Console.log(
          given.json ? JSON.stringify(retried) : `${retried.new_pipeline_logging_id}  ${retried.message}`
        )
      yield* watch(retried.new_pipeline_logging_id, given.json)
    })
).pipe(Command.withDescription("Run again from the step that failed, with what the finished steps gave, and watch it."))

/** The command. It needs PIPELINE_API_KEY (or the root key for `cancel`). */
export const runs = Command.make("runs").pipe(
  Command.withDescription("The runs of a running service: list, show, watch, cancel, retry."),
  Command.withSubcommands([list, show, watchCommand, cancel, retry]),
  Command.provide(ServiceClient.layer)
)
