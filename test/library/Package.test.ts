/**
 * The package as somebody gets it: packed, unpacked in a project that is not this one, with the declared dependencies and no others. The
 * programs are those of README.md, word by word.
 */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import * as World from "../support/HttpWorld.ts"

const project = fileURLToPath(new URL("../..", import.meta.url))
const samples = join(project, "../shared/samples")
const absent = !existsSync(samples) && process.env["CI"] !== "true"

const execute = (
  folder: string,
  environment: Record<string, string>,
  command: string,
  ...args: ReadonlyArray<string>
) =>
  Effect.map(
    Effect.promise(() =>
      promisify(execFile)(command, args, { cwd: folder, env: { PATH: process.env["PATH"] ?? "", ...environment } })
    ),
    ({ stdout }) => stdout
  )

/** Blocks of README.md that begin with the name of their file. */
const examples = () =>
  [
    ...readFileSync(join(project, "README.md"), "utf8").matchAll(
      /```(?:ts|yaml)\n((?:\/\/|#) (\S+\.(?:ts|yml))[\s\S]*?)```/g
    )
  ].map(([, text = "", name = ""]) => ({ name: name.replace(/:$/, ""), text }))

/** The folder of a new project that has the package. */
class Project extends Context.Tag("test/Project")<Project, string>() {
  static readonly layer = Layer.scoped(
    Project,
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const manifest = Schema.decodeUnknownSync(
        Schema.parseJson(Schema.Struct({ dependencies: Schema.Record({ key: Schema.String, value: Schema.String }) }))
      )(readFileSync(join(project, "package.json"), "utf8"))
      yield* execute(project, {}, "npm", "pack", "--silent", "--pack-destination", folder)
      const place = join(folder, "node_modules", "pipeline-service")
      mkdirSync(place, { recursive: true })
      yield* execute(folder, {}, "tar", "-xzf", "pipeline-service-0.1.0.tgz", "-C", place, "--strip-components=1")
      for (const name of [...Object.keys(manifest.dependencies), "@types/node"]) {
        const link = join(folder, "node_modules", name)
        mkdirSync(dirname(link), { recursive: true })
        symlinkSync(join(project, "node_modules", name), link)
      }
      writeFileSync(join(folder, "package.json"), `{ "type": "module" }`)
      for (const { name, text } of examples()) {
        mkdirSync(dirname(join(folder, name)), { recursive: true })
        writeFileSync(join(folder, name), text)
      }
      return folder
    })
  )
}

const run = (folder: string, environment: Record<string, string>, ...args: ReadonlyArray<string>) =>
  Effect.map(execute(folder, environment, process.execPath, ...args), (out) =>
    JSON.parse(out.trim().split("\n").at(-1) ?? "")
  )

layer(Layer.merge(Project.layer, World.layer()), { excludeTestServices: true })("the package", (it) => {
  it.effect("types the programs of README.md", () =>
    Effect.gen(function* () {
      const folder = yield* Project
      expect(examples().map(({ name }) => name)).toEqual(
        expect.arrayContaining(["bill.ts", "seats.ts", "client.ts", "custom/acme/usage/seats.yml"])
      )
      const options = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--target",
        "es2024",
        "--types",
        "node"
      ]
      const files = ["bill.ts", "seats.ts", "client.ts"]
      yield* execute(folder, {}, join(project, "node_modules/.bin/tsc"), ...options, ...files)
    })
  )

  it.effect.skipIf(absent)("runs a pipeline in-process (needs the sample bills beside the project)", () =>
    Effect.gen(function* () {
      const folder = yield* Project
      const answer = yield* run(
        folder,
        { DATA_DIR: join(folder, "bill") },
        "bill.ts",
        join(samples, "aws/cur2/hard_cases.csv")
      )
      expect(answer).toMatchObject({
        status: "COMPLETED",
        totals: [{ BillingCurrency: "USD", billed: "5995.3178500002829" }]
      })
    })
  )

  it.effect("runs a processor and a table that the program brings", () =>
    Effect.gen(function* () {
      const folder = yield* Project
      const environment = { DATA_DIR: join(folder, "seats"), CUSTOM_CONFIGS_PATH: join(folder, "custom") }
      const answer = yield* run(folder, environment, "seats.ts")
      expect(answer).toEqual({
        status: "COMPLETED",
        errorMessage: null,
        rows: [
          { team: "backend", seats: 7 },
          { team: "frontend", seats: 8 }
        ]
      })
    })
  )

  it.effect("talks to a running service by the typed client", () =>
    Effect.gen(function* () {
      const folder = yield* Project
      const { acme } = yield* World.Keys
      const address = `http://127.0.0.1:${yield* World.port}`
      const environment = { PIPELINE_SERVICE_URL: address, PIPELINE_API_KEY: acme }
      yield* World.call("POST", "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo", {
        headers: { "X-API-Key": acme }
      })
      expect(yield* run(folder, environment, "client.ts")).toMatchObject([
        { pipeline_id: "acme_corp-cloud-test-cost-demo" }
      ])
    })
  )

  it.effect("has the command, its configuration and its procedures", () =>
    Effect.gen(function* () {
      const folder = yield* Project
      const main = join(folder, "node_modules/pipeline-service/lib/main.js")
      const out = yield* execute(folder, {}, process.execPath, main, "tables", "cost_data_standard_1_3", "--json")
      expect(JSON.parse(out)).toMatchObject({ name: "cost_data_standard_1_3" })
    })
  )
})
