/**
 * FOCUS rows say whose they are: the organisation's profile as it was when they were converted.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { curFile, deliver } from "../processors/cloud/support.ts"
import * as World from "../support/InstalledWorld.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const profiles = World.query(`
SELECT DISTINCT x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status
FROM cost_data_standard_1_3`)

layer(World.installedWith({}), { excludeTestServices: true })("the organisation's profile", (it) => {
  it.scoped("is on each FOCUS row, and what nobody has told is null", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* deliver(folder, "2026-03", [curFile("2026-03", ["1", "2"])])
      yield* World.credential("files", "AWS_FILES", { path: folder }, "{}")
      const { run } = yield* World.run("cloud/aws/cost/billing", "2026-03-01", "2026-03-31")
      expect([run.status, run.errorMessage]).toEqual(["COMPLETED", null])
      const profile = {
        x_org_name: "acme_corp",
        x_org_owner_email: "ops@acme.test",
        x_org_default_currency: "USD",
        x_org_default_timezone: null,
        x_org_default_country: null,
        x_org_subscription_plan: "ENTERPRISE",
        x_org_subscription_status: "ACTIVE"
      }
      expect(yield* profiles).toEqual([profile])

      yield* (yield* Organizations).subscribe(World.org, "SCALE", "TRIAL")
      yield* World.run("cloud/aws/cost/focus_convert", "2026-03-01", "2026-03-31")
      expect(yield* profiles).toEqual([
        { ...profile, x_org_subscription_plan: "SCALE", x_org_subscription_status: "TRIAL" }
      ])
      expect(yield* World.query("SELECT COUNT(*) AS n FROM org_profile")).toEqual([{ n: 1 }])
    })
  )
})
