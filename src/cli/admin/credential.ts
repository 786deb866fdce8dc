/**
 * `admin credential`: the secrets by which providers are read.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Credential, Credentials, ValidationStatus } from "../../credentials/Credentials.ts"
import { table } from "../table.ts"
import { metadata, metadataOf } from "../Metadata.ts"
import { AdminUsageError, answer, expires, json, knownOrg, org, readSecret } from "./shared.ts"

const credentialAdd = Command.make(
  "add",
  {
    org,
    provider: Args.text({ name: "provider" }).pipe(
      Args.withDescription(
        "AWS_IAM, AWS_KEYS, AZURE, GCP_SA, AWS_FILES, AZURE_FILES, GCP_FILES (a folder of exports), OPENAI ..."
      )
    ),
    id: Options.text("id").pipe(
      Options.withDescription("credential id; a known one is replaced, made when absent"),
      Options.optional
    ),
    name: Options.text("name").pipe(Options.withDescription("what people call it"), Options.optional),
    path: Options.text("path").pipe(
      Options.withDescription(
        "AWS_FILES, AZURE_FILES, GCP_FILES, DEEPSEEK_FILES, GEMINI_FILES: the folder of exports; it needs no secret"
      ),
      Options.optional
    ),
    metadata,
    secretFile: Options.text("secret-file").pipe(
      Options.withDescription("file with the secret (a JSON object, or a bare API key); standard input when absent"),
      Options.optional
    ),
    expires,
    json
  },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const provider = options.provider.toUpperCase()
    const given = yield* metadataOf(options.metadata)
    const folder = yield* Effect.transposeMapOption(options.path, existingFolder)
    const hasNone = Option.isSome(folder) && Option.isNone(options.secretFile)
    const secret = hasNone ? Redacted.make("") : yield* readSecret(options.secretFile)
    const credentials = yield* Credentials
    const resting = Effect.map(credentials.list(options.org), (list) =>
      list.filter((each) => each.deactivationScheduledAt !== undefined && each.isActive)
    )
    const before = new Set((yield* resting).map(({ credentialId }) => credentialId))
    const stored = yield* credentials.put({
      org: options.org,
      provider,
      credentialName: Option.getOrElse(options.name, () => provider),
      metadata: { ...given, ...(Option.isSome(folder) ? { path: folder.value } : {}) },
      secret,
      ...(Option.isSome(options.id) ? { credentialId: options.id.value } : {}),
      ...(Option.isSome(options.expires) ? { expiresAt: options.expires.value } : {})
    })
    const superseded = (yield* resting).find(({ credentialId }) => !before.has(credentialId))
    const rests =
      superseded === undefined
        ? ""
        : ` ${superseded.credentialId} reads the same account: it rests, and ends at ${superseded.deactivationScheduledAt}.`
    yield* answer(options.json, stored, `Stored ${stored.credentialId} (${stored.provider}) for ${stored.org}.${rests}`)
  })
).pipe(
  Command.withDescription("Store a provider's credential, encrypted. The secret comes from a file or standard input.")
)

const credentialView = (each: Credential) => [
  each.credentialId,
  each.provider,
  each.credentialName,
  each.isActive ? "yes" : "no",
  each.validationStatus,
  each.expiresAt ?? each.deactivationScheduledAt,
  Object.entries(each.metadata)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ")
]

const credentialList = Command.make(
  "list",
  { org, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const list = yield* (yield* Credentials).list(options.org)
    yield* answer(
      options.json,
      list,
      list.length === 0
        ? `${options.org} has no credential: pipeline-service admin credential add ${options.org} PROVIDER`
        : table(
            ["credential id", "provider", "name", "active", "status", "expires", "metadata"],
            list.map(credentialView)
          )
    )
  })
).pipe(Command.withDescription("List an organisation's credentials, without their secrets."))

const credentialDeactivate = Command.make(
  "deactivate",
  { org, credentialId: Args.text({ name: "credential-id" }), json },
  Effect.fnUntraced(function* (options) {
    yield* (yield* Credentials).deactivate(options.org, options.credentialId)
    yield* answer(
      options.json,
      { org: options.org, credentialId: options.credentialId, isActive: false },
      `Deactivated ${options.credentialId} of ${options.org}.`
    )
  })
).pipe(Command.withDescription("Stop using a credential."))

const credentialStatus = Command.make(
  "status",
  {
    org,
    credentialId: Args.text({ name: "credential-id" }),
    status: Args.choice(
      ValidationStatus.literals.map((status): [string, ValidationStatus] => [status, status]),
      { name: "status" }
    ),
    reason: Options.text("reason").pipe(Options.withDescription("why it is not VALID"), Options.optional),
    json
  },
  Effect.fnUntraced(function* ({ credentialId, reason, status, ...options }) {
    yield* (yield* Credentials).setValidation(options.org, credentialId, status, Option.getOrUndefined(reason))
    yield* answer(
      options.json,
      { org: options.org, credentialId, validationStatus: status },
      `${credentialId} of ${options.org} is ${status}.`
    )
  })
).pipe(Command.withDescription("Say whether a credential is good; runs use only VALID ones."))

/** The command. */
export const credentialCommand = Command.make("credential").pipe(
  Command.withDescription("Providers' credentials."),
  Command.withSubcommands([credentialAdd, credentialList, credentialStatus, credentialDeactivate])
)

/** The server may run in another folder, so the path is stored from the root on. */
const existingFolder = Effect.fnUntraced(function* (given: string) {
  const fs = yield* FileSystem.FileSystem
  const folder = (yield* Path.Path).resolve(given)
  const isFolder = yield* fs.stat(folder).pipe(
    Effect.map((info) => info.type === "Directory"),
    Effect.orElseSucceed(() => false)
  )
  return isFolder ? folder : yield* new AdminUsageError({ message: `--path ${folder} is not a folder` })
})
