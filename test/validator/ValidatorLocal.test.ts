import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { randomUUID } from "node:crypto"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import { OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import { Validator } from "../../src/validator/Validator.ts"
import * as ValidatorLocal from "../../src/validator/ValidatorLocal.ts"
import { installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const acme = OrgSlug.make("acme")
const globex = OrgSlug.make("globex")
const newRun = () => Schema.decodeSync(RunId)(randomUUID())

const process = (folder: string) =>
  ValidatorLocal.layer.pipe(
    Layer.provideMerge(OrganizationsSql.layer),
    Layer.provideMerge(EncryptionLocal.layer),
    Layer.provideMerge(installation(folder))
  )

const withOrg = <A, E>(plan: string, body: Effect.Effect<A, E, Validator | Organizations>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      for (const org of [acme, globex]) {
        yield* organizations.create({ org, companyName: org, adminEmail: `ops@${org}.example`, plan })
      }
      yield* TestClock.setTime(Date.parse("2026-03-10T23:59:59Z"))
      return yield* body
    }).pipe(Effect.provide(process(folder)))
  )

const reserve = (runId = newRun(), org = acme, apiKey?: Redacted.Redacted) =>
  Effect.flatMap(Validator, (validator) =>
    validator.reserve({
      org,
      runId,
      pipelineId: "cloud_aws_cost_billing",
      ...(apiKey === undefined ? {} : { apiKey })
    })
  )

const refused = Effect.flip

it.scoped("a reservation names the UTC day and what the plan allows; a larger plan counts within seconds", () =>
  withOrg(
    "STARTER",
    Effect.gen(function* () {
      expect(yield* reserve()).toEqual({
        reservationDate: "2026-03-10",
        allowance: { org: "acme", plan: "STARTER", dailyLimit: 6, monthlyLimit: 180, concurrentLimit: 1 }
      })
      yield* Effect.flatMap(Organizations, (organizations) => organizations.subscribe(acme, "ENTERPRISE"))
      yield* TestClock.adjust("3 seconds")
      expect(yield* reserve()).toMatchObject({ reservationDate: "2026-03-11", allowance: { plan: "ENTERPRISE" } })
    })
  )
)

it.scoped("no run without a known organisation, its own key and a running subscription", () =>
  withOrg(
    "SCALE",
    Effect.gen(function* () {
      const organizations = yield* Organizations
      const mine = yield* organizations.createKey(acme)
      const theirs = yield* organizations.createKey(globex)
      yield* reserve(newRun(), acme, mine.secret)
      expect(yield* refused(reserve(newRun(), acme, theirs.secret))).toMatchObject({
        code: "ORG_MISMATCH",
        status: 403
      })
      expect(yield* refused(reserve(newRun(), acme, Redacted.make("acme_api_wrongwrongwrong0")))).toMatchObject({
        code: "INVALID_API_KEY",
        status: 401
      })
      expect(yield* refused(reserve(newRun(), OrgSlug.make("nobody")))).toMatchObject({
        code: "SUBSCRIPTION_ERROR",
        status: 403
      })

      yield* organizations.subscribe(acme, "SCALE", "SUSPENDED")
      yield* TestClock.adjust("3 seconds")
      expect(yield* refused(reserve())).toMatchObject({ code: "SUBSCRIPTION_INACTIVE", status: 403 })
      yield* organizations.subscribe(acme, "SCALE", "TRIAL")
      yield* TestClock.adjust("3 seconds")
      yield* reserve()
    })
  )
)
