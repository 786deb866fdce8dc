import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type { SourceError } from "../../src/sources/SourceError.ts"
import * as ObjectStoreS3 from "../../src/sources/object-store/ObjectStoreS3.ts"
import { httpServer, type SeenRequest } from "../support/httpServer.ts"
import { s3Server } from "../support/s3Server.ts"

const secret = "not-a-real-secret-key"
const keys = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: Redacted.make(secret) }

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "s3-store-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** A real S3 server with one bucket that holds `objects`. */
const bucketOf = Effect.fnUntraced(function* (objects: Readonly<Record<string, string>>) {
  const server = yield* s3Server("acme-billing")
  yield* Effect.forEach(Object.entries(objects), ([key, body]) => server.put(key, body), { concurrency: 8 })
  return server
})

const openAt = (endpoint: string, prefix: string, downloads: string) =>
  ObjectStoreS3.open({ bucket: "acme-billing", prefix, region: "us-east-1", keys, endpoint, folder: downloads })

describe("against an S3 server", () => {
  it.scoped("lists every page below the prefix, and nothing beside it", () =>
    Effect.gen(function* () {
      const many = Object.fromEntries(Array.from({ length: 1_205 }, (_, index) => [`cur/data/${index}.csv.gz`, "x"]))
      const { endpoint } = yield* bucketOf({ ...many, "cur-other/data/1.csv.gz": "y" })
      const store = yield* openAt(endpoint, "cur", yield* folder)
      const objects = yield* store.list
      expect(objects.length).toBe(1_205)
      expect(objects.every(({ key, size, etag }) => key.startsWith("cur/") && size === 1 && etag !== "")).toBe(true)
      expect(store.location).toBe("s3://acme-billing/cur/")
    })
  )

  it.scoped("reads small objects, downloads large ones, and removes the downloads with the scope", () =>
    Effect.gen(function* () {
      const content = "a,b\n".repeat(100_000)
      const { endpoint } = yield* bucketOf({ "cur/1.csv": content })
      const downloads = yield* folder
      const store = yield* openAt(endpoint, "cur/", downloads)
      const [object] = yield* store.list
      if (object === undefined) return expect.fail("no object")
      expect((yield* store.read(object, content.length)).length).toBe(content.length)
      const downloaded = yield* Effect.scoped(
        Effect.gen(function* () {
          const path = yield* store.localFile(object, content.length)
          return yield* Effect.promise(() => readFile(path, "utf8"))
        })
      )
      expect(downloaded).toBe(content)
      expect(yield* Effect.promise(() => readdir(downloads))).toEqual([])
      expect(yield* Effect.flip(store.read(object, content.length - 1))).toMatchObject({ code: "OBJECT_TOO_LARGE" })
    })
  )

  it.scoped("takes a prefix that is one object's key", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* bucketOf({ "cur/1.csv": "a", "cur/1.csv.gz": "b" })
      const store = yield* openAt(endpoint, "cur/1.csv", yield* folder)
      expect((yield* store.list).map(({ key }) => key)).toEqual(["cur/1.csv"])
    })
  )

  it.scoped("is stale when the object was replaced after the listing", () =>
    Effect.gen(function* () {
      const { endpoint, put } = yield* bucketOf({ "cur/1.csv": "old" })
      const store = yield* openAt(endpoint, "cur", yield* folder)
      const [object] = yield* store.list
      if (object === undefined) return expect.fail("no object")
      yield* put("cur/1.csv", "new")
      expect(yield* Effect.flip(store.localFile(object, 10))).toMatchObject({ kind: "stale", code: "OBJECT_CHANGED" })
    })
  )
})

const listing = (contents: string, more = "<IsTruncated>false</IsTruncated>") =>
  `<?xml version="1.0"?><ListBucketResult><Name>acme-billing</Name>${more}${contents}</ListBucketResult>`
const one = "<Contents><Key>cur/1.csv</Key><Size>5</Size><ETag>&quot;e1&quot;</ETag></Contents>"
const problem = (code: string, more = "") =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>the vendor's own words about ${secret}</Message>${more}</Error>`

