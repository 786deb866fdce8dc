/**
 * The API service on a real port of this machine, written from section 3 of the service contract: it checks who asks and how, keeps
 * the quota, and can answer as a service in trouble does. It has no Effect service of its own, so that a child process can start it too.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"

export interface ApiOrg {
  readonly apiKey: string
  readonly plan?: string
  readonly subscription?: string
  readonly daily?: number
  readonly monthly?: number
  readonly concurrent?: number
  /** False: the provider has no active, valid credential. */
  readonly integrated?: boolean
}

/** What the next request meets instead of the usual answer. */
export type Trouble =
  | {
      readonly status: number
      readonly body?: string
      readonly headers?: Record<string, string>
      /** The work is done before the trouble: the slot is taken, the completion counted. */
      readonly afterWork?: boolean
    }
  /** The connection is cut without an answer. */
  | { readonly cut: "before work" | "after work" | "in the answer" }
  /** No answer ever comes. */
  | { readonly silent: "before work" | "after work" }

/** A request as it arrived. */
export interface Seen {
  readonly kind: "validate" | "complete" | "unknown"
  readonly org: string
  readonly runId: string
  readonly requestId: string
  readonly outcome: string | undefined
  readonly reservationDate: string | undefined
}

export interface ApiService {
  readonly url: string
  readonly orgs: Map<string, ApiOrg>
  /** Pipelines that are registered; the others are PIPELINE_NOT_FOUND. */
  readonly pipelines: Set<string>
  readonly disabled: Set<string>
  /** Troubles of the next requests, in order. */
  readonly troubles: Array<Trouble>
  readonly seen: Array<Seen>
  /** Where a request broke the contract. A test expects none. */
  readonly violations: Array<string>
  /** Runs that hold a slot, with the day it counts for. */
  readonly open: Map<string, { readonly org: string; readonly date: string }>
  /** How often a slot was given back, by run. More than once would free somebody else's slot in the predecessor. */
  readonly released: Map<string, number>
  readonly successes: (org: string, date: string) => number
}

/** A service that stops with the scope. */
export const make = Effect.acquireRelease(
  Effect.async<{ readonly service: ApiService; readonly stop: () => void }>((resume) => {
    const world = state()
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => answer(world, request, Buffer.concat(chunks).toString("utf8"), response))
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const stop = () => {
        server.close()
        server.closeAllConnections()
      }
      resume(Effect.succeed({ service: { ...world, url: `http://127.0.0.1:${port}` }, stop }))
    })
  }),
  ({ stop }) => Effect.sync(stop)
).pipe(Effect.map(({ service }) => service))

const state = () => {
  const counted = new Map<string, number>()
  return {
    orgs: new Map<string, ApiOrg>(),
    pipelines: new Set(["cloud_aws_cost_billing", "subscription_costs"]),
    disabled: new Set<string>(),
    troubles: new Array<Trouble>(),
    seen: new Array<Seen>(),
    violations: new Array<string>(),
    open: new Map<string, { readonly org: string; readonly date: string }>(),
    released: new Map<string, number>(),
    counted,
    successes: (org: string, date: string) => counted.get(`${org}/${date}`) ?? 0
  }
}

type World = ReturnType<typeof state>

const today = () => new Date().toISOString().slice(0, 10)

const answer = (world: World, request: IncomingMessage, body: string, response: ServerResponse): void => {
  const url = new URL(request.url ?? "/", "http://localhost")
  const [, kind, org] = /^\/api\/v1\/validator\/(validate|complete)\/([a-z0-9_]{3,50})$/.exec(url.pathname) ?? []
  const header = (name: string) => String(request.headers[name] ?? "")
  const seen: Seen = {
    kind: kind === "validate" || kind === "complete" ? kind : "unknown",
    org: org ?? "",
    runId: header("idempotency-key"),
    requestId: header("x-request-id"),
    outcome: url.searchParams.get("pipeline_status") ?? undefined,
    reservationDate: url.searchParams.get("reservation_date") ?? undefined
  }
  world.seen.push(seen)
  world.violations.push(...violationsOf(seen, request, url, body))

  const trouble = world.troubles.shift()
  const work = (): Reply => {
    const caller = world.orgs.get(seen.org)
    if (caller === undefined || caller.apiKey !== header("x-api-key")) {
      return { status: 401, body: { detail: "secret words of the other side" } }
    }
    return seen.kind === "complete" ? complete(world, seen) : validate(world, caller, seen, body)
  }
  if (trouble === undefined) return send(response, work())
  if ("silent" in trouble) {
    if (trouble.silent === "after work") work()
    return
  }
  if ("cut" in trouble) {
    const reply = trouble.cut === "before work" ? undefined : work()
    if (trouble.cut === "in the answer") {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100000" })
      response.write(JSON.stringify(reply?.body).slice(0, 20))
      setImmediate(() => response.destroy())
    } else request.socket.destroy()
    return
  }
  if (trouble.afterWork === true) work()
  response.writeHead(trouble.status, { "content-type": "application/json", ...trouble.headers })
  response.end(trouble.body ?? JSON.stringify({ detail: "secret words of the other side" }))
}

