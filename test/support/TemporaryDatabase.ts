/**
 * A real database file in a folder of its own, removed with the scope.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Database from "../../src/platform/Database.ts"

/** A new folder that is removed with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pipeline-service-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** The path of a database file that does not exist yet. */
export const temporaryFile = Effect.map(temporaryFolder, (folder) => join(folder, "data", "service.db"))

/** The SQL client on a new database file. */
export const layer = Layer.unwrapScoped(Effect.map(temporaryFile, Database.layerFile))
