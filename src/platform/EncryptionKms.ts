/**
 * Encryption with a key of Google KMS: each secret gets a random data key, which KMS wraps, so that the key itself never leaves Google. What
 * the API service stored, ciphertext of KMS itself in base64, is opened too.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import type { ClientOptions } from "google-gax"
import { crc32c } from "./Crc32c.ts"
import { Encryption, EncryptionFailed, type EncryptionService, type SealContext } from "./Encryption.ts"
import { associatedData, damaged, decrypt, encrypt, KEY_BYTES, nameOf, NONCE_BYTES, TAG_BYTES } from "./Envelope.ts"
import { Settings } from "./Settings.ts"
import * as Shared from "./Shared.ts"

/** Names the layout: length of the wrapped data key (two bytes), wrapped data key, sealed text. */
const ENVELOPE_PREFIX = "kms1:"
const LENGTH_BYTES = 2
const CALL_TIMEOUT_MILLIS = 10_000
const RETRIES = 3
/** Unwrapped data keys are kept so long and so many. */
const CACHED_MINUTES = 5
const CACHED_KEYS = 1_000

/** The key's resource name: `KMS_KEY_NAME`, else built from `KMS_PROJECT_ID` and the other settings; none without either. */
export const keyName = (settings: typeof Settings.Service): Option.Option<string> =>
  Option.orElse(settings.kmsKeyName, () =>
    Option.map(
      settings.kmsProjectId,
      (project) =>
        `projects/${project}/locations/${settings.kmsLocation}/keyRings/${settings.kmsKeyring}/cryptoKeys/${settings.kmsKey}`
    )
  )

/** The layer on the key that the settings name. */
export const layer: Layer.Layer<Encryption, EncryptionFailed, Settings> = Layer.scoped(
  Encryption,
  Effect.gen(function* () {
    const settings = yield* Settings
    const key = Option.getOrUndefined(keyName(settings))
    if (key === undefined) {
      return yield* new EncryptionFailed({ message: "KMS_KEY_NAME or KMS_PROJECT_ID must name a key of Google KMS" })
    }
    const keyFile = Option.match(settings.googleKeyFile, {
      onNone: () => ({}),
      onSome: (keyFilename) => ({ keyFilename })
    })
    return yield* make(key, keyFile)
  })
)

const Long = Schema.Union(Schema.String, Schema.Number, Schema.Struct({ value: Schema.optional(Schema.Unknown) }))
const Bytes = Schema.Union(Schema.Uint8ArrayFromSelf, Schema.String)
const Wrapped = Schema.Struct({
  ciphertext: Bytes,
  ciphertextCrc32c: Schema.optional(Schema.NullOr(Long)),
  verifiedPlaintextCrc32c: Schema.optional(Schema.Boolean),
  verifiedAdditionalAuthenticatedDataCrc32c: Schema.optional(Schema.Boolean)
})
const Unwrapped = Schema.Struct({ plaintext: Bytes, plaintextCrc32c: Schema.optional(Schema.NullOr(Long)) })

class WrappedKey extends Data.Class<{ readonly ciphertext: string; readonly org: string; readonly id: string }> {}

