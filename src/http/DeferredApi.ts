/**
 * The groups of the API that are asked seldom: a start leaves their schemas, routes and handlers to the first request to one of them.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import { AlertsGroup } from "./AlertApi.ts"
import { Focus } from "./FocusApi.ts"
import { NotificationHistory, Notifications } from "./NotificationApi.ts"
import { SchedulerGroup } from "./SchedulerApi.ts"
import { Subscriptions } from "./SubscriptionApi.ts"
import { TablesGroup } from "./TableApi.ts"

/** These groups as one API. */
export const DeferredApi = HttpApi.make("deferred")
  .add(SchedulerGroup)
  .add(AlertsGroup)
  .add(Notifications)
  .add(NotificationHistory)
  .add(Focus)
  .add(TablesGroup)
  .add(Subscriptions)