const violationsOf = (seen: Seen, request: IncomingMessage, url: URL, body: string): ReadonlyArray<string> => {
  const broken: Array<string> = []
  const expect = (holds: boolean, what: string) => {
    if (!holds) broken.push(`${request.method} ${request.url}: ${what}`)
  }
  expect(request.method === "POST", "is not POST")
  expect(seen.kind !== "unknown", "is no path of the contract")
  expect(String(request.headers["x-api-key"] ?? "") !== "", "has no X-API-Key")
  expect(seen.requestId !== "", "has no X-Request-ID")
  expect(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(seen.runId), "has no run id")
  expect(request.headers["x-ca-root-key"] === undefined, "carries the root key")
  if (seen.kind === "complete") {
    expect(body === "", "has a body")
    expect(["SUCCESS", "FAILED"].includes(seen.outcome ?? ""), "has no pipeline_status")
    expect(/^\d{4}-\d{2}-\d{2}$/.test(seen.reservationDate ?? ""), "has no reservation_date")
    expect([...url.searchParams.keys()].length === 2, "has other parameters")
  }
  if (seen.kind === "validate") {
    expect(String(request.headers["content-type"]).startsWith("application/json"), "is not JSON")
    expect(url.search === "", "has parameters")
    expect(/^\{"pipeline_id":"[a-z0-9_]+","include_credentials":false\}$/.test(body), `has the body ${body}`)
  }
  return broken
}

interface Reply {
  readonly status: number
  readonly body: object
  readonly headers?: Record<string, string>
}

const send = (response: ServerResponse, reply: Reply) => {
  response.writeHead(reply.status, { "content-type": "application/json", ...reply.headers })
  response.end(JSON.stringify(reply.body))
}

/** The server's order: pipeline, subscription, reservation, integration. */
const validate = (world: World, caller: ApiOrg, seen: Seen, body: string): Reply => {
  const pipelineId = String(JSON.parse(body).pipeline_id)
  const refuse = (error_code: string, more: object = {}, headers: Record<string, string> = {}): Reply => ({
    status: 200,
    headers,
    body: {
      valid: false,
      org_slug: seen.org,
      pipeline_id: pipelineId,
      error: { message: "secret words" },
      error_code,
      ...more
    }
  })
  if (!world.pipelines.has(pipelineId)) return refuse("PIPELINE_NOT_FOUND")
  if (world.disabled.has(pipelineId)) return refuse("PIPELINE_DISABLED")
  const subscription = caller.subscription ?? "ACTIVE"
  if (subscription !== "ACTIVE" && subscription !== "TRIAL") return refuse(`SUBSCRIPTION_${subscription}`)
  const running = [...world.open.values()].filter((slot) => slot.org === seen.org).length
  const done = world.successes(seen.org, today())
  const daily = caller.daily ?? 100
  if (!world.open.has(seen.runId)) {
    const quota = { pipelines_run_today: done, remaining_today: daily - done, remaining_month: 1, concurrent_limit: 5 }
    if (done >= daily) return refuse("QUOTA_EXCEEDED", { quota }, { "retry-after": "86400" })
    if (running >= (caller.concurrent ?? 5)) return refuse("QUOTA_EXCEEDED", { quota })
    world.open.set(seen.runId, { org: seen.org, date: today() })
  }
  if (caller.integrated === false) return refuse("INTEGRATION_NOT_CONFIGURED")
  return {
    status: 200,
    body: {
      valid: true,
      org_slug: seen.org,
      org_dataset_id: `${seen.org}_prod`,
      pipeline_id: pipelineId,
      pipeline_config: { id: pipelineId, enabled: true },
      subscription: { plan_name: caller.plan ?? "SCALE", status: subscription },
      quota: { concurrent_pipelines_running: running + 1 },
      credentials: null,
      error: null,
      error_code: null
    }
  }
}

const complete = (world: World, seen: Seen): Reply => {
  const slot = world.open.get(seen.runId)
  world.open.delete(seen.runId)
  if (slot !== undefined) {
    world.released.set(seen.runId, (world.released.get(seen.runId) ?? 0) + 1)
    const key = `${seen.org}/${seen.reservationDate}`
    if (seen.outcome === "SUCCESS") world.counted.set(key, (world.counted.get(key) ?? 0) + 1)
  }
  return {
    status: 200,
    body: {
      success: true,
      org_slug: seen.org,
      pipeline_status: seen.outcome,
      reservation_date: seen.reservationDate,
      message: "ok"
    }
  }
}
