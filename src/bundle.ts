/**
 * `npm run build`: the service as one bundle in `dist/`. Native modules stay outside.
 */
import { rm } from "node:fs/promises"
import { basename } from "node:path"
import { build, type BuildOptions, type Plugin } from "esbuild"

/**
 * Node's loader reads every member of a built-in module that is imported, and some of `node:http` load its whole HTTP client: a tenth of a
 * start. One that is required is not read.
 */
const requiredHttp: Plugin = {
  name: "required-http",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /^node:http$/ }, () => ({ path: "http", namespace: "required" }))
    onLoad({ filter: /.*/, namespace: "required" }, ({ path }) => ({ contents: `module.exports = require("${path}")` }))
  }
}

/** How the service is bundled. */
export const bundling = {
  bundle: true,
  minifySyntax: true,
  minifyWhitespace: true,
  platform: "node",
  target: "node22",
  format: "esm",
  external: ["better-sqlite3", "*.node"],
  banner: { js: "import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);" },
  plugins: [requiredHttp],
  logLevel: "error"
} satisfies BuildOptions

if (import.meta.main) {
  await rm("dist", { recursive: true, force: true })
  // A function that `bundleMain.ts` calls: of a script V8 gives the functions that were compiled while it ran, of a module it does not.
  const { metafile } = await build({
    ...bundling,
    entryPoints: ["src/cli/main.ts"],
    outdir: "dist",
    entryNames: "program-[hash]",
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    define: { "import.meta.url": "address" },
    banner: { js: "(function(require,__dirname,address){" },
    footer: { js: "})" },
    metafile: true
  })
  const programFile = JSON.stringify(Object.keys(metafile.outputs).map((file) => basename(file))[0])
  await build({ ...bundling, entryPoints: ["src/bundleMain.ts"], outfile: "dist/main.js", define: { programFile } })
}
