import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Catalogue } from "../../src/pipelines/Catalogue.ts"
import * as CatalogueYaml from "../../src/pipelines/CatalogueYaml.ts"
import { type Processor, Processors } from "../../src/pipelines/Processor.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { Settings } from "../../src/platform/Settings.ts"
import * as Notice from "../../src/processors/notify/Notice.ts"

const org = Schema.decodeSync(OrgSlug)("acme_corp")

const echo: Processor = {
  type: "test.echo",
  check: (config) => (config["forbidden"] === undefined ? undefined : "config.forbidden is not known"),
  execute: () => Effect.succeed({ rowsProcessed: 0, rowsWritten: 0, details: {} })
}

/** Runs with a `configs/` folder of these files. */
const withFiles = <A, E>(
  files: Readonly<Record<string, string>>,
  use: Effect.Effect<A, E, Catalogue | ConfigsFolder>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* fs.makeTempDirectoryScoped()
    for (const [name, text] of Object.entries(files)) {
      yield* fs.makeDirectory(path.dirname(path.join(folder, name)), { recursive: true })
      yield* fs.writeFileString(path.join(folder, name), text)
    }
    const settings = Settings.layer.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["CONFIGS_BASE_PATH", folder]]))))
    )
    const catalogue = CatalogueYaml.layer.pipe(
      Layer.provide([
        settings,
        Layer.succeed(Processors, new Map(Processors.entries([echo, Notice.email, Notice.slack])))
      ])
    )
    return yield* Effect.provide(use, Layer.merge(catalogue, Layer.succeed(ConfigsFolder, folder)))
  }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))

class ConfigsFolder extends Effect.Tag("test/ConfigsFolder")<ConfigsFolder, string>() {}

const file = (steps: string, more = "") => `pipeline_id: "{org_slug}-demo"
name: Demo
provider: test
domain: cost
${more}steps:
${steps}`

const load = (configId = "cloud/test/cost/demo") =>
  Effect.flatMap(Catalogue, (catalogue) => catalogue.load(org, configId))
const name = "cloud/test/cost/demo.yml"

