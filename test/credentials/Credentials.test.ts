import { expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { randomBytes } from "node:crypto"
import { Credentials, type CredentialsService } from "../../src/credentials/Credentials.ts"
import * as CredentialsSql from "../../src/credentials/CredentialsSql.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { bytesOf, installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const acme = OrgSlug.make("acme")
const globex = OrgSlug.make("globex")

const process = (folder: string, variables?: Record<string, string>) =>
  CredentialsSql.layer.pipe(Layer.provide(EncryptionLocal.layer), Layer.provideMerge(installation(folder, variables)))

const withCredentials = <A, E>(body: (folder: string) => Effect.Effect<A, E, Credentials | SqlClient.SqlClient>) =>
  Effect.flatMap(temporaryFolder, (folder) => Effect.provide(body(folder), process(folder)))

type Put = Parameters<CredentialsService["put"]>[0]

const keys = (over: Partial<Put> = {}): Put => ({
  org: acme,
  provider: "AWS_KEYS",
  credentialName: "billing reader",
  metadata: { cur_bucket: "acme-cur", cur_prefix: "exports/daily" },
  secret: Redacted.make(`{"access_key_id":"AKIAEXAMPLE","secret_access_key":"swordfish-9"}`),
  ...over
})

it.scoped("a stored credential opens for its organisation, and its secret is nowhere in the clear", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const lines: Array<string> = []
    const logger = Logger.make(({ message, annotations }) => {
      lines.push(JSON.stringify([message, [...annotations]]))
    })
    yield* Effect.gen(function* () {
      const credentials = yield* Credentials
      const stored = yield* credentials.put(keys())
      expect(stored).toMatchObject({
        org: "acme",
        provider: "AWS_KEYS",
        credentialType: "AWS_ACCESS_KEYS",
        isActive: true
      })
      expect(stored.credentialId).toMatch(/^aws_keys_[0-9a-f]{8}$/)
      const [opened] = yield* credentials.open({ org: acme, providers: ["AWS_IAM", "AWS_KEYS"] })
      expect(opened?.credential).toEqual(stored)
      expect(opened && Redacted.value(opened.secret)).toEqual({
        access_key_id: "AKIAEXAMPLE",
        secret_access_key: "swordfish-9"
      })
      expect(JSON.stringify(opened)).not.toContain("swordfish")
      expect(JSON.stringify(yield* credentials.list(acme))).not.toContain("swordfish")
      expect(bytesOf(folder)).not.toContain("swordfish")
      expect(bytesOf(folder)).not.toContain("AKIAEXAMPLE")
    }).pipe(Effect.provide(process(folder)), Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    expect(lines.join("\n")).not.toContain("swordfish")
  })
)

it.scoped("without a name, every usable credential of the providers is answered; with one, only that", () =>
  withCredentials(() =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const sql = yield* SqlClient.SqlClient
      const names = (opened: ReadonlyArray<{ readonly credential: { readonly credentialId: string } }>) =>
        opened.map(({ credential }) => credential.credentialId).sort()
      const prefix = (cur_prefix: string) => ({ cur_bucket: "acme-cur", cur_prefix })
      yield* credentials.put(keys({ credentialId: "one", metadata: prefix("1") }))
      yield* credentials.put(keys({ credentialId: "two", metadata: prefix("2") }))
      yield* credentials.put(
        keys({ credentialId: "files", provider: "aws_files", metadata: { path: "exports" }, secret: Redacted.make("") })
      )
      yield* credentials.put(keys({ credentialId: "off", metadata: prefix("3") }))
      yield* credentials.put(keys({ credentialId: "pending", metadata: prefix("4") }))
      yield* credentials.put(keys({ credentialId: "ending", metadata: prefix("5"), expiresAt: "1970-01-01T00:00:05Z" }))
      yield* credentials.put(keys({ credentialId: "theirs", org: globex }))
      yield* credentials.put(keys({ credentialId: "llm", provider: "OPENAI", secret: Redacted.make("sk-bare\n") }))
      yield* credentials.deactivate(acme, "off")
      yield* sql`update org_integration_credentials set validation_status = 'PENDING' where credential_id = 'pending'`

      const aws = { org: acme, providers: ["AWS_KEYS", "AWS_FILES"] } as const
      expect(names(yield* credentials.open(aws))).toEqual(["ending", "files", "one", "two"])
      yield* TestClock.adjust("5 seconds")
      expect(names(yield* credentials.open(aws))).toEqual(["files", "one", "two"])
      expect(names(yield* credentials.open({ ...aws, credentialId: "two" }))).toEqual(["two"])
      const [llm] = yield* credentials.open({ org: acme, providers: ["OPENAI"] })
      expect(llm && Redacted.value(llm.secret)).toEqual({ api_key: "sk-bare" })

      const refusals = yield* Effect.forEach(
        ["off", "pending", "ending", "theirs", "llm", "' or 1=1 --"],
        (credentialId) =>
          Effect.map(
            Effect.flip(credentials.open({ ...aws, credentialId })),
            (error) => `${error._tag}: ${withoutProviders(error.message)}`
          )
      )
      expect(refusals).toMatchInlineSnapshot(`
        [
          "CredentialMissing: the credential off of acme is not active: see pipeline-service admin credential list acme, or add one with pipeline-service admin credential add acme AWS_KEYS",
          "CredentialMissing: the credential pending of acme is PENDING: see pipeline-service admin credential list acme, or add one with pipeline-service admin credential add acme AWS_KEYS",
          "CredentialMissing: the credential ending of acme expired at 1970-01-01T00:00:05.000Z: see pipeline-service admin credential list acme, or add one with pipeline-service admin credential add acme AWS_KEYS",
          "CredentialMissing: acme has no credential "theirs": see pipeline-service admin credential list acme",
          "CredentialMissing: the credential llm of acme is of OPENAI, but this pipeline reads AWS_KEYS or AWS_FILES: see pipeline-service admin credential list acme, or add one with pipeline-service admin credential add acme AWS_KEYS",
          "CredentialMissing: acme has no credential "' or 1=1 --": see pipeline-service admin credential list acme",
        ]
      `)
      const none = yield* Effect.flip(credentials.open({ org: globex, providers: ["AWS_IAM", "AWS_FILES"] }))
      expect(none.message).toBe(
        "globex has no active, valid credential of AWS_IAM or AWS_FILES: see pipeline-service admin credential list globex, " +
          "or add one with pipeline-service admin credential add globex AWS_IAM"
      )
    })
  )
)

