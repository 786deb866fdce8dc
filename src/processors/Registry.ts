/**
 * The processors that this service ships. A program may provide another map.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Processor, Processors } from "../pipelines/Processor.ts"
import * as AzureExtractor from "./cloud/AzureExtractor.ts"
import * as CurExtractor from "./cloud/CurExtractor.ts"
import * as ExternalBqExtractor from "./cloud/ExternalBqExtractor.ts"
import * as FocusConverter from "./cloud/FocusConverter.ts"
import * as GcpApiExtractor from "./cloud/GcpApiExtractor.ts"
import * as OciExtractor from "./cloud/OciExtractor.ts"
import * as Conform from "./focus/Conform.ts"
import * as Reconcile from "./focus/Reconcile.ts"
import * as CommitmentCost from "./genai/CommitmentCost.ts"
import * as CommitmentUsage from "./genai/CommitmentUsage.ts"
import * as GenaiConverter from "./genai/GenaiConverter.ts"
import * as InfrastructureCost from "./genai/InfrastructureCost.ts"
import * as InfrastructureUsage from "./genai/InfrastructureUsage.ts"
import * as PaygCost from "./genai/PaygCost.ts"
import * as PaygUsage from "./genai/PaygUsage.ts"
import * as ApiExtractor from "./generic/ApiExtractor.ts"
import * as BqExecute from "./generic/BqExecute.ts"
import * as BqLoader from "./generic/BqLoader.ts"
import * as LocalBqTransformer from "./generic/LocalBqTransformer.ts"
import * as ProcedureExecutor from "./generic/ProcedureExecutor.ts"
import * as KmsDecrypt from "./integrations/KmsDecrypt.ts"
import * as Notice from "./notify/Notice.ts"

const shipped = Effect.map(
  Effect.all([
    AzureExtractor.make,
    CurExtractor.make,
    ExternalBqExtractor.make,
    GcpApiExtractor.make,
    OciExtractor.make,
    FocusConverter.make,
    Reconcile.make,
    Conform.make,
    ProcedureExecutor.make,
    ApiExtractor.make,
    BqExecute.make,
    BqLoader.make,
    LocalBqTransformer.make,
    KmsDecrypt.make,
    PaygUsage.make,
    PaygCost.make,
    CommitmentUsage.make,
    CommitmentCost.make,
    InfrastructureUsage.make,
    InfrastructureCost.make,
    GenaiConverter.consolidator,
    GenaiConverter.converter
  ]),
  (processors) => [...processors, ...Notice.processors]
)

/** The shipped processors and those of a program, which win where they have the same `ps_type`. */
export const layerWith = <E, R>(own: Effect.Effect<ReadonlyArray<Processor>, E, R>) =>
  Layer.effect(
    Processors,
    Effect.map(
      Effect.all([shipped, own]),
      (processors) => new Map(processors.flat().map((processor) => [processor.type, processor]))
    )
  )

/** All shipped processors by `ps_type`. */
export const layer = layerWith(Effect.succeed([]))
