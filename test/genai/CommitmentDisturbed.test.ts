import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HierarchiesWarehouse from "../../src/hierarchy/HierarchiesWarehouse.ts"
import * as Hierarchy from "../../src/hierarchy/HierarchyImport.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import type { Fault } from "../support/httpServer.ts"
import { azureAccount, azureCredential, bedrockCredential, Clouds } from "./commitmentSupport.ts"
import { acme, globex, layer, query, run } from "./support.ts"

const [first, last] = ["2026-06-01", "2026-06-02"]
const pipeline = "genai/commitment/aws_bedrock"
const arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/monthly"
const throughput = {
  provisionedModelName: "monthly",
  provisionedModelArn: arn,
  modelArn: "arn:aws:bedrock:us-east-1::foundation-model/cohere.command-text-v14",
  foundationModelArn: "arn:aws:bedrock:us-east-1::foundation-model/cohere.command-text-v14",
  modelUnits: 2,
  status: "Updating",
  commitmentDuration: "SixMonths",
  commitmentExpirationTime: "2026-11-01T00:00:00Z",
  creationTime: "2026-05-01T00:00:00Z"
}

const rows = (org: typeof acme) =>
  query(
    org,
    `SELECT usage_date, x_credential_id, commitment_id, provisioned_units, tokens_processed, commitment_start, x_ingestion_id,
      x_hierarchy_entity_id FROM genai_commitment_usage_raw ORDER BY 1, 2`
  )

