/**
 * The JSON of stored procedures.
 */
import * as Schema from "effect/Schema"

const procedureFields = {
  name: Schema.String,
  dataset: Schema.String,
  project_id: Schema.String,
  full_name: Schema.String,
  created_at: Schema.String,
  modified_at: Schema.String,
  content_hash: Schema.String.annotations({ description: "SHA-256 of the resolved text" }),
  in_sync: Schema.Boolean.annotations({ description: "The file of this name has the same text" })
}

export const ProcedureList = Schema.Struct({
  procedures: Schema.Array(Schema.Struct(procedureFields)),
  count: Schema.Number
}).annotations({ identifier: "ProcedureList" })

export const ProcedureDetail = Schema.Struct({ ...procedureFields, definition: Schema.String }).annotations({
  identifier: "ProcedureDetail"
})

export const ProcedureFiles = Schema.Struct({
  files: Schema.Array(Schema.Struct({ name: Schema.String, path: Schema.String, domain: Schema.String })),
  count: Schema.Number,
  domain_filter: Schema.NullOr(Schema.String)
}).annotations({ identifier: "ProcedureFiles" })

export const SyncRequestBody = Schema.Struct({
  force: Schema.optional(Schema.Boolean),
  procedures: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  domain: Schema.optional(Schema.NullOr(Schema.String))
}).annotations({ identifier: "SyncRequest" })

export const SyncReport = Schema.Struct({
  success: Schema.Boolean,
  created: Schema.Array(Schema.String),
  updated: Schema.Array(Schema.String),
  skipped: Schema.Array(Schema.String),
  failed: Schema.Array(Schema.Struct({ procedure: Schema.String, error: Schema.String })),
  message: Schema.String
}).annotations({ identifier: "SyncReport" })

export const ProcedureDropped = Schema.Struct({
  success: Schema.Boolean,
  procedure_name: Schema.String,
  message: Schema.String
}).annotations({ identifier: "ProcedureDropped" })