/** The service on one key; `options` reach the client as they are. The client is loaded here, so that only who uses KMS waits for it. */
export const make = Effect.fn("EncryptionKms.make")(function* (key: string, options: ClientOptions) {
  const client = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const { KeyManagementServiceClient } = await import("@google-cloud/kms")
        return new KeyManagementServiceClient({ ...options, fallback: true })
      },
      catch: () => new EncryptionFailed({ message: "the client of Google KMS cannot be loaded" })
    }),
    (opened) => Effect.ignore(Effect.tryPromise(() => opened.close()))
  )

  /** Each try has its own time; what can heal is tried again. */
  const attempt = <A>(what: string, call: () => Promise<A>): Effect.Effect<A, EncryptionFailed> =>
    Effect.tryPromise({ try: call, catch: codeOf }).pipe(
      Effect.timeoutFail({ duration: CALL_TIMEOUT_MILLIS, onTimeout: () => DEADLINE_EXCEEDED }),
      Effect.retry({
        times: RETRIES,
        schedule: Schedule.jittered(Schedule.exponential("200 millis")),
        while: (code) => healing.has(code)
      }),
      Effect.mapError((code) => new EncryptionFailed({ message: `${what}: ${adviceOf(code, key)}` }))
    )
  const callOptions = { timeout: CALL_TIMEOUT_MILLIS, maxRetries: 0 }

  const wrap = Effect.fn("EncryptionKms.wrap")(function* (dataKey: Buffer, context: SealContext) {
    const aad = associatedData(context)
    const what = `the data key of ${nameOf(context)} cannot be wrapped`
    const [answer] = yield* attempt(what, () =>
      client.encrypt(
        {
          name: key,
          plaintext: dataKey,
          plaintextCrc32c: { value: crc32c(dataKey) },
          additionalAuthenticatedData: aad,
          additionalAuthenticatedDataCrc32c: { value: crc32c(aad) }
        },
        callOptions
      )
    )
    const wrapped = yield* Effect.mapError(Schema.decodeUnknown(Wrapped)(answer), () => garbled(what))
    const ciphertext = bytesOf(wrapped.ciphertext)
    return wrapped.verifiedPlaintextCrc32c === true &&
      wrapped.verifiedAdditionalAuthenticatedDataCrc32c === true &&
      numberOf(wrapped.ciphertextCrc32c) === crc32c(ciphertext)
      ? ciphertext
      : yield* garbled(what)
  })

  const unwrap = Effect.fn("EncryptionKms.unwrap")(function* (ciphertext: Buffer, aad: Buffer, context: SealContext) {
    const what = `the secret of ${nameOf(context)} cannot be decrypted`
    const [answer] = yield* attempt(what, () =>
      client.decrypt(
        {
          name: key,
          ciphertext,
          ciphertextCrc32c: { value: crc32c(ciphertext) },
          ...(aad.length === 0
            ? {}
            : { additionalAuthenticatedData: aad, additionalAuthenticatedDataCrc32c: { value: crc32c(aad) } })
        },
        callOptions
      )
    )
    const { plaintext, plaintextCrc32c } = yield* Effect.mapError(Schema.decodeUnknown(Unwrapped)(answer), () =>
      garbled(what)
    )
    const bytes = bytesOf(plaintext)
    return numberOf(plaintextCrc32c) === crc32c(bytes) ? Redacted.make(bytes) : yield* garbled(what)
  })

  const dataKeyOf = yield* Shared.byKey(
    { capacity: CACHED_KEYS, timeToLive: `${CACHED_MINUTES} minutes` },
    ({ ciphertext, id, org }: WrappedKey) =>
      unwrap(Buffer.from(ciphertext, "base64"), associatedData({ org, id }), { org, id })
  )

  const service: EncryptionService = {
    seal: Effect.fn("Encryption.seal")(function* (plaintext, context) {
      const dataKey = randomBytes(KEY_BYTES)
      const wrapped = yield* wrap(dataKey, context)
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt16BE(wrapped.length)
      const sealed = encrypt(dataKey, Buffer.from(Redacted.value(plaintext), "utf8"), associatedData(context))
      return `${ENVELOPE_PREFIX}${Buffer.concat([length, wrapped, sealed]).toString("base64")}`
    }),
    open: Effect.fn("Encryption.open")(function* (text, context) {
      if (!text.startsWith(ENVELOPE_PREFIX)) {
        if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text)) return yield* damaged(context)
        const direct = yield* unwrap(Buffer.from(text, "base64"), Buffer.alloc(0), context)
        return Redacted.make(Redacted.value(direct).toString("utf8"))
      }
      const envelope = Buffer.from(text.slice(ENVELOPE_PREFIX.length), "base64")
      const start = LENGTH_BYTES + (envelope.length < LENGTH_BYTES ? 0 : envelope.readUInt16BE(0))
      if (envelope.length < start + NONCE_BYTES + TAG_BYTES) return yield* damaged(context)
      const wrapped = new WrappedKey({
        ciphertext: envelope.subarray(LENGTH_BYTES, start).toString("base64"),
        ...context
      })
      const dataKey = yield* dataKeyOf(wrapped)
      return yield* Effect.try({
        try: () =>
          Redacted.make(
            decrypt(Redacted.value(dataKey), envelope.subarray(start), associatedData(context)).toString("utf8")
          ),
        catch: () => damaged(context)
      })
    })
  }
  return service
})

/** Codes of google.rpc. */
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const NOT_FOUND = 5
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16
const FIRST_HTTP_STATUS = 100
const healing = new Set([DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE])

/** The codes of HTTP answers, in which the client gives them. */
const codeOfStatus: Readonly<Record<number, number>> = {
  400: INVALID_ARGUMENT,
  401: UNAUTHENTICATED,
  403: PERMISSION_DENIED,
  404: NOT_FOUND,
  429: RESOURCE_EXHAUSTED,
  504: DEADLINE_EXCEEDED
}

const Refusal = Schema.Struct({
  code: Schema.optional(Schema.Union(Schema.Number, Schema.String)),
  status: Schema.optional(Schema.Unknown)
})

/** Of the client's error only the code is kept: its message may hold what was sent. Without one no answer came. */
const codeOf = (cause: unknown): number => {
  const refusal = Option.getOrUndefined(Schema.decodeUnknownOption(Refusal)(cause))
  const code = Number(refusal?.code)
  if (refusal?.status === "FAILED_PRECONDITION") return FAILED_PRECONDITION
  return code < FIRST_HTTP_STATUS ? code : (codeOfStatus[code] ?? UNAVAILABLE)
}

const adviceOf = (code: number, key: string): string => {
  switch (code) {
    case INVALID_ARGUMENT:
      return "KMS refuses it: it was encrypted with another key, or belongs to another row; store it again (admin credential add)"
    case NOT_FOUND:
      return `there is no key ${key}: check KMS_KEY_NAME or the KMS_* settings`
    case PERMISSION_DENIED:
    case UNAUTHENTICATED:
      return `no permission: give the service's account Cloud KMS CryptoKey Encrypter/Decrypter on ${key}`
    case FAILED_PRECONDITION:
      return `the version of ${key} that is needed is disabled or destroyed: enable it`
    default:
      return `Google KMS does not answer (code ${code}); try again`
  }
}

const garbled = (what: string) =>
  new EncryptionFailed({ message: `${what}: KMS's answer or the request was changed on the way; try again` })

/** JSON carries bytes in base64. */
const bytesOf = (bytes: typeof Bytes.Type): Buffer =>
  typeof bytes === "string" ? Buffer.from(bytes, "base64") : Buffer.from(bytes)

const numberOf = (value: typeof Long.Type | null | undefined): number =>
  Number(typeof value === "object" && value !== null ? value.value : (value ?? Number.NaN))
