/**
 * Credentials through the whole service: which of several a run takes, what a wrong one costs, what a rotation replaces, and that no secret
 * is left anywhere: not in the files of the installation, in answers, logs, metrics or traces.
 */
import { gzipSync } from "node:zlib"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as Server from "../../src/http/Server.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { RunId } from "../../src/platform/Identifiers.ts"
import * as Telemetry from "../../src/platform/Telemetry.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { curFile, org, query } from "../processors/cloud/support.ts"
import { call, rootKey, withKey } from "../support/HttpWorld.ts"
import { httpServer } from "../support/httpServer.ts"
import { s3Server } from "../support/s3Server.ts"
import { bytesOf, settings } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const secretOf = (name: string) => ({
  access_key_id: `AKIA${name.toUpperCase()}0000SECRET`,
  secret_access_key: `not-a-real-secret-${name}-7f3a9c`
})

const store = (credentialId: string, endpoint: string, cur_prefix: string) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId,
      provider: "AWS_KEYS",
      credentialName: credentialId,
      metadata: { cur_bucket: "acme-billing", cur_prefix, endpoint },
      secret: Redacted.make(JSON.stringify(secretOf(credentialId)))
    })
  )

/** As AWS refuses a key that it does not know: with the key in its answer. */
const refusingServer = httpServer(({ headers }, response) => {
  response.writeHead(403, { "content-type": "application/xml" })
  response.end(
    `<Error><Code>InvalidAccessKeyId</Code><Message>unknown</Message><AWSAccessKeyId>${headers.authorization}</AWSAccessKeyId></Error>`
  )
})

