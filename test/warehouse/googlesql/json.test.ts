/**
 * JSON values keep BigQuery's canonical text, whichever way the text is read.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { errorOf, rowOf } from "./fixture.ts"

const parsed = (source: string) =>
  Effect.map(
    rowOf("SELECT TO_JSON_STRING(PARSE_JSON(@source))", { source: { type: "STRING", value: source } }),
    ([text]) => text
  )

describe("PARSE_JSON", () => {
  it.effect.each([
    ["in order", '{"a":"1","b":"2"}', '{"a":"1","b":"2"}'],
    ["out of order", '{"user_env":"dev","cost_center":"cc-14"}', '{"cost_center":"cc-14","user_env":"dev"}'],
    ["empty", "{}", "{}"],
    ["with spaces", '{ "b" : "2", "a":"1" }', '{"a":"1","b":"2"}'],
    ["with a key twice, of which the first counts", '{"b":"1","a":"2","b":"3"}', '{"a":"2","b":"1"}'],
    ["with an escape", '{"a":"\\u0041"}', '{"a":"A"}'],
    ["with other letters", '{"b":"é","a":"ü"}', '{"a":"ü","b":"é"}'],
    ["with what is no text", '{"b":1.50,"a":[null,true]}', '{"a":[null,true],"b":1.5}']
  ] as const)("an object %s", ([, source, expected]) =>
    Effect.map(parsed(source), (text) => expect(text).toBe(expected))
  )

  it.effect.each(['{"a":"b",}', '{"a":"b""c":"d"}', '{"a"}', '{"a":"b"'])("refuses %s", (source) =>
    Effect.map(errorOf(`SELECT PARSE_JSON('${source}')`), (error) => expect(error.message).toContain("Invalid input"))
  )
})
