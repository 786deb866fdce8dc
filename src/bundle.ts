/**
 * `npm run build`: the service as a bundle in `dist/`. Native modules stay outside.
 */
import { rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import { build, type BuildOptions, type Plugin } from "esbuild"

/**
 * Node's loader reads every member of a built-in module that is imported, and some of `node:http` load its whole HTTP client: a tenth of a
 * start. Those that are required are not read, and of such a module each importer would get a copy; so its members are exported by name, of
 * which only those that are used stay.
 */
const requiredBuiltIns: Plugin = {
  name: "required-built-ins",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /^node:/ }, ({ kind, path }) =>
      kind === "require-call" ? { path, external: true } : { path, namespace: "required", sideEffects: false }
    )
    onLoad({ filter: /.*/, namespace: "required" }, ({ path }) => ({
      contents: [
        `const members = /* @__PURE__ */ require("${path}")`,
        "export default members",
        ...Object.keys(createRequire(import.meta.url)(path)).map(
          (name) => `export const ${name} = /* @__PURE__ */ (() => members.${name})()`
        )
      ].join("\n")
    }))
  }
}

/**
 * What a start never calls is loaded when a member of it is first used: the reader of compressed files, child processes, threads, terminals,
 * names of hosts, and of what Effect's server offers web sockets and the types of files.
 */
const usedLater: Plugin = {
  name: "used-later",
  setup: ({ onLoad, onResolve }) => {
    onResolve(
      { filter: /^(node:(zlib|child_process|worker_threads|readline|dns\/promises)|ws|mime)$/ },
      ({ namespace, path }) => (namespace === "used" ? undefined : { path, namespace: "used" })
    )
    // `mime` exports nothing but a default.
    onLoad({ filter: /.*/, namespace: "used" }, ({ path }) => ({
      contents: `
        const members = () => require("${path}")
        module.exports = Object.create(new Proxy({}, { get: (_, name) => (members().default ?? members())[name] }))`,
      resolveDir: "."
    }))
  }
}

/**
 * Packages that are imported when they are first needed get files of their own beside the program, which is read whole at every start. Effect's
 * stay in it, since they share modules with it, but for the page of `/docs`: two megabytes of text. `files` is told what is in each.
 */
const loadedLater = (files: Map<string, string>): Plugin => ({
  name: "loaded-later",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /^[@a-z]/ }, ({ kind, path }) => {
      if (kind !== "dynamic-import" || /^(@effect\/|node:)/.test(path)) return undefined
      files.set(path, path)
      return { path, namespace: "later" }
    })
    onResolve({ filter: /\/internal\/httpApiSwagger\.js$/ }, ({ path, resolveDir }) => {
      files.set("swagger-ui", join(resolveDir, path))
      return { path: "swagger-ui", namespace: "later" }
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
    js: "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url),__dirname=import.meta.dirname;"
  },
  plugins: [requiredBuiltIns],
  logLevel: "error"
} satisfies BuildOptions

if (import.meta.main) {
  await rm("dist", { recursive: true, force: true })
  const files = new Map<string, string>()
  // A function that `bundleMain.ts` calls: of a script V8 gives the functions that were compiled while it ran, of a module it does not.
  const { metafile } = await build({
    ...bundling,
    plugins: [usedLater, ...bundling.plugins, loadedLater(files)],
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
    entryPoints: [...files].map(([name, file]) => ({ in: file, out: name })),
    outdir: "dist",
    splitting: true
  })
  const programFile = JSON.stringify(Object.keys(metafile.outputs).map((file) => basename(file))[0])
  await build({ ...bundling, entryPoints: ["src/eventLogThread.ts"], outdir: "dist" })
  await build({ ...bundling, entryPoints: ["src/bundleMain.ts"], outfile: "dist/main.js", define: { programFile } })
  const { write } = await import("./bundleDocuments.ts")
  await Effect.runPromise(write("configs", "dist/documents"))
}
