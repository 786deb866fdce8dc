import { afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { vi } from "vitest"
import type { OpenCredential } from "../../src/credentials/Credentials.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import * as AwsStore from "../../src/sources/aws/AwsStore.ts"
import { httpServer } from "../support/httpServer.ts"

const roleArn = "arn:aws:iam::111122223333:role/billing-reader"
const externalId = "ext-4711-not-public"

const credential = (provider: string, metadata: JsonObject, secret: JsonObject): OpenCredential => ({
  credential: {
    credentialId: "aws_1",
    org: OrgSlug.make("acme_corp"),
    provider,
    credentialType: provider,
    credentialName: "billing",
    metadata,
    isActive: true,
    validationStatus: "VALID",
    expiresAt: undefined,
    deactivationScheduledAt: undefined,
    lastError: undefined,
    createdAt: "2026-01-01T00:00:00Z"
  },
  superseded: [],
  secret: Redacted.make(secret)
})

const session = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
  <AccessKeyId>ASIATEMPORARY</AccessKeyId><SecretAccessKey>temporary-secret</SecretAccessKey><SessionToken>temporary-token</SessionToken>
  <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`

const refusal = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>
  <Message>User is not authorized, external id ${externalId}</Message></Error><RequestId>REQ1</RequestId></ErrorResponse>`

const emptyListing = `<ListBucketResult><Name>acme</Name><IsTruncated>false</IsTruncated></ListBucketResult>`

/** One server that is STS for POST and S3 for GET. */
const aws = (sts: string, status = 200) =>
  httpServer(({ method }, response) => {
    response.writeHead(method === "POST" ? status : 200, { "content-type": "text/xml", "x-amzn-requestid": "REQ1" })
    response.end(method === "POST" ? sts : emptyListing)
  })

const metadataAt = (endpoint: string) => ({
  cur_bucket: "acme",
  cur_prefix: "/exports/acme",
  region: "eu-west-1",
  endpoint,
  sts_endpoint: endpoint
})

describe("AssumeRole", () => {
  beforeEach(() => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIASERVICE")
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "service-secret")
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it.scoped("asks for an hour under the organisation's name with its external id, and reads with that session", () =>
    Effect.gen(function* () {
      const { endpoint, journal } = yield* aws(session)
      const store = yield* AwsStore.open(
        credential("AWS_IAM", metadataAt(endpoint), { role_arn: roleArn, external_id: externalId }),
        { folder: "" }
      )
      expect(yield* store.list).toEqual([])
      expect(store.location).toBe("s3://acme/exports/acme/")
      const [asked, listed] = journal
      expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
        Action: "AssumeRole",
        Version: "2011-06-15",
        RoleArn: roleArn,
        RoleSessionName: "CloudAct-acme_corp",
        ExternalId: externalId,
        DurationSeconds: "3600"
      })
      expect(asked?.headers.authorization).toContain("Credential=AKIASERVICE/")
      expect(listed?.headers.authorization).toMatch(/Credential=ASIATEMPORARY\/\d{8}\/eu-west-1\/s3\//)
      expect(listed?.headers["x-amz-security-token"]).toBe("temporary-token")
    })
  )

  it.scoped("says that the role is refused, without external id or keys", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* aws(refusal, 403)
      const failure = yield* Effect.flip(
        AwsStore.open(credential("AWS_IAM", metadataAt(endpoint), { role_arn: roleArn, external_id: externalId }), {
          folder: ""
        })
      )
      expect(failure).toMatchObject({ kind: "auth", code: "AWS_ACCESS_DENIED" })
      expect(failure.message).toBe(`${roleArn}: HTTP 403, AccessDenied, request REQ1`)
    })
  )

  it.scoped("passes on a throttled STS as worth another try", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* aws(refusal.replace("AccessDenied", "Throttling"), 400)
      const failure = yield* Effect.flip(
        AwsStore.open(credential("AWS_IAM", metadataAt(endpoint), { role_arn: roleArn }), { folder: "" })
      )
      expect(failure).toMatchObject({ kind: "retryable", code: "AWS_UNAVAILABLE" })
    })
  )
})

describe("keys", () => {
  it.scoped("sign the requests themselves; the pipeline's place wins over the credential's", () =>
    Effect.gen(function* () {
      const { endpoint, journal } = yield* aws(session)
      const store = yield* AwsStore.open(
        credential("AWS_KEYS", metadataAt(endpoint), { access_key_id: "AKIAOWN", secret_access_key: "own-secret" }),
        { folder: "", bucket: "other", prefix: "p" }
      )
      yield* store.list
      expect(journal.map(({ method, url }) => `${method} ${url.pathname}`)).toEqual(["GET /other/"])
      expect(journal[0]?.headers.authorization).toContain("Credential=AKIAOWN/")
      expect(journal[0]?.headers["x-amz-security-token"]).toBeUndefined()
    })
  )

  it.scoped("that are incomplete are named by what they lack, never by what they hold", () =>
    Effect.gen(function* () {
      const cases = [
        [
          credential("AWS_KEYS", { cur_bucket: "b" }, { access_key_id: "AKIAOWN", secret: "own-secret" }),
          "access_key_id and secret_access_key"
        ],
        [
          credential("AWS_KEYS", {}, { access_key_id: "AKIAOWN", secret_access_key: "own-secret" }),
          "metadata.cur_bucket"
        ],
        [credential("AWS_IAM", { cur_bucket: "b" }, { role_arn: "own-secret" }), "role_arn and external_id"],
        [credential("AWS_FILES", {}, {}), "metadata.path"]
      ] as const
      for (const [given, lacking] of cases) {
        const failure = yield* Effect.flip(AwsStore.open(given, { folder: "" }))
        expect(failure).toMatchObject({ kind: "permanent", code: "CREDENTIAL_INCOMPLETE" })
        expect(failure.message).toContain(lacking)
        expect(failure.message).not.toContain("own-secret")
      }
    })
  )
})
