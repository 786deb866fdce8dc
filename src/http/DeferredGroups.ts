/**
 * What serves the groups of {@link DeferredApi}.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as AlertHandlers from "./AlertHandlers.ts"
import * as FocusHandlers from "./FocusHandlers.ts"
import * as NotificationHandlers from "./NotificationHandlers.ts"
import { DeferredApi } from "./DeferredApi.ts"
import * as SchedulerHandlers from "./SchedulerHandlers.ts"
import * as SubscriptionHandlers from "./SubscriptionHandlers.ts"
import * as TableHandlers from "./TableHandlers.ts"

const groups = Layer.mergeAll(
  SchedulerHandlers.layer,
  AlertHandlers.layer,
  NotificationHandlers.layer,
  FocusHandlers.layer,
  SubscriptionHandlers.layer,
  TableHandlers.layer
)

/** Their routes, on the router of `HttpApiBuilder`. */
export const layer = HttpApiBuilder.api(DeferredApi).pipe(Layer.provide(groups))
