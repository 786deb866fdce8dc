/**
 * Programs of the bench as they would ship: bundled, because the types that Node strips from the sources stay in memory.
 */
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import * as Effect from "effect/Effect"
import { bundling } from "../../src/bundle.ts"

/** Bundles a program beside the service's own bundle, from where it finds the package's configuration. */
export const bundle = Effect.fnUntraced(function* (program: string) {
  const outfile = fileURLToPath(new URL(`../../dist/${basename(program, ".ts")}.js`, import.meta.url))
  yield* Effect.promise(() => build({ ...bundling, entryPoints: [program], outfile }))
  return outfile
})
