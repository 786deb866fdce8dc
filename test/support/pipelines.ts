import * as Schema from "effect/Schema"
import type { Pipeline, Step } from "../../src/pipelines/Pipeline.ts"
import { Day, OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import type { RunRequested } from "../../src/runs/RunEvent.ts"

export const org = Schema.decodeSync(OrgSlug)("acme_corp")
export const day = Schema.decodeSync(Day)
export const runId = Schema.decodeSync(RunId)

/** A step with short retries; `more` overrides. */
export const step = (stepId: string, dependsOn: ReadonlyArray<string>, more: Partial<Step> = {}): Step => ({
  stepId,
  name: stepId,
  psType: "test.step",
  config: {},
  variables: {},
  timeoutSeconds: 60,
  retry: { maxAttempts: 3, backoffSeconds: 1, exponential: true },
  onFailure: "stop",
  dependsOn,
  enabled: true,
  ...more
})

/** A pipeline of these steps. */
export const pipeline = (steps: readonly [Step, ...ReadonlyArray<Step>], more: Partial<Pipeline> = {}): Pipeline => ({
  configId: "cloud/test/cost/demo",
  templateId: "cloud_test_cost_demo",
  name: "Demo",
  category: "cloud",
  provider: "test",
  domain: "cost",
  timeoutSeconds: 600,
  variables: {},
  parameters: {},
  notifications: { onFailure: [], onSuccess: [] },
  steps,
  definitionHash: "hash",
  ...more
})

/** The first event of a run of this pipeline. */
export const requested = (definition: Pipeline): typeof RunRequested.Type => ({
  _tag: "RunRequested",
  runId: runId("6f1d9b1e-53c5-4a3b-9a30-0c5a7d8e9f01"),
  org,
  trackingId: `${org}-cloud-test-cost-demo`,
  trigger: "api",
  triggerBy: "test",
  startDate: day("2026-05-01"),
  endDate: day("2026-05-31"),
  forceRefresh: false,
  parameters: {},
  pipeline: definition
})
