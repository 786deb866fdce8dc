/**
 * The people of an organisation, for whom no channel is stored: its owners, or all its members, as the API service knows them; else its
 * administrator.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Organizations } from "../organizations/Organizations.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { isAddress } from "./Mailer.ts"

const maximumMembers = 200

const Members = Schema.Struct({
  members: Schema.Array(Schema.Struct({ email: Schema.String, role: Schema.String })).pipe(
    Schema.maxItems(maximumMembers)
  )
})

/** Answers addresses, none when nobody is known. What cannot be asked is logged and answered by the next best. */
export const make = Effect.gen(function* () {
  const settings = yield* Settings
  const organizations = yield* Organizations
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)

  const members = (org: OrgSlug, role: "owner" | undefined) =>
    client
      .execute(
        HttpClientRequest.get(`${settings.apiServiceUrl}/api/v1/organizations/${org}/members/emails`).pipe(
          HttpClientRequest.setUrlParams(role === undefined ? {} : { role }),
          HttpClientRequest.setHeader(
            "X-CA-Root-Key",
            Option.match(settings.rootKey, { onNone: () => "", onSome: Redacted.value })
          )
        )
      )
      .pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Members)),
        Effect.map((answer) => answer.members.map(({ email }) => email)),
        Effect.timeout(`${settings.apiServiceTimeoutSeconds} seconds`),
        Effect.catchAll((error) =>
          Effect.as(Effect.logWarning(`the members of ${org} could not be read (${error._tag})`), [])
        )
      )

  const administrator = (org: OrgSlug) =>
    organizations.get(org).pipe(
      Effect.map((found) => (found === undefined ? [] : [found.adminEmail])),
      Effect.catchAll((error) => Effect.as(Effect.logWarning(error.message), []))
    )

  return Effect.fn("Owners.addresses")(function* (org: OrgSlug, role: "owner" | undefined) {
    const asked: ReadonlyArray<string> = settings.validator === "remote" ? yield* members(org, role) : []
    for (const addresses of [asked, yield* administrator(org), settings.emailTo]) {
      const valid = addresses.map((address) => address.trim()).filter(isAddress)
      if (valid.length > 0) return [...new Set(valid)]
    }
    return []
  })
})