describe("Catalogue", () => {
  it.effect("gives notify steps their trigger, on_failure unless told", () =>
    withFiles(
      {
        [name]: file(`  - { step_id: a, ps_type: test.echo }
  - { step_id: mail, ps_type: notify_systems.email_notification, config: { to_emails: ["{admin_email}"] } }
  - { step_id: slack, ps_type: notify_systems.slack_notification, trigger: always }
`)
      },
      Effect.gen(function* () {
        const { steps } = yield* load()
        expect(steps.map(({ stepId, trigger }) => [stepId, trigger])).toEqual([
          ["a", undefined],
          ["mail", "on_failure"],
          ["slack", "always"]
        ])
        expect(steps[0]).not.toHaveProperty("trigger")
      })
    )
  )

  it.effect("fills in the defaults of the contract and makes implicit dependencies explicit", () =>
    withFiles(
      {
        [name]: file(
          `  - step_id: a
    ps_type: test.echo
    timeout_minutes: 2
  - step_id: b
    ps_type: test.echo
    timeout_seconds: 7
    timeout_minutes: 2
  - step_id: c
    ps_type: test.echo
    depends_on: []
    enabled: "\${wanted}"
`,
          "variables: { wanted: false }\n"
        )
      },
      Effect.gen(function* () {
        const pipeline = yield* load()
        expect(pipeline.templateId).toBe("cloud_test_cost_demo")
        expect(pipeline.timeoutSeconds).toBe(1800)
        expect(pipeline.steps.map((step) => [step.stepId, step.dependsOn, step.timeoutSeconds, step.enabled])).toEqual([
          ["a", [], 120, true],
          ["b", ["a"], 7, true],
          ["c", [], 600, false]
        ])
        expect(pipeline.steps[0].retry).toEqual({ maxAttempts: 3, backoffSeconds: 30, exponential: true })
        expect(pipeline.steps[0].onFailure).toBe("stop")
      })
    )
  )

  it.effect("prefers the org's own file, for that org only, and reads a changed file again", () =>
    withFiles(
      {
        [name]: file("  - { step_id: shared, ps_type: test.echo }\n"),
        [`acme_corp/${name}`]: file("  - { step_id: own, ps_type: test.echo }\n")
      },
      Effect.gen(function* () {
        const catalogue = yield* Catalogue
        const other = Schema.decodeSync(OrgSlug)("other_org")
        expect((yield* load()).steps[0].stepId).toBe("own")
        const before = yield* catalogue.load(other, "cloud/test/cost/demo")
        expect(before.steps[0].stepId).toBe("shared")
        const fs = yield* FileSystem.FileSystem
        yield* fs.writeFileString(
          `${yield* ConfigsFolder}/${name}`,
          file("  - { step_id: changed, ps_type: test.echo }\n")
        )
        const after = yield* catalogue.load(other, "cloud/test/cost/demo")
        expect(after.steps[0].stepId).toBe("changed")
        expect(after.definitionHash).not.toBe(before.definitionHash)
      }).pipe(Effect.provide(NodeContext.layer))
    )
  )

  const faults: ReadonlyArray<readonly [string, string, number, RegExp]> = [
    ["broken YAML", "pipeline_id: [", 1, /flow/i],
    ["a missing member", "pipeline_id: x\nprovider: p\ndomain: d\nsteps: []\n", 1, /name/],
    ["no steps", file("  []\n").replace("steps:\n  []", "steps: []"), 5, /steps/],
    [
      "an unknown processor",
      file("  - step_id: a\n    ps_type: test.unknown\n"),
      7,
      /no processor test.unknown; known: .*test.echo/
    ],
    ["an unknown member of a step", file("  - step_id: a\n    ps_type: test.echo\n    retries: 3\n"), 8, /retries/],
    [
      "a timeout out of bounds",
      file("  - step_id: a\n    ps_type: test.echo\n    timeout_seconds: 7201\n"),
      8,
      /timeout_seconds/
    ],
    [
      "a trigger of a step that tells nobody",
      file("  - step_id: a\n    ps_type: test.echo\n    trigger: always\n"),
      8,
      /only steps of notify_systems/
    ],
    [
      "a step that waits for a notify step",
      file("  - { step_id: a, ps_type: notify_systems.slack_notification }\n  - { step_id: b, ps_type: test.echo }\n"),
      7,
      /comes last/
    ],
    [
      "an unknown member of a notify step's config",
      file("  - step_id: a\n    ps_type: notify_systems.email_notification\n    config: { to: [a@b.test] }\n"),
      8,
      /to/
    ],
    ["an unknown on_failure", file("  - step_id: a\n    ps_type: test.echo\n    on_failure: panic\n"), 8, /on_failure/],
    ["an unknown dependency", file("  - step_id: a\n    ps_type: test.echo\n    depends_on: [z]\n"), 6, /names z/],
    [
      "a step id used twice",
      file("  - { step_id: a, ps_type: test.echo }\n  - { step_id: a, ps_type: test.echo }\n"),
      7,
      /used twice/
    ],
    [
      "a cycle",
      file(
        "  - { step_id: a, ps_type: test.echo, depends_on: [b] }\n  - { step_id: b, ps_type: test.echo, depends_on: [a] }\n"
      ),
      6,
      /circle through a, b/
    ],
    [
      "a schedule that is never due",
      file("  - { step_id: a, ps_type: test.echo }\n", 'schedule: "0 4 31 4 *"\n'),
      5,
      /never due/
    ],
    [
      "a schedule in a zone that there is not",
      file("  - { step_id: a, ps_type: test.echo }\n", 'schedule: { cron: "0 4 * * *", timezone: Nowhere }\n'),
      5,
      /no time zone/
    ],
    [
      "a config its processor refuses",
      file("  - step_id: a\n    ps_type: test.echo\n    config: { forbidden: 1 }\n"),
      8,
      /forbidden/
    ]
  ]
  for (const [what, text, line, reason] of faults) {
    it.effect(`stops the start for ${what}, naming file, line and reason`, () =>
      withFiles(
        { [name]: text },
        Effect.gen(function* () {
          const error = yield* Effect.flip(Effect.flatMap(Catalogue, (catalogue) => catalogue.checkAll))
          expect(error.message).toMatch(reason)
          expect([error.file, error.line]).toEqual([name, line])
        })
      )
    )
  }

  it.effect("reads every form of a schedule as cron and zone", () => {
    const forms = {
      text: ['schedule: "0 4 * * 1"', { cron: "0 4 * * 1", timezone: "UTC" }],
      cron: ['schedule: { cron: "0 4 * * *", timezone: Asia/Tokyo }', { cron: "0 4 * * *", timezone: "Asia/Tokyo" }],
      off: ['schedule: { cron: "0 4 * * *", enabled: false }', undefined],
      daily: [
        'schedule: { type: daily, time: "07:05", timezone: Europe/Berlin }',
        { cron: "5 7 * * *", timezone: "Europe/Berlin" }
      ],
      none: ["", undefined]
    } as const
    const files = Object.entries(forms).map(([form, [text]]) => [
      `cloud/test/cost/${form}.yml`,
      file("  - { step_id: a, ps_type: test.echo }\n", text === "" ? "" : `${text}\n`)
    ])
    return withFiles(
      Object.fromEntries(files),
      Effect.gen(function* () {
        for (const [form, [, schedule]] of Object.entries(forms)) {
          expect((yield* load(`cloud/test/cost/${form}`)).schedule, form).toEqual(schedule)
        }
      })
    )
  })

  it.effect("knows no template outside the tree, in a reserved folder, or that is not there", () =>
    withFiles(
      { "system/a/b/c.yml": file("  - { step_id: a, ps_type: test.echo }\n") },
      Effect.forEach(["../etc/passwd/x", "system/a/b/c", "cloud/test/cost/none", "a/b", "a/b/c/d/e"], (configId) =>
        Effect.map(Effect.flip(load(configId)), (error) => expect(error._tag).toBe("TemplateNotFound"))
      )
    )
  )
})
