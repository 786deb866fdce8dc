import { generateKeyPairSync } from "node:crypto"
import { expect, it } from "@effect/vitest"
import * as HttpClientNode from "../../src/platform/HttpClientNode.ts"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AzureClient from "../../src/sources/azure/AzureClient.ts"
import * as Metrics from "../../src/sources/azure/Metrics.ts"
import * as Monitoring from "../../src/sources/gcp/Monitoring.ts"
import { azureServer, clientId, clientSecret, subscription, tenant } from "../support/azureServer.ts"
import { clientEmail, monitoringServer, project } from "../support/monitoringServer.ts"

const metric = "generativelanguage.googleapis.com/generate_content_usage_output_token_count"
const question = {
  project,
  metric,
  from: "2026-05-01T00:00:00Z",
  to: "2026-06-01T00:00:00Z",
  alignmentSeconds: 86_400,
  aligner: "ALIGN_SUM",
  reducer: "REDUCE_SUM",
  groupBy: ["metric.labels.model"]
} as const

it.scopedLive("Cloud Monitoring: pages are followed, days are UTC days, values stay text, errors are told apart", () =>
  Effect.gen(function* () {
    const server = yield* monitoringServer
    const account = {
      projectId: project,
      clientEmail,
      privateKey: Redacted.make(server.keyFile.private_key)
    }
    const monitoring = yield* Monitoring.make(account, server.endpoint)
    const series = (model: string, thinking: string, values: Readonly<Record<string, string>>) =>
      server.series.push({ metric, metricLabels: { model, thinking_enabled: thinking }, values })
    series("gemini-2.5-pro", "false", { "2026-05-01": "880", "2026-05-02T23:59:00Z": "1204", "2026-06-01": "7" })
    series("gemini-2.5-pro", "true", { "2026-05-01T10:00:00Z": "20" })
    series("gemini-2.5-flash", "false", { "2026-05-03": "3" })
    series("gemini-3-pro", "false", { "2026-05-31": "9007199254740990" })
    const points = yield* monitoring.points(question)
    expect(
      points
        .map(({ labels, startTime, value }) => [labels["metric.labels.model"], startTime.slice(0, 10), value])
        .sort((a, b) => String(a).localeCompare(String(b)))
    ).toEqual([
      ["gemini-2.5-flash", "2026-05-03", "3"],
      ["gemini-2.5-pro", "2026-05-01", "900"],
      ["gemini-2.5-pro", "2026-05-02", "1204"],
      ["gemini-3-pro", "2026-05-31", "9007199254740990"]
    ])
    expect(server.journal).toHaveLength(2)

    server.known.add("known/metric")
    expect(yield* monitoring.points({ ...question, metric: "known/metric" })).toEqual([])
    expect(yield* Effect.flip(monitoring.points({ ...question, metric: "no/such" }))).toMatchObject({
      kind: "permanent",
      code: "GOOGLE_NOT_FOUND"
    })
    const refused = yield* Effect.flip(monitoring.points({ ...question, project: "somebody-elses" }))
    expect(refused).toMatchObject({ kind: "auth", code: "GOOGLE_ACCESS_DENIED" })
    expect(refused.suggestedAction).toContain(`give ${clientEmail} the role Monitoring Viewer`)
    expect(refused.message).toBe(`${metric} of project somebody-elses: HTTP 403, PERMISSION_DENIED`)

    const before = server.journal.length
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
      type: "pkcs8",
      format: "pem"
    })
    const stranger = yield* Monitoring.make({ ...account, privateKey: Redacted.make(String(other)) }, server.endpoint)
    expect(yield* Effect.flip(stranger.points(question))).toMatchObject({ kind: "auth", code: "GOOGLE_TOKEN_REFUSED" })
    expect(server.journal.length - before).toBe(1)
    const broken = yield* Monitoring.make({ ...account, privateKey: Redacted.make("no key") }, server.endpoint)
    expect(yield* Effect.flip(broken.points(question))).toMatchObject({ kind: "auth", code: "GOOGLE_KEY_UNUSABLE" })

    for (const body of [
      "<html>",
      '{"timeSeries":[{"points":[{"interval":{}}]}]}',
      '{"executionErrors":[{"code":4}]}'
    ]) {
      server.faults.push((_request, response) => {
        response.end(body)
        return true
      })
      expect(yield* Effect.flip(monitoring.points(question))).toMatchObject({ code: "GOOGLE_ANSWER_UNREADABLE" })
    }
    const again = '{"nextPageToken":"again"}'
    for (const _ of [1, 2]) server.faults.push((_request, response) => (response.end(again), true))
    expect((yield* Effect.flip(monitoring.points(question))).message).toContain("a page's token came twice")
    expect((yield* Effect.flip(Monitoring.make(account, "http://example.com"))).code).toBe("ENDPOINT_REFUSED")
  }).pipe(Effect.provide(HttpClientNode.layer))
)

it.scopedLive("Azure Monitor: every series of a metric is asked for, by dimension; one cut short is an error", () =>
  Effect.gen(function* () {
    const server = yield* azureServer("unused")
    const client = yield* AzureClient.make({
      tenantId: tenant,
      clientId,
      clientSecret: Redacted.make(clientSecret),
      loginEndpoint: server.endpoint
    })
    const metrics = Metrics.make(client, server.endpoint)
    const resourceId = `/subscriptions/${subscription}/resourceGroups/models/providers/Microsoft.CognitiveServices/accounts/acme`
    const put = (name: string) =>
      server.series.push({
        resourceId,
        metric: "GeneratedTokens",
        dimensions: { ModelDeploymentName: name },
        hours: { "2026-05-01T07:00:00Z": "12", "2026-06-01T00:00:00Z": "5" }
      })
    for (let index = 0; index < 12; index++) put(`deployment-${index}`)
    const query = {
      resourceId,
      metrics: ["ProcessedPromptTokens", "GeneratedTokens"],
      from: "2026-05-01T00:00:00Z",
      to: "2026-06-01T00:00:00Z",
      interval: "PT1H",
      aggregation: "Total",
      dimensions: ["ModelDeploymentName"]
    } as const
    const points = yield* metrics.points(query)
    expect(points).toHaveLength(12)
    expect(points[11]).toEqual({
      metric: "GeneratedTokens",
      dimensions: { ModelDeploymentName: "deployment-11" },
      startTime: "2026-05-01T07:00:00Z",
      value: "12"
    })
    for (let index = 12; index < 1000; index++) put(`deployment-${index}`)
    expect(yield* Effect.flip(metrics.points(query))).toMatchObject({ code: "AZURE_TOO_MANY_SERIES" })
    server.revoke()
    server.series.length = 1
    expect(yield* metrics.points(query)).toHaveLength(1)
    server.faults.push((_request, response) => (response.end('{"value":[{}]}'), true))
    expect(yield* Effect.flip(metrics.points(query))).toMatchObject({ code: "AZURE_ANSWER_UNREADABLE" })
  }).pipe(Effect.provide(HttpClientNode.layer))
)
