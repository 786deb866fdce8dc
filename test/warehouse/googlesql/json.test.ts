/**
 * JSON values keep BigQuery's canonical text, whichever way the text is read.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { errorOf, rowOf } from "./fixture.ts"

const textOf = (expression: string, source: string) =>
  Effect.map(
    rowOf(`SELECT ${expression} FROM (SELECT @source AS source)`, { source: { type: "STRING", value: source } }),
    ([text]) => text
  )

const parsed = (source: string) => textOf("TO_JSON_STRING(PARSE_JSON(source))", source)

describe("PARSE_JSON", () => {
  it.effect.each([
    ["in order", '{"a":"1","b":"2"}', '{"a":"1","b":"2"}'],
    ["out of order", '{"user_env":"dev","cost_center":"cc-14"}', '{"cost_center":"cc-14","user_env":"dev"}'],
    ["empty", "{}", "{}"],
    ["of one text", '{"edp_discount":"-0.2304"}', '{"edp_discount":"-0.2304"}'],
    ["of one text with an escape", '{"a":"b\\"c"}', '{"a":"b\\"c"}'],
    ["of one text with other letters", '{"a":"\\u00fc"}', '{"a":"ü"}'],
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

describe("a text in JSON", () => {
  const texts = [
    "arn:aws:ec2:eu-west-1:111122223333:reserved-instances/4a",
    'a "quote", a \\ and a /',
    "ü € 😀 \u2028",
    Array.from({ length: 32 }, (_, code) => String.fromCharCode(code || 32)).join(""),
    "\u007f"
  ]
  it.effect.each(texts)("%j of a column and of an expression", (text) =>
    Effect.gen(function* () {
      const expected = JSON.stringify(text).replaceAll("\u007f", "\\u007f")
      expect(yield* textOf("TO_JSON_STRING(source)", text)).toBe(expected)
      expect(yield* textOf("TO_JSON_STRING(IF(source IS NULL, 'none', source))", text)).toBe(expected)
      expect(yield* textOf("TO_JSON_STRING(TO_JSON(STRUCT([STRUCT(source AS a)] AS b)))", text)).toBe(
        `{"b":[{"a":${expected}}]}`
      )
    })
  )

  it.effect("is null where there is none", () =>
    Effect.map(
      rowOf("SELECT TO_JSON_STRING(a), TO_JSON_STRING(CONCAT(a, '')) FROM (SELECT CAST(NULL AS STRING) AS a)"),
      (row) => expect(row).toEqual(["null", "null"])
    )
  )
})

describe("a number in JSON", () => {
  it.effect.each([
    ["1e-7", "1e-07"],
    ["0.0001", "0.0001"],
    ["1.5e-5", "1.5e-05"],
    ["100.0", "100.0"],
    ["1e2", "100.0"],
    ["1e15", "1e+15"],
    ["12345678901234567890", "12345678901234567890"],
    ["-0.0", "-0.0"]
  ] as const)("%s is kept as %s", ([source, expected]) =>
    Effect.gen(function* () {
      expect(yield* parsed(source)).toBe(expected)
      expect(yield* textOf("JSON_VALUE(PARSE_JSON(source), '$')", source)).toBe(expected)
    })
  )

  it.effect("has the shortest digits of a FLOAT64, of which a text has 15 or 17", () =>
    Effect.map(
      rowOf("SELECT CAST(x AS STRING), TO_JSON_STRING(x), TO_JSON_STRING(TO_JSON(x)) FROM UNNEST([0.7 + 0.1]) AS x"),
      (row) => expect(row).toEqual(["0.79999999999999993", "0.79999999999999993", "0.7999999999999999"])
    )
  )
})

describe("a decimal in TO_JSON", () => {
  it.effect.each([
    ["0", "0"],
    ["-0.5", "-0.5"],
    ["120.00", "120"],
    ["12345678901234", "12345678901234"],
    ["12345678901.2345", "12345678901.2345"],
    ["1234567890123.456", "1234567890123.456"],
    ["0.123456789012345678", "0.12345678901234568"],
    ["0.0001", "0.0001"],
    ["10.00001", "10.00001"],
    ["0.00001", "1e-05"],
    ["-0.000000000000123456", "-1.23456e-13"],
    ["-12345678901234.5", "-12345678901234.5"]
  ] as const)("%s is %s", ([decimal, expected]) =>
    Effect.map(rowOf(`SELECT TO_JSON_STRING(TO_JSON(BIGNUMERIC '${decimal}'))`), ([text]) =>
      expect(text).toBe(expected)
    )
  )
})
