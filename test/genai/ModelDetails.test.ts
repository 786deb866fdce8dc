import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { s3Server } from "../support/s3Server.ts"
import { acme, globex, layer, query, run, Server, stored } from "./support.ts"

const output = (ended: Effect.Effect.Success<ReturnType<typeof run>>, step: number) =>
  ended.steps[step]?.metadata["output"]

const details = {
  input_text_tokens: 0,
  input_audio_tokens: 0,
  input_image_tokens: 0,
  input_cached_text_tokens: 0,
  input_cached_audio_tokens: 0,
  input_cached_image_tokens: 0,
  output_text_tokens: 0,
  output_audio_tokens: 0,
  output_image_tokens: 0
}

withLayer(layer, { excludeTestServices: true })("what providers tell beyond tokens of text", (it) => {
  it.effect("OpenAI's audio and image tokens are rows of their own where they add up, and priced as such", () =>
    Effect.gen(function* () {
      const { put } = yield* Server
      const audio = "gpt-4o-audio-preview-2024-12-17"
      put("openai", "usage/completions", "2026-06-01", [
        // What was cached is among the figures by kind.
        {
          ...details,
          model: audio,
          num_model_requests: 4,
          input_tokens: 1000,
          input_cached_tokens: 300,
          input_text_tokens: 600,
          input_audio_tokens: 400,
          input_cached_text_tokens: 200,
          input_cached_audio_tokens: 100,
          output_tokens: 500,
          output_text_tokens: 100,
          output_audio_tokens: 400
        }
      ])
      put("openai", "usage/completions", "2026-06-02", [
        // What was cached is not.
        {
          ...details,
          model: audio,
          input_tokens: 1000,
          input_cached_tokens: 300,
          input_text_tokens: 400,
          input_image_tokens: 300,
          input_cached_text_tokens: 300,
          output_tokens: 50,
          output_text_tokens: 50
        },
        // The figures by kind are more than all.
        {
          ...details,
          model: "gpt-4o",
          input_tokens: 10,
          input_audio_tokens: 11,
          output_tokens: 1,
          output_text_tokens: 1
        }
      ])
      const ended = yield* run(acme, "genai/payg/openai", "2026-06-01", "2026-06-02")
      expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
      const rows = yield* query(
        acme,
        `SELECT usage_date, model, token_kind, input_tokens, cached_input_tokens, output_tokens, request_count, JSON_VALUE(details, '$.input_audio_tokens') AS told
        FROM genai_payg_usage_raw ORDER BY 1, 2, token_kind`
      )
      expect(rows.map((row) => Object.values(row))).toEqual([
        ["2026-06-01", audio, null, 600, 200, 100, 4, null],
        ["2026-06-01", audio, "audio", 400, 100, 400, null, null],
        ["2026-06-02", "gpt-4o", null, 10, 0, 1, null, "11"],
        ["2026-06-02", audio, null, 700, 300, 50, null, null],
        ["2026-06-02", audio, "image", 300, 0, 0, null, null]
      ])
      // Text 0.0004 x 2.5, 0.0002 x 1.25, 0.0001 x 10; audio 0.0003 x 40, 0.0001 x 20, 0.0004 x 80.
      expect(
        yield* query(
          acme,
          "SELECT token_kind AS kind, total_cost_usd AS total FROM genai_payg_costs_daily WHERE cost_date = '2026-06-01' ORDER BY 1"
        )
      ).toEqual([
        { kind: null, total: "0.00225" },
        { kind: "audio", total: "0.046" }
      ])
      expect(output(ended, 1)).toMatchObject({ findings: { genai_text_price_for_media: { rows: 2 } } })
    })
  )

  it.effect("the report on Claude Code: a row for each user and model, sessions once, cents as dollars", () =>
    Effect.gen(function* () {
      const { faults, journal, put } = yield* Server
      const day = "2026-06-01"
      const user = (email: string, change: Readonly<Record<string, unknown>>) => ({
        date: `${day}T00:00:00Z`,
        actor: { type: "user_actor", email_address: email },
        organization_id: "org-1",
        customer_type: "api",
        terminal_type: "vscode",
        core_metrics: { num_sessions: 3, lines_of_code: { added: 10, removed: 2 } },
        tool_actions: { edit_tool: { accepted: 5, rejected: 1 } },
        ...change
      })
      const model = (name: string, amount: string) => ({
        model: name,
        tokens: { input: 100, output: 35, cache_read: 1000, cache_creation: 50 },
        estimated_cost: { currency: "USD", amount }
      })
      put(
        "anthropic",
        "usage_report/claude_code",
        day,
        JSON.stringify([
          user("ada@acme.test", {
            model_breakdown: [model("claude-opus-4-6", "102.5"), model("claude-new", "0.0001")]
          }),
          user("idle@acme.test", { core_metrics: { num_sessions: 0 } }),
          user("", { actor: { type: "api_actor", api_key_name: "ci" }, core_metrics: null, model_breakdown: [] })
        ])
      )
      const rows = Effect.map(
        query(
          acme,
          `SELECT actor, actor_type, model, input_tokens, cache_creation_tokens, estimated_cost, currency, sessions,
            JSON_VALUE(details, '$.core_metrics.lines_of_code.added') AS added, x_genai_account_id AS account
          FROM genai_claude_code_daily ORDER BY actor, model`
        ),
        (found) => found.map((row) => Object.values(row))
      )
      const ended = yield* run(acme, "genai/payg/anthropic", day, "2026-06-02")
      expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
      const expected = [
        ["ada@acme.test", "user_actor", "claude-new", 100, 50, "0.000001", "USD", null, null, "org-1"],
        ["ada@acme.test", "user_actor", "claude-opus-4-6", 100, 50, "1.025", "USD", 3, "10", "org-1"],
        ["ci", "api_actor", null, null, null, null, null, null, null, "org-1"],
        ["idle@acme.test", "user_actor", null, null, null, null, null, 0, null, "org-1"]
      ]
      expect(yield* rows).toEqual(expected)
      // They are no usage and nobody's bill.
      expect(yield* query(acme, "SELECT COUNT(*) AS n FROM genai_payg_usage_raw WHERE provider = 'anthropic'")).toEqual(
        [{ n: 0 }]
      )

      // An organisation that may not read the report has its usage all the same, and is asked for no other day.
      const before = journal.length
      faults.push(({ url }, response) => {
        if (!url.pathname.endsWith("/claude_code")) return false
        response.writeHead(403).end('{"type":"error","error":{"type":"permission_error"}}')
        return "stays"
      })
      const denied = yield* run(acme, "genai/payg/anthropic", day, "2026-06-02")
      faults.length = 0
      expect([denied.run.status, output(denied, 0)]).toMatchObject([
        "COMPLETED",
        { findings: { genai_claude_code_unavailable: { status: "WARNING", rows: 1 } } }
      ])
      expect(journal.slice(before).filter(({ url }) => url.pathname.endsWith("/claude_code"))).toHaveLength(1)
      expect(yield* rows).toEqual(expected)
    })
  )

  it.scoped("exports of DeepSeek and answers of Monitoring are read from a bucket", () =>
    Effect.gen(function* () {
      const { endpoint, put } = yield* s3Server("model-exports")
      const day = "2026-08-03"
      yield* put(
        "deepseek/amount-2026-8.csv",
        `user_id,utc_date,model,api_key_name,api_key,type,price,amount\nu1,${day},deepseek-chat,ci,sk-1,output_tokens,0.00000168,1000\n`
      )
      yield* put(
        "deepseek/cost-2026-8.csv",
        `user_id,utc_date,model,wallet_type,cost,currency\nu1,${day},deepseek-chat,Paid,0.00168,USD\n`
      )
      yield* put("elsewhere/cost-2026-8.csv", "user_id\nthis is not to be read\n")
      yield* put(
        "gemini/output.json",
        JSON.stringify({
          timeSeries: [
            {
              metric: {
                type: "generativelanguage.googleapis.com/generate_content_usage_output_token_count",
                labels: { model: "gemini-2.5-pro" }
              },
              points: [
                {
                  interval: { startTime: `${day}T00:00:00Z`, endTime: "2026-08-04T00:00:00Z" },
                  value: { int64Value: "880" }
                }
              ]
            }
          ]
        })
      )
      const secret = { access_key_id: "a", secret_access_key: "b" }
      const at = (prefix: string) => ({ path: `s3://model-exports/${prefix}`, endpoint })
      yield* stored(globex, "DEEPSEEK_FILES", { metadata: at("deepseek"), secret })
      yield* stored(globex, "GEMINI_FILES", { metadata: at("gemini"), secret })
      for (const pipeline of ["genai/payg/deepseek", "genai/payg/gemini"]) {
        const ended = yield* run(globex, pipeline, day)
        expect([pipeline, ended.run.status, ended.run.errorMessage]).toEqual([pipeline, "COMPLETED", null])
      }
      expect(
        yield* query(
          globex,
          "SELECT provider, model, usage_date AS day, output_tokens AS output FROM genai_payg_usage_raw ORDER BY 1"
        )
      ).toEqual([
        { provider: "deepseek", model: "deepseek-chat", day, output: 1000 },
        { provider: "gemini", model: "gemini-2.5-pro", day, output: 880 }
      ])
      expect(yield* query(globex, "SELECT amount FROM genai_payg_billed_raw")).toEqual([{ amount: "0.00168" }])
      yield* stored(globex, "DEEPSEEK_FILES", { metadata: at("deepseek"), secret: {} })
      const keyless = yield* run(globex, "genai/payg/deepseek", day)
      expect(keyless.steps[0]?.errorContext).toMatchObject({
        error_code: "CREDENTIAL_INCOMPLETE",
        error_type: "PERMANENT"
      })
    })
  )
})
