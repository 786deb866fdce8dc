/**
 * The OpenAPI document: sound by itself, and no operation of it can be brought out of its shape by parameters that nobody foresaw.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as FastCheck from "fast-check"
import * as World from "../support/HttpWorld.ts"

const Parameter = Schema.Struct({ name: Schema.String, in: Schema.String, required: Schema.Boolean })
const Operation = Schema.Struct({
  operationId: Schema.String,
  tags: Schema.Array(Schema.String),
  parameters: Schema.Array(Parameter),
  requestBody: Schema.optional(Schema.Struct({ required: Schema.Boolean, content: Schema.Unknown })),
  security: Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Array(Schema.String) })),
  responses: Schema.Record({
    key: Schema.String.pipe(Schema.pattern(/^[1-5]\d\d$/)),
    value: Schema.Struct({ description: Schema.NonEmptyString, content: Schema.optional(Schema.Unknown) })
  })
})
const Document = Schema.Struct({
  openapi: Schema.String.pipe(Schema.pattern(/^3\.1\.\d+$/)),
  info: Schema.Struct({ title: Schema.NonEmptyString, version: Schema.NonEmptyString }),
  paths: Schema.Record({
    key: Schema.String.pipe(Schema.startsWith("/")),
    value: Schema.Record({ key: Schema.String, value: Operation })
  }),
  components: Schema.Struct({
    schemas: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
    securitySchemes: Schema.Record({ key: Schema.String, value: Schema.Unknown })
  }),
  tags: Schema.Array(Schema.Struct({ name: Schema.String }))
})

const fetched = Effect.map(World.call("GET", "/openapi.json"), (answer) => ({
  text: answer.text,
  document: Schema.decodeUnknownSync(Document)(answer.json)
}))

const operationsOf = (document: typeof Document.Type) =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation }))
  )

/** An absent body is `{}` to the others. */
const needsBody: ReadonlySet<string> = new Set(["POST /api/v1/subscriptions/{org}/plans"])

layer(World.layer(), { excludeTestServices: true })("the OpenAPI document", (it) => {
  it.effect("is sound: parameters, references, ids, tags and security fit together", () =>
    Effect.gen(function* () {
      const { document, text } = yield* fetched
      const operations = operationsOf(document)
      const ids = operations.map(({ operation }) => operation.operationId)
      expect(new Set(ids).size).toBe(ids.length)
      const schemes = Object.keys(document.components.securitySchemes)
      const tags = document.tags.map(({ name }) => name)
      for (const { method, operation, path } of operations) {
        const label = `${method} ${path}`
        const inPath = operation.parameters.filter((each) => each.in === "path")
        expect(inPath.map(({ name }) => `{${name}}`).sort(), label).toEqual((path.match(/\{\w+\}/g) ?? []).sort())
        expect(
          inPath.every(({ required }) => required),
          label
        ).toBe(true)
        const names = operation.parameters.map((each) => `${each.in} ${each.name}`)
        expect(new Set(names).size, label).toBe(names.length)
        expect(
          operation.parameters.filter((each) => each.in === "query" && each.required),
          label
        ).toEqual([])
        expect(tags, label).toEqual(expect.arrayContaining([...operation.tags]))
        for (const scheme of operation.security.flatMap((each) => Object.keys(each))) {
          expect(schemes, label).toContain(scheme)
        }
        expect(operation.requestBody?.required ?? false, label).toBe(needsBody.has(label))
        expect(
          Object.keys(operation.responses).some((status) => status.startsWith("2")),
          label
        ).toBe(true)
        if (path.startsWith("/api/")) {
          expect(Object.keys(operation.responses), label).toEqual(
            expect.arrayContaining(["400", "401", "403", "429", "500", "503"])
          )
        }
      }
      const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name)
      expect(references.length).toBeGreaterThan(10)
      for (const name of references) expect(Object.keys(document.components.schemas)).toContain(name)
    })
  )

  it.effect("describes the failed answers as they are sent", () =>
    Effect.gen(function* () {
      const { document } = yield* fetched
      expect(Object(document.components.schemas["Error"])).toMatchObject({
        type: "object",
        required: ["detail", "error_code", "request_id"]
      })
      expect(JSON.stringify(document)).not.toMatch(/"_tag"|HttpApiDecodeError/)
      for (const { operation } of operationsOf(document)) {
        for (const [status, response] of Object.entries(operation.responses)) {
          const schema = Object(response.content)["application/json"]?.schema
          if (status >= "400" && !operation.operationId.startsWith("service.")) {
            expect(schema, `${operation.operationId} ${status}`).toEqual({ $ref: "#/components/schemas/Error" })
          }
        }
      }
    })
  )

  it.effect("holds whatever is sent: no 5xx, no empty answer, no undeclared status", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const { document } = yield* fetched
      const hostile = FastCheck.oneof(
        FastCheck.string({ unit: "binary", maxLength: 40 }),
        FastCheck.constantFrom(
          "",
          "'",
          "%",
          "\0",
          "-1",
          "1e9",
          "NaN",
          "null",
          "[]",
          "2026-02-30",
          "0x10",
          "true",
          "../..",
          "acme_corp"
        ),
        FastCheck.string({ minLength: 90, maxLength: 300 })
      )
      const body = FastCheck.oneof(
        FastCheck.json(),
        FastCheck.constantFrom("", "{", "null", "[]", '{"date":5}', '{"__proto__":{"a":1}}')
      )
      const methods = operationsOf(document).filter(
        ({ operation }) => operation.operationId !== "pipelines.orgRunEventsLive"
      )
      for (const { method, operation, path } of methods) {
        const cases = FastCheck.sample(
          FastCheck.tuple(FastCheck.array(hostile, { minLength: 9, maxLength: 9 }), body),
          12
        )
        for (const [index, [values, text]] of cases.entries()) {
          const next = (
            (rest) => () =>
              rest.pop() ?? "x"
          )([...values])
          const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
            name === "org" && index % 2 === 1 ? "acme_corp" : encodeURIComponent(wellFormed(next()))
          )
          const query = operation.parameters
            .filter((each) => each.in === "query")
            .map(({ name }) => `${name}=${encodeURIComponent(wellFormed(next()))}`)
            .join("&")
          const answer = yield* World.call(method, `${filled}?${query}`, {
            headers: { "X-API-Key": keys.acme, "X-CA-Root-Key": World.rootKey },
            ...(method === "POST" ? { body: text === "" ? undefined : text } : {})
          })
          const label = `${method} ${filled}?${query} ${text} -> ${answer.status} ${answer.text.slice(0, 200)}`
          expect(answer.status, label).toBeLessThan(500)
          expect(answer.text, label).not.toBe("")
          if (answer.status >= 400) {
            expect(answer.json, label).toMatchObject({
              error_code: expect.stringMatching(/^[A-Z_]+$/),
              request_id: answer.headers.get("x-request-id")
            })
            if (![404, 405].includes(answer.status))
              expect(Object.keys(operation.responses), label).toContain(String(answer.status))
          }
        }
      }
    })
  )
})

/** Lone surrogates cannot be sent in a URL. */
const wellFormed = (text: string): string => text.replaceAll(/\p{Surrogate}/gu, "?")
