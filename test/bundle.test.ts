/**
 * The bundle as the container runs it: built, served, asked, stopped; and every package that it keeps in a file of its own.
 */
import { execFile } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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
      const status = (base: string) =>
        Effect.map(
          Effect.promise(() => fetch(`${base}/health/ready`)),
          (response) => response.status
        )
      expect(yield* withService(environment, status, main)).toBe(200)
      expect(yield* withService(environment, status, main)).toBe(200)
    })
  )

  it.effect("has the packages that a start does not need in files that can be loaded", () =>
    Effect.gen(function* () {
      const files = yield* Bundle
      const packages = ["@aws-sdk/client-s3", "@google-cloud/kms", "fast-xml-parser", "fflate", "nodemailer"]
      expect(files).toEqual(expect.arrayContaining(packages.map((name) => `${name}.js`)))
      const loaded = files.filter((file) => file.endsWith(".js") && file !== "main.js")
      const program = loaded.map((file) => `await import(${JSON.stringify(pathToFileURL(join(dist, file)).href)})`)
      yield* node("--input-type=module", "--eval", program.join("\n"))
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
