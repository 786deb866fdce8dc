/**
 * A real service database in a temporary folder, for tests.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Database from "../../src/platform/Database.ts"
import { Settings } from "../../src/platform/Settings.ts"

/** A folder that is removed with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pipeline-service-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** The settings of an installation whose data lie in `folder`; no variable of the environment is read. */
export const settings = (folder: string, variables: Record<string, string> = {}) =>
  Layer.provide(
    Settings.layer,
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries({ DATA_DIR: folder, ...variables }))))
  )

/** Settings, database and platform of an installation whose data lie in `folder`. */
export const installation = (folder: string, variables: Record<string, string> = {}) =>
  Database.layer.pipe(Layer.provideMerge(Layer.merge(settings(folder, variables), NodeContext.layer)))

/** Every byte of the folder's files as one text, to look for what must not be there. */
export const bytesOf = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n")
