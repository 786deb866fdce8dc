/**
 * `run`: asks a running service for a run and watches it to its end.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ServiceClient, ServiceRefused } from "./client/ServiceClient.ts"
import * as RunProgress from "./RunProgress.ts"

/** The run did not complete: the exit code is not 0. */
export class RunNotCompleted extends Schema.TaggedError<RunNotCompleted>()("RunNotCompleted", {
  message: Schema.String
}) {}

const day = (name: string, what: string) =>
  Options.text(name).pipe(Options.withDescription(`${what} data date, YYYY-MM-DD`), Options.optional)

const options = {
  pipeline: Args.text({ name: "pipeline" }).pipe(
    Args.withDescription("as in cloud/aws/cost/billing: its path below configs, without .yml")
  ),
  start: day("start", "First"),
  end: day("end", "Last"),
  credential: Options.text("credential").pipe(
    Options.withDescription("Only this credential; absent: every active one"),
    Options.optional
  ),
  forceRefresh: Options.boolean("force-refresh").pipe(
    Options.withDescription("Load also what has not changed since the last run")
  ),
  detach: Options.boolean("detach").pipe(Options.withDescription("Do not wait for the end")),
  json: Options.boolean("json").pipe(Options.withDescription("Print the run as JSON at its end, no progress"))
}

/** The command. It needs PIPELINE_API_KEY; the key names the organisation. */
export const run = Command.make("run", options, (given) =>
  Effect.gen(function* () {
    const client = yield* ServiceClient
    const org = yield* ServiceClient.ownOrg
    const payload = {
      trigger_by: "command line",
      ...(Option.isSome(given.start) ? { start_date: given.start.value } : {}),
      ...(Option.isSome(given.end) ? { end_date: given.end.value } : {}),
      ...(Option.isSome(given.credential) ? { credential_id: given.credential.value } : {}),
      ...(given.forceRefresh ? { force_refresh: true } : {})
    }
    const common = { payload, urlParams: {}, headers: {} }
    const [category = "", second = "", third = "", fourth, ...more] = given.pipeline.split("/")
    if (third === "" || more.length > 0) {
      return yield* new ServiceRefused({
        message: `${given.pipeline} is no pipeline: it has 3 or 4 parts, as in cloud/aws/cost/billing`
      })
    }
    const accepted = yield* client.call(({ pipelines }) =>
      fourth === undefined
        ? pipelines.run({ ...common, path: { org, category, domain: second, pipeline: third } })
        : pipelines.runOfProvider({
            ...common,
            path: { org, category, provider: second, domain: third, pipeline: fourth }
          })
    )
    if (given.detach) {
      return yield* Console.log(
        given.json ? JSON.stringify(accepted) : `${accepted.pipeline_logging_id}  ${accepted.message}`
      )
    }
    yield* watch(accepted.pipeline_logging_id, given.json)
  }).pipe(Effect.provide(ServiceClient.layer))
).pipe(
  Command.withDescription("Run a pipeline on the running service and watch it; exit code 0 only when it completes.")
)

/** Shows a run's events until it has ended, then the run; fails when it did not complete. */
export const watch = Effect.fn("cli.watch")(function* (id: string, json: boolean) {
  const client = yield* ServiceClient
  yield* client.follow(id, (event) => {
    const text = json ? undefined : RunProgress.line(event)
    return text === undefined ? Effect.void : Console.log(text)
  })
  const ended = yield* client.run(id)
  yield* Console.log(json ? JSON.stringify(ended) : `\n${RunProgress.detail(ended)}`)
  if (!RunProgress.succeeded(ended)) {
    return yield* new RunNotCompleted({ message: `run ${id} ended as ${ended.status}` })
  }
})