const answer =
  (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Fault =>
  (_request, response) => {
    response.writeHead(status, headers).end(body)
    return true
  }
const cut: Fault = (_request, response) => {
  response.writeHead(200, { "content-length": "100" }).write('{"provi')
  response.destroy()
  return true
}

withLayer(Layer.provideMerge(Clouds.layer, layer), { excludeTestServices: true })(
  "provisioned throughput, with providers that are disturbed",
  (it) => {
    it.effect("throttling, failures and cut connections change no row; what breaks the contract loses none", () =>
      Effect.gen(function* () {
        const { aws } = yield* Clouds
        aws.provision("us-east-1", [throughput])
        aws.measure("us-east-1", "InputTokenCount", arn, first, "1200000.0")
        yield* bedrockCredential(acme, "bedrock", { region: "us-east-1" })
        // A fault waits for the call that it is meant for.
        const isOf =
          (text: string, fault: Fault): Fault =>
          (request, response) =>
            request.body.includes(text) || (text === "list" && request.method === "GET")
              ? fault(request, response)
              : false
        aws.faults.push(
          isOf("list", answer(400, "{}", { "x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/" })),
          isOf("list", answer(503, "<html>busy</html>", { "retry-after": "1" })),
          isOf("list", cut),
          isOf("GetMetricData", answer(400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"))
        )
        expect((yield* run(acme, pipeline, first, last)).run.status).toBe("COMPLETED")
        expect(aws.faults).toEqual([])
        const loaded = yield* rows(acme)
        expect(loaded).toMatchObject([
          { usage_date: first, provisioned_units: 2, tokens_processed: 1_200_000, commitment_start: "2026-05-01" },
          { usage_date: last, provisioned_units: 2, tokens_processed: null }
        ])
        const broken: ReadonlyArray<readonly [string, Fault]> = [
          ["list", answer(200, "<html>maintenance</html>")],
          ["list", answer(200, '{"provisionedModelSummaries":[{"modelUnits":"many"}]}')],
          [
            "list",
            answer(200, JSON.stringify({ provisionedModelSummaries: [{ ...throughput, creationTime: "soon" }] }))
          ],
          ["GetMetricData", answer(200, "<GetMetricDataResponse><GetMetricDataResult/></GetMetricDataResponse>extra<")],
          [
            "GetMetricData",
            answer(
              200,
              "<GetMetricDataResponse><GetMetricDataResult><MetricDataResults><member><Id>m0</Id><StatusCode>Complete</StatusCode>" +
                "<Timestamps><member>2026-06-01T00:00:00Z</member></Timestamps><Values/></member></MetricDataResults></GetMetricDataResult></GetMetricDataResponse>"
            )
          ],
          [
            "GetMetricData",
            answer(
              200,
              "<GetMetricDataResponse><GetMetricDataResult><MetricDataResults><member><Id>m0</Id><StatusCode>InternalError</StatusCode>" +
                "</member></MetricDataResults></GetMetricDataResult></GetMetricDataResponse>"
            )
          ]
        ]
        for (const [text, fault] of broken) {
          aws.faults.push(isOf(text, fault))
          const failed = yield* run(acme, pipeline, first, last)
          expect([failed.run.status, failed.steps[0]?.errorContext]).toMatchObject([
            "FAILED",
            { error_code: "AWS_ANSWER_UNREADABLE", error_type: "PERMANENT" }
          ])
          expect(aws.faults).toEqual([])
          expect(yield* rows(acme)).toEqual(loaded)
        }
        const again = '{"nextToken":"again","provisionedModelSummaries":[]}'
        aws.faults.push(isOf("list", answer(200, again)), isOf("list", answer(200, again)))
        expect((yield* run(acme, pipeline, first, last)).run.errorMessage).toContain("a page's token came twice")
        // Undisturbed, and again: the same rows. What is no longer there leaves none.
        for (const _ of [1, 2]) {
          expect((yield* run(acme, pipeline, first, last)).run.status).toBe("COMPLETED")
          expect(yield* rows(acme)).toEqual(loaded)
        }
        aws.provision("us-east-1", [])
        expect((yield* run(acme, pipeline, first, last)).run.status).toBe("COMPLETED")
        expect(yield* rows(acme)).toEqual([])
        expect(yield* query(acme, "SELECT COUNT(*) AS n FROM genai_commitment_costs_daily")).toEqual([{ n: 0 }])
      })
    )

    it.effect("refused roles and keys are one clear error, without a secret", () =>
      Effect.gen(function* () {
        const { aws } = yield* Clouds
        aws.provision("us-east-1", [throughput])
        yield* bedrockCredential(globex, "refused", { region: "us-east-1" }, "another-external-id")
        const refused = yield* run(globex, pipeline, first)
        expect([refused.run.status, refused.steps[0]?.errorContext]).toMatchObject([
          "FAILED",
          { error_code: "AWS_ACCESS_DENIED", error_type: "PERMANENT" }
        ])
        expect(JSON.stringify(refused)).not.toMatch(/another-external-id|session-secret|process-secret|never show/)
        yield* bedrockCredential(globex, "refused", { region: "us-east-1" })
        aws.faults.push((request, response) =>
          request.method === "GET"
            ? answer(403, "{}", { "x-amzn-errortype": "AccessDeniedException" })(request, response)
            : false
        )
        const denied = yield* run(globex, pipeline, first)
        expect(denied.run.errorMessage).toContain("HTTP 403, AccessDeniedException")
        expect(JSON.stringify(denied)).toContain("bedrock:ListProvisionedModelThroughputs")
      })
    )

    it.effect("Azure: a token that is refused is renewed; links lead nowhere else", () =>
      Effect.gen(function* () {
        const { azure } = yield* Clouds
        const account = azureAccount("acme-models")
        const deployment = (name: string) => ({
          name,
          sku: { name: "GlobalProvisionedManaged", capacity: 10 },
          properties: { model: { name: "gpt-4o" } }
        })
        azure.deployments.set(account, ["a", "b", "c"].map(deployment))
        yield* azureCredential(globex, "azure", { resource_ids: [account] })
        azure.faults.push((request, response) => {
          if (!request.url.pathname.endsWith("/deployments")) return false
          response.writeHead(401).end('{"error":{"code":"ExpiredAuthenticationToken"}}')
          return true
        })
        expect((yield* run(globex, "genai/commitment/azure_ptu", first)).run.status).toBe("COMPLETED")
        const names = query(
          globex,
          "SELECT commitment_name AS name FROM genai_commitment_usage_raw WHERE provider = 'azure_openai' ORDER BY 1"
        )
        expect(yield* names).toEqual([{ name: "a" }, { name: "b" }, { name: "c" }])
        azure.faults.push((request, response) => {
          if (!request.url.pathname.endsWith("/deployments")) return false
          response.writeHead(200).end('{"value":[],"nextLink":"https://elsewhere.test/deployments"}')
          return true
        })
        const led = yield* run(globex, "genai/commitment/azure_ptu", first)
        expect([led.run.status, led.steps[0]?.errorContext]).toMatchObject([
          "FAILED",
          { error_code: "AZURE_ANSWER_UNREADABLE" }
        ])
        expect(yield* names).toHaveLength(3)
      })
    )

    it.effect("costs go to who the credential's map names on the day, also after the credential was rotated", () =>
      Effect.gen(function* () {
        const { aws } = yield* Clouds
        yield* Hierarchy.importHierarchy(acme, [
          {
            line: 2,
            cells: { entity_id: "DEPT", entity_name: "Research", level_code: "department", start_date: "2026-01-01" }
          },
          {
            line: 3,
            cells: {
              entity_id: "TEAM",
              entity_name: "Chat",
              level_code: "team",
              parent_id: "DEPT",
              start_date: "2026-01-01",
              end_date: last
            }
          },
          {
            line: 4,
            cells: { entity_id: "TEAM", entity_name: "Talk", level_code: "team", parent_id: "DEPT", start_date: last }
          }
        ]).pipe(Effect.provide(HierarchiesWarehouse.layer))
        const other = { ...throughput, provisionedModelArn: `${arn}2`, provisionedModelName: "second" }
        aws.provision("us-east-1", [throughput, other])
        const metadata = {
          region: "us-east-1",
          hierarchy_map: { [arn]: "team", [`${arn}2`]: "nobody" },
          default_x_hierarchy_entity_id: "DEPT"
        }
        yield* bedrockCredential(acme, "bedrock", metadata)
        expect((yield* run(acme, pipeline, first, last)).run.status).toBe("COMPLETED")
        const bearers = query(
          acme,
          `SELECT cost_date, commitment_name, x_credential_id, x_hierarchy_path_names AS bearer FROM genai_commitment_costs_daily ORDER BY 1, 2`
        )
        const expected = [
          [first, "monthly", "bedrock", "Research > Chat"],
          [first, "second", "bedrock", "Research"],
          [last, "monthly", "bedrock", "Research > Talk"],
          [last, "second", "bedrock", "Research"]
        ]
        expect((yield* bearers).map((row) => Object.values(row))).toEqual(expected)
        // The credential rests: its days stay with its own map when they are priced again.
        yield* (yield* Credentials).deactivate(acme, "bedrock")
        yield* bedrockCredential(acme, "rotated", { region: "us-east-1" })
        expect((yield* run(acme, "genai/commitment/aws_bedrock", last)).run.status).toBe("COMPLETED")
        expect((yield* bearers).map((row) => Object.values(row))).toEqual([
          ...expected.slice(0, 2),
          [last, "monthly", "rotated", null],
          [last, "second", "rotated", null]
        ])
        expect((yield* run(acme, "genai/unified/consolidate", first, last)).run.status).toBe("COMPLETED")
        expect(
          yield* query(
            acme,
            `SELECT DISTINCT x_hierarchy_entity_id AS entity, x_hierarchy_path AS path FROM cost_data_standard_1_3
            WHERE x_genai_provider = 'aws_bedrock' AND DATE(ChargePeriodStart) = '${first}' ORDER BY 1`
          )
        ).toEqual([
          { entity: "DEPT", path: "/DEPT" },
          { entity: "TEAM", path: "/DEPT/TEAM" }
        ])
      })
    )
  }
)
