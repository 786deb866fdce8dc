/**
 * The bundle as the container runs it: built, served, asked, stopped; and every package that it keeps in a file of its own.
 */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { kinds } from "../src/bundleDocuments.ts"
import * as Yaml from "../src/platform/Yaml.ts"
import { withService } from "./support/commandLine.ts"
import { temporaryFolder } from "./support/TemporaryDatabase.ts"

const project = fileURLToPath(new URL("..", import.meta.url))
const dist = join(project, "dist")
const main = join(dist, "main.js")
const samples = join(project, "../shared/samples")
const absent = !existsSync(samples) && process.env["CI"] !== "true"

const node = (...args: ReadonlyArray<string>) =>
  Effect.promise(() => promisify(execFile)(process.execPath, args, { cwd: project }))

/** What `npm run build` makes. */
class Bundle extends Context.Tag("test/Bundle")<Bundle, ReadonlyArray<string>>() {
  static readonly layer = Layer.effect(
    Bundle,
    Effect.map(node("src/bundle.ts"), () => readdirSync(dist, { recursive: true, encoding: "utf8" }))
  )
}

layer(Bundle.layer, { excludeTestServices: true })("the bundle", (it) => {
  it.scoped("starts, is ready, and stops in order; also from what the first start has compiled", () =>
    Effect.gen(function* () {
      const environment = { DATA_DIR: join(yield* temporaryFolder, "data"), LOG_LEVEL: "OFF" }
      const statuses = (base: string) =>
        Effect.forEach(["/health/ready", "/docs"], (path) =>
          Effect.map(
            Effect.promise(() => fetch(`${base}${path}`)),
            (response) => response.status
          )
        )
      expect(yield* withService(environment, statuses, main)).toEqual([200, 200])
      expect(yield* withService(environment, statuses, main)).toEqual([200, 200])
    })
  )

  it.effect("has the packages that a start does not need in files that can be loaded", () =>
    Effect.gen(function* () {
      const files = yield* Bundle
      const packages = [
        "@aws-sdk/client-s3",
        "@google-cloud/kms",
        "fast-xml-parser",
        "fflate",
        "nodemailer",
        "swagger-ui"
      ]
      expect(files).toEqual(expect.arrayContaining(packages.map((name) => `${name}.js`)))
      const loaded = files.filter((file) => file.endsWith(".js") && file !== "main.js")
      const program = loaded.map((file) => `await import(${JSON.stringify(pathToFileURL(join(dist, file)).href)})`)
      yield* node("--input-type=module", "--eval", program.join("\n"))
    })
  )

  it.effect.each(kinds)("has read each $name of the package as its file says it", ({ name, read }) =>
    Effect.gen(function* () {
      yield* Bundle
      const folder = join(project, "configs")
      const texts = readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".yml"))
        .map((file) => readFileSync(join(folder, file), "utf8"))
      const expected = texts.flatMap((text) =>
        Either.match(read(text), { onLeft: () => [], onRight: ({ value }) => [[Yaml.digest(text), value] as const] })
      )
      expect(expected).not.toEqual([])
      const written = JSON.parse(readFileSync(join(dist, "documents", `${name}.json`), "utf8"))
      // A value that JSON cannot hold is another one when it is read again.
      expect(written).toEqual(Object.fromEntries(expected))
    })
  )

  it.scoped("is stopped by a faulty table that it has not read before, and says where the fault is", () =>
    Effect.gen(function* () {
      yield* Bundle
      const folder = yield* temporaryFolder
      mkdirSync(join(folder, "tables"))
      const declared = readFileSync(join(project, "configs/tables/exchange_rates.yml"), "utf8")
      writeFileSync(join(folder, "tables/exchange_rates.yml"), declared.replace("type: DATE", "type: DAY"))
      const environment = { ...process.env, DATA_DIR: join(folder, "data"), CUSTOM_CONFIGS_PATH: folder }
      const started = promisify(execFile)(process.execPath, [main, "serve"], { env: environment })
      const error = yield* Effect.flip(Effect.tryPromise(() => started))
      expect(String(error.cause)).toMatch(/exchange_rates\.yml:\d+: columns\.\d+\.type: /)
    })
  )

  it.effect.skipIf(absent)("converts a bill (needs the sample bills beside the project)", () =>
    Effect.gen(function* () {
      const { stdout } = yield* node(
        main,
        "convert",
        "--provider",
        "aws",
        "--input",
        join(samples, "aws/cur2/hard_cases.csv"),
        "--json"
      )
      expect(JSON.parse(stdout)).toMatchObject({ rowsIn: 29, quarantined: 0, conformance: { violated: [] } })
    })
  )
})
