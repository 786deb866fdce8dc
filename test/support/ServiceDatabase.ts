/**
 * A real service database in a temporary folder, for tests.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Layer from "effect/Layer"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import * as Database from "../../src/platform/Database.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { Settings } from "../../src/platform/Settings.ts"

/** The settings of an installation whose data lie in `folder`; no variable of the environment is read. */
export const settings = (folder: string, variables: Record<string, string> = {}) =>
  Layer.provide(
    Settings.layer,
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries({ DATA_DIR: folder, ...variables }))))
  )

/** Settings, database and platform of an installation whose data lie in `folder`. */
export const installation = (folder: string, variables: Record<string, string> = {}) =>
  Database.layer.pipe(Layer.provideMerge(Layer.merge(settings(folder, variables), NodeContext.layer)))

/** The organisations of a database file, which the caller provides; the encryption key lies beside it. */
export const organizationsBeside = (database: string) =>
  OrganizationsSql.layer.pipe(
    Layer.provide(
      EncryptionLocal.layer.pipe(Layer.provide([settings(dirname(database)), NodeContext.layer]), Layer.orDie)
    )
  )

/** Every byte of the folder's files as one text, to look for what must not be there. */
export const bytesOf = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n")
