/**
 * What is told when an alert triggers.
 */
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { Message } from "../notifier/Message.ts"
import type { Alert, Condition } from "./AlertDefinition.ts"
import type { Match } from "./Conditions.ts"

/** The condition in words: `total_cost gt 1000 USD`. */
const inWords = (condition: Condition): string => {
  const value = "value" in condition ? ` ${[condition.value].flat().join(" and ")}` : ""
  const days = condition.operator === "deviates_by" ? ` standard deviations over ${condition.days} days` : ""
  return `${condition.field} ${condition.operator}${value}${days}${condition.unit === undefined ? "" : ` ${condition.unit}`}`
}

/** The conditions as the history keeps them. */
export const conditionsOf = (alert: Alert): ReadonlyArray<JsonObject> =>
  alert.conditions.map((condition) => ({ ...condition, text: inWords(condition) }))

const labels: Readonly<Record<string, string>> = {
  total_cost: "Cost",
  projected_cost: "Projected for the month",
  previous_cost: "Period before",
  change_amount: "Change",
  change_percent: "Change in percent",
  record_count: "Rows",
  daily_runs: "Runs today",
  daily_limit: "Runs a day of the plan",
  monthly_runs: "Runs this month",
  monthly_limit: "Runs a month of the plan",
  concurrent_runs: "Runs under way",
  concurrent_limit: "Runs at a time of the plan"
}
const withoutCurrency: ReadonlySet<string> = new Set(["record_count", "change_percent"])

/** The message of an alert whose conditions hold. */
export const messageOf = (alert: Alert, org: OrgSlug, { currency, values }: Match): Message => {
  const { params, query_template: template } = alert.source
  const isForecast = template === "cost_forecast"
  const isQuota = template === "quota_usage"
  const cost = isForecast ? values.projected_cost : values.total_cost
  return {
    title: isQuota ? `${alert.name} (${org})` : `${alert.name}: ${cost ?? ""} ${currency} (${org})`,
    severity: alert.notification.severity,
    text: [
      alert.description ??
        `The ${isQuota ? "use of the plan" : "costs"} of ${org} ${isQuota ? "fulfils" : "fulfil"} the conditions of the alert ${alert.name}.`
    ],
    action: isQuota
      ? `look at the schedules, or raise the plan: admin org plan ${org}`
      : "look at the costs by service, account and day of this period, and at what has changed in it",
    facts: [
      ["Organisation", org],
      [isQuota ? "Figures" : "Costs", template],
      ...(isQuota ? [] : [["Period", isForecast ? "current_month" : params.period] as const]),
      ...(params.hierarchy_path === undefined ? [] : [["Node", params.hierarchy_path] as const]),
      ...Object.entries(labels).flatMap(([field, label]) => {
        const value = Object.entries(values).find(([name]) => name === field)?.[1]
        return value === undefined
          ? []
          : [[label, currency === undefined || withoutCurrency.has(field) ? value : `${value} ${currency}`] as const]
      }),
      ...alert.conditions.map((condition) => ["Condition", inWords(condition)] as const)
    ],
    data: { alert_name: alert.name, ...(currency === undefined ? {} : { currency }), ...values }
  }
}
