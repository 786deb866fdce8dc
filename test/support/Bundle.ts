/**
 * Programs of tests that start again and again, bundled as the service ships: to find, strip and compile a thousand modules is three
 * quarters of a start from the sources.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import * as Effect from "effect/Effect"
import { bundling } from "../../src/bundle.ts"
import { eventLogThread } from "../../src/Installation.ts"

/** Below the packages, for native ones stay outside a bundle. */
const cache = fileURLToPath(new URL("../../node_modules/.cache", import.meta.url))

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    mkdirSync(cache, { recursive: true })
    return mkdtempSync(join(cache, "test-program-"))
  }),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

/** Bundles a program, with that of the event log's thread beside it; the files are removed with the scope. */
export const bundle = Effect.fnUntraced(function* (program: string) {
  const outdir = yield* folder
  const options = { ...bundling, entryPoints: [program], outdir, splitting: true, outExtension: { ".js": ".mjs" } }
  yield* Effect.promise(() => build(options))
  yield* Effect.promise(() => build({ ...bundling, entryPoints: [fileURLToPath(eventLogThread)], outdir }))
  return join(outdir, `${basename(program, ".ts")}.mjs`)
})
