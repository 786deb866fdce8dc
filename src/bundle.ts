/**
 * `npm run build`: the service as a bundle in `dist/`. Native modules stay outside.
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

/**
 * Packages that are imported when they are first needed get files of their own beside the program, which is read whole at every start. Effect's
 * stay in it: they share modules with it.
 */
const loadedLater = (packages: Set<string>): Plugin => ({
  name: "loaded-later",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /^[@a-z]/ }, ({ kind, path }) => {
      if (kind !== "dynamic-import" || /^(@effect\/|node:)/.test(path)) return undefined
      packages.add(path)
      return { path, namespace: "later" }
    })
    onLoad({ filter: /.*/, namespace: "later" }, ({ path }) => ({
      contents: `module.exports = require("./${path}.js").members`
    }))
    onResolve({ filter: /.*/, namespace: "later" }, ({ path }) => ({ path, external: true }))
  }
})

/** What such a file exports: all members as one, since of a package in the older format a bundle cannot name each. */
const membersOfPackage: Plugin = {
  name: "members-of-package",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /.*/ }, ({ kind, path }) =>
      kind === "entry-point" ? { path, namespace: "members" } : undefined
    )
    onLoad({ filter: /.*/, namespace: "members" }, ({ path }) => ({
      contents: `export * as members from "${path}"`,
      resolveDir: "."
    }))
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
  banner: {
    js: "import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url),__dirname=import.meta.dirname;"
  },
  plugins: [requiredHttp],
  logLevel: "error"
} satisfies BuildOptions

if (import.meta.main) {
  await rm("dist", { recursive: true, force: true })
  const packages = new Set<string>()
  // A function that `bundleMain.ts` calls: of a script V8 gives the functions that were compiled while it ran, of a module it does not.
  const { metafile } = await build({
    ...bundling,
    plugins: [...bundling.plugins, loadedLater(packages)],
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
  await build({
    ...bundling,
    plugins: [...bundling.plugins, membersOfPackage],
    entryPoints: [...packages].map((name) => ({ in: name, out: name })),
    outdir: "dist",
    splitting: true
  })
  const programFile = JSON.stringify(Object.keys(metafile.outputs).map((file) => basename(file))[0])
  await build({ ...bundling, entryPoints: ["src/bundleMain.ts"], outfile: "dist/main.js", define: { programFile } })
  const { write } = await import("./bundleDocuments.ts")
  write("configs", "dist/documents")
}
