import { expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { cut } from "../../src/sources/genai/PageText.ts"

const json = FastCheck.jsonValue({ maxDepth: 4 })

it("a page cut into its buckets is the same page", () => {
  FastCheck.assert(
    FastCheck.property(
      FastCheck.array(json),
      FastCheck.dictionary(FastCheck.string(), json),
      FastCheck.dictionary(FastCheck.string(), json),
      FastCheck.nat(3),
      (data, before, after, indent) => {
        const page = { ...before, data, ...Object.fromEntries(Object.entries(after).filter(([key]) => key !== "data")) }
        const { elements, rest } = cut(JSON.stringify(page, null, indent))
        expect(elements.map((element) => JSON.parse(element))).toEqual(JSON.parse(JSON.stringify(data)))
        expect(JSON.parse(rest)).toEqual(JSON.parse(JSON.stringify({ ...page, data: [] })))
      }
    )
  )
})

it("what is no page stays what it is", () => {
  for (const text of [
    "",
    "<html>",
    "[1,2]",
    '{"data":"[1,2]"}',
    '{"results":[{"data":[1]}]}',
    '{"x":"data","y":[1]}'
  ]) {
    expect(cut(text)).toEqual({ elements: [], rest: text })
  }
  for (const broken of ['{"data":[1,]}', '{"data":[1', '{"data":[{"a":"b}]}', '{"data":[1]']) {
    const { elements, rest } = cut(broken)
    expect(() => [...elements, rest].map((text) => JSON.parse(text))).toThrow()
  }
})
