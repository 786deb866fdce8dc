/**
 * An HTTP client for addresses that tenants choose. Every address that a host has must be allowed, and the connection goes to one that was
 * checked, so that a name which changes in between leads nowhere else. It follows no redirect.
 */
import { lookup as systemLookup } from "node:dns/promises"
import { isIP, type LookupFunction } from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isLoopbackAddress } from "./PublicAddress.ts"

/** Whether an address may be called: `isPublicAddress`, and for tests the loopback too. */
export type IsAllowed = (address: string) => boolean

/** The client. Calls of hosts that are not allowed fail like hosts that are not there; {@link fault} tells why beforehand. */
export const layer = (isAllowed: IsAllowed) => {
  const lookup: LookupFunction = (host, options, found) => {
    systemLookup(host, { all: true }).then(
      (addresses) => {
        const [first] = addresses
        if (first === undefined || !addresses.every(({ address }) => isAllowed(address))) {
          return found(new Error("the host is not allowed"), "", 0)
        }
        return options.all === true ? found(null, addresses) : found(null, first.address, first.family)
      },
      () => found(new Error("the host has no address"), "", 0)
    )
  }
  // Loaded when it is needed: few installations call addresses of tenants.
  return Layer.unwrapEffect(
    Effect.map(
      Effect.promise(() => import("@effect/platform-node/NodeHttpClient")),
      (node) => node.layerWithoutAgent.pipe(Layer.provide(node.makeAgentLayer({ lookup })))
    )
  )
}

/** Why a URL may not be called; undefined when it may. Only https is, and http where a loopback address is allowed. */
export const fault = (text: string, isAllowed: IsAllowed): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !["https:", "http:"].includes(url.protocol)) return "it is no https URL"
    if (url.username !== "" || url.password !== "") return "it holds a user or a password"
    const host = url.hostname.replace(/^\[|\]$/g, "")
    const addresses =
      isIP(host) > 0
        ? [host]
        : yield* Effect.orElseSucceed(
            Effect.tryPromise(async () => (await systemLookup(host, { all: true })).map(({ address }) => address)),
            () => []
          )
    if (addresses.length === 0) return "its host has no address"
    if (!addresses.every(isAllowed)) return "its host is in a private, local or reserved network"
    if (url.protocol === "http:" && !addresses.every(isLoopbackAddress)) return "it is no https URL"
    return undefined
  })
