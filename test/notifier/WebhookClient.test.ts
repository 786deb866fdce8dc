/**
 * The client of webhooks, against a real server of this machine; only the resolver is the test's, since it must answer what no resolver
 * should.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { make, type Lookup, type WebhookRequest } from "../../src/notifier/WebhookClient.ts"
import { httpServer } from "../support/httpServer.ts"

const request = (url: string): WebhookRequest => ({
  url: Redacted.make(url),
  method: "POST",
  headers: { "X-Token": "t" },
  body: '{"a":1}'
})

const answers =
  (...addresses: ReadonlyArray<string>): Lookup =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })))

const local = answers("127.0.0.1")

describe("the client of webhooks", () => {
  it.scopedLive("sends to the address that was checked, by the name that was given, and resolves it once", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_request, response) =>
        response.writeHead(200, { "retry-after": "7" }).end("ok")
      )
      let asked = 0
      const lookup: Lookup = () => {
        asked += 1
        // The second answer is what an attacker's server would give after the check.
        return answers(asked === 1 ? "127.0.0.1" : "169.254.169.254")("")
      }
      const client = make({ allowLoopback: true, lookup })
      const url = server.endpoint.replace("127.0.0.1", "hooks.acme.test")
      const answer = yield* client.send(request(`${url}/a?b=c`))
      expect(answer).toEqual({ status: 200, body: "ok", retryAfterSeconds: 7 })
      expect(asked).toBe(1)
      const [seen] = server.journal
      expect(seen?.headers.host).toBe(new URL(url).host)
      expect([seen?.method, `${seen?.url.pathname}${seen?.url.search}`]).toEqual(["POST", "/a?b=c"])
      expect([seen?.headers["x-token"], seen?.headers["content-type"], seen?.body]).toEqual([
        "t",
        "application/json",
        '{"a":1}'
      ])
    })
  )

  it.scopedLive("does not follow a redirect, and reads no more of an answer than it needs", () =>
    Effect.gen(function* () {
      const target = yield* httpServer((_request, response) => response.end("reached"))
      const moved = yield* httpServer((_request, response) =>
        response.writeHead(302, { location: target.endpoint }).end()
      )
      const client = make({ allowLoopback: true, lookup: local })
      expect((yield* client.send(request(moved.endpoint))).status).toBe(302)
      expect(target.journal).toEqual([])
      const long = yield* httpServer((_request, response) => response.end("x".repeat(1_000_000)))
      expect((yield* client.send(request(long.endpoint))).body).toHaveLength(4096)
    })
  )

  it.effect.each([
    ["a private address", "https://hooks.test", answers("10.0.0.1")],
    ["one private address among public ones", "https://hooks.test", answers("93.184.215.14", "127.0.0.1")],
    ["the metadata service", "https://metadata.test", answers("169.254.169.254")],
    ["loopback as a number", "https://2130706433/", answers("93.184.215.14")],
    ["loopback in octal", "https://0177.0.0.1/", answers("93.184.215.14")],
    ["loopback as IPv6", "https://[::1]/", answers("93.184.215.14")],
    ["a private address inside of an IPv6 one", "https://[::ffff:c0a8:101]/", answers("93.184.215.14")],
    ["no encryption", "http://hooks.test", answers("93.184.215.14")],
    ["another protocol", "file:///etc/passwd", answers("93.184.215.14")],
    ["a password", "https://user:secret-word@hooks.test", answers("93.184.215.14")],
    ["no URL", "hooks.test/secret-word", answers("93.184.215.14")]
  ] as const)("refuses %s without a connection, and keeps the address to itself", ([, url, lookup]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(make({ allowLoopback: false, lookup }).send(request(url)))
      expect(error._tag).toBe("WebhookRefused")
      expect(error.message).not.toMatch(/secret-word|hooks\.test/)
    })
  )

  it.effect("refuses http to a public host also where loopback is allowed", () =>
    Effect.gen(function* () {
      const client = make({ allowLoopback: true, lookup: answers("93.184.215.14") })
      expect((yield* Effect.flip(client.check(Redacted.make("http://hooks.test"))))._tag).toBe("WebhookRefused")
    })
  )

  it.scopedLive("says that a host is not there, so that it is tried again", () =>
    Effect.gen(function* () {
      const gone = yield* httpServer(() => undefined)
      gone.close()
      const client = make({ allowLoopback: true, lookup: () => Promise.reject(new Error("ENOTFOUND")) })
      expect((yield* Effect.flip(client.send(request(gone.endpoint))))._tag).toBe("WebhookUnreachable")
      expect((yield* Effect.flip(client.send(request("https://nowhere.test"))))._tag).toBe("WebhookUnreachable")
    })
  )
})
