/**
 * The pipelines of `configs/`: one shared file per config id, replaced as a whole by `configs/{org}/{config id}.yml` for that org.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { Pipeline } from "./Pipeline.ts"

/** There is no such file, neither the org's nor a shared one. */
export class TemplateNotFound extends Schema.TaggedError<TemplateNotFound>()("TemplateNotFound", {
  configId: Schema.String
}) {
  override get message() {
    return `Template not found: ${this.configId}`
  }
}

/** A file is no valid pipeline; says file, line and reason. */
export class PipelineInvalid extends Schema.TaggedError<PipelineInvalid>()("PipelineInvalid", {
  file: Schema.String,
  line: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file}:${this.line}: ${this.reason}`
  }
}

export interface CatalogueService {
  /** The org's own file or the shared one, as it stands on disk now. */
  readonly load: (org: OrgSlug, configId: string) => Effect.Effect<Pipeline, TemplateNotFound | PipelineInvalid>
  /** Checks every file of the tree; the first fault fails. Called at start. Answers the paths of the files without `.yml`. */
  readonly checkAll: Effect.Effect<ReadonlyArray<string>, PipelineInvalid>
}

/** The catalogue of pipelines. */
export class Catalogue extends Context.Tag("pipeline-service/Catalogue")<Catalogue, CatalogueService>() {}
