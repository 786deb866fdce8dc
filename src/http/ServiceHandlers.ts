/**
 * Answers health, metrics and the start page. No key and no rate limit, so what asks the stores is asked at most once a second.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import { EventLog } from "../eventlog/EventLog.ts"
import { Encryption } from "../platform/Encryption.ts"
import { Settings } from "../platform/Settings.ts"
import * as Snapshot from "../platform/Snapshot.ts"
import { ProcedureSync } from "../warehouse/ProcedureSync.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import { CoreApi } from "./CoreApi.ts"
import { render } from "./Prometheus.ts"
import { Shutdown } from "./Shutdown.ts"

const service = "pipeline-service"
const checkSeconds = 2
const probe = { org: "health", id: "probe" }

/** True when the check succeeds in time. */
const passes = <A, E>(check: Effect.Effect<A, E>): Effect.Effect<boolean> =>
  check.pipe(
    Effect.timeout(`${checkSeconds} seconds`),
    Effect.tapErrorCause((cause) => Effect.logWarning("readiness check failed", cause)),
    Effect.match({ onFailure: () => false, onSuccess: () => true }),
    Effect.catchAllCause(() => Effect.succeed(false))
  )

/** A critical procedure is one that this installation ships and whose run writes money. */
const isCritical = (name: string): boolean =>
  /^sp_(genai_[123]_|subscription_[23]_|cloud_(gcp|aws|azure|oci)_convert_to_focus$)/.test(name)

const makeChecks = Effect.gen(function* () {
  const settings = yield* Settings
  const log = yield* EventLog
  const warehouse = yield* Warehouse
  const procedures = yield* ProcedureSync
  const encryption = yield* Encryption
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)

  const criticalPresent = Effect.gen(function* () {
    const present = new Set((yield* procedures.list).map(({ procedure }) => procedure.name))
    const missing = (yield* procedures.files).filter((file) => isCritical(file.name) && !present.has(file.name))
    return missing.length === 0
      ? undefined
      : yield* Effect.fail(`missing: ${missing.map((file) => file.name).join(", ")}`)
  })
  const sealed = Effect.flatMap(encryption.seal(Redacted.make("probe"), probe), (envelope) =>
    encryption.open(envelope, probe)
  )
  const validator =
    settings.validator === "local" ? Effect.void : Effect.scoped(client.get(`${settings.apiServiceUrl}/health`))

  const checks = Effect.all(
    {
      ready: passes(log.head),
      bigquery: passes(warehouse.ready),
      procedures: passes(criticalPresent),
      encryption: passes(sealed),
      api: passes(validator)
    },
    { concurrency: "unbounded" }
  )
  const kept = yield* Snapshot.make({ seconds: 1, keys: 1 }, () => checks)
  return kept.get("")
})

/** The handlers of the group `service`. */
export const layer = HttpApiBuilder.group(CoreApi, "service", (handlers) =>
  Effect.gen(function* () {
    const settings = yield* Settings
    const shutdown = yield* Shutdown
    const checked = yield* Effect.provide(makeChecks, FetchHttpClient.layer)
    return handlers
      .handle("overview", () =>
        Effect.succeed({
          service,
          version: settings.release,
          api: "/api/v1",
          docs: "/docs",
          openapi: "/openapi.json",
          health: "/health"
        })
      )
      .handle("health", () =>
        Effect.succeed({
          status: "healthy" as const,
          service,
          version: settings.release,
          release: settings.release,
          release_timestamp: settings.releaseTimestamp,
          environment: settings.environment
        })
      )
      .handleRaw("live", () =>
        Effect.flatMap(shutdown.hasBegun, (stopping) =>
          HttpServerResponse.json({ status: stopping ? "shutting_down" : "alive" }, { status: stopping ? 503 : 200 })
        ).pipe(Effect.orDie)
      )
      .handleRaw("ready", () =>
        Effect.gen(function* () {
          const checks = yield* checked
          const ready = checks.ready && !(yield* shutdown.hasBegun)
          const status = ready && checks.bigquery && checks.procedures ? "ready" : "not_ready"
          return yield* HttpServerResponse.json(
            { status, checks: { ...checks, ready } },
            { status: status === "ready" ? 200 : 503 }
          )
        }).pipe(Effect.orDie)
      )
      .handle("metrics", () => Effect.map(Metric.snapshot, render))
  })
)
