/**
 * What can happen to any counterparty, whatever it speaks.
 */
import type { ServerResponse } from "node:http"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Fault, SeenRequest } from "./httpServer.ts"

const throttled = (response: ServerResponse) => response.writeHead(429, { "retry-after": "1" }).end("{}")

const unavailable = (response: ServerResponse) => response.writeHead(503).end("<html>busy</html>")

/** The connection breaks when half of the body was sent. */
const cut = (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "100" })
  response.write('{"data":[', () => response.destroy())
}

const disturbances = { throttled, unavailable, cut }
/** Names of what a storm does. */
export const disturbanceNames = Object.keys(disturbances)

const nameOf = ({ body, method, url }: SeenRequest) => `${method} ${url.pathname}${url.search} ${body}`

/**
 * Disturbs every request once, when it is made first: throttled, unavailable and cut in turn, or all three of them one after the other.
 * `seen` names what happened.
 */
export const storm = (each: "one" | "all"): { readonly fault: Fault; readonly seen: Array<string> } => {
  const before = new Map<string, number>()
  const seen: Array<string> = []
  const ways = Object.entries(disturbances)
  return {
    seen,
    fault: (request, response) => {
      const times = before.get(nameOf(request)) ?? 0
      if (times >= (each === "one" ? 1 : ways.length)) return false
      before.set(nameOf(request), times + 1)
      const [name, disturb] = ways[seen.length % ways.length] ?? ["throttled", throttled]
      seen.push(name)
      disturb(response)
      return "stays"
    }
  }
}

/** Leaves the n-th request from now without an answer, once; `reached` ends when it has come. */
export const hold = (n: number) =>
  Effect.map(Deferred.make<void>(), (reached) => {
    let count = 0
    const fault: Fault = () => {
      count++
      if (count < n) return false
      Deferred.unsafeDone(reached, Effect.void)
      return true
    }
    return { fault, reached: Deferred.await(reached) }
  })
