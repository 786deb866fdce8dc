import { execFile, spawn } from "node:child_process"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const cli = (dataDir: string, ...args: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number; readonly out: string; readonly err: string }>((resume) => {
    execFile(process.execPath, [main, ...args], { env: { ...process.env, DATA_DIR: dataDir } }, (error, out, err) =>
      resume(Effect.succeed({ code: typeof error?.code === "number" ? error.code : 0, out, err }))
    )
  })

/** Starts the service on a free port, uses it, and stops it as an operator would. */
const withService = <A, E>(dataDir: string, use: (base: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.async<{ readonly base: string; readonly stop: Effect.Effect<number | null> }, Error>((resume) => {
      const child = spawn(process.execPath, [main, "serve"], {
        env: { ...process.env, DATA_DIR: dataDir, API_PORT: "0" },
        stdio: ["ignore", "pipe", "inherit"]
      })
      const stop = Effect.async<number | null>((stopped) => {
        child.once("close", (code) => stopped(Effect.succeed(code)))
        child.kill("SIGTERM")
      })
      let output = ""
      child.once("close", (code) => resume(Effect.fail(new Error(`the service ended with ${code}: ${output}`))))
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        const port = /Listening on http:\/\/localhost:(\d+)/.exec(output)?.[1]
        if (port !== undefined) resume(Effect.succeed({ base: `http://127.0.0.1:${port}`, stop }))
      })
    }),
    ({ base }) => use(base),
    ({ stop }) => stop
  )

it.scopedLive("the demo shows every cent, changes nothing the second time, and leaves a service to start", () =>
  Effect.gen(function* () {
    const dataDir = join(yield* temporaryFolder, "data")
    const first = yield* cli(dataDir, "demo", "--rows", "1500")
    expect([first.err, first.code]).toEqual(["", 0])
    expect(first.out).toMatch(/FOCUS 1\.3: \d{3} rules checked on every row, 0 violated/)
    const differences = [...first.out.matchAll(/^ +2026-\d\d-01 +USD +(\S+) +(\S+) +(\S+)$/gm)]
    expect(differences).toHaveLength(3)
    for (const [, native, focus, difference] of differences) expect([native, difference]).toEqual([focus, "0"])

    const second = yield* cli(dataDir, "demo", "--rows", "1500")
    expect(second.out).toContain("the totals are the same as before, to the last decimal")

    const keyFile = join(dataDir, "demo/api-key")
    expect(statSync(keyFile).mode & 0o777).toBe(0o600)
    const runId = /replay (\S+) --verify/.exec(second.out)?.[1] ?? ""
    const replayed = yield* cli(dataDir, "replay", runId, "--verify")
    expect(replayed.out).toMatch(/RunRequested[\s\S]*RunCompleted[\s\S]*every chain and projection holds/)

    const rows = yield* cli(
      dataDir,
      "query",
      "--org",
      "dev_org_local",
      "--json",
      "SELECT COUNT(*) AS n, COUNT(DISTINCT x_run_id) AS runs FROM cost_data_standard_1_3"
    )
    const [counted] = JSON.parse(rows.out)
    expect(counted.n).toBeGreaterThan(1000)
    expect(counted.runs).toBe(1)

    const listed = yield* withService(dataDir, (base) =>
      Effect.promise(async () => {
        const answer = await fetch(`${base}/api/v1/pipelines/dev_org_local/runs`, {
          headers: { "X-API-Key": readFileSync(keyFile, "utf8").trim() }
        })
        const busy = await new Promise<string>((resolve) =>
          execFile(
            process.execPath,
            [main, "query", "--org", "dev_org_local", "SELECT 1 AS one"],
            { env: { ...process.env, DATA_DIR: dataDir } },
            (_error, _out, err) => resolve(err)
          )
        )
        return { body: await answer.json(), busy }
      })
    )
    expect(listed.body).toMatchObject({ total: 2 })
    expect(listed.busy).toMatch(/another process|is another|locked|cannot be opened/)
  })
)
