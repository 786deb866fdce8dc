/**
 * The endpoints of stored procedures.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as World from "../support/HttpWorld.ts"

const path = "/api/v1/procedures"
const root = (method: string, below: string, body?: unknown) =>
  World.call(method, path + below, { ...World.asRoot, ...(body === undefined ? {} : { body }) })
const codeOf = (answer: World.Answer) => [answer.status, Object(answer.json).error_code]

layer(World.layer(), { excludeTestServices: true })("procedures over HTTP", (it) => {
  it.effect("are synced, listed, shown and dropped", () =>
    Effect.gen(function* () {
      expect((yield* root("GET", "/files")).json).toEqual({
        files: [
          { name: "sp_cloud_test", path: "cloud/sp_cloud_test.sql", domain: "cloud" },
          { name: "sp_genai_test", path: "genai/sp_genai_test.sql", domain: "genai" }
        ],
        count: 2,
        domain_filter: null
      })
      expect((yield* root("GET", "/files?domain=genai")).json).toMatchObject({ count: 1, domain_filter: "genai" })
      expect((yield* root("GET", "/list")).json).toEqual({ procedures: [], count: 0 })

      const report = { success: true, created: [], updated: [], skipped: [], failed: [] }
      expect((yield* root("POST", "/sync", { domain: "cloud" })).json).toEqual({
        ...report,
        created: ["sp_cloud_test"],
        message: "1 created, 0 updated, 0 unchanged, 0 failed"
      })
      expect((yield* root("POST", "/sync")).json).toMatchObject({
        created: ["sp_genai_test"],
        skipped: ["sp_cloud_test"]
      })
      expect((yield* root("POST", "/sync", { force: true, procedures: ["sp_cloud_test"] })).json).toMatchObject({
        updated: ["sp_cloud_test"],
        skipped: []
      })
      expect((yield* root("POST", "/sync", { procedures: ["sp_none"] })).json).toMatchObject({
        success: false,
        failed: [{ procedure: "sp_none", error: "there is no file sp_none.sql" }]
      })
      expect((yield* root("POST", "/sp_genai_test")).json).toMatchObject({ skipped: ["sp_genai_test"] })
      expect((yield* root("POST", "/sp_genai_test?force=true")).json).toMatchObject({ updated: ["sp_genai_test"] })

      const list = yield* root("GET", "")
      expect(list.json).toMatchObject({
        procedures: [
          {
            name: "sp_cloud_test",
            dataset: "organizations",
            project_id: "test-project",
            full_name: "test-project.organizations.sp_cloud_test",
            content_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
            in_sync: true
          },
          { name: "sp_genai_test" }
        ],
        count: 2
      })
      expect(yield* root("GET", "/list").pipe(Effect.map(({ json }) => json))).toEqual(list.json)
      const shown = yield* root("GET", "/sp_cloud_test")
      expect(Object(shown.json).definition).toContain("`test-project.organizations.sp_cloud_test`")

      expect((yield* root("DELETE", "/sp_cloud_test")).json).toEqual({
        success: true,
        procedure_name: "sp_cloud_test",
        message: "procedure sp_cloud_test dropped"
      })
      expect(codeOf(yield* root("DELETE", "/sp_cloud_test"))).toEqual([404, "PROCEDURE_NOT_FOUND"])
    })
  )

  it.effect("refuse what is no procedure and what is no request", () =>
    Effect.gen(function* () {
      for (const method of ["GET", "POST", "DELETE"]) {
        expect(codeOf(yield* root(method, "/sp_none"))).toEqual([404, "PROCEDURE_NOT_FOUND"])
        for (const name of ["1bad", "a-b", "a%20b", "a`b", "x".repeat(129)]) {
          const answer = yield* root(method, `/${name}`)
          expect(codeOf(answer), name).toEqual([400, "INVALID_PARAMETER"])
        }
      }
      expect(codeOf(yield* root("POST", "/sync", { force: "x" }))).toEqual([422, "REQUEST_INVALID"])
      expect(codeOf(yield* root("POST", "/sync", { more: 1 }))).toEqual([422, "REQUEST_INVALID"])
      expect(codeOf(yield* root("POST", "/sync", "["))).toEqual([400, "INVALID_JSON"])
      expect(codeOf(yield* root("POST", "/sp_genai_test?force=maybe"))).toEqual([422, "REQUEST_INVALID"])
    })
  )
})
