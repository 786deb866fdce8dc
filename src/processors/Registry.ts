/**
 * The processors that this service ships. A program may provide another map.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Processors } from "../pipelines/Processor.ts"
import * as AzureExtractor from "./cloud/AzureExtractor.ts"
import * as CurExtractor from "./cloud/CurExtractor.ts"
import * as ExternalBqExtractor from "./cloud/ExternalBqExtractor.ts"
import * as FocusConverter from "./cloud/FocusConverter.ts"
import * as OciExtractor from "./cloud/OciExtractor.ts"
import * as Conform from "./focus/Conform.ts"
import * as Reconcile from "./focus/Reconcile.ts"
import * as GenaiConverter from "./genai/GenaiConverter.ts"
import * as PaygCost from "./genai/PaygCost.ts"
import * as PaygUsage from "./genai/PaygUsage.ts"
import * as ProcedureExecutor from "./generic/ProcedureExecutor.ts"
import * as Notice from "./notify/Notice.ts"

/** All shipped processors by `ps_type`. */
export const layer = Layer.effect(
  Processors,
  Effect.map(
    Effect.all([
      AzureExtractor.make,
      CurExtractor.make,
      ExternalBqExtractor.make,
      OciExtractor.make,
      FocusConverter.make,
      Reconcile.make,
      Conform.make,
      ProcedureExecutor.make,
      PaygUsage.make,
      PaygCost.make,
      GenaiConverter.consolidator,
      GenaiConverter.converter
    ]),
    (processors) => new Map([...processors, ...Notice.processors].map((processor) => [processor.type, processor]))
  )
)
