/**
 * The groups of the API that a start does not evaluate, and which are served by the first request to one of their paths on.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import { AlertsGroup } from "./AlertApi.ts"
import { Focus } from "./FocusApi.ts"
import { NotificationHistory, Notifications } from "./NotificationApi.ts"
import { SchedulerGroup } from "./SchedulerApi.ts"
import { Subscriptions } from "./SubscriptionApi.ts"
import { TablesGroup } from "./TableApi.ts"

/** These groups as one API. */
export const OtherApi = HttpApi.make("other")
  .add(SchedulerGroup)
  .add(AlertsGroup)
  .add(Notifications)
  .add(NotificationHistory)
  .add(Focus)
  .add(TablesGroup)
  .add(Subscriptions)
