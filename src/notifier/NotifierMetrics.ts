/**
 * What `/metrics` tells of notifications. Labels are bounded: kinds of channels and outcomes.
 */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { ChannelType } from "./Channels.ts"

const notifications = Metric.counter("pipeline_notifications_total", {
  description: "Notifications by channel type and outcome; attempt_failed is followed by another attempt",
  incremental: true
})

/** Counts what became of a notification, or of one attempt. */
export const counted = (channel: ChannelType, outcome: "sent" | "failed" | "attempt_failed"): Effect.Effect<void> =>
  Metric.increment(Metric.tagged(Metric.tagged(notifications, "channel", channel), "outcome", outcome))
