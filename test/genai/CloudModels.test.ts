import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { JsonObject } from "../../src/platform/Json.ts"
import { awsMetadata } from "../support/awsServer.ts"
import { bedrockCredential, Clouds, ownRows, vertexCredential } from "./commitmentSupport.ts"
import { acme, configsWithClouds, globex, layerWith, query, run } from "./support.ts"

const dayBefore = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
const [earlier, later] = [dayBefore(3), dayBefore(2)]

/** What a pipeline's steps said, which must have gone well. */
const done = Effect.fnUntraced(function* (org: typeof acme, pipeline: string) {
  const { run: ended, steps } = yield* run(org, pipeline, earlier, later)
  expect([pipeline, ended.status, ended.errorMessage]).toEqual([pipeline, "COMPLETED", null])
  return steps.map((step) => step.metadata["output"])
})

const usage = (org: typeof acme, provider: string) =>
  Effect.map(
    query(
      org,
      `SELECT usage_date, model, region, token_kind, meter, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        request_count, quantity
      FROM genai_payg_usage_raw WHERE provider = '${provider}' ORDER BY 1, 2, meter DESC, token_kind`
    ),
    (rows) => rows.map((row) => Object.values(row))
  )
const costs = (org: typeof acme, provider: string) =>
  Effect.map(
    query(
      org,
      `SELECT cost_date, model, token_kind, total_cost_usd FROM genai_payg_costs_daily WHERE provider = '${provider}' ORDER BY 1, 2, 3`
    ),
    (rows) => rows.map((row) => Object.values(row))
  )
const compared = (org: typeof acme, provider: string) =>
  Effect.map(
    query(
      org,
      `SELECT model, currency, billed, computed, difference FROM genai_payg_comparison_daily
      WHERE provider = '${provider}' AND compare_date = '${later}' ORDER BY 1, 2`
    ),
    (rows) => rows.map((row) => Object.values(row))
  )

/** Lines of a cloud's bill for the later day, as if a billing pipeline had loaded them. */
const bill = (table: string, rows: ReadonlyArray<JsonObject>) =>
  ownRows(
    acme,
    table,
    later,
    rows.map((row) => ({ billing_period_start: `${later.slice(0, 7)}-01`, ...row }))
  )

const layer = Layer.unwrapScoped(Effect.map(configsWithClouds, (folder) => layerWith({ CONFIGS_BASE_PATH: folder })))

