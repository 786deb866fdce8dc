/**
 * Where the columns of `cloud_aws_focus_raw_daily` stand in an AWS FOCUS export.
 */
import * as FocusMapping from "../FocusMapping.ts"

/** The mapping of every AWS FOCUS export. */
export const focusMapping = FocusMapping.focusMapping([
  { column: "x_CostCategories", from: ["x_CostCategories"] },
  { column: "x_Discounts", from: ["x_Discounts"] },
  { column: "x_Operation", from: ["x_Operation"] },
  { column: "x_ServiceCode", from: ["x_ServiceCode"] },
  { column: "x_UsageType", from: ["x_UsageType"] }
])
