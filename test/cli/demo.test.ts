import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { commandLine, withService } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const cli = (dataDir: string, ...args: ReadonlyArray<string>) => commandLine({ DATA_DIR: dataDir }, ...args)

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
      "SELECT x_source_system AS source, COUNT(*) AS n, COUNT(DISTINCT x_run_id) AS runs FROM cost_data_standard_1_3 GROUP BY 1 ORDER BY 1"
    )
    const bySource = JSON.parse(rows.out)
    expect(bySource).toMatchObject([
      { source: "cloud_aws_billing_raw_daily", runs: 1 },
      { source: "genai_costs_daily_unified", runs: 1 }
    ])
    expect(bySource[0].n).toBeGreaterThan(1000)

    const key = readFileSync(keyFile, "utf8").trim()
    const { busy, listed, reconciled } = yield* withService({ DATA_DIR: dataDir }, (base) =>
      Effect.all({
        reconciled: commandLine({ PIPELINE_SERVICE_URL: base, PIPELINE_API_KEY: key }, "reconcile"),
        listed: Effect.promise(async () => {
          const answer = await fetch(`${base}/api/v1/pipelines/dev_org_local/runs`, {
            headers: { "X-API-Key": key }
          })
          return answer.json()
        }),
        busy: cli(dataDir, "query", "--org", "dev_org_local", "SELECT 1 AS one")
      })
    )
    // Of each demo: the bill, two model providers, and what makes FOCUS rows of them.
    expect(listed).toMatchObject({ total: 8 })
    expect(reconciled.code).toBe(0)
    const equal = [...reconciled.out.matchAll(/^2026-\d\d-01 .* demo_cur[12] +(\S+) +(\S+) +0 +\d+$/gm)]
    expect(equal).toHaveLength(6)
    for (const [, native, focus] of equal) expect(native).toBe(focus)
    expect(busy.err).toMatch(/another process|is another|locked|cannot be opened/)
  })
)
