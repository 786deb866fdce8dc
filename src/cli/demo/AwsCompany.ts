/**
 * The invented company of the demo: its payer, accounts and resources, made up from a seed.
 */
import { database, instance, regions, services, type Region, type Service } from "./AwsPriceList.ts"

/** One paying account and what it has. */
export interface Company {
  readonly payer: string
  readonly accounts: readonly [string, ...ReadonlyArray<string>]
  readonly resources: ReadonlyArray<Resource>
  /** Tenths of the on-demand usage that a private agreement takes off: 1 or 0. */
  readonly discountTenths: 0 | 1
  readonly savingsPlan: "No Upfront" | "All Upfront"
}

/** Something that is used every day. */
export interface Resource {
  readonly service: Service
  readonly region: Region
  readonly account: string
  readonly zone: string
  readonly id: string
  readonly sku: string
  readonly rate: bigint
  readonly coverage: "none" | "spot" | "free" | "savings-plan" | "reserved"
  readonly tags: Readonly<Record<string, string>>
}

/** A number of 0 to `below` - 1 from a stream that depends on the seed only (mulberry32, integers). */
export type Random = (below: number) => number

export const randomFrom = (seed: number): Random => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export const hex = (random: Random, length: number): string =>
  Array.from({ length }, () => random(16).toString(16)).join("")

/** Thousandths of an hour. */
export const hoursOfDay = 24_000n

/** Makes up a company with so many resources. */
export const company = (
  random: Random,
  options: Omit<Company, "resources"> & { readonly resources: number }
): Company => ({
  ...options,
  resources: Array.from({ length: options.resources }, () => resource(random, options.accounts))
})

const pick = <A>(random: Random, from: readonly [A, ...ReadonlyArray<A>]): A => from[random(from.length)] ?? from[0]

const serviceShares = services.flatMap((service) => Array.from({ length: service.share }, () => service))

const resource = (random: Random, accounts: Company["accounts"]): Resource => {
  const service = serviceShares[random(serviceShares.length)] ?? instance
  const region = pick(random, regions)
  const account = pick(random, accounts)
  const id = hex(random, 17)
  const chance = random(100)
  const env = pick(random, ["prod", "prod", "staging", "dev"])
  return {
    service,
    region,
    account,
    id: service.resource(id, region.code, account),
    zone: service.unit === "Hrs" ? `${region.code}${pick(random, ["a", "b", "c"])}` : "",
    sku: hex(random, 16).toUpperCase(),
    rate: (service.rate * region.pricePercent) / 100n,
    coverage: coverageOf(service, chance),
    tags:
      random(10) === 0
        ? {}
        : { env, team: pick(random, ["checkout", "search", "data", "platform"]), cost_center: `cc-${10 + random(8)}` }
  }
}

const coverageOf = (service: Service, chance: number): Resource["coverage"] => {
  if (service === instance) return chance < 40 ? "savings-plan" : chance < 60 ? "spot" : "none"
  if (service === database) return chance < 50 ? "reserved" : "none"
  return chance < 4 ? "free" : "none"
}

/** Where a bill stands in time; `index` 0 is the month in which the commitments were bought. */
export interface Period {
  readonly index: number
  readonly start: string
  readonly end: string
  readonly days: ReadonlyArray<{ readonly start: string; readonly end: string }>
}
