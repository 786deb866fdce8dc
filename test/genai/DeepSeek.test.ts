import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { strToU8, zipSync } from "fflate"
import { deepSeekKey, deepSeekServer } from "../support/deepSeekServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { acme, globex, isAbsent, layer, query, run, sample, stored } from "./support.ts"

const pipeline = "genai/payg/deepseek"
const output = (ended: Effect.Effect.Success<ReturnType<typeof run>>, step: number) =>
  ended.steps[step]?.metadata["output"]

const comparison = query(
  acme,
  "SELECT compare_date AS day, model, currency, billed, computed, difference FROM genai_payg_comparison_daily WHERE provider = 'deepseek' ORDER BY 1, 2, 3"
)
const counts = query(
  acme,
  `SELECT usage_date AS day, model, x_genai_api_key_id AS api_key, input_tokens AS input, cached_input_tokens AS cached, output_tokens AS output,
    request_count AS requests, exported_cost AS cost, exported_currency AS currency, x_ingestion_id AS id
  FROM genai_payg_usage_raw WHERE provider = 'deepseek' ORDER BY 1, 2, 3`
)

withLayer(layer, { excludeTestServices: true })("DeepSeek's console export", (it) => {
  it.scoped.skipIf(isAbsent)("becomes usage and bill in the account's currency, exact, however it is packed", () =>
    Effect.gen(function* () {
      const folder = join(yield* temporaryFolder, "deepseek")
      mkdirSync(folder)
      const files = {
        "cost-2026-5.csv": sample("deepseek/cost-2026-5.csv"),
        "amount-2026-5.csv": sample("deepseek/amount-2026-5.csv")
      }
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
      yield* stored(acme, "DEEPSEEK_FILES", { metadata: { path: folder } })
      const first = yield* run(acme, pipeline, "2026-05-01", "2026-05-31")
      expect([first.run.status, first.run.errorMessage]).toEqual(["COMPLETED", null])
      expect(output(first, 0)).toMatchObject({ unknown_fields: [], quarantined: 0, findings: {} })
      const rows = yield* counts
      expect(rows.map((row) => Object.values(row).slice(0, -1))).toEqual([
        ["2026-05-11", "deepseek-chat", "sk-test****0001", 24_070, 4070, 10_000, 12, "0.122035", "CNY"],
        ["2026-05-12", "deepseek-chat", "sk-test****0002", 0, 0, 750, 1, "0.006", "CNY"],
        ["2026-05-12", "deepseek-reasoner", "sk-test****0002", 12_000, 0, 87_600, 40, "1.4496", "CNY"]
      ])
      // Yuan beside yuan; dollars of the price list are not compared with them.
      const compared = [
        ["2026-05-11", "deepseek-chat", "CNY", "0.122035", "0.122035", "0"],
        ["2026-05-12", "deepseek-chat", "CNY", "0.006", "0.006", "0"],
        ["2026-05-12", "deepseek-reasoner", "CNY", "1.4496", "1.4496", "0"]
      ]
      expect((yield* comparison).map((row) => Object.values(row))).toEqual(compared)
      expect(output(first, 1)).toMatchObject({
        billed_against_computed: [{ currency: "CNY", billed: "1.577635", computed: "1.577635", difference: "0" }]
      })

      const converted = yield* run(acme, "genai/unified/consolidate", "2026-05-01", "2026-05-31")
      expect([converted.run.status, converted.run.errorMessage]).toEqual(["COMPLETED", null])
      expect(output(converted, 2)).toMatchObject({
        reconciliation: expect.arrayContaining([
          expect.objectContaining({ currency: "CNY", nativeBilled: "1.577635", difference: "0" })
        ])
      })
      expect(output(converted, 3)).toMatchObject({ conformance: { rows: 3, violated: [] } })
      expect(
        yield* query(
          acme,
          "SELECT BillingCurrency AS currency, ServiceName AS service, BillingAccountId AS account, SUM(BilledCost) AS billed FROM cost_data_standard_1_3 GROUP BY 1, 2, 3"
        )
      ).toEqual([
        {
          currency: "CNY",
          service: "DeepSeek API",
          account: "11111111-2222-4333-8444-555555555555",
          billed: "1.577635"
        }
      ])

      // The same files in the console's ZIP, and beside it: counted once, nothing is written.
      const zip = zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)])))
      writeFileSync(join(folder, "usage_data_2026_5.zip"), zip)
      const again = yield* run(acme, pipeline, "2026-05-01", "2026-05-31")
      expect(output(again, 0)).toMatchObject({
        credentials: [{ months: [{ outcome: "unchanged" }, { outcome: "unchanged" }] }]
      })
      expect(yield* counts).toEqual(rows)

      // A month that is gone from the folder stays; another export of the same month is refused, and loses nothing.
      for (const name of Object.keys(files)) rmSync(join(folder, name))
      rmSync(join(folder, "usage_data_2026_5.zip"))
      const header = files["cost-2026-5.csv"].split("\n")[0]
      writeFileSync(join(folder, "cost-2026-6.csv"), `${header}\nu,2026-06-01,deepseek-chat,Paid,1,CNY\n`)
      const gone = yield* run(acme, pipeline, "2026-05-01", "2026-05-31")
      expect(output(gone, 0)).toMatchObject({ findings: { genai_month_not_exported: { rows: 1 } } })
      expect(yield* counts).toEqual(rows)
      writeFileSync(join(folder, "cost-copy.csv"), `${header}\nu,2026-06-01,deepseek-chat,Paid,2,CNY\n`)
      const refused = yield* run(acme, pipeline, "2026-06-01", "2026-06-30")
      expect([refused.run.status, refused.steps[0]?.errorContext]).toMatchObject([
        "FAILED",
        { error_code: "DEEPSEEK_EXPORTS_OVERLAP", error_type: "PERMANENT" }
      ])
      expect(yield* query(acme, "SELECT amount FROM genai_payg_billed_raw WHERE cost_date = '2026-06-01'")).toEqual([
        { amount: "1" }
      ])
      // A file of the month without rows empties it.
      rmSync(join(folder, "cost-copy.csv"))
      writeFileSync(join(folder, "cost-2026-6.csv"), `${header}\n`)
      yield* run(acme, pipeline, "2026-06-01", "2026-06-30")
      expect(yield* query(acme, "SELECT amount FROM genai_payg_billed_raw WHERE cost_date = '2026-06-01'")).toEqual([])
    })
  )

  it.scoped("the newer layout, unknown columns and types, and what does not add up are read and reported", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      writeFileSync(
        join(folder, "amount-2026-8.csv"),
        [
          "\uFEFFuser_id,start_time_iso,end_time_iso,model,api_key_name,api_key,type,price,amount,cluster",
          "u1,2026-08-03T00:00:00+00:00,2026-08-04T00:00:00+00:00,deepseek-v4-pro,ci,sk-1,input_cache_miss_tokens,4.35E-7,1000000,a",
          "u1,2026-08-03T00:00:00+00:00,2026-08-04T00:00:00+00:00,deepseek-v4-pro,ci,sk-1,output_tokens,0.00000087,500000,a",
          "u1,2026-08-04T08:00:00+08:00,2026-08-04T09:00:00+08:00,deepseek-v4-pro,ci,sk-1,dream_tokens,0.000001,7,a",
          "u1,2026-08-05T00:00:00+08:00,2026-08-06T00:00:00+08:00,deepseek-v4-pro,ci,sk-1,output_tokens,0.00000087,1000,a"
        ].join("\r\n")
      )
      writeFileSync(
        join(folder, "cost-2026-8.csv"),
        "user_id,utc_date,model,wallet_type,cost,currency\nu1,20260803,deepseek-v4-pro,Paid,0.8700000000000001,usd\nu1,20260805,deepseek-v4-pro,Granted,0.00087,USD\n"
      )
      yield* stored(globex, "DEEPSEEK_FILES", { metadata: { path: folder } })
      const ended = yield* run(globex, pipeline, "2026-08-01", "2026-08-31")
      expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
      expect(output(ended, 0)).toMatchObject({
        unknown_fields: ["amount.cluster", "amount.type.dream_tokens"],
        findings: {
          genai_unknown_field: { status: "WARNING", rows: 2 },
          genai_day_boundary: { rows: 1 },
          genai_bill_mismatch: {
            rows: 2,
            examples: [
              "deepseek deepseek-v4-pro on 2026-08-03: price x amount is 0.87, billed 8.700000000000001e-1 USD",
              "deepseek deepseek-v4-pro on 2026-08-04: price x amount is 0.000007, billed 0"
            ]
          }
        }
      })
      // Dollars are compared with the price list: 1 x 0.435 + 0.5 x 0.87, and 1000 tokens of output.
      expect(
        (yield* query(
          globex,
          "SELECT compare_date AS day, currency, billed, computed, unpriced_rows AS unpriced FROM genai_payg_comparison_daily ORDER BY 1, 2"
        )).map((row) => Object.values(row))
      ).toEqual([
        ["2026-08-03", "USD", "0.8700000000000001", "0.87", 0],
        ["2026-08-04", "USD", null, null, 1],
        ["2026-08-05", "USD", "0.00087", "0.00087", 0]
      ])
      const bad: ReadonlyArray<readonly [name: string, content: string | Uint8Array, says: string]> = [
        ["amount-x.csv", "user_id,utc_date,model\nu,2026-08-01,m\n", "it has no column type, price, amount"],
        ["cost-x.csv", "utc_date,model,cost,currency\n2026-02-30,m,1,CNY\n", "line 2 has no day that can be read"],
        ["cost-x.csv", "utc_date,model,cost,currency\n2026-08-01,m,lots,CNY\n", "line 2 has no cost with a currency"],
        ["amount-x.csv", "utc_date,model,type,price,amount\n2026-08-01,m,output_tokens,1,-4\n", "line 2 has no amount"],
        ["usage.zip", strToU8("PK no zip"), "it is no ZIP file"]
      ]
      for (const [name, content, says] of bad) {
        writeFileSync(join(folder, name), content)
        const failed = yield* run(globex, pipeline, "2026-08-01", "2026-08-31")
        expect([failed.run.status, failed.run.errorMessage]).toEqual(["FAILED", expect.stringContaining(says)])
        rmSync(join(folder, name))
      }
      expect(yield* query(globex, "SELECT SUM(amount) AS amount FROM genai_payg_billed_raw")).toEqual([
        { amount: "0.8708700000000001" }
      ])
    })
  )

  it.scoped("a plain key tells its balance, and fails with what is needed for usage", () =>
    Effect.gen(function* () {
      const { endpoint, journal, state } = yield* deepSeekServer
      const put = (secret: string) =>
        stored(globex, "DEEPSEEK", { credentialId: "key", secret: { api_key: secret }, metadata: { endpoint } })
      yield* put(deepSeekKey)
      const named = (credentialId: string) => run(globex, pipeline, "2026-08-01", "2026-08-01", credentialId)
      const refused = yield* named("key")
      expect([refused.run.status, refused.steps[0]?.errorContext]).toMatchObject([
        "FAILED",
        { error_code: "PROVIDER_USAGE_UNAVAILABLE", error_type: "PERMANENT" }
      ])
      expect(JSON.stringify(refused.steps[0])).toContain("usage_data_*.zip")
      state.total = "84.12"
      yield* named("key")
      expect(yield* query(globex, "SELECT currency, total_balance AS total FROM genai_payg_balance_raw")).toEqual([
        { currency: "CNY", total: "84.12" }
      ])
      const before = journal.length
      yield* put("sk-wrong")
      const wrong = yield* named("key")
      expect(wrong.steps[0]?.errorContext).toMatchObject({
        error_code: "DEEPSEEK_TOKEN_REFUSED",
        error_type: "PERMANENT"
      })
      expect(JSON.stringify(wrong)).not.toMatch(/never show this|sk-wrong/)
      expect(journal.length - before).toBe(1)
    })
  )
})
