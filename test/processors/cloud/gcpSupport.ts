/**
 * The steps of Google Cloud's pipeline, run on an installation.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import { Judge } from "../../../src/focus/Judge.ts"
import type { StepContext } from "../../../src/pipelines/Processor.ts"
import * as HttpClientNode from "../../../src/platform/HttpClientNode.ts"
import * as ExternalBqExtractor from "../../../src/processors/cloud/ExternalBqExtractor.ts"
import * as FocusConverter from "../../../src/processors/cloud/FocusConverter.ts"
import * as Conform from "../../../src/processors/focus/Conform.ts"
import * as Reconcile from "../../../src/processors/focus/Reconcile.ts"
import { ProcedureSync } from "../../../src/warehouse/ProcedureSync.ts"
import { contextOf, org } from "./support.ts"

/** Stores the credential of a place of files; a later call points it at another place. */
export const filesCredential = (path: string, credentialId = "gcp") =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId,
      provider: "GCP_FILES",
      credentialName: credentialId,
      metadata: { path },
      secret: Redacted.make("")
    })
  )

/** Runs the extractor once. */
export const extract = (over: Partial<StepContext> = {}) =>
  Effect.flatMap(ExternalBqExtractor.make, (extractor) =>
    extractor.execute(contextOf({ config: { provider: "gcp" }, ...over }))
  ).pipe(Effect.provide(HttpClientNode.layer))

const Reconciled = Schema.Struct({
  reconciliation: Schema.Array(
    Schema.Struct({
      billingPeriod: Schema.String,
      currency: Schema.String,
      credentialId: Schema.String,
      focusBilled: Schema.String,
      difference: Schema.String,
      effectiveDifference: Schema.String,
      rows: Schema.Struct({ in: Schema.Number })
    })
  ),
  rows: Schema.Struct({
    in: Schema.Number,
    converted: Schema.Number,
    quarantined: Schema.Number,
    dropped: Schema.Record({ key: Schema.String, value: Schema.Number })
  })
})
const Judged = Schema.Struct({ conformance: Schema.Struct({ violated: Schema.Array(Schema.Unknown) }) })

/** Extracts, converts, reconciles and judges; what the last two found. */
export const convertAll = Effect.gen(function* () {
  const extracted = yield* extract()
  const context = contextOf({ config: { provider: "gcp" }, outputs: { before: extracted } })
  yield* (yield* FocusConverter.make).execute(context)
  const { reconciliation, rows } = yield* (yield* Reconcile.make)
    .execute(context)
    .pipe(Effect.flatMap(({ details }) => Schema.decodeUnknown(Reconciled)(details)))
  const { conformance } = yield* (yield* Conform.make)
    .execute(context)
    .pipe(Effect.flatMap(({ details }) => Schema.decodeUnknown(Judged)(details)))
  return { reconciliation, rows, violated: conformance.violated }
}).pipe(Effect.provide(Judge.layer), Effect.provide(NodeContext.layer))

/** Creates the stored procedures. */
export const procedures = Effect.flatMap(ProcedureSync, (sync) => sync.sync()).pipe(
  Effect.provide(ProcedureSync.layer),
  Effect.provide(NodeContext.layer)
)
