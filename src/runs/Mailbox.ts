/**
 * What one reader is told, in order. An array and one waiting reader: a queue for many readers would cost several times as much for each
 * message.
 */
import * as Effect from "effect/Effect"

export interface Mailbox<A> {
  /** Never waits. */
  readonly offer: (message: A) => void
  /** The next message, as soon as there is one. For one reader at a time. */
  readonly take: Effect.Effect<A>
}

/** An empty mailbox. It has no bound of its own: whoever offers must have one. */
export const make = <A>(): Mailbox<A> => {
  const messages: Array<A> = []
  let wake: (() => void) | undefined
  const arrival = Effect.async<void>((resume) => {
    wake = () => resume(Effect.void)
  })
  const take: Effect.Effect<A> = Effect.suspend(() => {
    const [message] = messages.splice(0, 1)
    return message === undefined ? Effect.zipRight(arrival, take) : Effect.succeed(message)
  })
  return {
    offer: (message) => {
      messages.push(message)
      wake?.()
      wake = undefined
    },
    take
  }
}
