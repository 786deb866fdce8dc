/**
 * The catalogue on the YAML files of `configs/`.
 */
import { hash } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { OrgSlug } from "../platform/Identifiers.ts"
import { canonical, type JsonObject, keepCanonical } from "../platform/Json.ts"
import * as CronSchedule from "../platform/CronSchedule.ts"
import { configFolders, Settings } from "../platform/Settings.ts"
import * as Yaml from "../platform/Yaml.ts"
import { Catalogue, PipelineInvalid, TemplateNotFound } from "./Catalogue.ts"
import { dependencies } from "./Dag.ts"
import { Definition, type StepDefinition } from "./Definition.ts"
import { isNotice, type Pipeline, type Step } from "./Pipeline.ts"
import { Processors } from "./Processor.ts"
import { resolve, resolveObject } from "./Variables.ts"

/** Folders of `configs/` that hold no pipelines. */
const reservedFolders = new Set([
  "system",
  "alerts",
  "focus",
  "lookups",
  "monitoring",
  "notifications",
  "notify_systems",
  "tables"
])
const maximumFileBytes = 1_048_576
const defaultTimeoutSeconds = 1800
const defaultStepTimeoutSeconds = 600

/** Category first; nothing that could leave the tree. */
const isConfigId = (configId: string): boolean =>
  /^\w{1,50}(\/\w{1,50}){2,3}$/.test(configId) && !reservedFolders.has(configId.split("/")[0] ?? "")

const configIdOf = (file: string): string => file.slice(0, -".yml".length)

/** A file of one pipeline. */
export const kind = Yaml.kind("pipeline", Definition)

/** A file's document with what is needed to say where a fault is. */
interface Source extends Yaml.YamlDocument {
  readonly file: string
}

const make = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folders = configFolders(yield* Settings)
  const processors = yield* Processors
  const cache = new Map<string, { readonly version: string; readonly pipeline: Pipeline }>()

  const readText = (folder: string, file: string) =>
    Effect.try({
      try: () => readFileSync(path.join(folder, file), "utf8"),
      catch: () => new PipelineInvalid({ file, line: 1, reason: "the file cannot be read" })
    })

  const load = Effect.fnUntraced(function* (org: OrgSlug, configId: string) {
    const candidates = isConfigId(configId) ? [`${org}/${configId}.yml`, `${configId}.yml`] : []
    for (const file of candidates) {
      for (const folder of folders) {
        const place = path.join(folder, file)
        const version = versionOf(place)
        if (version === undefined) continue
        const key = `${org} ${place}`
        const cached = cache.get(key)
        if (cached?.version === version) return cached.pipeline
        const definition = yield* parsePipeline(yield* readText(folder, file), file, configId, org, processors)
        const pipeline = { ...definition, definitionHash: hash("sha256", canonical(definition)) } satisfies Pipeline
        // Each run's first event carries it.
        keepCanonical(pipeline)
        cache.set(key, { version, pipeline })
        return pipeline
      }
    }
    return yield* new TemplateNotFound({ configId })
  })

  const anyOrg = Schema.decodeSync(OrgSlug)("check_only")

  const checkFolder = Effect.fnUntraced(function* (folder: string) {
    const entries = yield* Effect.mapError(
      files.readDirectory(folder, { recursive: true }),
      () => new PipelineInvalid({ file: folder, line: 1, reason: "the folder of pipelines cannot be read" })
    )
    const pipelines = entries
      .map((entry) => entry.replaceAll("\\", "/"))
      .filter((entry) => entry.endsWith(".yml") && !reservedFolders.has(entry.split("/")[0] ?? ""))
      .sort()
    for (const file of pipelines) {
      const text = yield* readText(folder, file)
      // The build has checked those of the package, steps and all.
      if (!kind.isBuilt(text)) yield* parsePipeline(text, file, configIdOf(file), anyOrg, processors)
    }
    return pipelines.map(configIdOf)
  })

  return {
    load,
    checkAll: Effect.map(Effect.forEach(folders, checkFolder), (found) => [...new Set(found.flat())].sort())
  }
})

/** The catalogue of the settings' folders; a changed file counts from the next run. */
export const layer = Layer.effect(Catalogue, make)

/**
 * Changes with the file; undefined when there is none. Each request looks twice: the kernel answers from its memory, and to have another
 * thread ask it would take many times as long.
 */
const versionOf = (file: string): string | undefined => {
  try {
    const found = statSync(file, { throwIfNoEntry: false })
    return found === undefined ? undefined : `${found.size}:${found.mtimeMs}`
  } catch {
    return undefined
  }
}

