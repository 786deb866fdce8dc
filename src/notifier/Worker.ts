/**
 * The part of the notifier that works by itself: it follows the runs and sends what is due. In one process of an installation.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../platform/Settings.ts"
import { Notifier } from "./Notifier.ts"
import * as RunFollower from "./RunFollower.ts"

/** Works in the layer's scope, unless notifications are off. */
export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { notificationsEnabled } = yield* Settings
    if (notificationsEnabled) {
      yield* Effect.forkScoped(RunFollower.follow)
      yield* Effect.forkScoped((yield* Notifier).run)
    } else {
      yield* RunFollower.forget
    }
  })
)
