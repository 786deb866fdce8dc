/**
 * Runs of test pipelines and the notifier that follows them, on one database file; mail and webhooks go to servers of this machine.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import * as NotifierServices from "../../src/notifier/NotifierServices.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import type { Pipeline } from "../../src/pipelines/Pipeline.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { org } from "./pipelines.ts"
import * as RunsWorld from "./RunsWorld.ts"
import { settings } from "./ServiceDatabase.ts"

/** The settings of a notifier whose mail goes to this port. */
export const mailTo = (port: number): Record<string, string> => ({
  NOTIFICATIONS_ENABLED: "true",
  EMAIL_NOTIFICATIONS_ENABLED: "true",
  EMAIL_SMTP_HOST: "127.0.0.1",
  EMAIL_SMTP_PORT: String(port),
  EMAIL_SMTP_USE_TLS: "false",
  EMAIL_FROM_ADDRESS: "pipelines@service.test",
  NOTIFICATION_ALLOW_LOOPBACK: "true",
  PUBLIC_URL: "https://pipelines.test/"
})

/** The organisation that the tests' runs belong to; its administrator is `admin@acme.test`. */
const organization = Layer.effectDiscard(
  Effect.gen(function* () {
    const organizations = yield* Organizations
    if ((yield* organizations.get(org)) === undefined) {
      yield* organizations.create({ org, companyName: "Acme", adminEmail: "admin@acme.test" })
    }
  })
)

/** Runs and the notifier's services; `Worker.layer` or the test makes it work. */
export const layer = (options: {
  readonly folder: string
  readonly variables: Readonly<Record<string, string>>
  readonly pipelines?: ReadonlyArray<Pipeline>
  readonly script?: RunsWorld.Script
}) =>
  NotifierServices.layer.pipe(
    Layer.provideMerge(NotifierServices.channels),
    Layer.provideMerge(organization.pipe(Layer.provideMerge(OrganizationsSql.layer))),
    Layer.provideMerge(EncryptionLocal.layer),
    Layer.provideMerge(
      RunsWorld.layer({
        database: join(options.folder, "service.db"),
        pipelines: options.pipelines ?? [],
        script: options.script ?? {},
        ledger: RunsWorld.makeLedger()
      })
    ),
    Layer.provideMerge(Layer.merge(settings(options.folder, options.variables), NodeContext.layer))
  )
