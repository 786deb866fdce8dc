import { expect, it } from "@effect/vitest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Encryption } from "../../src/platform/Encryption.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { bytesOf, settings } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const context = { org: "acme", id: "cred_1" }
const secret = Redacted.make(`{"access_key_id":"AKIA","secret_access_key":"péché 密"}`)

const encryption = (folder: string, variables?: Record<string, string>) =>
  Layer.provide(EncryptionLocal.layer, Layer.merge(settings(folder, variables), NodeContext.layer))

const seal = Effect.flatMap(Encryption, (encryption) => encryption.seal(secret, context))
const open = (envelope: string, as = context) =>
  Effect.flatMap(Encryption, (encryption) => encryption.open(envelope, as))

it.scoped("opens what it sealed, with the key file of an earlier start", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const envelope = yield* Effect.provide(seal, encryption(folder))
    expect(Redacted.value(yield* Effect.provide(open(envelope), encryption(folder)))).toBe(Redacted.value(secret))
    expect(readdirSync(folder)).toEqual(["encryption.key"])
    expect(statSync(join(folder, "encryption.key")).mode & 0o777).toBe(0o600)
  })
)

it.scoped("two first starts at once end with one key", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const envelopes = yield* Effect.forEach(
      Array.from({ length: 8 }),
      () => Effect.provide(seal, Layer.fresh(encryption(folder))),
      { concurrency: "unbounded" }
    )
    const opened = yield* Effect.forEach(envelopes, (envelope) => open(envelope)).pipe(
      Effect.provide(encryption(folder))
    )
    expect(new Set(opened.map(Redacted.value))).toEqual(new Set([Redacted.value(secret)]))
    expect(readdirSync(folder)).toEqual(["encryption.key"])
  })
)

it.scoped("large and empty texts come back as they were, and equal texts look different", () =>
  Effect.gen(function* () {
    const service = yield* Encryption
    for (const text of ["", "x".repeat(1_000_000)]) {
      const envelope = yield* service.seal(Redacted.make(text), context)
      expect(Redacted.value(yield* service.open(envelope, context))).toBe(text)
    }
    expect(yield* service.seal(secret, context)).not.toBe(yield* service.seal(secret, context))
  }).pipe(Effect.provide(Layer.unwrapScoped(Effect.map(temporaryFolder, (folder) => encryption(folder)))))
)

it.scoped("every changed byte, another organisation and another id keep the envelope shut", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.gen(function* () {
      const envelope = yield* seal
      const body = Buffer.from(envelope.split(":")[1] ?? "", "base64")
      for (let at = 0; at < body.length; at++) {
        const damaged = Buffer.from(body)
        damaged[at] = (damaged[at] ?? 0) ^ 1
        const failed = yield* Effect.flip(open(`envelope1:${damaged.toString("base64")}`))
        expect(failed._tag).toBe("EncryptionFailed")
        expect(failed.message).toContain("cred_1 of acme")
      }
      for (const wrong of ["", "envelope1:", envelope.slice(0, 40), envelope.slice(9), "plain text"]) {
        expect((yield* Effect.flip(open(wrong)))._tag).toBe("EncryptionFailed")
      }
      expect((yield* Effect.flip(open(envelope, { org: "globex", id: "cred_1" }))).message).toContain("another row")
      expect((yield* Effect.flip(open(envelope, { org: "acme", id: "cred_2" }))).message).toContain("another row")
      expect(bytesOf(folder)).not.toContain("secret_access_key")
    }).pipe(Effect.provide(encryption(folder)))
  })
)

it.scoped("the wrong master key is named by its fingerprint, with what to do", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const key = () => ({ ENCRYPTION_KEY: randomBytes(32).toString("base64") })
    const envelope = yield* Effect.provide(seal, encryption(folder, key()))
    const failed = yield* Effect.flip(Effect.provide(open(envelope), encryption(folder, key())))
    expect(failed.message).toMatch(
      /^cred_1 of acme was sealed by the key [0-9a-f]{8}, but ENCRYPTION_KEY holds the key [0-9a-f]{8}: restore/
    )
    expect(readdirSync(folder)).toEqual([])
  })
)

it.scoped("a key that is none stops the start and is not shown", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const fromVariable = yield* Effect.flip(
      Effect.provide(Encryption, encryption(folder, { ENCRYPTION_KEY: "tooshort" }))
    )
    expect(fromVariable.message).toContain("ENCRYPTION_KEY is not a key: it must be 32 bytes in base64")
    expect(fromVariable.message).not.toContain("tooshort")
    writeFileSync(join(folder, "encryption.key"), "broken")
    const fromFile = yield* Effect.flip(Effect.provide(Encryption, encryption(folder)))
    expect(fromFile.message).toContain("encryption.key is not a key")
  })
)
