/**
 * `convert`: FOCUS 1.3 from a native bill, without a server. The very pipeline of the service runs in a throwaway installation.
 */
import { extname, resolve } from "node:path"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Credentials } from "../credentials/Credentials.ts"
import { Organizations } from "../organizations/Organizations.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import { Runs } from "../runs/Runs.ts"
import { ProcedureSync } from "../warehouse/ProcedureSync.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import { type Cloud, clouds, ConversionFailed, credentialOf } from "./ConversionInput.ts"
import * as Summary from "./ConversionSummary.ts"
import { metadata, metadataOf } from "./Metadata.ts"
import * as Throwaway from "./throwaway.ts"

const provider = Options.choice("provider", clouds).pipe(Options.withDescription("Whose bill it is"))
const input = Options.text("input").pipe(
  Options.withDescription(
    "A file, a folder in the provider's layout, s3://bucket/prefix, gs://bucket/prefix, or https://account.blob.core.windows.net/container/prefix"
  )
)
const output = Options.text("output").pipe(
  Options.withDescription("Where the FOCUS rows go: a .parquet or a .csv file"),
  Options.optional
)
const json = Options.boolean("json").pipe(Options.withDescription("Print the summary as one JSON object"))

/** The command. It fails unless every difference is 0, no rule is violated and no row lies in quarantine. */
export const convert = Command.make("convert", { provider, input, metadata, output, json }, (options) =>
  Effect.gen(function* () {
    const format = yield* formatOf(options.output)
    const steps = yield* run(options.provider, options.input, yield* metadataOf(options.metadata))
    const summary = yield* Summary.of((stepId) => steps.find((step) => step.stepId === stepId)?.metadata["output"])
    if (Option.isSome(options.output) && format !== undefined) yield* exportRows(options.output.value, format)
    yield* Console.log(options.json ? JSON.stringify(summary) : Summary.render(summary, options.output))
    if (!Summary.isSound(summary)) {
      return yield* new ConversionFailed({
        message:
          "the conversion is not sound: a total differs, a rule of FOCUS 1.3 is violated or a row is in quarantine, see above"
      })
    }
  }).pipe(Effect.provide(Throwaway.installation))
).pipe(Command.withDescription("Convert a native bill to FOCUS 1.3 and prove the result, without a server."))

const org = Schema.decodeSync(OrgSlug)("convert")

const formatOf = (file: Option.Option<string>) =>
  Option.match(file, {
    onNone: () => Effect.succeed(undefined),
    onSome: (path) => {
      const extension = extname(path).toLowerCase()
      return extension === ".parquet"
        ? Effect.succeed("parquet" as const)
        : extension === ".csv"
          ? Effect.succeed("csv" as const)
          : new ConversionFailed({ message: `${path}: the output is a .parquet or a .csv file` })
    }
  })

/** Runs the provider's billing pipeline over the input, read as the metadata say; answers its steps. */
const run = Effect.fn("convert.run")(function* (cloud: Cloud, from: string, more: JsonObject) {
  yield* (yield* Organizations).create({
    org,
    companyName: "convert",
    adminEmail: "convert@localhost",
    plan: "ENTERPRISE"
  })
  const credential = yield* credentialOf(cloud, from)
  yield* (yield* Credentials).put({
    org,
    credentialId: "input",
    ...credential,
    metadata: { ...credential.metadata, ...more }
  })
  const { failed } = yield* (yield* ProcedureSync).sync()
  const [fault] = failed
  if (fault !== undefined) return yield* new ConversionFailed({ message: `${fault.procedure}: ${fault.error}` })
  const runs = yield* Runs
  const { runId } = yield* runs.request({
    org,
    configId: `cloud/${cloud}/cost/billing`,
    trigger: "manual",
    triggerBy: "convert"
  })
  const ended = yield* runs.awaitEnd(runId)
  const { steps } = yield* runs.get(runId)
  if (ended.status === "COMPLETED") return steps
  return yield* new ConversionFailed({ message: oneLine(ended.errorMessage ?? `the run ended as ${ended.status}`) })
})

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, " ")

const exportRows = Effect.fn("convert.exportRows")(function* (path: string, format: "csv" | "parquet") {
  const target = resolve(path)
  const files = yield* FileSystem.FileSystem
  yield* files.remove(target, { force: true })
  // ChargeType is the provider's own word beside FOCUS, for readers of the table.
  yield* (yield* (yield* Warehouse).org(org)).exportTo("SELECT * EXCEPT (ChargeType) FROM cost_data_standard_1_3", {
    path: target,
    format
  })
})