interface Answer {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Lists a bucket whose server answers as told. */
const listFrom = Effect.fnUntraced(function* (answer: (request: SeenRequest, count: number) => Answer) {
  let count = 0
  const server = yield* httpServer((request, response) => {
    const { status, body, headers } = answer(request, count++)
    response.writeHead(status, { "content-type": "application/xml", "x-amz-request-id": "REQ1", ...headers })
    response.end(body)
  })
  const store = yield* openAt(server.endpoint, "cur", yield* folder)
  const result = yield* Effect.either(store.list)
  return { result, journal: server.journal, store }
})

const failureFrom = (answer: (request: SeenRequest, count: number) => Answer) =>
  Effect.map(listFrom(answer), ({ result }): SourceError | undefined =>
    result._tag === "Left" ? result.left : undefined
  )

describe("against a server that answers as told", () => {
  it.scoped("gives each refusal its class, without the vendor's words", () =>
    Effect.gen(function* () {
      const cases = [
        [403, "AccessDenied", "auth", "AWS_ACCESS_DENIED"],
        [403, "InvalidAccessKeyId", "auth", "AWS_ACCESS_DENIED"],
        [403, "SignatureDoesNotMatch", "auth", "AWS_ACCESS_DENIED"],
        [400, "ExpiredToken", "retryable", "AWS_UNAVAILABLE"],
        [404, "NoSuchBucket", "permanent", "AWS_REQUEST_REFUSED"],
        [501, "NotImplemented", "permanent", "AWS_REQUEST_REFUSED"],
        [412, "PreconditionFailed", "stale", "OBJECT_CHANGED"]
      ] as const
      for (const [status, code, kind, stable] of cases) {
        const failure = yield* failureFrom(() => ({ status, body: problem(code) }))
        expect(failure, code).toMatchObject({ kind, code: stable })
        expect(failure?.message).toBe(`s3://acme-billing/cur/: HTTP ${status}, ${code}, request REQ1`)
        expect(JSON.stringify(failure)).not.toContain(secret)
      }
    })
  )

  it.scoped("passes on what the server asks to wait", () =>
    Effect.gen(function* () {
      const failure = yield* failureFrom(() => ({
        status: 503,
        body: problem("SlowDown"),
        headers: { "retry-after": "2" }
      }))
      expect(failure).toMatchObject({ kind: "retryable", retryAfterSeconds: 2 })
    })
  )

  it.scoped("goes on after a throttled request", () =>
    Effect.gen(function* () {
      const { result, journal } = yield* listFrom((_request, count) =>
        count === 0 ? { status: 503, body: problem("SlowDown") } : { status: 200, body: listing(one) }
      )
      expect(result).toMatchObject({ _tag: "Right", right: [{ key: "cur/1.csv", size: 5, etag: '"e1"' }] })
      expect(journal.length).toBe(2)
    })
  )

  it.scoped("sends a request to the bucket's own region after 301 and after a malformed signature", () =>
    Effect.gen(function* () {
      const wrong = [
        { status: 301, body: problem("PermanentRedirect"), headers: { "x-amz-bucket-region": "eu-central-1" } },
        { status: 400, body: problem("AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>") }
      ]
      for (const answer of wrong) {
        const { result } = yield* listFrom(({ headers }) =>
          headers.authorization?.includes("/eu-central-1/s3/") === true ? { status: 200, body: listing(one) } : answer
        )
        expect(result).toMatchObject({ _tag: "Right" })
      }
    })
  )

  it.scoped("does not follow a paging that repeats itself", () =>
    Effect.gen(function* () {
      const again = listing(one, "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>")
      expect(yield* failureFrom(() => ({ status: 200, body: again }))).toMatchObject({ code: "LISTING_BROKEN" })
    })
  )

  it.scoped("does not take a shortened body for the object", () =>
    Effect.gen(function* () {
      const server = yield* httpServer(({ url }, response) => {
        const isList = url.searchParams.has("list-type")
        response.writeHead(200, { "content-type": "application/xml" })
        response.end(isList ? listing(one) : "1234")
      })
      const downloads = yield* folder
      const store = yield* openAt(server.endpoint, "cur", downloads)
      const [object] = yield* store.list
      if (object === undefined) return expect.fail("no object")
      expect(yield* Effect.flip(Effect.scoped(store.localFile(object, 10)))).toMatchObject({ kind: "stale" })
      expect(server.journal.at(-1)?.headers["if-match"]).toBe('"e1"')
      expect(yield* Effect.promise(() => readdir(downloads))).toEqual([])
    })
  )

  it.scoped("gives up a download that is interrupted, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const server = yield* httpServer(({ url }, response) => {
        response.writeHead(200, { "content-type": "application/xml" })
        if (url.searchParams.has("list-type")) return void response.end(listing(one))
        response.on("close", () => Deferred.unsafeDone(closed, Effect.void))
        response.write("12", () => Deferred.unsafeDone(started, Effect.void))
      })
      const downloads = yield* folder
      const store = yield* openAt(server.endpoint, "cur", downloads)
      const [object] = yield* store.list
      if (object === undefined) return expect.fail("no object")
      const download = yield* Effect.fork(Effect.scoped(store.localFile(object, 10)))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(download)
      yield* Deferred.await(closed)
      expect(yield* Effect.promise(() => readdir(downloads))).toEqual([])
    })
  )

  it.scoped("refuses an endpoint without encryption that is not on the loopback", () =>
    Effect.gen(function* () {
      for (const endpoint of ["http://storage.example.org", "ftp://127.0.0.1", "nonsense"]) {
        expect(yield* Effect.flip(openAt(endpoint, "cur", ""))).toMatchObject({ code: "ENDPOINT_REFUSED" })
      }
    })
  )
})
