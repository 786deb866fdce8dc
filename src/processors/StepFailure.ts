/**
 * How the errors of the rooms below become the failure of a step: which are worth another attempt, and what to do about the others.
 */
import type { CredentialsUnavailable } from "../credentials/Credentials.ts"
import { StepError } from "../pipelines/Processor.ts"
import type { SourceError } from "../sources/SourceError.ts"
import type { WarehouseError } from "../warehouse/Warehouse.ts"

/** A provider could not be read. A source that changed while it was read is worth another attempt. */
export const ofSource = (error: SourceError): StepError =>
  new StepError({
    errorType: error.kind === "retryable" || error.kind === "stale" ? "TRANSIENT" : "PERMANENT",
    code: error.code,
    message: error.message,
    ...(error.suggestedAction === undefined ? {} : { suggestedAction: error.suggestedAction }),
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds })
  })

/** The store of credentials did not answer. */
export const ofCredentials = (error: CredentialsUnavailable): StepError =>
  new StepError({
    errorType: "TRANSIENT",
    code: "CREDENTIALS_UNAVAILABLE",
    message: error.message,
    suggestedAction: "wait, or look at the data folder and the key that wraps the credentials"
  })

/** The warehouse refused a source or a statement, or did not answer, or a quota is used up; only the last two are worth another attempt. */
export const ofWarehouse = (error: WarehouseError): StepError => {
  switch (error._tag) {
    case "WarehouseUnavailable":
      return new StepError({
        errorType: "TRANSIENT",
        code: "WAREHOUSE_UNAVAILABLE",
        message: error.message,
        suggestedAction: "wait, or look at the warehouse"
      })
    case "WarehouseAccessDenied":
      return new StepError({
        errorType: "PERMANENT",
        code: "WAREHOUSE_ACCESS_DENIED",
        message: error.message,
        suggestedAction: "give the service's account the role that the message names"
      })
    case "WarehouseQuotaExceeded":
      return new StepError({
        errorType: "TRANSIENT",
        code: "WAREHOUSE_QUOTA_EXCEEDED",
        message: error.message,
        suggestedAction: "wait until the quota is free again, or have it raised",
        retryAfterSeconds: error.retryAfterSeconds
      })
    case "DatasetMissing":
      return new StepError({
        errorType: "PERMANENT",
        code: "WAREHOUSE_DATASET_MISSING",
        message: error.message,
        suggestedAction: "create the dataset in the place that the message names"
      })
    case "SourceRejected":
      return new StepError({
        errorType: "PERMANENT",
        code: "SOURCE_REJECTED",
        message: error.message,
        suggestedAction: "correct the file at its source; what was loaded before is unchanged"
      })
    case "StatementFailed":
    case "OtherTenant":
    case "UnsupportedSql":
      return new StepError({
        errorType: "PERMANENT",
        code: "WAREHOUSE_STATEMENT_FAILED",
        message: error.message,
        suggestedAction: "look at the statement that the message names"
      })
  }
}
