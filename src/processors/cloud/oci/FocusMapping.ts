/**
 * Where the columns of `cloud_oci_focus_raw_daily` stand in an OCI FOCUS report.
 */
import * as FocusMapping from "../FocusMapping.ts"

/** The mapping of every OCI FOCUS report. */
export const focusMapping = FocusMapping.focusMapping([
  { column: "x_ReferenceNo", from: ["oci_ReferenceNumber"] },
  { column: "x_BackReferenceNo", from: ["oci_BackReferenceNumber"] },
  { column: "x_OverageFlag", from: ["oci_OverageFlag"] },
  { column: "x_CompartmentId", from: ["oci_CompartmentId"] },
  { column: "x_CompartmentName", from: ["oci_CompartmentName"] }
])
