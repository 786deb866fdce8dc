import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Fault } from "../../support/httpServer.ts"
import { azureServer, clientSecret } from "../../support/azureServer.ts"
import { details, extract, principalCredential, runOf, totals } from "./azureSupport.ts"
import { days, world } from "./support.ts"

const container = { storage_account: "acmebilling", container: "costs", prefix: "exports" }

/** A container with two months, and the credential of its reader. */
const place = Effect.gen(function* () {
  const server = yield* azureServer("costs")
  const deliver = (run: Parameters<typeof runOf>[0]) => runOf(run).forEach(([key, content]) => server.put(key, content))
  deliver({ month: "2026-03", name: "a&b", files: [details("2026-03", ["1.5"]), gzipSync(details("2026-03", ["2"]))] })
  deliver({ month: "2026-04", name: "a&b", files: [details("2026-04", ["4"])] })
  server.put("exports-of-others/manifest.json", "not below the prefix")
  yield* principalCredential(server.endpoint, container)
  return { ...server, deliver }
})

const answer =
  (matches: (path: string) => boolean, status: number, headers: Record<string, string>): Fault =>
  ({ url }, response) => {
    if (!matches(url.pathname)) return false
    response.writeHead(status, headers)
    response.end(`{"error":{"code":"ServerBusy","message":"${clientSecret}"}}`)
    return true
  }

/** Sends a half of what it announces, then cuts the connection. */
const cut: Fault = ({ url }, response) => {
  if (!url.pathname.includes("part_0")) return false
  response.writeHead(200, { "content-length": 400 })
  response.write("SubscriptionId,", () => response.destroy())
  return true
}

describe("a container", () => {
  it.scoped("is read page by page, unchanged months are not downloaded, and no file stays behind", () =>
    world((folder) =>
      Effect.gen(function* () {
        const { deliver, downloads } = yield* place
        const output = yield* extract()
        expect(output).toMatchObject({ rowsProcessed: 3, affectedPeriods: ["2026-03-01", "2026-04-01"] })
        expect(yield* totals).toMatchObject([{ cost: "3.5" }, { cost: "4" }])
        expect(downloads().filter((path) => path.includes("part_"))).toHaveLength(3)
        yield* extract()
        expect(downloads().filter((path) => path.includes("part_"))).toEqual([])
        deliver({ month: "2026-03", name: "a&b", files: [details("2026-03", ["1"])], submitted: "2026-12-01T00:00:00" })
        yield* extract(days("2026-04-01", "2026-04-30"))
        expect(downloads().filter((path) => path.includes("part_"))).toHaveLength(1)
        expect(yield* totals).toMatchObject([{ cost: "1" }, { cost: "4" }])
        expect(yield* Effect.promise(() => readdir(join(folder, "downloads")))).toEqual([])
      })
    )
  )

  it.scoped("is asked again when it is busy, when a token is refused, and when a file changed under the reader", () =>
    world(() =>
      Effect.gen(function* () {
        const { deliver, faults, journal, revoke } = yield* place
        faults.push(answer((path) => path === "/costs", 429, { "retry-after": "0" }))
        faults.push(answer((path) => path.includes("part_0"), 503, { "retry-after": "0" }))
        faults.push(({ url }) => {
          if (!url.pathname.includes("2026-04") && !url.pathname.includes("20260401")) return false
          // Delivered anew between the listing and the download.
          deliver({ month: "2026-04", name: "a&b", files: [details("2026-04", ["5"])] })
          return false
        })
        expect(yield* extract()).toMatchObject({ affectedPeriods: ["2026-03-01", "2026-04-01"] })
        expect(yield* totals).toMatchObject([{ cost: "3.5" }, { cost: "5" }])
        journal.length = 0
        let isRevoked = false
        faults.push(({ url }) => {
          if (url.pathname === "/costs" && !isRevoked) revoke()
          isRevoked ||= url.pathname === "/costs"
          return false
        })
        yield* extract({ forceRefresh: true })
        expect(journal.filter(({ url }) => url.pathname.endsWith("/token"))).toHaveLength(2)
        expect(JSON.stringify(journal.map(({ url }) => url.href))).not.toContain(clientSecret)
      })
    )
  )

  it.scopedLive("is read again after a connection that was cut", () =>
    world(() =>
      Effect.gen(function* () {
        const { faults } = yield* place
        faults.push(cut)
        expect(yield* extract(days("2026-03-01", "2026-03-31"))).toMatchObject({ rowsProcessed: 2 })
      })
    )
  )

  it.scoped("that is busy for long parks the step, naming the wait", () =>
    world(() =>
      Effect.gen(function* () {
        const { faults } = yield* place
        faults.push(
          answer((path) => path === "/costs", 429, {
            "retry-after": "10",
            "x-ms-ratelimit-microsoft.costmanagement-tenant-retry-after": "300"
          })
        )
        expect(yield* Effect.flip(extract())).toMatchObject({
          errorType: "TRANSIENT",
          code: "AZURE_UNAVAILABLE",
          retryAfterSeconds: 300
        })
        expect(yield* totals).toEqual([])
      })
    )
  )

  it.scoped("that refuses the reader is no matter for another attempt, and no secret is told", () =>
    world(() =>
      Effect.gen(function* () {
        const { endpoint, faults } = yield* place
        faults.push(answer((path) => path === "/costs", 403, { "x-ms-error-code": "AuthorizationPermissionMismatch" }))
        const refused = yield* Effect.flip(extract())
        expect(refused).toMatchObject({ errorType: "PERMANENT", code: "AZURE_ACCESS_DENIED" })
        expect(refused.message).toContain("HTTP 403, AuthorizationPermissionMismatch")
        yield* principalCredential(endpoint, container, { client_secret: "another" })
        const wrong = yield* Effect.flip(extract())
        expect(wrong).toMatchObject({ errorType: "PERMANENT", code: "AZURE_ACCESS_DENIED" })
        expect(wrong.message).toContain("invalid_client AADSTS7000215")
        expect(`${refused.message}${wrong.message}`).not.toContain(clientSecret)
        yield* principalCredential(endpoint, { ...container, container: "nothing-here" })
        expect(yield* Effect.flip(extract())).toMatchObject({ errorType: "PERMANENT", code: "AZURE_NOT_FOUND" })
        for (const metadata of [
          { ...container, blob_endpoint: "http://example.com" },
          { storage_account: "acmebilling" }
        ]) {
          yield* principalCredential(endpoint, metadata)
          expect(yield* Effect.flip(extract())).toMatchObject({ errorType: "PERMANENT" })
        }
      })
    )
  )
})
