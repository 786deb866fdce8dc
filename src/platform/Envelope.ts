/**
 * What every envelope is made of: AES-256-GCM under a key of 32 bytes, bound to the organisation and the id that it belongs to.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { EncryptionFailed, type SealContext } from "./Encryption.ts"

/** Bytes of a key, and of what stands before and after each sealed text. */
export const KEY_BYTES = 32
export const NONCE_BYTES = 12
export const TAG_BYTES = 16

/** Nonce, ciphertext, tag. */
export const encrypt = (key: Buffer, plaintext: Buffer, aad: Buffer): Buffer => {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad)
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** The plaintext; throws when key, context or text are not those that were sealed. */
export const decrypt = (key: Buffer, sealed: Buffer, aad: Buffer): Buffer => {
  const tagStart = sealed.length - TAG_BYTES
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(aad)
    .setAuthTag(sealed.subarray(tagStart))
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, tagStart)), decipher.final()])
}

/** JSON, so that no two contexts share one text. */
export const associatedData = (context: SealContext): Buffer =>
  Buffer.from(JSON.stringify([context.org, context.id]), "utf8")

/** Whose secret it is, for messages. */
export const nameOf = (context: SealContext): string => `${context.id} of ${context.org}`

/** An envelope that does not open. */
export const damaged = (context: SealContext): EncryptionFailed =>
  new EncryptionFailed({
    message: `the stored secret of ${nameOf(context)} is damaged or belongs to another row: store it again (admin credential add)`
  })
