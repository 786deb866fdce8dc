/**
 * The `admin` command as a process of its own, on the installation that DATA_DIR names.
 */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { admin } from "../../src/cli/admin.ts"
import * as CredentialsSql from "../../src/credentials/CredentialsSql.ts"
import { channels } from "../../src/notifier/NotifierServices.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import * as Database from "../../src/platform/Database.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { Settings } from "../../src/platform/Settings.ts"

const services = Layer.mergeAll(OrganizationsSql.layer, CredentialsSql.layer, channels).pipe(
  Layer.provide(EncryptionLocal.layer),
  Layer.provide(Database.layer),
  Layer.provide(Settings.layer)
)

Command.run(admin, { name: "admin", version: "test" })(process.argv).pipe(
  Effect.tapError((error) => (ValidationError.isValidationError(error) ? Effect.void : Console.error(error.message))),
  Effect.provide(Layer.provideMerge(services, NodeContext.layer)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
