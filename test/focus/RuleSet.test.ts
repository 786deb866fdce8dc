import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { load } from "js-yaml"
import { derive } from "../support/focusModel.ts"
import { ruleSet } from "../support/FocusTables.ts"

const spec = "../shared/spec"
const committed = (file: string) => load(readFileSync(join("configs/focus/1.3", file), "utf8"))
const Rule = Schema.Struct({ id: Schema.String }, { key: Schema.String, value: Schema.Unknown })
const Rules = Schema.Struct({ CostAndUsage: Schema.Array(Rule), ContractCommitment: Schema.Array(Rule) })
const rulesOf = Schema.decodeUnknownSync(Rules)
const notEvaluatedOf = Schema.decodeUnknownSync(
  Schema.Record({ key: Schema.String, value: Schema.Array(Schema.String) })
)
const additionalOf = Schema.decodeUnknownSync(
  Schema.Struct({
    CostAndUsage: Schema.Array(Schema.Struct({ id: Schema.String, severity: Schema.String })),
    notEvaluated: Schema.Array(Schema.String)
  })
)

it.effect("the rule data of FOCUS 1.3 can be read", () =>
  Effect.gen(function* () {
    const rules = yield* ruleSet
    expect(rules.columns.CostAndUsage).toHaveLength(65)
    expect(rules.columns.ContractCommitment).toHaveLength(13)
    expect(rules.overridden).toHaveLength(35)
    expect(Object.keys(rules.lists["serviceSubcategories"] ?? {})).toHaveLength(19)
  })
)

const isAbsent = !existsSync(spec) && process.env["CI"] !== "true"

if (isAbsent) it.skip("the published model cannot be compared: it lies beside the project, in ../shared/spec", () => {})
else
  describe("against the published model", () => {
    const model = JSON.parse(readFileSync(join(spec, "focus-model-1.3.json"), "utf8"))
    const corrections = JSON.parse(readFileSync(join(spec, "focus-model-overrides.json"), "utf8"))
    const derived = derive(spec)

    it("is the model that the corrections were written for", () => {
      const hash = createHash("sha256")
        .update(readFileSync(join(spec, "focus-model-1.3.json")))
        .digest("hex")
      expect(hash).toBe(corrections.modelSha256)
    })

    it.each(["CostAndUsage", "ContractCommitment"] as const)(
      "%s: every decidable rule stands in the data as the model means it",
      (dataset) => {
        const rules = rulesOf(committed("rules.yml"))[dataset]
        expect(rules.map(({ id }) => id)).toEqual(derived.rules[dataset]?.map(({ id }) => id))
        for (const [index, rule] of rules.entries()) expect(rule, rule.id).toEqual(derived.rules[dataset]?.[index])
      }
    )

    it("every other rule of the model is listed with the reason why it is not evaluated", () => {
      const { overridden, ...notEvaluated } = notEvaluatedOf(committed("not-evaluated.yml"))
      expect(notEvaluated).toEqual(derived.notEvaluated)
      expect(overridden).toEqual(corrections.overrides.map(({ id }: { id: string }) => id).sort())
      const rules = rulesOf(committed("rules.yml"))
      const all = [...rules.CostAndUsage, ...rules.ContractCommitment].map(({ id }) => id)
      expect([...all, ...Object.values(notEvaluated).flat()].sort()).toEqual(Object.keys(model.ModelRules).sort())
    })

    it("columns and closed lists are those of the specification", () => {
      expect(committed("columns.yml")).toEqual(derived.columns)
      expect(committed("lists.yml")).toEqual(derived.lists)
    })

    it("every additional check is a rule of the same severity, or named as not evaluated", () => {
      const additional = additionalOf(committed("additional.yml"))
      for (const { id, level } of corrections.additionalChecks) {
        const own = additional.CostAndUsage.filter((rule) => rule.id === id)
        expect(
          [...own.map(({ severity }) => severity), ...(additional.notEvaluated.includes(id) ? [level] : [])],
          id
        ).toContain(level)
      }
    })
  })
