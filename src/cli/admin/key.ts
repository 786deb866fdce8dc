/**
 * `admin key`: API keys.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type ApiKey, Organizations } from "../../organizations/Organizations.ts"
import { table } from "../table.ts"
import { answer, expires, json, knownOrg, org } from "./shared.ts"

const keyView = (key: ApiKey) => [
  key.keyId,
  key.isActive ? "yes" : "no",
  key.scopes.join(" "),
  key.expiresAt,
  key.createdAt
]

const keyCreate = Command.make(
  "create",
  {
    org,
    scope: Options.text("scope").pipe(
      Options.withDescription("pipelines:execute, pipelines:read, pipelines:write; all three when absent"),
      Options.repeated
    ),
    expires,
    json
  },
  Effect.fnUntraced(function* (options) {
    const { key, secret } = yield* (yield* Organizations).createKey(options.org, {
      scopes: options.scope,
      ...(Option.isSome(options.expires) ? { expiresAt: options.expires.value } : {})
    })
    yield* answer(
      options.json,
      { ...key, apiKey: Redacted.value(secret) },
      `${Redacted.value(secret)}\n\nShown only this once. Send it as X-API-Key; revoke it with: pipeline-service admin key revoke ${key.keyId}`
    )
  })
).pipe(Command.withDescription("Make an API key; it is shown once."))

const keyList = Command.make(
  "list",
  { org, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const keys = yield* (yield* Organizations).listKeys(options.org)
    yield* answer(
      options.json,
      keys,
      keys.length === 0
        ? `${options.org} has no API key: pipeline-service admin key create ${options.org}`
        : table(["key id", "active", "scopes", "expires", "created"], keys.map(keyView))
    )
  })
).pipe(Command.withDescription("List an organisation's API keys."))

const keyRevoke = Command.make(
  "revoke",
  { keyId: Args.text({ name: "key-id" }), json },
  Effect.fnUntraced(function* (options) {
    yield* (yield* Organizations).revokeKey(options.keyId)
    yield* answer(
      options.json,
      { keyId: options.keyId, isActive: false },
      `Revoked ${options.keyId}: a running server refuses it within seconds.`
    )
  })
).pipe(Command.withDescription("Revoke an API key."))

/** The command. */
export const keyCommand = Command.make("key").pipe(
  Command.withDescription("API keys."),
  Command.withSubcommands([keyCreate, keyList, keyRevoke])
)
