/**
 * The form of an API key, its hash, its scopes and its end.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { hash as digest, randomInt, timingSafeEqual } from "node:crypto"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { OrganizationError } from "./Organizations.ts"

const KEY_RANDOM_CHARACTERS = 16
const KEY_MAX_CHARACTERS = 128
const KEY_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
/** What a key without stored scopes may do. */
export const ALL_SCOPES = ["pipelines:execute", "pipelines:read", "pipelines:write"] as const

/** `{org}_api_{16 random}`: 95 bits of randomness. */
export const generate = (org: OrgSlug): Redacted.Redacted => {
  const random = Array.from({ length: KEY_RANDOM_CHARACTERS }, () => KEY_ALPHABET[randomInt(KEY_ALPHABET.length)])
  return Redacted.make(`${org}_api_${random.join("")}`)
}

/** False for text that is not worth a look into the store. Keys of other issuers may be longer than ours. */
export const looksLikeKey = (key: Redacted.Redacted): boolean => {
  const text = Redacted.value(key)
  return text.length <= KEY_MAX_CHARACTERS && /^[a-z0-9_]{3,50}_api_\S+$/.test(text)
}

/** SHA-256 in hex: by it a key is found. */
export const hash = (key: Redacted.Redacted): string => digest("sha256", Redacted.value(key))

/** Compares two hashes in constant time. */
export const sameHash = (left: string, right: string): boolean =>
  left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right))

/** None means all three; a scope that allows nothing is a typing error and is refused. */
export const checkScopes = (scopes: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, OrganizationError> => {
  const useless = scopes.find((scope) => !ALL_SCOPES.some((known) => covers(scope, known)))
  if (useless !== undefined) {
    return Effect.fail(
      new OrganizationError({
        message: `${JSON.stringify(useless)} is no scope: choose among ${ALL_SCOPES.join(", ")}, pipelines:* and *`
      })
    )
  }
  return Effect.succeed(scopes.length === 0 ? ALL_SCOPES : scopes)
}

/** True when one of the scopes allows to run pipelines. */
export const mayExecute = (scopes: ReadonlyArray<string>): boolean =>
  scopes.some((scope) => covers(scope, "pipelines:execute"))

const covers = (scope: string, wanted: string): boolean =>
  scope === "*" || scope === wanted || (scope.endsWith(":*") && wanted.startsWith(scope.slice(0, -1)))

/** A moment after `now`, as ISO 8601 UTC; a bare day means its start. */
export const checkExpiry = (expiresAt: string, now: string): Effect.Effect<string, OrganizationError> => {
  const millis = /^\d{4}-\d{2}-\d{2}/.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN
  if (Number.isNaN(millis)) {
    return Effect.fail(
      new OrganizationError({
        message: `${JSON.stringify(expiresAt)} is no time: give ISO 8601 as in 2027-01-31 or 2027-01-31T12:00:00Z`
      })
    )
  }
  const normalised = new Date(millis).toISOString()
  return normalised > now
    ? Effect.succeed(normalised)
    : Effect.fail(new OrganizationError({ message: `the end ${normalised} has passed already` }))
}