it.scoped("of two credentials for one account the newer runs; the older rests and ends after a day", () =>
  withCredentials(() =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const role = (external_id: string) =>
        Redacted.make(JSON.stringify({ role_arn: "arn:aws:iam::123456789012:role/cur", external_id }))
      const aws = { org: acme, providers: ["AWS_IAM"] } as const
      const opened = Effect.map(credentials.open(aws), (all) =>
        all.map(({ credential, superseded }) => [credential.credentialId, superseded])
      )
      yield* credentials.put(keys({ provider: "AWS_IAM", credentialId: "old", secret: role("1") }))
      yield* credentials.put(
        keys({ provider: "AWS_IAM", credentialId: "other", secret: role("3"), metadata: { cur_bucket: "another" } })
      )
      yield* TestClock.adjust("1 minute")
      yield* credentials.put(keys({ provider: "AWS_IAM", credentialId: "new", secret: role("2") }))
      expect(yield* opened).toEqual([
        ["other", []],
        ["new", ["old"]]
      ])
      const refused = yield* Effect.flip(credentials.check({ ...aws, credentialId: "old" }))
      expect(refused.message).toContain("the credential old of acme rests: new is newer and reads the same account")
      const listed = Effect.map(credentials.list(acme), (all) =>
        all.map((each) => [each.credentialId, each.isActive, each.deactivationScheduledAt])
      )
      expect(yield* listed).toEqual([
        ["old", true, "1970-01-02T00:01:00.000Z"],
        ["other", true, undefined],
        ["new", true, undefined]
      ])
      // The newer one turns out to be wrong: within its day the older one runs again.
      yield* credentials.setValidation(acme, "new", "INVALID", "access denied")
      expect((yield* opened).toSorted()).toEqual([
        ["old", ["new"]],
        ["other", []]
      ])
      expect((yield* credentials.list(acme)).at(-1)).toMatchObject({
        validationStatus: "INVALID",
        lastError: "access denied"
      })
      yield* TestClock.adjust("1 day")
      expect(yield* opened).toEqual([["other", []]])
      expect((yield* listed)[0]).toEqual(["old", false, "1970-01-02T00:01:00.000Z"])
      const ended = yield* Effect.flip(credentials.check({ ...aws, credentialId: "old" }))
      expect(ended.message).toContain("was superseded and ended at 1970-01-02T00:01:00.000Z")
      // Stored again, it is a new one.
      yield* credentials.put(keys({ provider: "AWS_IAM", credentialId: "old", secret: role("4") }))
      expect((yield* listed)[0]).toEqual(["old", true, undefined])
    })
  )
)

it.scoped("one whose time is over is shown as EXPIRED", () =>
  withCredentials(() =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      yield* credentials.put(keys({ credentialId: "short", expiresAt: "1970-01-01T00:01:00Z" }))
      const status = Effect.map(credentials.list(acme), (all) => all.map((each) => each.validationStatus))
      expect(yield* status).toEqual(["VALID"])
      yield* TestClock.adjust("1 minute")
      expect(yield* status).toEqual(["EXPIRED"])
    })
  )
)

