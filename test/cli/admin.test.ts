import * as CommandLine from "@effect/cli/Command"
import * as Process from "@effect/platform/Command"
import { expect, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { execPath } from "node:process"
import { fileURLToPath } from "node:url"
import { admin } from "../../src/cli/admin.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import * as CredentialsSql from "../../src/credentials/CredentialsSql.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { channels } from "../../src/notifier/NotifierServices.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { bytesOf, installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const acme = OrgSlug.make("acme")
const adminMain = fileURLToPath(new URL("../support/adminMain.ts", import.meta.url))

const services = (folder: string) =>
  Layer.mergeAll(OrganizationsSql.layer, CredentialsSql.layer, channels).pipe(
    Layer.provide(EncryptionLocal.layer),
    Layer.provideMerge(installation(folder))
  )

const inInstallation = <A, E>(
  body: (folder: string) => Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof services>> | Scope.Scope>
) => Effect.flatMap(temporaryFolder, (folder) => Effect.provide(body(folder), services(folder)))

/** Runs a command line in this process; answers what it printed. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const printed: Array<string> = []
    const print = (...parts: ReadonlyArray<unknown>) => Effect.sync(() => printed.push(parts.join(" ")))
    const real = yield* Console.consoleWith(Effect.succeed)
    yield* CommandLine.run(admin, { name: "pipeline-service", version: "test" })(["node", "admin", ...args]).pipe(
      Effect.withConsole({ ...real, log: print, error: print })
    )
    return printed.join("\n")
  })

const json = (...args: ReadonlyArray<string>) =>
  Effect.map(run(...args, "--json"), (printed): unknown => JSON.parse(printed))

/** Hides what differs from run to run. */
const stable = (text: string) =>
  text
    .replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/g, "<time>")
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "<id>")
    .replaceAll(/_api_\w{16}/g, "_api_<random>")

it.scoped("organisations: create, list, change the plan", () =>
  inInstallation(() =>
    Effect.gen(function* () {
      const printed = [
        yield* run("org", "list"),
        yield* run("org", "create", "acme", "--name", "Acme Ltd", "--email", "ops@acme.example", "--currency", "EUR"),
        yield* run("org", "create", "globex_2", "--plan", "enterprise"),
        yield* run("org", "plan", "acme", "scale"),
        yield* run("org", "plan", "globex_2", "ENTERPRISE", "--status", "suspended"),
        yield* run("org", "list")
      ]
      expect(stable(printed.join("\n\n"))).toMatchInlineSnapshot(`
        "There is no organisation yet: pipeline-service admin org create ORG

        Created acme on the plan STARTER: 6 successful runs a day, 1 at a time.
        Next: pipeline-service admin key create acme

        Created globex_2 on the plan ENTERPRISE: 999999 successful runs a day, 999999 at a time.
        Next: pipeline-service admin key create globex_2

        acme has the plan SCALE (ACTIVE): 100 successful runs a day, 3000 a month, 5 at a time.

        globex_2 has the plan ENTERPRISE (SUSPENDED): 999999 successful runs a day, 999999 a month, 999999 at a time.

        ORG       COMPANY   STATUS  PLAN        SUBSCRIPTION  CURRENCY  CREATED
        acme      Acme Ltd  ACTIVE  SCALE       ACTIVE        EUR       <time>
        globex_2  globex_2  ACTIVE  ENTERPRISE  SUSPENDED     USD       <time>"
      `)
      expect(yield* json("org", "list")).toMatchObject([
        { org: "acme", companyName: "Acme Ltd", adminEmail: "ops@acme.example", plan: "SCALE", defaultCurrency: "EUR" },
        { org: "globex_2", plan: "ENTERPRISE" }
      ])
      expect(yield* json("org", "plan", "acme", "STARTER")).toMatchObject({ plan: "STARTER", concurrentLimit: 1 })
    })
  )
)

it.scoped("keys: create, use, list, revoke", () =>
  inInstallation(() =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* run("org", "create", "acme")
      const printed = [
        yield* run("key", "list", "acme"),
        yield* run("key", "create", "acme"),
        yield* run("key", "list", "acme")
      ]
      expect(stable(printed.join("\n\n"))).toMatchInlineSnapshot(`
        "acme has no API key: pipeline-service admin key create acme

        acme_api_<random>

        Shown only this once. Send it as X-API-Key; revoke it with: pipeline-service admin key revoke <id>

        KEY ID                                ACTIVE  SCOPES                                            EXPIRES  CREATED
        <id>  yes     pipelines:execute pipelines:read pipelines:write  -        <time>"
      `)

      const made = yield* json("key", "create", "acme", "--scope", "pipelines:read", "--expires", "2999-01-01")
      expect(made).toMatchObject({ org: "acme", scopes: ["pipelines:read"], expiresAt: "2999-01-01T00:00:00.000Z" })
      const { apiKey, keyId } = Object.fromEntries(Object.entries(made ?? {}))
      const secret = Redacted.make(String(apiKey))
      expect(yield* organizations.authenticate(secret)).toMatchObject({ org: "acme", scopes: ["pipelines:read"] })
      expect(yield* run("key", "revoke", String(keyId))).toContain("refuses it within seconds")
      expect((yield* Effect.flip(organizations.authenticate(secret)))._tag).toBe("InvalidApiKey")
    })
  )
)

