/**
 * Calls of providers' HTTP APIs: bounded in time and bytes, repeated where that may help, every failure judged by the classes of
 * {@link SourceError}. Errors name the target that the caller gives, never a query string, which may hold a signature.
 */
import { open } from "node:fs/promises"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { objectChanged } from "./object-store/ObjectStore.ts"
import { observed } from "./ProviderMetrics.ts"
import { retryAfterSeconds, SourceError } from "./SourceError.ts"

/** Tries of one call, the first included. */
const triesLimit = 5
const firstDelayMillis = 1000
const longestDelayMillis = 60_000
/** A provider that asks for a longer wait gets its step parked. */
const longestWaitSeconds = 120
const firstByteTimeoutMillis = 30_000
const answerTimeoutMillis = 120_000
const idleTimeoutMillis = 60_000
/** Bytes of an error's body that are read for its code. */
const errorLimitBytes = 64 * 1024

/** One call. */
export interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  /** What is named in errors. */
  readonly target: string
  /** Statuses that are answers; 200 when absent. */
  readonly answers?: ReadonlyArray<number>
}

/** What a provider's failures look like. */
export interface Vendor {
  /** In capitals, the start of every code: `AZURE`. */
  readonly name: string
  /** Whether a header, by its lower-case name, says how long to wait; the longest wait counts. */
  readonly isWait: (header: string) => boolean
  /** The vendor's own code of a failure, never its message. */
  readonly codeOf: (headers: Readonly<Record<string, string>>, body: string) => string | undefined
  /** The class of a code whose status says another; undefined: the status counts. */
  readonly kindOf?: (code: string) => "retryable" | "auth" | undefined
  readonly requestIdHeader: string
  /** What to do when the credential is refused. */
  readonly accessAdvice: string
}

