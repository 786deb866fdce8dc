/**
 * All that the event log of this service is projected to, and the keys and conditions of its events.
 */
import { alertProjection } from "./alerts/AlertProjection.ts"
import type { EventModel } from "./eventlog/Projection.ts"
import { notificationProjection } from "./notifier/NotificationProjection.ts"
import { runEventModel } from "./runs/RunProjection.ts"

/** The model of the runs, with the projections of notifications and alerts. */
export const eventModel: EventModel["Type"] = {
  ...runEventModel,
  projections: [...runEventModel.projections, notificationProjection, alertProjection]
}
