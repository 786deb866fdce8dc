/**
 * The bundle as the container runs it: built, served, asked, stopped; and every package that it keeps in a file of its own.
 */
import { execFile } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { kinds, write } from "../src/bundleDocuments.ts"
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
      const programs = ["main.js", "eventLogThread.js"]
      const loaded = files.filter((file) => file.endsWith(".js") && !programs.includes(file))
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

  const faults = [
    {
      file: "tables/exchange_rates.yml",
      fault: ["type: DATE", "type: DAY"],
      reason: /exchange_rates\.yml:\d+: columns\.\d+\.type: /
    },
    {
      file: "cloud/aws/cost/billing.yml",
      fault: ["ps_type: cloud.focus_converter", "ps_type: cloud.focus_convertor"],
      reason: /cloud\/aws\/cost\/billing\.yml:\d+: no processor cloud\.focus_convertor/
    },
    {
      file: "cloud/aws/cost/billing.yml",
      fault: [
        "focus_converter\n    timeout_seconds: 1800\n    config: { provider: aws }",
        "focus_converter\n    config: { provider: AWS }"
      ],
      reason: /cloud\/aws\/cost\/billing\.yml:\d+: config\.provider/
    }
  ] as const

  const withFault = ({ fault: [right, wrong], file }: (typeof faults)[number], folder: string) => {
    const text = readFileSync(join(project, "configs", file), "utf8")
    expect(text).toContain(right)
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text.replace(right, wrong))
  }

  it.scoped.each(faults)(
    "is stopped by a file that it has not read before, and says where its fault is: $reason",
    (one) =>
      Effect.gen(function* () {
        yield* Bundle
        const folder = yield* temporaryFolder
        withFault(one, folder)
        const environment = { ...process.env, DATA_DIR: join(folder, "data"), CUSTOM_CONFIGS_PATH: folder }
        const started = promisify(execFile)(process.execPath, [main, "serve"], { env: environment })
        const error = yield* Effect.flip(Effect.tryPromise(() => started))
        expect(String(error.cause)).toMatch(one.reason)
      })
  )

  it.scoped.each(faults)("is not made of a file with a fault: $reason", (one) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      cpSync(join(project, "configs"), join(folder, "configs"), { recursive: true })
      withFault(one, join(folder, "configs"))
      const error = yield* Effect.flip(write(join(folder, "configs"), join(folder, "documents")))
      expect(error.message).toMatch(one.reason)
      expect(existsSync(join(folder, "documents"))).toBe(false)
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
