/**
 * What every call to AWS has in common: keys, endpoint, timeouts, and the class of each failure.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { observed } from "../ProviderMetrics.ts"
import { retryAfterSeconds, SourceError } from "../SourceError.ts"

/** The keys that sign requests; temporary ones have a session token. */
export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken?: Redacted.Redacted
}

const connectTimeoutMillis = 10_000
const idleTimeoutMillis = 60_000

/** Settings of an SDK client. Without keys the process's own AWS identity (environment, profile, instance role) signs. */
export const clientSettings = (options: {
  readonly region: string
  readonly endpoint?: string
  readonly keys?: AwsKeys
}) => ({
  region: options.region,
  requestHandler: {
    connectionTimeout: connectTimeoutMillis,
    requestTimeout: idleTimeoutMillis,
    throwOnRequestTimeout: true,
    socketTimeout: idleTimeoutMillis
  },
  ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
  ...(options.keys === undefined
    ? {}
    : {
        credentials: {
          accessKeyId: options.keys.accessKeyId,
          secretAccessKey: Redacted.value(options.keys.secretAccessKey),
          ...(options.keys.sessionToken === undefined
            ? {}
            : { sessionToken: Redacted.value(options.keys.sessionToken) })
        }
      })
})

/** A call that failed, not yet judged. */
export interface AwsFailure {
  readonly target: string
  readonly cause: unknown
}

/** Runs one call; interrupting it aborts the request. `target` is what is named in errors: a URI or an ARN. */
export const attempt = <A>(target: string, call: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, AwsFailure> =>
  Effect.tryPromise({ try: call, catch: (cause) => ({ target, cause }) }).pipe(observed("aws", target))

/** A downloaded body is not as long as the object that was listed. */
export class SizeDiffers extends Error {}

/** Judges a failed call by the classes of {@link SourceError}. */
export const judge = Effect.fnUntraced(function* (failure: AwsFailure) {
  const now = yield* Clock.currentTimeMillis
  const { code, status, requestId, retryAfter, isLocalFile } = factsOf(failure.cause)
  const facts = [
    status === undefined ? undefined : `HTTP ${status}`,
    code,
    requestId === undefined ? undefined : `request ${requestId}`
  ]
  const message = `${failure.target}: ${facts.filter((fact) => fact !== undefined).join(", ")}`
  const seconds = retryAfterSeconds(retryAfter, now)
  if (isLocalFile) {
    return yield* new SourceError({
      kind: "permanent",
      code: "DOWNLOAD_NOT_WRITTEN",
      message,
      suggestedAction: "look at the space and the permissions of the data folder"
    })
  }
  if (status === 412 || code === "NoSuchKey" || failure.cause instanceof SizeDiffers) {
    return yield* new SourceError({
      kind: "stale",
      code: "OBJECT_CHANGED",
      message,
      suggestedAction: "run again when AWS has finished its delivery"
    })
  }
  if (isRetryable(code, status)) {
    return yield* new SourceError({
      kind: "retryable",
      code: "AWS_UNAVAILABLE",
      message,
      suggestedAction: "wait and run again",
      ...(seconds === undefined ? {} : { retryAfterSeconds: seconds })
    })
  }
  if (status === 401 || status === 403 || code === "CredentialsProviderError" || isAuthCode(code)) {
    return yield* new SourceError({
      kind: "auth",
      code: "AWS_ACCESS_DENIED",
      message,
      suggestedAction:
        "check the credential: s3:ListBucket and s3:GetObject on the prefix, and the role's trust with its external id"
    })
  }
  return yield* new SourceError({
    kind: "permanent",
    code: "AWS_REQUEST_REFUSED",
    message,
    suggestedAction: "check bucket, prefix and region of the credential"
  })
})

const authCodes = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "InvalidSignatureException",
  "InvalidClientTokenId",
  "UnrecognizedClientException"
])
/** Whether a code of AWS says that the credential is refused. */
export const isAuthCode = (code: string): boolean => authCodes.has(code)

/** Codes that mean "again" whatever their status; an expired session is renewed by the next attempt. */
const retryableCodes = new Set([
  "SlowDown",
  "RequestTimeout",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
  "InternalError",
  "ServiceUnavailable",
  "ExpiredToken",
  "ExpiredTokenException",
  "TimeoutError"
])

/** Whether a code of AWS means "again". */
export const isRetryableCode = (code: string): boolean => retryableCodes.has(code)

/** Without a status no answer came: the connection failed. */
const isRetryable = (code: string, status: number | undefined) =>
  code !== "CredentialsProviderError" &&
  (isRetryableCode(code) ||
    status === undefined ||
    status === 408 ||
    status === 425 ||
    status === 429 ||
    (status >= 500 && status !== 501))

/** The region that a redirected or a wrongly signed request should have gone to. */
export const regionOf = (cause: unknown): string | undefined => {
  const { status, code } = factsOf(cause)
  if (status !== 301 && status !== 307 && code !== "AuthorizationHeaderMalformed") return undefined
  const hint = textAt(cause, "$response", "headers", "x-amz-bucket-region") ?? textAt(cause, "Region")
  return hint !== undefined && /^[a-z0-9-]{4,32}$/.test(hint) ? hint : undefined
}

const factsOf = (cause: unknown) => {
  const status = valueAt(cause, "$metadata", "httpStatusCode")
  const name = textAt(cause, "name") ?? "Error"
  const errno = textAt(cause, "code")
  return {
    status: typeof status === "number" ? status : undefined,
    code: name === "Error" ? (errno ?? "connection failed") : name,
    requestId: textAt(cause, "$metadata", "requestId"),
    retryAfter: textAt(cause, "$response", "headers", "retry-after"),
    isLocalFile: errno !== undefined && (textAt(cause, "path") !== undefined || textAt(cause, "syscall") === "write")
  }
}

const textAt = (value: unknown, ...path: ReadonlyArray<string>): string | undefined => {
  const found = valueAt(value, ...path)
  return typeof found === "string" ? found : undefined
}

const valueAt = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (current, key) => (typeof current === "object" && current !== null ? Reflect.get(current, key) : undefined),
    value
  )
