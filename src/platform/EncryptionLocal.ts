/**
 * Envelope encryption with a master key of this machine: `ENCRYPTION_KEY`, or a file in the data folder that only its owner may read.
 * Each secret gets a random 256-bit data key (AES-256-GCM, bound to organisation and id); the master key wraps the data key the same way.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { Encryption, EncryptionFailed, type EncryptionService } from "./Encryption.ts"
import { associatedData, damaged, decrypt, encrypt, KEY_BYTES, nameOf, NONCE_BYTES, TAG_BYTES } from "./Envelope.ts"
import { Settings } from "./Settings.ts"

const FINGERPRINT_BYTES = 4
const WRAPPED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
const HEADER_BYTES = FINGERPRINT_BYTES + WRAPPED_KEY_BYTES
const KEY_FILE_NAME = "encryption.key"
const KEY_FILE_MODE = 0o600
/** Names the layout: master key's fingerprint, wrapped data key, sealed text; each sealed part is nonce, ciphertext, tag. */
const ENVELOPE_PREFIX = "envelope1:"

/** Reads or makes the master key at start; a key that is not 32 bytes stops the start. */
export const layer: Layer.Layer<Encryption, EncryptionFailed, Settings | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    Encryption,
    Effect.gen(function* () {
      const settings = yield* Settings
      return Option.isSome(settings.encryptionKey)
        ? make(yield* decodeKey(Redacted.value(settings.encryptionKey.value), "ENCRYPTION_KEY"), "ENCRYPTION_KEY")
        : yield* fromKeyFile(settings.dataDir)
    })
  )

const fromKeyFile = (dataDir: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const file = (yield* Path.Path).join(dataDir, KEY_FILE_NAME)
    yield* fs.makeDirectory(dataDir, { recursive: true })
    if (!(yield* fs.exists(file))) yield* createKeyFile(file)
    const info = yield* fs.stat(file)
    if ((info.mode & 0o077) !== 0) {
      yield* Effect.logWarning(`${file} can be read by other users of this machine: run chmod 600 ${file}`)
    }
    return make(yield* decodeKey(yield* fs.readFileString(file), file), file)
  }).pipe(
    Effect.catchTags({
      BadArgument: (error) => Effect.fail(fileFailed(dataDir, error)),
      SystemError: (error) => Effect.fail(fileFailed(dataDir, error))
    })
  )

/** A whole file appears under its name or none does: of two processes starting at once, the second takes the first's key. */
const createKeyFile = (file: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const draft = `${file}.${randomUUID()}`
      yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(draft)))
      const handle = yield* fs.open(draft, { flag: "wx", mode: KEY_FILE_MODE })
      yield* handle.writeAll(Buffer.from(`${randomBytes(KEY_BYTES).toString("base64")}\n`))
      yield* handle.sync
      yield* fs
        .link(draft, file)
        .pipe(
          Effect.catchTag("SystemError", (error) =>
            error.reason === "AlreadyExists" ? Effect.void : Effect.fail(error)
          )
        )
    })
  )

const fileFailed = (dataDir: string, error: PlatformError) =>
  new EncryptionFailed({
    message: `the local encryption key in ${dataDir} cannot be read or made: ${error.message}; check DATA_DIR and its permissions, or set ENCRYPTION_KEY`
  })

const decodeKey = (text: string, source: string): Effect.Effect<Buffer, EncryptionFailed> => {
  const key = Buffer.from(text.trim(), "base64")
  return key.length === KEY_BYTES
    ? Effect.succeed(key)
    : Effect.fail(
        new EncryptionFailed({
          message: `${source} is not a key: it must be ${KEY_BYTES} bytes in base64 (make one with: openssl rand -base64 ${KEY_BYTES})`
        })
      )
}

const make = (masterKey: Buffer, source: string): EncryptionService => {
  const fingerprint = createHash("sha256").update(masterKey).digest().subarray(0, FINGERPRINT_BYTES)
  return {
    seal: Effect.fn("Encryption.seal")((plaintext, context) =>
      Effect.try({
        try: () => {
          const dataKey = randomBytes(KEY_BYTES)
          const envelope = Buffer.concat([
            fingerprint,
            encrypt(masterKey, dataKey, associatedData(context)),
            encrypt(dataKey, Buffer.from(Redacted.value(plaintext), "utf8"), associatedData(context))
          ])
          return `${ENVELOPE_PREFIX}${envelope.toString("base64")}`
        },
        catch: () => new EncryptionFailed({ message: `the secret of ${nameOf(context)} could not be encrypted` })
      })
    ),
    open: Effect.fn("Encryption.open")((text, context) =>
      Effect.gen(function* () {
        const envelope = Buffer.from(text.slice(ENVELOPE_PREFIX.length), "base64")
        if (!text.startsWith(ENVELOPE_PREFIX) || envelope.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES) {
          return yield* damaged(context)
        }
        const sealedBy = envelope.subarray(0, FINGERPRINT_BYTES)
        if (!sealedBy.equals(fingerprint)) {
          return yield* new EncryptionFailed({
            message:
              `${nameOf(context)} was sealed by the key ${sealedBy.toString("hex")}, but ${source} holds the key ` +
              `${fingerprint.toString("hex")}: restore the former key, or store the secret again (admin credential add)`
          })
        }
        return yield* Effect.try({
          try: () => {
            const dataKey = decrypt(
              masterKey,
              envelope.subarray(FINGERPRINT_BYTES, HEADER_BYTES),
              associatedData(context)
            )
            const plaintext = decrypt(dataKey, envelope.subarray(HEADER_BYTES), associatedData(context))
            return Redacted.make(plaintext.toString("utf8"))
          },
          catch: () => damaged(context)
        })
      })
    )
  }
}
