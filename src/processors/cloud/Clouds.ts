/**
 * The clouds whose bills this program converts: who owns their data, which procedure converts it, and where the native rows lie.
 */

/** One cloud. `nativeTables` are by name, with the DATE column that holds a row's billing period. */
export interface Cloud {
  readonly procedure: string
  /** The template that owns the cloud's data, whoever executes the step. */
  readonly pipelineId: string
  readonly nativeTables: ReadonlyArray<{ readonly table: string; readonly period: string }>
}

/** All clouds by the name that a step's `config.provider` gives. */
export const clouds = {
  aws: {
    procedure: "sp_cloud_aws_convert_to_focus",
    pipelineId: "cloud_aws_cost_billing",
    nativeTables: [
      { table: "cloud_aws_billing_raw_daily", period: "billing_period_start" },
      { table: "cloud_aws_focus_raw_daily", period: "billing_period_start_date" }
    ]
  },
  azure: {
    procedure: "sp_cloud_azure_convert_to_focus",
    pipelineId: "cloud_azure_cost_billing",
    nativeTables: [
      { table: "cloud_azure_billing_raw_daily", period: "billing_period_start" },
      { table: "cloud_azure_focus_raw_daily", period: "billing_period_start_date" }
    ]
  },
  gcp: {
    procedure: "sp_cloud_gcp_convert_to_focus",
    pipelineId: "cloud_gcp_cost_billing",
    nativeTables: [
      { table: "cloud_gcp_billing_raw_daily", period: "billing_period_start" },
      { table: "cloud_gcp_focus_raw_daily", period: "billing_period_start_date" }
    ]
  },
  oci: {
    procedure: "sp_cloud_oci_convert_to_focus",
    pipelineId: "cloud_oci_cost_billing",
    nativeTables: [
      { table: "cloud_oci_billing_raw_daily", period: "billing_period_start" },
      { table: "cloud_oci_focus_raw_daily", period: "billing_period_start_date" }
    ]
  }
} as const satisfies Readonly<Record<string, Cloud>>

export type CloudName = keyof typeof clouds
