/**
 * Encryption with Google KMS, against a local counterpart that checks the protocol: paths, checksums, associated data.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import type { ServerResponse } from "node:http"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { googleAuthLibrary } from "google-gax"
import { crc32c } from "../../src/platform/Crc32c.ts"
import * as EncryptionKms from "../../src/platform/EncryptionKms.ts"
import { httpServer, type SeenRequest } from "../support/httpServer.ts"

const key = "projects/acme/locations/us-central1/keyRings/ring/cryptoKeys/key"
const context = { org: "acme", id: "cred_1" }
const secret = Redacted.make(`{"client_secret":"péché 密"}`)

const bytes = (text: unknown) => Buffer.from(String(text ?? ""), "base64")

/** A KMS with one key; `faults` are statuses to answer instead, `tamper` changes an answer. */
const kms = () => {
  const master = randomBytes(32)
  const world = { faults: new Array<number>(), tamper: false, calls: new Array<string>() }
  const handle = (request: SeenRequest, response: ServerResponse) => {
    const verb = request.url.pathname.split(":")[1] ?? ""
    world.calls.push(verb)
    const answer = (status: number, body: object) => {
      response.statusCode = status
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify(body))
    }
    const status = world.faults.shift()
    if (status !== undefined)
      return answer(status, { error: { code: status, status: statuses[status], message: "vendor words" } })
    const body = JSON.parse(request.body)
    const aad = bytes(body.additionalAuthenticatedData)
    const text = bytes(verb === "encrypt" ? body.plaintext : body.ciphertext)
    const claimed = verb === "encrypt" ? body.plaintextCrc32c : body.ciphertextCrc32c
    if (request.url.pathname !== `/v1/${key}:${verb}`)
      return answer(404, { error: { code: 404, status: "NOT_FOUND", message: "" } })
    if (
      Number(claimed) !== crc32c(text) ||
      (aad.length > 0 && Number(body.additionalAuthenticatedDataCrc32c) !== crc32c(aad))
    ) {
      return answer(400, { error: { code: 400, status: "INVALID_ARGUMENT", message: "checksum" } })
    }
    if (verb === "encrypt") {
      const nonce = randomBytes(12)
      const cipher = createCipheriv("aes-256-gcm", master, nonce).setAAD(aad)
      const ciphertext = Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()])
      return answer(200, {
        name: `${key}/cryptoKeyVersions/1`,
        ciphertext: ciphertext.toString("base64"),
        ciphertextCrc32c: String(crc32c(ciphertext)),
        verifiedPlaintextCrc32c: true,
        verifiedAdditionalAuthenticatedDataCrc32c: true
      })
    }
    try {
      const decipher = createDecipheriv("aes-256-gcm", master, text.subarray(0, 12))
        .setAAD(aad)
        .setAuthTag(text.subarray(-16))
      const plaintext = Buffer.concat([decipher.update(text.subarray(12, -16)), decipher.final()])
      if (world.tamper) plaintext[0] = (plaintext[0] ?? 0) ^ 1
      const sum = world.tamper ? crc32c(plaintext) ^ 1 : crc32c(plaintext)
      return answer(200, {
        plaintext: plaintext.toString("base64"),
        plaintextCrc32c: String(sum >>> 0),
        usedPrimary: true
      })
    } catch {
      return answer(400, { error: { code: 400, status: "INVALID_ARGUMENT", message: "Decryption failed" } })
    }
  }
  return Effect.map(httpServer(handle), ({ endpoint }) => ({ endpoint, world, master }))
}

const statuses: Readonly<Record<number, string>> = {
  403: "PERMISSION_DENIED",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE"
}

const service = (endpoint: string) => {
  const { hostname, port } = new URL(endpoint)
  const authClient = new googleAuthLibrary.UserRefreshClient()
  authClient.setCredentials({ access_token: "token", expiry_date: Date.now() + 3_600_000 })
  return EncryptionKms.make(key, {
    apiEndpoint: hostname,
    port: Number(port),
    protocol: "http",
    authClient
  })
}

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
    const { endpoint, master } = yield* kms()
    const encryption = yield* service(endpoint)
    const nonce = randomBytes(12)
    const cipher = createCipheriv("aes-256-gcm", master, nonce)
    const stored = Buffer.concat([nonce, cipher.update(Redacted.value(secret)), cipher.final(), cipher.getAuthTag()])
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

it.scoped("refuses an answer that was changed on the way", () =>
  Effect.gen(function* () {
    const { endpoint, world } = yield* kms()
    const encryption = yield* service(endpoint)
    const envelope = yield* encryption.seal(secret, context)
    world.tamper = true
    expect((yield* Effect.flip(encryption.open(envelope, context))).message).toMatch(/changed on the way/)
  })
)