it.scoped("credentials: add from a file, list without secrets, deactivate", () =>
  inInstallation((folder) =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const secretFile = join(yield* temporaryFolder, "secret.json")
      const exports = join(folder, "exports")
      mkdirSync(exports)
      writeFileSync(secretFile, `{"access_key_id":"AKIA1","secret_access_key":"swordfish-9"}`)
      yield* run("org", "create", "acme")
      const printed = [
        yield* run("credential", "list", "acme"),
        yield* run(
          ..."credential add acme AWS_KEYS --id prod --metadata cur_bucket=acme-cur --metadata cur_prefix=a=b --metadata all_periods=true".split(
            " "
          ),
          "--name",
          "billing reader",
          "--secret-file",
          secretFile
        ),
        yield* run("credential", "add", "acme", "aws_files", "--id", "files", "--path", exports),
        yield* run("credential", "add", "acme", "aws_files", "--id", "rotated", "--path", exports),
        yield* run("credential", "add", "acme", "aws_files", "--id", "other", "--path", folder),
        yield* run("credential", "status", "acme", "files", "INVALID", "--reason", "moved"),
        yield* run("credential", "deactivate", "acme", "files"),
        yield* run("credential", "list", "acme")
      ]
      expect(printed.join("\n\n").replaceAll(folder, "<folder>")).toMatchInlineSnapshot(`
        "acme has no credential: pipeline-service admin credential add acme PROVIDER

        Stored prod (AWS_KEYS) for acme.

        Stored files (AWS_FILES) for acme.

        Stored rotated (AWS_FILES) for acme. files reads the same account: it rests, and ends at 1970-01-02T00:00:00.000Z.

        Stored other (AWS_FILES) for acme.

        files of acme is INVALID.

        Deactivated files of acme.

        CREDENTIAL ID  PROVIDER   NAME            ACTIVE  STATUS   EXPIRES                   METADATA
        files          AWS_FILES  AWS_FILES       no      INVALID  1970-01-02T00:00:00.000Z  path=<folder>/exports
        other          AWS_FILES  AWS_FILES       yes     VALID    -                         path=<folder>
        prod           AWS_KEYS   billing reader  yes     VALID    -                         cur_bucket=acme-cur cur_prefix=a=b all_periods=true
        rotated        AWS_FILES  AWS_FILES       yes     VALID    -                         path=<folder>/exports"
      `)
      const [opened] = yield* credentials.open({ org: acme, providers: ["AWS_KEYS"] })
      expect(opened && Redacted.value(opened.secret)).toEqual({
        access_key_id: "AKIA1",
        secret_access_key: "swordfish-9"
      })
      expect(opened?.credential.metadata).toEqual({ cur_bucket: "acme-cur", cur_prefix: "a=b", all_periods: true })
      expect(bytesOf(folder)).not.toContain("swordfish")
    })
  )
)

/** The list grows with each provider. */
const withoutProviders = (message: string) => message.replace(/(choose one of OPENAI), .*/, "$1 and others")

it.scoped("a wrong command line is one clear error and changes nothing", () =>
  inInstallation(() =>
    Effect.gen(function* () {
      yield* run("org", "create", "acme")
      const lines = [
        "org create acme",
        "org create globex --plan gold",
        "org plan nobody SCALE",
        "key create nobody",
        "key list nobody",
        "key revoke 123",
        "credential add nobody OPENAI",
        "credential add acme DROPBOX --path .",
        "credential add acme AWS_FILES --path ./no-such-folder",
        "credential add acme AWS_KEYS --metadata cur_bucket",
        "credential add acme OPENAI --secret-file ./no-such-file",
        "credential deactivate acme nothing"
      ]
      const messages = yield* Effect.forEach(lines, (line) =>
        Effect.map(Effect.flip(run(...line.split(" "))), (error) =>
          "message" in error ? withoutProviders(error.message.replaceAll(process.cwd(), "<here>")) : error._tag
        )
      )
      expect(messages).toMatchInlineSnapshot(`
        [
          "organisation acme exists already: choose another name, or change its plan with admin org plan",
          ""gold" is no plan: choose one of STARTER, PROFESSIONAL, SCALE, ENTERPRISE",
          "organisation nobody does not exist: see admin org list, or make it with admin org create",
          "organisation nobody does not exist: see admin org list, or make it with admin org create",
          "organisation nobody does not exist: see admin org list",
          "no API key has the id "123": see admin key list",
          "organisation nobody does not exist: see admin org list",
          ""DROPBOX" is no provider: choose one of OPENAI and others",
          "--path <here>/no-such-folder is not a folder",
          "--metadata "cur_bucket" is not of the form KEY=VALUE",
          "the file of the secret cannot be read: NotFound: FileSystem.open (./no-such-file): ENOENT: no such file or directory, open './no-such-file'",
          "acme has no credential "nothing": see pipeline-service admin credential list acme",
        ]
      `)
      expect(yield* Effect.flip(run("org", "create", "NOT A SLUG"))).toMatchObject({ _tag: "InvalidArgument" })
      expect(yield* json("org", "list")).toHaveLength(1)
      expect(yield* json("credential", "list", "acme")).toEqual([])
    })
  )
)

