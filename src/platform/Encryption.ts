/**
 * Secrets at rest: each one is sealed in an envelope of its own, which only this installation's master key opens.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** The envelope cannot be made or opened; the message says why and what to do, and holds neither secret nor key. */
export class EncryptionFailed extends Schema.TaggedError<EncryptionFailed>()("EncryptionFailed", {
  message: Schema.String
}) {}

/** What an envelope is bound to: it opens for the same organisation and id only, so that a row copied to another tenant stays shut. */
export interface SealContext {
  readonly org: string
  /** The credential's or the run's id. */
  readonly id: string
}

export interface EncryptionService {
  /** Encrypts under a fresh data key; answers printable text to store. */
  readonly seal: (plaintext: Redacted.Redacted, context: SealContext) => Effect.Effect<string, EncryptionFailed>
  /** Decrypts what {@link EncryptionService.seal} answered for the same context. */
  readonly open: (envelope: string, context: SealContext) => Effect.Effect<Redacted.Redacted, EncryptionFailed>
}

/**
 * The text of a secret that a BYTES column holds, given in base64: an envelope or base64 stored as text, otherwise the bytes themselves, in
 * base64.
 */
export const storedText = (base64: string): string => {
  const bytes = Buffer.from(base64, "base64")
  return bytes.every((byte) => byte >= 0x20 && byte < 0x7f) ? bytes.toString("latin1") : base64
}

/** The same of a text, for a BYTES column. */
export const storedBytes = (sealed: string): string => Buffer.from(sealed, "latin1").toString("base64")

/** The encryption service. */
export class Encryption extends Context.Tag("pipeline-service/Encryption")<Encryption, EncryptionService>() {}
