/**
 * The variables that a step's strings may name. System names cannot be overridden, then come what the direct dependencies answered, the
 * request's parameters, the step's own variables and the pipeline's.
 */
import { datasetOf } from "../platform/Identifiers.ts"
import type { StepOutput } from "../pipelines/Processor.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { RunState, StepState } from "./Run.ts"

/** All variables of one step, by name; never a secret. */
export const variablesOf = (
  service: { readonly environment: string; readonly projectId: string },
  state: RunState,
  step: StepState,
  outputs: Readonly<Record<string, StepOutput>>
): JsonObject => {
  const { request } = state
  const { pipeline } = request
  const dataset = datasetOf(request.org, service.environment)
  return {
    ...pipeline.variables,
    ...pipeline.parameters,
    ...step.step.variables,
    ...request.parameters,
    ...outputVariables(outputs),
    org_slug: request.org,
    org_dataset: dataset,
    dataset,
    project_id: service.projectId,
    gcp_project_id: service.projectId,
    environment: service.environment,
    run_id: request.runId,
    pipeline_id: pipeline.templateId,
    step_id: step.step.stepId,
    category: pipeline.category,
    provider: pipeline.provider,
    domain: pipeline.domain,
    template_name: pipeline.name,
    ...(request.credentialId === undefined ? {} : { credential_id: request.credentialId }),
    start_date: request.startDate,
    end_date: request.endDate,
    // A step that iterates puts each day in its place itself.
    date: step.step.config["iterate"] === "day" ? "${date}" : request.startDate
  }
}

const outputVariables = (outputs: Readonly<Record<string, StepOutput>>): JsonObject => {
  const variables: Record<string, JsonObject[string]> = {}
  for (const output of Object.values(outputs)) {
    variables["rows_processed"] = output.rowsProcessed
    variables["rows_written"] = output.rowsWritten
    if (output.outputTable !== undefined) variables["output_table"] = output.outputTable
    if (output.affectedPeriods !== undefined) variables["affected_periods"] = output.affectedPeriods
    for (const [name, value] of Object.entries(output.details)) {
      if (name.startsWith("output_")) variables[name] = value
    }
  }
  return variables
}