it.scopedLive(
  "runs take the credential they should, and no secret is left behind",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const logs: Array<string> = []
      const answers: Array<string> = []
      const secrets = [rootKey, ...["good", "newer", "wrong"].flatMap((name) => Object.values(secretOf(name)))]
      const collector = yield* httpServer((_request, response) => response.end("{}"))
      const world = Server.layer.pipe(
        Layer.provideMerge(Installation.layer),
        Layer.provideMerge(Telemetry.layer),
        Layer.provideMerge(
          settings(folder, {
            API_PORT: "0",
            CA_ROOT_API_KEY: rootKey,
            LOG_LEVEL: "TRACE",
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint
          })
        ),
        Layer.provide(Logger.remove(Logger.prettyLoggerDefault))
      )
      yield* Effect.gen(function* () {
        yield* (yield* ProcedureSync).sync()
        const organizations = yield* Organizations
        yield* organizations.create({ org, companyName: "Acme", adminEmail: "a@b.test", plan: "ENTERPRISE" })
        const key = Redacted.value((yield* organizations.createKey(org)).secret)
        secrets.push(key)
        const send = (method: string, path: string) =>
          Effect.tap(call(method, path, withKey(key)), (answer) => Effect.sync(() => answers.push(answer.text)))
        const ask = (credential: string) =>
          Effect.gen(function* () {
            const path = `/api/v1/pipelines/run/${org}/cloud/aws/cost/billing?start_date=2026-03-01&end_date=2026-03-31`
            const answer = yield* call("POST", path, {
              ...withKey(key),
              body: credential === "" ? {} : { credential_id: credential }
            })
            answers.push(answer.text)
            return answer
          })
        const end = (answer: { readonly json: unknown }) =>
          Effect.gen(function* () {
            const id = Schema.decodeUnknownSync(RunId)(Object(answer.json).pipeline_logging_id)
            const run = yield* (yield* Runs).awaitEnd(id)
            for (const view of ["", "/steps", "/transitions", "/events", "/download?format=csv"]) {
              yield* send("GET", `/api/v1/pipelines/${org}/runs/${id}${view}`)
            }
            return run
          })
        const refusalOf = (answer: { readonly status: number; readonly json: unknown }) => [
          answer.status,
          Object(answer.json).error_code
        ]

        // Nothing is configured, then something else is: refused before anything is stored.
        expect(refusalOf(yield* ask(""))).toEqual([400, "INTEGRATION_NOT_CONFIGURED"])
        const s3 = yield* s3Server("acme-billing")
        yield* store("good", s3.endpoint, "exports/acme")
        expect(refusalOf(yield* ask("nobody"))).toEqual([400, "INTEGRATION_NOT_CONFIGURED"])
        expect(yield* (yield* EventLog).head).toBe(0)

        // A wrong one is a permanent failure that names the credential.
        yield* store("wrong", (yield* refusingServer).endpoint, "elsewhere")
        const failed = yield* end(yield* ask("wrong"))
        expect(failed).toMatchObject({
          status: "FAILED",
          errorContext: { error_type: "PERMANENT", is_retryable: false }
        })
        expect(failed.errorMessage).toContain("credential wrong")
        yield* (yield* Credentials).deactivate(org, "wrong")
        expect(refusalOf(yield* ask("wrong"))).toEqual([400, "INTEGRATION_NOT_CONFIGURED"])

        const dataKey = "exports/acme/data/BILLING_PERIOD=2026-03/acme-00001.csv.gz"
        yield* s3.put(dataKey, gzipSync(curFile("2026-03", ["1.5", "2"])))
        yield* s3.put(
          "exports/acme/metadata/BILLING_PERIOD=2026-03/acme-Manifest.json",
          JSON.stringify({ dataFiles: [`s3://acme-billing/${dataKey}`] })
        )
        const first = yield* end(yield* ask("good"))
        expect([first.errorMessage, first.status]).toEqual([null, "COMPLETED"])
        const costs = (table: string, column: string) =>
          query(
            `SELECT x_credential_id AS credential, SUM(${column}) AS cost FROM ${table} GROUP BY x_credential_id ORDER BY 1`
          )
        const raw = costs("cloud_aws_billing_raw_daily", "unblended_cost")
        const focus = costs("cost_data_standard_1_3", "BilledCost")
        expect(yield* raw).toEqual([{ credential: "good", cost: "3.5" }])
        expect(yield* focus).toEqual([{ credential: "good", cost: "3.5" }])

        // The keys are rotated: the newer credential runs, and what it loads replaces what the older one had loaded.
        yield* store("newer", s3.endpoint, "exports/acme")
        const rests = yield* ask("good")
        expect(refusalOf(rests)).toEqual([400, "INTEGRATION_NOT_CONFIGURED"])
        expect(rests.text).toContain("newer is newer and reads the same account")
        expect((yield* end(yield* ask("newer"))).status).toBe("COMPLETED")
        expect(yield* raw).toEqual([{ credential: "newer", cost: "3.5" }])
        expect(yield* focus).toEqual([{ credential: "newer", cost: "3.5" }])
        expect((yield* end(yield* ask(""))).status).toBe("COMPLETED")
        expect(yield* focus).toEqual([{ credential: "newer", cost: "3.5" }])
        yield* send("GET", "/metrics")
      }).pipe(
        Effect.provide(world),
        Effect.provide(Logger.add(Logger.map(Logger.logfmtLogger, (line) => void logs.push(line)))),
        Effect.scoped
      )

      const places = {
        files: bytesOf(folder),
        answers: answers.join("\n"),
        logs: logs.join("\n"),
        traces: collector.journal.map(({ body }) => body).join("\n")
      }
      // The places are the right ones: each has what is not secret.
      for (const [place, text] of Object.entries(places)) expect(text, place).toContain("acme_corp")
      expect(collector.journal.map(({ url }) => url.pathname)).toContain("/v1/traces")
      for (const secret of secrets) {
        for (const [place, text] of Object.entries(places)) {
          const form = [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64").replace(/=+$/, "")]
          for (const each of form) expect(text.includes(each), `${place} has ${each.slice(0, 12)}`).toBe(false)
        }
      }
    }),
  60_000
)
