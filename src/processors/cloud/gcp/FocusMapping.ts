/**
 * Where the columns of `cloud_gcp_focus_raw_daily` stand in a FOCUS export of Google Cloud.
 */
import type { ColumnSource } from "../../../warehouse/FileMapping.ts"
import * as FocusMapping from "../FocusMapping.ts"

/** The mapping of every FOCUS export of Google Cloud. */
export const focusMapping = FocusMapping.focusMapping([
  { column: "NativeConsumedQuantity", from: ["ConsumedQuantity"] },
  ...[
    "x_ConsumptionModelId",
    "x_CostType",
    "x_Credits",
    "x_CurrencyConversionRate",
    "x_ExportTime",
    "x_Labels",
    "x_Location",
    "x_Project",
    "x_ProjectLabels",
    "x_ServiceId",
    "x_SubscriptionInstanceId",
    "x_SystemLabels",
    "x_Tags"
  ].map((name): ColumnSource => ({ column: name, from: [name] }))
])
