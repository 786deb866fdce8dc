/**
 * Work in order whose next piece is made ready while the one before is used.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

/**
 * The same effects, to be run in their order, each once: the first has begun, every other begins when the one before it is run. What an
 * effect holds goes with the scope that it is run in; what was begun in vain, with the scope of the call.
 */
export const oneAhead = <A, E>(effects: ReadonlyArray<Effect.Effect<A, E, Scope.Scope>>) =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const begin = (effect: Effect.Effect<A, E, Scope.Scope>) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
        // What was opened last is closed first: the fiber ends before what it holds is given back, or it would still take more.
        const held = yield* Scope.fork(scope, ExecutionStrategy.sequential)
        const fiber = yield* Effect.forkIn(Scope.extend(effect, held), scope)
        return Effect.zipRight(
          Effect.addFinalizer((exit) => Scope.close(scope, exit)),
          Fiber.join(fiber)
        )
      })
    const [first, ...others] = effects
    if (first === undefined) return []
    let begun = yield* begin(first)
    const next = (other: Effect.Effect<A, E, Scope.Scope> | undefined): Effect.Effect<A, E, Scope.Scope> =>
      Effect.gen(function* () {
        const own = begun
        if (other !== undefined) begun = yield* begin(other)
        return yield* own
      })
    return [...others, undefined].map(next)
  })