it.scoped("a known id replaces what was stored under it, but not another provider's", () =>
  withCredentials(() =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      yield* credentials.put(keys({ credentialId: "main" }))
      yield* credentials.deactivate(acme, "main")
      yield* credentials.put(
        keys({ credentialId: "main", secret: Redacted.make(`{"access_key_id":"A","secret_access_key":"B"}`) })
      )
      const [opened] = yield* credentials.open({ org: acme, providers: ["AWS_KEYS"], credentialId: "main" })
      expect(opened && Redacted.value(opened.secret)).toEqual({ access_key_id: "A", secret_access_key: "B" })
      const refused = yield* Effect.flip(
        credentials.put(keys({ credentialId: "main", provider: "OPENAI", secret: Redacted.make("sk-x") }))
      )
      expect(refused.message).toContain("has a credential main of another provider")
    })
  )
)

/** The list grows with each provider. */
const withoutProviders = (message: string) => message.replace(/(choose one of OPENAI), .*/, "$1 and others")

it.scoped("an incomplete credential is refused by the name of what it lacks, never by its value", () =>
  withCredentials((folder) =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const bad: ReadonlyArray<Partial<Put>> = [
        { provider: "DROPBOX" },
        { provider: "AWS_KEYS", credentialType: "API_KEY" },
        { provider: "AWS_KEYS", secret: Redacted.make(`{"access_key_id":"swordfish-9"}`) },
        { provider: "AWS_KEYS", secret: Redacted.make("swordfish-9") },
        { provider: "AWS_KEYS", secret: Redacted.make(`{"access_key_id":"swordfish-9",`) },
        { provider: "AWS_IAM", secret: Redacted.make(`{"role_arn":7,"external_id":" "}`) },
        { provider: "AWS_FILES", metadata: {}, secret: Redacted.make("") },
        { provider: "OPENAI", secret: Redacted.make("  ") },
        { secret: Redacted.make("x".repeat(70_000)) },
        { metadata: { note: "x".repeat(70_000) } },
        { credentialId: "default" },
        { credentialId: "a/b" },
        { expiresAt: "never" }
      ]
      const messages = yield* Effect.forEach(bad, (over) =>
        Effect.map(
          Effect.flip(credentials.put(keys(over))),
          (error) => `${error._tag}: ${withoutProviders(error.message)}`
        )
      )
      expect(messages.join("\n")).not.toContain("swordfish")
      expect(messages).toMatchInlineSnapshot(`
        [
          "CredentialInvalid: "DROPBOX" is no provider: choose one of OPENAI and others",
          "CredentialInvalid: a credential of AWS_KEYS has the type AWS_ACCESS_KEYS",
          "CredentialInvalid: the secret of AWS_KEYS lacks secret_access_key",
          "CredentialInvalid: the secret of AWS_KEYS must be a JSON object with access_key_id, secret_access_key",
          "CredentialInvalid: the secret of AWS_KEYS must be a JSON object with access_key_id, secret_access_key",
          "CredentialInvalid: the secret of AWS_IAM lacks role_arn, external_id",
          "CredentialInvalid: the metadata of AWS_FILES lacks path",
          "CredentialInvalid: the secret of OPENAI must be the bare key or a JSON object with api_key",
          "CredentialInvalid: the secret of AWS_KEYS is longer than 65536 bytes",
          "CredentialInvalid: the metadata are longer than 65536 bytes",
          "CredentialInvalid: "default" is no credential id: give 1 to 64 letters, digits, _ and -, not "default"",
          "CredentialInvalid: "a/b" is no credential id: give 1 to 64 letters, digits, _ and -, not "default"",
          "CredentialInvalid: "never" is no time: give ISO 8601 as in 2027-01-31T12:00:00Z",
        ]
      `)
      expect(yield* credentials.list(acme)).toEqual([])
      expect(bytesOf(folder)).not.toContain("swordfish")
      expect((yield* Effect.flip(credentials.deactivate(acme, "nobody")))._tag).toBe("CredentialMissing")
    })
  )
)

it.scoped("a lost key is reported as such", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const key = () => ({ ENCRYPTION_KEY: randomBytes(32).toString("base64") })
    yield* Effect.provide(
      Effect.flatMap(Credentials, (credentials) => credentials.put(keys({ credentialId: "main" }))),
      process(folder, key())
    )
    const failed = yield* Effect.flip(
      Effect.provide(
        Effect.flatMap(Credentials, (credentials) => credentials.open({ org: acme, providers: ["AWS_KEYS"] })),
        process(folder, key())
      )
    )
    expect(failed._tag).toBe("CredentialsUnavailable")
    expect(failed.message).toContain("main of acme was sealed by the key")
  })
)

it.scoped("a row moved to another organisation stays shut", () =>
  withCredentials(() =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const sql = yield* SqlClient.SqlClient
      yield* credentials.put(keys({ credentialId: "main" }))
      yield* sql`update org_integration_credentials set org_slug = 'globex'`
      const failed = yield* Effect.flip(credentials.open({ org: globex, providers: ["AWS_KEYS"] }))
      expect(failed.message).toContain("main of globex is damaged or belongs to another row")
    })
  )
)
