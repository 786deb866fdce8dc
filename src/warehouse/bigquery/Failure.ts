/**
 * What BigQuery's reasons mean for the caller: which are worth another try, and what a person has to do about the others.
 */
import * as DateTime from "effect/DateTime"
import {
  DatasetMissing,
  StatementFailed,
  WarehouseAccessDenied,
  type WarehouseError,
  WarehouseQuotaExceeded,
  WarehouseUnavailable
} from "../Warehouse.ts"
import type { ApiFailure } from "./Api.ts"

/** Who asked for what, for messages. */
export interface Asked {
  /** `load org_a_prod.cost_data_standard_1_3` */
  readonly what: string
  readonly projectId: string
  readonly location: string
  readonly nowMillis: number
}

/** An error that BigQuery gives with a reason, for a call or in a finished job. */
export interface Reason {
  readonly reason: string
  readonly message: string
}

const passing = new Set([
  "rateLimitExceeded",
  "backendError",
  "internalError",
  "jobRateLimitExceeded",
  "jobBackendError",
  "jobInternalError"
])

/** The call is worth another try: BigQuery was busy, or nobody knows whether it heard. */
export const isCallRetryable = ({ status, reason }: ApiFailure): boolean =>
  status === undefined || status === 429 || status >= 500 || passing.has(reason)

/** The finished job is worth another one. */
export const isJobRetryable = ({ reason, message }: Reason): boolean =>
  passing.has(reason) || /aborted due to concurrent update|Could not serialize access/i.test(message)

/** Seconds until BigQuery's daily quotas are free again. */
const secondsUntilReset = (nowMillis: number): number => {
  const now = DateTime.unsafeMakeZoned(nowMillis, { timeZone: "America/Los_Angeles" })
  const midnight = DateTime.startOf(DateTime.add(now, { days: 1 }), "day")
  return Math.ceil((DateTime.toEpochMillis(midnight) - nowMillis) / 1000)
}

/** The error that the caller of the warehouse gets. */
export const toWarehouseError = (asked: Asked, { reason, message }: Reason): WarehouseError => {
  const { what, projectId, location, nowMillis } = asked
  const said = `BigQuery says ${reason}: ${firstLine(message)}`
  switch (reason) {
    case "accessDenied":
    case "forbidden":
    case "authError":
    case "required":
      return new WarehouseAccessDenied({
        message:
          `${what}: the service account may not do this in project ${projectId}. Give it the roles BigQuery Job User and ` +
          `BigQuery Data Editor (and BigQuery User, to create datasets) there; ${said}`
      })
    case "billingNotEnabled":
      return new WarehouseAccessDenied({
        message: `${what}: project ${projectId} has no billing account. Link one to it; ${said}`
      })
    case "quotaExceeded":
      return new WarehouseQuotaExceeded({
        message:
          `${what}: a quota of project ${projectId} is used up. Daily quotas are free again after midnight Pacific time; run it then, ` +
          `or ask Google for a higher quota; ${said}`,
        retryAfterSeconds: secondsUntilReset(nowMillis)
      })
    case "bytesBilledLimitExceeded":
      return new StatementFailed({
        statement: what,
        reason: `it would read more than BIGQUERY_MAXIMUM_BYTES_BILLED. Narrow it, or raise the setting; ${said}`
      })
    case "notFound": {
      const dataset = /Not found: dataset[: ]+(?<name>\S+)/i.exec(message)?.groups?.["name"]
      return dataset === undefined
        ? new StatementFailed({ statement: what, reason: firstLine(message) })
        : new DatasetMissing({
            message:
              `${what}: there is no dataset ${dataset} in ${location}. The service creates it at its next start; if it lies in another ` +
              `place, set BIGQUERY_LOCATION to that; ${said}`
          })
    }
    default:
      return passing.has(reason) || reason === "notAnswered" || reason.startsWith("E")
        ? new WarehouseUnavailable({ message: `${what}: BigQuery does not answer; ${said}` })
        : new StatementFailed({ statement: what, reason: firstLine(message) })
  }
}

const firstLine = (message: string): string => message.split("\n", 1)[0] ?? ""
