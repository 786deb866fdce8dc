/**
 * The commands that talk to a running service, which is a process of its own.
 */
import { mkdirSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cli, withService } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const rootKey = "a root key that is longer than 32 characters"
const billing = "cloud/aws/cost/billing"

/** A data folder with an organisation, its key, and a credential of a folder without bills. */
const installation = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const environment = { DATA_DIR: join(folder, "data"), CA_ROOT_API_KEY: rootKey }
  yield* cli(environment, "admin", "org", "create", "acme", "--plan", "ENTERPRISE")
  const created = yield* cli(environment, "admin", "key", "create", "acme", "--json")
  const { apiKey } = JSON.parse(created.out)
  mkdirSync(join(folder, "bills"))
  yield* cli(environment, "admin", "credential", "add", "acme", "AWS_FILES", "--path", join(folder, "bills"))
  return { ...environment, PIPELINE_API_KEY: String(apiKey) }
})

it.scopedLive("a run is asked for, watched, listed, shown and replayed", () =>
  Effect.gen(function* () {
    const local = yield* installation
    const failed = yield* withService(local, (base) =>
      Effect.gen(function* () {
        const there = { ...local, PIPELINE_SERVICE_URL: base }
        const asked = yield* cli(there, "run", billing, "--start", "2026-10-01", "--end", "2026-10-31")
        expect(asked.failure).toMatch(/^run \S+ ended as FAILED$/)
        expect(asked.out).toMatch(
          /RunRequested +cloud\/aws\/cost\/billing, 2026-10-01 to 2026-10-31[\s\S]*StepFailed +extract_billing/
        )
        expect(asked.out).toContain("What to do:")

        const listed = yield* cli(there, "runs", "list", "--status", "FAILED", "--json")
        const [{ pipeline_logging_id: id }] = JSON.parse(listed.out)
        expect(JSON.parse((yield* cli(there, "runs", "list", "--status", "COMPLETED", "--json")).out)).toEqual([])
        expect(JSON.parse((yield* cli(there, "runs", "show", id, "--json")).out)).toMatchObject({
          status: "FAILED",
          trigger_by: "command line",
          steps: expect.arrayContaining([expect.objectContaining({ status: "FAILED" })])
        })
        expect(yield* cli(there, "runs", "watch", id)).toEqual(asked)
        expect((yield* cli(there, "runs", "cancel", id)).out).toContain("the run has already ended: FAILED")
        const retried = yield* cli(there, "runs", "retry", id)
        expect(retried.failure).toMatch(/^run \S+ ended as FAILED$/)
        expect(retried.failure).not.toContain(id)
        return id
      })
    )
    const before = yield* cli(local, "replay", failed, "--at", "3", "--json")
    expect(JSON.parse(before.out)).toMatchObject({
      run: { status: "RUNNING" },
      events: [{ type: "RunRequested" }, { type: "RunAdmitted" }, { type: "StepStarted" }]
    })
    const rebuilt = yield* cli(local, "replay", "--rebuild", "--verify")
    expect(rebuilt.out).toMatch(/^\d+ events folded anew[\s\S]*every chain and projection holds/)
    expect((yield* cli(local, "replay", failed, "--at", "yesterday")).out).toContain("--at takes a version")
  })
)

it.scopedLive("a service whose port somebody else has says so, and what to do", () =>
  Effect.gen(function* () {
    const local = yield* installation
    const other = yield* Effect.acquireRelease(
      Effect.async<Server>((resume) => {
        const server = createServer().listen(0, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
    const address = other.address()
    const port = typeof address === "object" ? String(address?.port) : ""
    const { failure } = yield* cli({ ...local, API_PORT: port }, "serve")
    expect(failure).toMatch(new RegExp(`^port ${port} cannot be opened: .*EADDRINUSE.* API_PORT`))
  })
)

it.scopedLive("a call that cannot be made says what to do", () =>
  Effect.gen(function* () {
    const local = yield* installation
    yield* withService(local, (base) =>
      Effect.gen(function* () {
        const there = { ...local, PIPELINE_SERVICE_URL: base }
        const unknown = yield* cli(there, "run", "cloud/aws/cost/nothing")
        expect(unknown.failure).toBe(
          "the service answered TEMPLATE_NOT_FOUND: Template not found: cloud/aws/cost/nothing"
        )
        expect((yield* cli(there, "run", "billing")).failure).toContain("3 or 4 parts")
        expect((yield* cli(there, "run", billing, "--start", "2026-02-30")).failure).toContain("INVALID_DATE")
        const foreign = yield* cli(there, "runs", "show", "0b9d4c8e-4f0a-4f0e-9f6a-0f6f0d2b1c3a")
        expect(foreign.failure).toContain("RUN_NOT_FOUND")

        const nothing = yield* cli(there, "reconcile", "--json")
        expect(JSON.parse(nothing.out)).toEqual({ is_exact: true, entries: [], invoices: [], quarantined: [] })
        expect((yield* cli(there, "reconcile", "--period", "August")).failure).toContain("INVALID_DATE")

        const listed = JSON.parse((yield* cli(there, "procedures", "list", "--json")).out)
        expect(listed).toContainEqual(expect.objectContaining({ name: "sp_cloud_aws_convert_to_focus", in_sync: true }))
        expect((yield* cli(there, "procedures", "sync")).out).toMatch(/^0 created, 0 updated, \d+ unchanged, 0 failed/)
        const shown = yield* cli(there, "procedures", "show", "sp_cloud_aws_convert_to_focus")
        expect(shown.out).toContain("CREATE OR REPLACE PROCEDURE")
        const rootless = yield* cli({ ...there, CA_ROOT_API_KEY: "wrong" }, "procedures", "list")
        expect(rootless.failure).toContain("ROOT_KEY_INVALID")
      })
    )
    const nowhere = yield* cli({ ...local, PIPELINE_SERVICE_URL: "http://127.0.0.1:1" }, "runs", "list")
    expect(nowhere.failure).toContain("nothing answers at http://127.0.0.1:1: start the service")
    const keyless = yield* cli({ ...local, PIPELINE_API_KEY: "nonsense" }, "run", billing)
    expect(keyless.failure).toContain("PIPELINE_API_KEY is no key of an organisation")
  })
)
