/**
 * What the bundle need not read at its start: the values of the package's own YAML documents, of each kind in a file beside the program, see
 * `Yaml.kind`.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as AlertFiles from "./alerts/AlertFiles.ts"
import * as Throwaway from "./cli/throwaway.ts"
import * as RuleSet from "./focus/RuleSet.ts"
import { Catalogue } from "./pipelines/Catalogue.ts"
import * as CatalogueYaml from "./pipelines/CatalogueYaml.ts"
import * as Yaml from "./platform/Yaml.ts"
import * as Tables from "./warehouse/Tables.ts"

/** All of them. */
export const kinds: ReadonlyArray<Yaml.Kind<unknown>> = [
  Tables.kind,
  CatalogueYaml.kind,
  AlertFiles.kind,
  ...Object.values(RuleSet.kinds)
]

/** Fails when one of the folder's pipelines could not be run: a start of the bundle takes those that were written for checked. */
const checked = (configsFolder: string) =>
  Effect.flatMap(Catalogue, ({ checkAll }) => checkAll).pipe(
    Effect.provide(Throwaway.installation),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["CONFIGS_BASE_PATH", configsFolder]])))
  )

/** Writes them. A document is one of each kind as which it can be read. */
export const write = Effect.fn("bundle.writeDocuments")(function* (configsFolder: string, outputFolder: string) {
  yield* checked(configsFolder)
  const texts = readdirSync(configsFolder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".yml"))
    .map((file) => readFileSync(join(configsFolder, file), "utf8"))
  mkdirSync(outputFolder)
  for (const { name, read } of kinds) {
    const values = texts.flatMap((text) =>
      Either.match(read(text), { onLeft: () => [], onRight: ({ value }) => [[Yaml.digest(text), value] as const] })
    )
    writeFileSync(join(outputFolder, `${name}.json`), JSON.stringify(Object.fromEntries(values)))
  }
})
