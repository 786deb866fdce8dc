/**
 * The processors that this service ships. A program may provide another map.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Processor, Processors } from "../pipelines/Processor.ts"
import * as Shared from "../platform/Shared.ts"

type Making<R> = Effect.Effect<Processor, never, R>

const from = <R>(load: () => Promise<{ readonly make: Making<R> }>): Making<R> =>
  Effect.flatMap(Effect.promise(load), ({ make }) => make)

const genai = Effect.promise(() => import("./genai/GenaiConverter.ts"))
const notice = Effect.promise(() => import("./notify/Notice.ts"))

/**
 * By `ps_type`. A processor is loaded, with the clients and schemas of its source, when a step is first checked or run with it: to evaluate
 * all of them would be a tenth of a start.
 */
const shipped = {
  "cloud.aws.cur_extractor": from(() => import("./cloud/CurExtractor.ts")),
  "cloud.azure.cost_extractor": from(() => import("./cloud/AzureExtractor.ts")),
  "cloud.focus_converter": from(() => import("./cloud/FocusConverter.ts")),
  "cloud.gcp.external_bq_extractor": from(() => import("./cloud/ExternalBqExtractor.ts")),
  "cloud.gcp.gcp_api_extractor": from(() => import("./cloud/GcpApiExtractor.ts")),
  "cloud.oci.cost_extractor": from(() => import("./cloud/OciExtractor.ts")),
  "focus.conformance": from(() => import("./focus/Conform.ts")),
  "focus.reconcile": from(() => import("./focus/Reconcile.ts")),
  "genai.commitment_cost": from(() => import("./genai/CommitmentCost.ts")),
  "genai.commitment_usage": from(() => import("./genai/CommitmentUsage.ts")),
  "genai.focus_converter": Effect.flatMap(genai, ({ converter }) => converter),
  "genai.infrastructure_cost": from(() => import("./genai/InfrastructureCost.ts")),
  "genai.infrastructure_usage": from(() => import("./genai/InfrastructureUsage.ts")),
  "genai.payg_cost": from(() => import("./genai/PaygCost.ts")),
  "genai.payg_usage": from(() => import("./genai/PaygUsage.ts")),
  "genai.unified_consolidator": Effect.flatMap(genai, ({ consolidator }) => consolidator),
  "generic.api_extractor": from(() => import("./generic/ApiExtractor.ts")),
  "generic.bq_execute": from(() => import("./generic/BqExecute.ts")),
  "generic.bq_loader": from(() => import("./generic/BqLoader.ts")),
  "generic.local_bq_transformer": from(() => import("./generic/LocalBqTransformer.ts")),
  "generic.procedure_executor": from(() => import("./generic/ProcedureExecutor.ts")),
  "integrations.kms_decrypt": from(() => import("./integrations/KmsDecrypt.ts")),
  "notify_systems.email_notification": Effect.map(notice, ({ email }) => email),
  "notify_systems.slack_notification": Effect.map(notice, ({ slack }) => slack)
}

type Needs = Effect.Effect.Context<(typeof shipped)[keyof typeof shipped]>

const makings: Readonly<Record<string, Making<Needs>>> = shipped

/** The shipped processors and those of a program, which win where they have the same `ps_type`. */
export const layerWith = <E, R>(own: Effect.Effect<ReadonlyArray<Processor>, E, R>) =>
  Layer.effect(
    Processors,
    Effect.gen(function* () {
      const loaded = yield* Effect.forEach(Object.entries(makings), ([type, making]) =>
        Effect.map(Shared.once(making), (processor) => [type, processor] as const)
      )
      return new Map([...loaded, ...Processors.entries(yield* own)])
    })
  )

/** All shipped processors by `ps_type`. */
export const layer = layerWith(Effect.succeed([]))
