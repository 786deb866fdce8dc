/**
 * Programs of the bench as they would ship: bundled, because the types that Node strips from the sources stay in memory.
 */
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import * as Effect from "effect/Effect"

/** Bundles a program beside the service's own bundle, from where it finds the package's configuration. */
export const bundle = Effect.fnUntraced(function* (program: string) {
  const outfile = fileURLToPath(new URL(`../../dist/${basename(program, ".ts")}.js`, import.meta.url))
  yield* Effect.promise(() =>
    build({
      entryPoints: [program],
      outfile,
      bundle: true,
      minifySyntax: true,
      minifyWhitespace: true,
      platform: "node",
      target: "node22",
      format: "esm",
      external: ["better-sqlite3", "@duckdb/node-api"],
      banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
      logLevel: "error"
    })
  )
  return outfile
})