it.scopedLive(
  "as a process of its own, while another holds the database and writes; the secret comes from standard input",
  () =>
    inInstallation((folder) =>
      Effect.gen(function* () {
        const organizations = yield* Organizations
        const credentials = yield* Credentials
        yield* organizations.create({ org: acme, companyName: "Acme", adminEmail: "ops@acme.example" })
        const busy = yield* Effect.fork(Effect.repeat(organizations.createKey(acme), Schedule.spaced("5 millis")))

        const printed = yield* Process.make(
          execPath,
          adminMain,
          ..."credential add acme OPENAI --id llm --json".split(" ")
        ).pipe(Process.env({ DATA_DIR: folder }), Process.feed("sk-swordfish\n"), Process.string)
        yield* Fiber.interrupt(busy)

        expect(JSON.parse(printed)).toMatchObject({
          credentialId: "llm",
          provider: "OPENAI",
          credentialType: "API_KEY"
        })
        expect(printed).not.toContain("swordfish")
        const [opened] = yield* credentials.open({ org: acme, providers: ["OPENAI"] })
        expect(opened && Redacted.value(opened.secret)).toEqual({ api_key: "sk-swordfish" })
        expect((yield* organizations.listKeys(acme)).length).toBeGreaterThan(10)
        expect(bytesOf(folder)).not.toContain("swordfish")
      })
    )
)

it.scoped("channels and rules: put from a file, list without addresses; what is wrong is said without its value", () =>
  inInstallation((folder) =>
    Effect.gen(function* () {
      yield* run("org", "create", "acme")
      const file = (name: string, value: unknown) => {
        writeFileSync(join(folder, name), JSON.stringify(value))
        return join(folder, name)
      }
      const slack = { channelId: "ops", type: "slack", name: "Ops", url: "https://8.8.8.8/services/very-secret-path" }
      const rule = {
        ruleId: "nights",
        name: "Nights",
        category: "pipeline",
        type: "pipeline_failure",
        channelIds: ["ops"],
        quietHours: { start: "22:00", end: "07:00", timezone: "Europe/Berlin" }
      }
      const put = (command: string, name: string, value: unknown) =>
        Effect.map(Effect.either(run(command, "put", "acme", "--file", file(name, value))), (result) =>
          result._tag === "Right" ? result.right : String(Object(result.left).message)
        )
      const printed = [
        yield* run("channel", "list", "acme"),
        yield* put("channel", "slack.json", slack),
        yield* put("channel", "mail.json", {
          channelId: "team",
          type: "email",
          name: "Team",
          emailRecipients: ["team@acme.test"],
          isDefault: false
        }),
        yield* run("channel", "list", "acme"),
        yield* put("rule", "rule.json", rule),
        yield* run("rule", "list", "acme"),
        yield* put("channel", "inside.json", { ...slack, url: "https://10.0.0.1/very-secret-path" }),
        yield* put("channel", "plain.json", { ...slack, url: "http://8.8.8.8/very-secret-path" }),
        yield* put("channel", "header.json", { ...slack, headers: { Host: "very-secret-host" } }),
        yield* put("channel", "wrong.json", { ...slack, type: "very-secret-type" }),
        yield* put("channel", "none.json", { channelId: "new", type: "webhook", name: "New" }),
        yield* put("rule", "zone.json", { ...rule, quietHours: { ...rule.quietHours, timezone: "Mars/Base" } })
      ]
      expect(printed.join("\n\n")).toMatchInlineSnapshot(`
        "acme has no channel: its administrator is told by e-mail

        Stored ops (slack) for acme.

        Stored team (email) for acme.

        CHANNEL ID  TYPE   NAME  ACTIVE  DEFAULT  RECIPIENTS
        ops         slack  Ops   yes     yes
        team        email  Team  yes     no       team@acme.test

        Stored nights for acme.

        RULE ID  CATEGORY  EVENT             ACTIVE  CHANNELS  QUIET HOURS
        nights   pipeline  pipeline_failure  yes     ops       22:00-07:00 Europe/Berlin

        the host of the webhook is in a private, local or reserved network: use a public host

        the webhook's address must begin with https://

        the header "Host" may not be set

        these members are not valid: type

        a channel of type webhook needs its webhook's address

        Mars/Base is not a time zone"
      `)
      rmSync(join(folder, "slack.json"))
      for (const name of ["inside", "plain", "header", "wrong"]) rmSync(join(folder, `${name}.json`))
      expect(bytesOf(folder)).not.toContain("very-secret")
    })
  )
)
