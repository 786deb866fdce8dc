/**
 * The alerts of the YAML files. They are read again when they may have changed: at most once in `CACHE_SECONDS`, or when told to.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { OrgSlug } from "../platform/Identifiers.ts"
import * as CronSchedule from "../platform/CronSchedule.ts"
import { Settings } from "../platform/Settings.ts"
import * as Yaml from "../platform/Yaml.ts"
import { type Alert, AlertFile } from "./AlertDefinition.ts"
import { AlertsInvalid } from "./Alerts.ts"

const CACHE_SECONDS = 60
const MAX_FILE_BYTES = 1_048_576

/** An alert with its schedule. */
export interface ScheduledAlert {
  readonly alert: Alert
  readonly schedule: CronSchedule.CronSchedule
}

/** The alerts of all organisations, and those of one alone, by id. */
interface Found {
  readonly shared: ReadonlyMap<string, ScheduledAlert>
  readonly own: ReadonlyMap<OrgSlug, ReadonlyMap<string, ScheduledAlert>>
}

/** A file of alerts. */
export const kind = Yaml.kind("alerts", AlertFile, { onExcessProperty: "error" })

const isOrg = Schema.is(OrgSlug)

/** Reads alerts; `clear` makes the next reader look at the files. */
export const make = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { configsPath } = yield* Settings
  const folder = path.join(configsPath, "alerts")
  let cached: { readonly until: number; readonly found: Found } | undefined

  const readFile = Effect.fnUntraced(function* (name: string) {
    const file = path.join(folder, name)
    const invalid = (reason: string) => new AlertsInvalid({ file, reason })
    const text = yield* Effect.mapError(files.readFileString(file), () => invalid("the file cannot be read"))
    if (text.length > MAX_FILE_BYTES) return yield* invalid(`the file is larger than ${MAX_FILE_BYTES} bytes`)
    const { value } = yield* Effect.mapError(kind.read(text), ({ message }) => invalid(message))
    const byId = new Map<string, ScheduledAlert>()
    for (const alert of value.alerts) {
      if (byId.has(alert.id)) return yield* invalid(`the id ${alert.id} is used twice`)
      const { cron, timezone } = alert.schedule
      const schedule = yield* Effect.mapError(CronSchedule.make(cron, timezone), ({ message }) =>
        invalid(`${alert.id}: ${message}`)
      )
      byId.set(alert.id, { alert, schedule })
    }
    return byId
  })

  const readAll = Effect.gen(function* () {
    const names = yield* Effect.orElseSucceed(files.readDirectory(folder, { recursive: true }), (): Array<string> => [])
    const shared = new Map<string, ScheduledAlert>()
    const own = new Map<OrgSlug, Map<string, ScheduledAlert>>()
    for (const name of names.map((each) => each.replaceAll("\\", "/")).sort()) {
      if (!name.endsWith(".yml")) continue
      const [org, ...rest] = name.split("/")
      const isShared = rest.length === 0
      if (!isShared && !(isOrg(org) && rest.length === 1)) {
        return yield* new AlertsInvalid({
          file: path.join(folder, name),
          reason: "alerts lie in alerts/ or alerts/{org}/"
        })
      }
      const target = isShared || !isOrg(org) ? shared : (own.get(org) ?? new Map<string, ScheduledAlert>())
      if (!isShared && isOrg(org)) own.set(org, target)
      for (const [id, each] of yield* readFile(name)) {
        if (target.has(id)) {
          return yield* new AlertsInvalid({ file: path.join(folder, name), reason: `the id ${id} is used twice` })
        }
        target.set(id, each)
      }
    }
    return { shared, own } satisfies Found
  })

  const read = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (cached !== undefined && now < cached.until) return cached.found
    const found = yield* readAll
    cached = { until: now + CACHE_SECONDS * 1000, found }
    return found
  })

  return {
    /** The alerts for everybody, those of single organisations behind. */
    all: Effect.map(read, ({ own, shared }) => [
      ...shared.values(),
      ...[...own.values()].flatMap((alerts) => [...alerts.values()])
    ]),
    /** What holds for one organisation: its own alert replaces the shared one of its id. */
    of: (org: OrgSlug) =>
      Effect.map(read, ({ own, shared }) => [...new Map([...shared, ...(own.get(org) ?? [])]).values()]),
    clear: Effect.sync(() => void (cached = undefined))
  }
})
