/**
 * What one reader is told, in order. An array and one waiting reader: a queue for many readers would cost several times as much for each
 * message.
 */
import * as Effect from "effect/Effect"

export interface Mailbox<A> {
  /** Never waits. */
  readonly offer: (message: A) => void
  /** The next message, as soon as there is one. For one reader; when it is interrupted, nobody reads any more. */
  readonly take: Effect.Effect<A>
}

/** An empty mailbox. It has no bound of its own: whoever offers must have one. */
export const make = <A>(): Mailbox<A> => {
  const messages: Array<Effect.Effect<A>> = []
  let waiting: ((message: Effect.Effect<A>) => void) | undefined
  return {
    offer: (message) => {
      const offered = Effect.succeed(message)
      if (waiting === undefined) return void messages.push(offered)
      const answer = waiting
      waiting = undefined
      answer(offered)
    },
    take: Effect.async((resume) => {
      const message = messages.shift()
      if (message === undefined) waiting = resume
      else resume(message)
    })
  }
}
