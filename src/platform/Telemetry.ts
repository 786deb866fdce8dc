/**
 * Logs, traces and metrics of a process: lines of JSON in production and for machines, lines for people on a terminal; OpenTelemetry when
 * an endpoint is set.
 */
import * as Otlp from "@effect/opentelemetry/Otlp"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import { Settings } from "./Settings.ts"
import * as HttpClientNode from "./HttpClientNode.ts"

/** The telemetry that the settings ask for. Without an endpoint no spans are made: they would cost a part of each run for nobody. */
export const layer = Layer.unwrapEffect(
  Effect.map(Settings, (settings) =>
    Layer.mergeAll(
      settings.environment === "production" ? Logger.json : Logger.pretty,
      Logger.minimumLogLevel(Option.getOrElse(settings.logLevel, () => LogLevel.Info)),
      Option.match(settings.otlpEndpoint, {
        onNone: () => Layer.setTracerEnabled(false),
        onSome: (baseUrl) =>
          Otlp.layerJson({
            baseUrl,
            resource: { serviceName: "pipeline-service", serviceVersion: settings.release }
          }).pipe(Layer.provide(HttpClientNode.layer))
      })
    )
  )
)
