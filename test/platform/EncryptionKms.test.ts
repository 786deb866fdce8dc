/**
 * Encryption with Google KMS, against a local counterpart that checks the protocol: paths, checksums, associated data.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { crc32c } from "../../src/platform/Crc32c.ts"
import { kms, service } from "../support/kmsServer.ts"

const context = { org: "acme", id: "cred_1" }
const secret = Redacted.make(`{"client_secret":"péché 密"}`)

it("sums as Castagnoli's polynomial does", () => {
  // The check value of the CRC catalogue.
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283)
})

it.scoped("opens what it sealed, for the same row only, and asks for a key once", () =>
  Effect.gen(function* () {
    const { endpoint, world } = yield* kms()
    const encryption = yield* service(endpoint)
    const envelope = yield* encryption.seal(secret, context)
    expect(envelope).not.toContain("client_secret")
    for (let times = 0; times < 3; times++) {
      expect(Redacted.value(yield* encryption.open(envelope, context))).toBe(Redacted.value(secret))
    }
    expect(world.calls).toEqual(["encrypt", "decrypt"])
    const error = yield* Effect.flip(encryption.open(envelope, { ...context, org: "globex" }))
    expect(error.message).toMatch(/cred_1 of globex.*belongs to another row/)
  })
)

it.effect("forgets an unwrapped key after five minutes", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const { endpoint, world } = yield* kms()
      const encryption = yield* service(endpoint)
      const envelope = yield* encryption.seal(secret, context)
      yield* encryption.open(envelope, context)
      yield* TestClock.adjust("4 minutes")
      yield* encryption.open(envelope, context)
      expect(world.calls).toEqual(["encrypt", "decrypt"])
      yield* TestClock.adjust("2 minutes")
      yield* encryption.open(envelope, context)
      expect(world.calls).toEqual(["encrypt", "decrypt", "decrypt"])
    })
  )
)

it.scoped("opens ciphertext of KMS itself, as the API service stores it", () =>
  Effect.gen(function* () {
    const { direct, endpoint } = yield* kms()
    const encryption = yield* service(endpoint)
    const stored = direct(Redacted.value(secret))
    expect(Redacted.value(yield* encryption.open(stored.toString("base64"), context))).toBe(Redacted.value(secret))
  })
)

it.live("tries again what can heal, and nothing else", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const { endpoint, world } = yield* kms()
      const encryption = yield* service(endpoint)
      const envelope = yield* encryption.seal(secret, context)
      world.faults = [503, 429]
      expect(Redacted.value(yield* encryption.open(envelope, context))).toBe(Redacted.value(secret))
      expect(world.calls).toEqual(["encrypt", "decrypt", "decrypt", "decrypt"])
      world.faults = [403]
      const error = yield* Effect.flip(encryption.seal(secret, context))
      expect(error.message).toMatch(/CryptoKey Encrypter\/Decrypter on projects\/acme/)
      expect(error.message).not.toMatch(/vendor words|péché/)
      expect(world.calls.length).toBe(5)
    })
  )
)

it.scoped("opens again as soon as KMS does, when it did not", () =>
  Effect.gen(function* () {
    const { endpoint, world } = yield* kms()
    const encryption = yield* service(endpoint)
    const envelope = yield* encryption.seal(secret, context)
    world.faults = [403]
    expect((yield* Effect.flip(encryption.open(envelope, context))).message).toMatch(/CryptoKey Encrypter/)
    expect(Redacted.value(yield* encryption.open(envelope, context))).toBe(Redacted.value(secret))
  })
)

it.scoped("refuses an answer that was changed on the way", () =>
  Effect.gen(function* () {
    const { endpoint, world } = yield* kms()
    const encryption = yield* service(endpoint)
    const envelope = yield* encryption.seal(secret, context)
    world.tamper = true
    expect((yield* Effect.flip(encryption.open(envelope, context))).message).toMatch(/changed on the way/)
  })
)
