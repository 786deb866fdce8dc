/**
 * A Google KMS with one key, written from the contract: it checks paths, checksums and associated data.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { googleAuthLibrary } from "google-gax"
import { crc32c } from "../../src/platform/Crc32c.ts"
import * as EncryptionKms from "../../src/platform/EncryptionKms.ts"
import { httpServer, type SeenRequest } from "./httpServer.ts"

const key = "projects/acme/locations/us-central1/keyRings/ring/cryptoKeys/key"

const bytes = (text: unknown) => Buffer.from(String(text ?? ""), "base64")

/** A KMS with one key; `faults` are statuses to answer instead, `tamper` changes an answer. */
export const kms = () => {
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
  /** Ciphertext of KMS itself, without associated data: what the API service stores. */
  const direct = (text: string) => {
    const nonce = randomBytes(12)
    const cipher = createCipheriv("aes-256-gcm", master, nonce)
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()])
  }
  return Effect.map(httpServer(handle), ({ endpoint }) => ({ endpoint, world, direct }))
}

const statuses: Readonly<Record<number, string>> = {
  403: "PERMISSION_DENIED",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE"
}

/** The encryption on it. */
export const service = (endpoint: string) => {
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
