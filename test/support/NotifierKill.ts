/**
 * What the victim of the kill tests of notifications and the test itself have in common: pipelines that fail, told of without a cooldown.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { StepError } from "../../src/pipelines/Processor.ts"
import * as NotifierWorld from "./NotifierWorld.ts"
import { pipeline, step } from "./pipelines.ts"

/** One client asks for the runs of each. */
export const configIds = ["cloud/test/kill/p0", "cloud/test/kill/p1"]

/** The world on this folder; the notifier's worker is left to the caller. */
export const layer = (folder: string, port: number) => {
  const configs = join(folder, "configs")
  mkdirSync(join(configs, "notifications"), { recursive: true })
  writeFileSync(
    join(configs, "notifications/config.json"),
    JSON.stringify({ event_triggers: [{ event: "pipeline_failure", severity: "error", cooldown_seconds: 0 }] })
  )
  return NotifierWorld.layer({
    folder,
    variables: { ...NotifierWorld.mailTo(port), CONFIGS_BASE_PATH: configs },
    pipelines: configIds.map((configId) => pipeline([step("broken", [])], { configId })),
    script: { broken: () => new StepError({ errorType: "PERMANENT", code: "BROKEN", message: "it is broken" }) }
  })
}
