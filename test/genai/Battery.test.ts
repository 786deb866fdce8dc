/**
 * One battery for every GenAI pipeline against its counterparty: throttling, failures, cut connections and restarts in the middle change no
 * cell; a wrong key is one call; a day that is asked again replaces itself alone; accounts and organisations are kept apart.
 */
import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { disturbanceNames } from "../support/faults.ts"
import { Battery, derived, phaseSeconds } from "./battery.ts"
import { cases } from "./batteryCases.ts"

/** Owners of rows: each pipeline, the accelerators on the bill, and what is made of all. */
const owners = [...cases.map(({ owner }) => owner), "genai_infrastructure_gcp_gpu", "all"]

/** The test that asks for a phase first waits for it, and for the undisturbed one. */
const patience = 2 * phaseSeconds * 1000

withLayer(Battery.layer, { excludeTestServices: true })("the battery", (it) => {
  it.effect.each(owners)(
    "%s: there are rows to compare",
    (owner) =>
      Effect.gen(function* () {
        const { rows } = yield* (yield* Battery).undisturbed
        const tables = Object.entries(rows[owner] ?? {})
        expect(tables.length).toBeGreaterThanOrEqual(owner === "all" ? 4 : 2)
        for (const [table, found] of tables) expect([table, found.length]).not.toEqual([table, 0])
      }),
    patience
  )

  it.effect.each(owners)(
    "%s: with every call disturbed once, the same rows",
    (owner) =>
      Effect.gen(function* () {
        const { disturbed, undisturbed } = yield* Battery
        expect((yield* disturbed).rows[owner]).toEqual((yield* undisturbed).rows[owner])
      }),
    patience
  )

  it.effect.each(cases)(
    "$pipeline: was throttled, failed and cut",
    ({ pipeline }) =>
      Effect.gen(function* () {
        const { disturbed } = yield* Battery
        expect([...new Set((yield* disturbed).seen[pipeline])].sort()).toEqual([...disturbanceNames].sort())
      }),
    patience
  )

  it.effect.each(owners)(
    "%s: after a restart between its pages, the same rows",
    (owner) =>
      Effect.gen(function* () {
        const { betweenPages, undisturbed } = yield* Battery
        expect((yield* betweenPages)[owner]).toEqual((yield* undisturbed).rows[owner])
      }),
    patience
  )

  it.effect.each(owners)(
    "%s: after a restart when its rows were loaded and nobody knew, the same rows",
    (owner) =>
      Effect.gen(function* () {
        const { afterLoad, undisturbed } = yield* Battery
        expect((yield* afterLoad)[owner]).toEqual((yield* undisturbed).rows[owner])
      }),
    patience
  )

  it.effect.each(cases)(
    "$pipeline: a wrong key is one call and one clear error",
    ({ pipeline, refused }) =>
      Effect.gen(function* () {
        const found = (yield* (yield* Battery).refusals)[pipeline]
        expect(found).toMatchObject({ status: "FAILED", calls: 1, attempts: 1, errorType: "PERMANENT" })
        expect(found?.message).toMatch(refused)
        expect(found?.advice).not.toBe("")
        expect(found?.everything).not.toMatch(
          /never show this|do not show this|PRIVATE KEY|sk-wrong|sk-ant-wrong|somebody-elses/
        )
      }),
    patience
  )

  it.effect.each(cases)(
    "$pipeline: a day with other numbers replaces itself, of its account alone",
    ({ pipeline }) =>
      Effect.gen(function* () {
        const { restatements, undisturbed } = yield* Battery
        const { after, before } = yield* restatements
        const [then, now] = [before[pipeline], after[pipeline]]
        const owner = cases.find((each) => each.pipeline === pipeline)?.owner ?? ""
        expect(now?.first).toEqual(then?.first)
        expect(now?.earlier).toEqual(then?.earlier)
        expect(now?.others).toEqual(then?.others)
        expect(now?.later).not.toEqual(then?.later)
        const counts = (rows: Readonly<Record<string, ReadonlyArray<string>>> | undefined) =>
          Object.entries(rows ?? {}).map(([table, found]) => [table, found.length])
        expect(counts(now?.later)).toEqual(counts(then?.later))
        expect(counts(now?.others)).not.toEqual([])
        // What was there before the others came is there still.
        const { rows } = yield* undisturbed
        for (const [table, found] of Object.entries(now?.first ?? {})) {
          expect([table, rows[owner]?.[table]]).toEqual([table, found])
        }
      }),
    patience
  )

  it.effect(
    "what is derived is derived of all of them",
    () =>
      Effect.gen(function* () {
        const { outputs, rows } = yield* (yield* Battery).undisturbed
        expect(derived).toHaveLength(3)
        expect(outputs["genai/payg/openai"]?.[0]).toMatchObject({ unknown_fields: ["completions.dream_tokens"] })
        const providers = (rows["all"]?.["genai_costs_daily_unified"] ?? []).map((row) => JSON.parse(row)["provider"])
        expect([...new Set(providers)].sort()).toEqual([
          "anthropic",
          "aws_bedrock",
          "azure_openai",
          "deepseek",
          "gcp_gpu",
          "gcp_vertex",
          "gemini",
          "openai"
        ])
      }),
    patience
  )
})