const parsePipeline = Effect.fnUntraced(function* (
  text: string,
  file: string,
  configId: string,
  org: OrgSlug,
  processors: Processors["Type"]
) {
  if (text.length > maximumFileBytes) {
    return yield* new PipelineInvalid({ file, line: 1, reason: `the file is larger than ${maximumFileBytes} bytes` })
  }
  const document = yield* Effect.mapError(
    kind.read(text),
    ({ line, reason }) => new PipelineInvalid({ file, line, reason })
  )
  const source: Source = { ...document, file }
  const definition = document.value
  const { steps } = definition
  const dag = dependencies(steps.map((step) => ({ stepId: step.step_id, dependsOn: step.depends_on })))
  if ("reason" in dag) return yield* fault(source, ["steps", dag.index], dag.reason)
  const notices = new Set(steps.filter((step) => isNotice(step.ps_type)).map((step) => step.step_id))
  const waiting = steps.findIndex(
    (step, index) => !isNotice(step.ps_type) && dag.dependsOn[index]?.some((id) => notices.has(id)) === true
  )
  if (waiting >= 0) {
    const reason = "depends on a step of notify_systems, which comes last: move that to the end, or name depends_on"
    return yield* fault(source, ["steps", waiting], reason)
  }
  const schedule = scheduleOf(definition)
  if (schedule !== undefined) {
    yield* CronSchedule.make(schedule.cron, schedule.timezone).pipe(
      Effect.catchAll(({ message }) => fault(source, ["schedule"], message))
    )
  }
  const [category = ""] = configId.split("/")
  const own = {
    configId,
    templateId: configId.replaceAll("/", "_"),
    name: definition.name,
    category: definition.category ?? category,
    provider: definition.provider,
    domain: definition.domain,
    timeoutSeconds: definition.timeout_seconds ?? minutes(definition.timeout_minutes) ?? defaultTimeoutSeconds,
    variables: definition.variables,
    parameters: definition.parameters,
    ...(schedule === undefined ? {} : { schedule }),
    notifications: {
      onFailure: definition.notifications.on_failure,
      onSuccess: definition.notifications.on_success
    }
  }
  const variables: JsonObject = { ...own.variables, ...own.parameters, org_slug: org }
  const resolved = yield* Effect.forEach(steps, (step, index) =>
    resolveStep(source, index, step, dag.dependsOn[index] ?? [], variables, processors)
  )
  const [first, ...others] = resolved
  if (first === undefined) return yield* fault(source, ["steps"], "a pipeline has at least one step")
  return { ...own, steps: [first, ...others] as const }
})

const resolveStep = (
  source: Source,
  index: number,
  step: StepDefinition,
  dependsOn: ReadonlyArray<string>,
  variables: JsonObject,
  processors: Processors["Type"]
): Effect.Effect<Step, PipelineInvalid> =>
  Effect.gen(function* () {
    const making = processors.get(step.ps_type)
    if (making === undefined) {
      return yield* fault(
        source,
        ["steps", index, "ps_type"],
        `no processor ${step.ps_type}; known: ${[...processors.keys()].sort().join(", ")}`
      )
    }
    const config: JsonObject = {
      ...step.config,
      ...(step.source === undefined ? {} : { source: step.source }),
      ...(step.destination === undefined ? {} : { destination: step.destination })
    }
    const problem = (yield* making).check(resolveObject(config, variables))
    if (problem !== undefined) return yield* fault(source, ["steps", index, "config"], problem)
    if (step.trigger !== undefined && !isNotice(step.ps_type)) {
      return yield* fault(source, ["steps", index, "trigger"], "only steps of notify_systems have a trigger")
    }
    const enabled = typeof step.enabled === "string" ? resolve(step.enabled, variables) : step.enabled
    if (!["true", "false"].includes(String(enabled))) {
      return yield* fault(source, ["steps", index, "enabled"], "enabled is neither true nor false")
    }
    return {
      stepId: step.step_id,
      name: step.name ?? step.step_id,
      psType: step.ps_type,
      config,
      variables: step.variables,
      timeoutSeconds: step.timeout_seconds ?? minutes(step.timeout_minutes) ?? defaultStepTimeoutSeconds,
      retry: {
        maxAttempts: step.retry.max_attempts,
        backoffSeconds: step.retry.backoff_seconds,
        exponential: step.retry.exponential_backoff
      },
      onFailure: step.on_failure,
      dependsOn,
      enabled: String(enabled) === "true",
      ...(isNotice(step.ps_type) ? { trigger: step.trigger ?? "on_failure" } : {})
    }
  })

/** The forms of `schedule` as cron and zone; undefined when there is none or it is switched off. */
const scheduleOf = ({ schedule }: Definition): Pipeline["schedule"] => {
  if (schedule === undefined) return undefined
  if (typeof schedule === "string") return { cron: schedule, timezone: "UTC" }
  const timezone = schedule.timezone ?? "UTC"
  if ("cron" in schedule) return schedule.enabled === false ? undefined : { cron: schedule.cron, timezone }
  const [hour, minute] = schedule.time.split(":").map(Number)
  return { cron: `${minute} ${hour} * * *`, timezone }
}

const minutes = (value: number | undefined): number | undefined => (value === undefined ? undefined : value * 60)

/** A fault at the innermost part of the path that the file has. */
const fault = ({ file, lineOf }: Source, place: ReadonlyArray<string | number>, reason: string) =>
  Effect.fail(new PipelineInvalid({ file, line: lineOf(place), reason }))
