/**
 * Why a provider could not be read, in the classes that decide what happens next. The text holds status, vendor code and request id,
 * never the vendor's own message and never a secret.
 */
import * as Schema from "effect/Schema"

/**
 * `auth`: the credential is refused, no retry. `retryable`: worth another try, after `retryAfterSeconds` if given. `stale`: the source
 * changed while it was read, discover it again. `permanent`: nothing changes by trying again.
 */
export class SourceError extends Schema.TaggedError<SourceError>()("SourceError", {
  kind: Schema.Literal("auth", "retryable", "stale", "permanent"),
  /** Stable code in capitals: `MANIFEST_FILE_MISSING`. */
  code: Schema.String,
  message: Schema.String,
  suggestedAction: Schema.optionalWith(Schema.String, { exact: true }),
  retryAfterSeconds: Schema.optionalWith(Schema.Number, { exact: true })
}) {}

/** What a credential lacks, as an error; the value is never named. */
export const credentialIncomplete =
  ({ credentialId, provider }: { readonly credentialId: string; readonly provider: string }) =>
  (what: string) =>
    new SourceError({
      kind: "permanent",
      code: "CREDENTIAL_INCOMPLETE",
      message: `credential ${credentialId} (${provider}) lacks a valid ${what}`,
      suggestedAction: "store the credential again with all its fields"
    })

/** Reads a `Retry-After` header: seconds or an HTTP date, the latter against `nowMillis`; undefined when it is neither. */
export const retryAfterSeconds = (header: string | undefined, nowMillis: number): number | undefined => {
  if (header === undefined || header.trim() === "") return undefined
  if (/^\d+$/.test(header.trim())) return Number(header.trim())
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - nowMillis) / 1000))
}