/** A whole answer. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Makes the calls of one vendor. */
export const make = Effect.fnUntraced(function* (vendor: Vendor) {
  const client = yield* HttpClient.HttpClient

  const begin = ({ answers = [200], request, target }: Call) =>
    client.execute(request).pipe(
      Effect.mapError(() => broken(target)),
      Effect.timeoutFail({ duration: firstByteTimeoutMillis, onTimeout: () => broken(target) }),
      Effect.flatMap((response) =>
        answers.includes(response.status) ? Effect.succeed(response) : judge(target, response)
      )
    )

  const broken = (target: string) =>
    new SourceError({
      kind: "retryable",
      code: `${vendor.name}_UNAVAILABLE`,
      message: `${target}: the connection failed or was cut`,
      suggestedAction: "wait and run again"
    })

  const tooLong = (target: string, limitBytes: number) =>
    new SourceError({
      kind: "permanent",
      code: `${vendor.name}_ANSWER_TOO_LARGE`,
      message: `${target}: the answer is larger than ${limitBytes} bytes`,
      suggestedAction: "check the endpoint of the credential"
    })

  const bytesOf = (target: string, response: HttpClientResponse.HttpClientResponse, limitBytes: number) => {
    let seen = 0
    return response.stream.pipe(
      Stream.catchAll((error) =>
        error._tag === "ResponseError" && error.reason === "EmptyBody" ? Stream.empty : Stream.fail(broken(target))
      ),
      Stream.timeoutFail(() => broken(target), idleTimeoutMillis),
      Stream.tap((chunk) => {
        seen += chunk.length
        return seen > limitBytes ? Effect.fail(tooLong(target, limitBytes)) : Effect.void
      })
    )
  }

  const judge = Effect.fnUntraced(function* (target: string, response: HttpClientResponse.HttpClientResponse) {
    const { headers, status } = response
    const body = yield* Stream.runCollect(bytesOf(target, response, errorLimitBytes)).pipe(
      Effect.map((chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks)).toString("utf8")),
      Effect.orElseSucceed(() => "")
    )
    const now = yield* Clock.currentTimeMillis
    const waits = Object.entries(headers).flatMap(([name, value]) =>
      vendor.isWait(name) ? (retryAfterSeconds(value, now) ?? []) : []
    )
    const code = vendor.codeOf(headers, body)
    const kind = code === undefined ? undefined : vendor.kindOf?.(code)
    const facts = [`HTTP ${status}`, code, requestIdOf(headers)]
    const message = `${target}: ${facts.filter((fact) => fact !== undefined).join(", ")}`
    if (status === 412) return yield* objectChanged(target)
    if (kind === "retryable" || [408, 425, 429].includes(status) || (status >= 500 && status !== 501)) {
      return yield* new SourceError({
        kind: "retryable",
        code: `${vendor.name}_UNAVAILABLE`,
        message,
        suggestedAction: "wait and run again",
        ...(waits.length === 0 ? {} : { retryAfterSeconds: Math.max(...waits) })
      })
    }
    if (kind === "auth" || status === 401 || status === 403) {
      return yield* new SourceError({
        kind: "auth",
        code: `${vendor.name}_${status === 401 ? "TOKEN_REFUSED" : "ACCESS_DENIED"}`,
        message,
        suggestedAction: vendor.accessAdvice
      })
    }
    return yield* new SourceError({
      kind: "permanent",
      code: `${vendor.name}_${status === 404 ? "NOT_FOUND" : "REQUEST_REFUSED"}`,
      message,
      suggestedAction: "check the fields of the credential"
    })
  })

  const requestIdOf = (headers: Readonly<Record<string, string>>) => {
    const id = headers[vendor.requestIdHeader]
    return id === undefined ? undefined : `request ${id}`
  }

  /** The whole answer, which must not be longer. */
  const send = (call: Call, limitBytes: number): Effect.Effect<Answer, SourceError> =>
    withRetries(
      Effect.gen(function* () {
        const response = yield* begin(call)
        const chunks = yield* Stream.runCollect(bytesOf(call.target, response, limitBytes))
        return {
          status: response.status,
          headers: response.headers,
          body: Buffer.concat(Chunk.toReadonlyArray(chunks))
        }
      }).pipe(
        Effect.timeoutFail({ duration: answerTimeoutMillis, onTimeout: () => broken(call.target) }),
        observed(vendor.name, call.target)
      )
    )

  /** Writes the answer into a file. Fails with class `stale` unless it has exactly `size` bytes. */
  const download = (call: Call, path: string, size: number): Effect.Effect<void, SourceError> =>
    withRetries(
      Effect.scoped(
        Effect.gen(function* () {
          const response = yield* begin(call)
          const announced = response.headers["content-length"]
          if (announced !== undefined && Number(announced) !== size) return yield* objectChanged(call.target)
          const file = yield* Effect.acquireRelease(
            Effect.tryPromise({ try: () => open(path, "w"), catch: () => notWritten(call.target) }),
            (handle) => Effect.promise(() => handle.close())
          )
          let written = 0
          yield* bytesOf(call.target, response, size).pipe(
            Stream.mapError((error) =>
              error.code === tooLong(call.target, size).code ? objectChanged(call.target) : error
            ),
            Stream.runForEach((chunk) => {
              written += chunk.length
              return Effect.tryPromise({ try: () => file.write(chunk), catch: () => notWritten(call.target) })
            })
          )
          // A connection that was cut may look like an end.
          if (written !== size) return yield* announced === undefined ? objectChanged(call.target) : broken(call.target)
        })
      ).pipe(observed(vendor.name, call.target))
    )

  return { send, download }
})

/** The calls of one vendor. */
export type HttpCalls = Effect.Effect.Success<ReturnType<typeof make>>

const notWritten = (target: string) =>
  new SourceError({
    kind: "permanent",
    code: "DOWNLOAD_NOT_WRITTEN",
    message: `${target} cannot be written to the data folder`,
    suggestedAction: "look at the space and the permissions of the data folder"
  })

const withRetries = <A>(once: Effect.Effect<A, SourceError>, tries = 1): Effect.Effect<A, SourceError> =>
  Effect.catchAll(once, (error) => {
    const wait = error.retryAfterSeconds
    if (error.kind !== "retryable" || tries >= triesLimit || (wait ?? 0) > longestWaitSeconds) return Effect.fail(error)
    const longest = Math.min(longestDelayMillis, firstDelayMillis * 2 ** (tries - 1))
    return Random.nextRange(longest / 2, longest).pipe(
      Effect.flatMap((jittered) => Effect.sleep(wait === undefined ? jittered : wait * 1000)),
      Effect.zipRight(Effect.suspend(() => withRetries(once, tries + 1)))
    )
  })