withLayer(Layer.provideMerge(Clouds.layer, layer), { excludeTestServices: true })("models of clouds", (it) => {
  it.effect(
    "Bedrock: every model that CloudWatch lists or the credential names, page by page; units are left out",
    () =>
      Effect.gen(function* () {
        const { aws } = yield* Clouds
        const haiku = "anthropic.claude-3-haiku-20240307-v1:0"
        const unit = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/monthly"
        aws.list("us-east-1", [haiku, "amazon.nova-lite-v1:0", "new.model-v9:0", unit])
        const measure = (metric: string, model: string, value: string, day = later) =>
          aws.measure("us-east-1", metric, model, day, value)
        measure("Invocations", haiku, "42.0")
        measure("InputTokenCount", haiku, "1000000.0")
        measure("OutputTokenCount", haiku, "2.0E5")
        measure("CacheReadInputTokenCount", haiku, "300000.0")
        measure("CacheWriteInputTokenCount", haiku, "100000.0")
        measure("InputTokenCount", "amazon.nova-lite-v1:0", "500000.0", earlier)
        measure("InputTokenCount", "new.model-v9:0", "7.0")
        measure("InputTokenCount", "amazon.titan-old-v1", "11.0")
        measure("InputTokenCount", unit, "999.0")
        const places = { ...awsMetadata(aws.endpoint), endpoint: aws.endpoint, region: "us-east-1" }
        yield* bedrockCredential(acme, "bedrock", {
          ...places,
          model_ids: "amazon.titan-old-v1, amazon.nova-lite-v1:0"
        })
        const before = aws.journal.length
        const [, priced] = yield* done(acme, "genai/payg/aws_bedrock")
        const lists = aws.journal.slice(before).filter(({ body }) => body.includes("Action=ListMetrics"))
        expect(new Set(lists.map(({ body }) => new URLSearchParams(body).get("NextToken"))).size).toBe(4)
        expect(yield* usage(acme, "aws_bedrock")).toEqual([
          [earlier, "amazon.nova-lite-v1:0", "us-east-1", null, "tokens", 500_000, 0, 0, 0, null, null],
          [later, "amazon.titan-old-v1", "us-east-1", null, "tokens", 11, 0, 0, 0, null, null],
          [later, haiku, "us-east-1", null, "tokens", 1_400_000, 300_000, 100_000, 200_000, 42, null],
          [later, "new.model-v9:0", "us-east-1", null, "tokens", 7, 0, 0, 0, null, null]
        ])
        // Haiku: 1 x 0.25, 0.3 x 0.025, 0.1 x 0.3125, 0.2 x 1.25. Nova: 0.5 x 0.06. The others have no price, which is said.
        expect(yield* costs(acme, "aws_bedrock")).toEqual([
          [earlier, "amazon.nova-lite-v1:0", null, "0.03"],
          [later, haiku, null, "0.53875"]
        ])
        expect(priced).toMatchObject({ findings: { genai_missing_price: { status: "FAIL", rows: 2 } } })

        // The bill comes in two naming worlds; a line that names no model of the day stands alone.
        const line = { usage_date: later, payer_account_id: "1", linked_account_id: "1", currency: "USD" }
        yield* bill("cloud_aws_billing_raw_daily", [
          {
            ...line,
            product_name: "Claude 3 Haiku (Amazon Bedrock Edition)",
            service_code: "abc",
            unblended_cost: "0.5"
          },
          {
            ...line,
            product_name: "Claude 3 Haiku (Amazon Bedrock Edition)",
            service_code: "abc",
            unblended_cost: "0.03875"
          },
          {
            ...line,
            service_code: "AmazonBedrock",
            usage_type: "USE1-TitanEmbedding-input-tokens",
            unblended_cost: "0.1"
          },
          { ...line, service_code: "AmazonEC2", usage_type: "USE1-BoxUsage", unblended_cost: "99" }
        ])
        const [, again] = yield* done(acme, "genai/payg/aws_bedrock")
        expect(yield* compared(acme, "aws_bedrock")).toEqual([
          ["USE1-TitanEmbedding-input-tokens", "USD", "0.1", null, "0.1"],
          ["amazon.titan-old-v1", "USD", null, null, "0"],
          [haiku, "USD", "0.53875", "0.53875", "0"],
          ["new.model-v9:0", "USD", null, null, "0"]
        ])
        expect(again).toMatchObject({
          billed_against_computed: [{ currency: "USD", billed: "0.63875", computed: "0.56875", difference: "0.07" }]
        })
      })
  )

  it.effect(
    "Vertex: shared tokens by kind, new types of token as meters of their own; dedicated ones are left out",
    () =>
      Effect.gen(function* () {
        const { google } = yield* Clouds
        const prefix = "aiplatform.googleapis.com/publisher/online_serving"
        const put = (metric: string, labels: Readonly<Record<string, string>>, value: string) =>
          google.series.push({
            metric: `${prefix}/${metric}`,
            metricLabels: labels,
            resourceType: "aiplatform.googleapis.com/PublisherModel",
            resourceLabels: { model_user_id: "gemini-2.5-pro", location: "us-central1" },
            values: { [later]: value }
          })
        const shared = { request_type: "shared" }
        put("token_count", { ...shared, type: "input", modality: "TEXT" }, "1000000")
        put("token_count", { ...shared, type: "input", modality: "image" }, "20000")
        put("token_count", { ...shared, type: "output", modality: "text" }, "100000")
        put("token_count", { ...shared, type: "dream", modality: "text" }, "9")
        put("token_count", { request_type: "dedicated", type: "input", modality: "text" }, "777")
        put("model_invocation_count", shared, "42")
        yield* vertexCredential(acme, "vertex", { endpoint: google.endpoint })
        const [loaded, priced] = yield* done(acme, "genai/payg/gcp_vertex")
        const place = [later, "gemini-2.5-pro", "us-central1"]
        expect(yield* usage(acme, "gcp_vertex")).toEqual([
          [...place, null, "tokens", 1_000_000, 0, 0, 100_000, 42, null],
          [...place, "image", "tokens", 20_000, 0, 0, 0, null, null],
          [...place, null, "dream_tokens", null, null, null, null, null, "9"]
        ])
        expect(loaded).toMatchObject({ unknown_fields: ["token_count.type.dream"] })
        // 1 x 1.25 + 0.1 x 10; images like text, 0.02 x 1.25, which is said, and so is what has no price.
        expect(yield* costs(acme, "gcp_vertex")).toEqual([
          [later, "gemini-2.5-pro", null, "2.25"],
          [later, "gemini-2.5-pro", "image", "0.025"]
        ])
        expect(priced).toMatchObject({
          findings: {
            genai_text_price_for_media: { rows: 1 },
            genai_unpriced_meter: { rows: 1 },
            genai_context_not_told: { rows: 2 }
          }
        })
        const line = {
          billing_account_id: "B-1",
          usage_start_time: `${later}T01:00:00Z`,
          usage_end_time: `${later}T02:00:00Z`,
          service_description: "Vertex AI",
          currency: "USD"
        }
        yield* bill("cloud_gcp_billing_raw_daily", [
          { ...line, sku_description: "Gemini 2.5 Pro text input", cost: "1.3", credits_total: "-0.05" },
          { ...line, sku_description: "Gemini 2.5 Pro text output", cost: "1" },
          { ...line, service_description: "Compute Engine", sku_description: "Gemini 2.5 Pro", cost: "50" }
        ])
        yield* done(acme, "genai/payg/gcp_vertex")
        expect(yield* compared(acme, "gcp_vertex")).toEqual([["gemini-2.5-pro", "USD", "2.25", "2.275", "-0.025"]])
        expect(yield* query(globex, "SELECT COUNT(*) AS n FROM genai_payg_usage_raw")).toEqual([{ n: 0 }])
      })
  )
})
