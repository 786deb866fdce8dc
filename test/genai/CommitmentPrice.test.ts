import * as BigDecimal from "effect/BigDecimal"
import { describe, expect, it } from "@effect/vitest"
import { type CommitmentPrice, type CommitmentUsage, costOf, resolve } from "../../src/genai/CommitmentPrice.ts"
import {
  costOf as machineCost,
  type InfrastructurePrice,
  type InfrastructureUsage,
  resolve as machinePrice
} from "../../src/genai/InfrastructurePrice.ts"

const decimal = BigDecimal.unsafeFromString
const text = (value: BigDecimal.BigDecimal | undefined) => (value === undefined ? undefined : BigDecimal.format(value))

const listed = {
  region: "global",
  status: "active",
  effectiveFrom: undefined,
  effectiveTo: undefined,
  lastUpdated: "",
  precedence: 0,
  isOverride: false,
  overrideFrom: undefined
}

const price = (change: Partial<CommitmentPrice> = {}): CommitmentPrice => ({
  ...listed,
  provider: "azure_openai",
  commitmentType: "ptu",
  model: "all",
  termMonths: undefined,
  minUnits: undefined,
  tokensPerUnitMinute: undefined,
  hourly: decimal("1"),
  monthly: undefined,
  overrideHourly: undefined,
  overrideMonthly: undefined,
  termDiscountPct: undefined,
  volumeDiscountPct: undefined,
  ...change
})

const usage = (change: Partial<CommitmentUsage> = {}): CommitmentUsage => ({
  provider: "azure_openai",
  commitmentType: "ptu",
  model: "gpt-4o",
  region: "global",
  day: "2026-11-10",
  units: decimal("100"),
  hours: decimal("24"),
  used: decimal("42.5"),
  tokens: undefined,
  termMonths: undefined,
  ...change
})

const multiplier = decimal("1.5")
const figures = (given: CommitmentPrice, of: CommitmentUsage) => {
  const { commitment, overage, ratePerUsedUnit, total, utilizationPct } = costOf(given, of, multiplier)
  return [commitment, overage, total, utilizationPct, ratePerUsedUnit].map(text)
}

describe("the cost of provisioned units on a day, worked by hand: commitment, overage, total, utilisation, rate per used unit", () => {
  it("units are paid by the hour that they are there, used or not", () => {
    // 100 x 1 x 24; 42.5 of 100; 100 x 1 / 42.5.
    expect(figures(price(), usage())).toEqual(["2400", "0", "2400", "42.5", "2.352941176"])
    // 3 x 44 x 13.25.
    expect(
      figures(
        price({ hourly: decimal("44") }),
        usage({ units: decimal("3"), hours: decimal("13.25"), used: decimal("0") })
      )
    ).toEqual(["1749", "0", "1749", "0", undefined])
    expect(figures(price(), usage({ used: undefined }))).toEqual(["2400", "0", "2400", undefined, undefined])
  })

  it("a price of a month is divided by the hours of that month", () => {
    const monthly = price({ hourly: undefined, monthly: decimal("260") })
    const on = (day: string) => figures(monthly, usage({ day }))[0]
    // 100 x 260 x 24 / 672, / 696, / 720, / 744.
    expect(["2026-02-10", "2028-02-10", "2026-11-10", "2026-12-10"].map(on)).toEqual([
      "928.571428571",
      "896.551724138",
      "866.666666667",
      "838.709677419"
    ])
    const { listRate, rate } = costOf(monthly, usage(), multiplier)
    expect([text(rate), text(listRate)]).toEqual(["0.361111111111111", "0.361111111111111"])
  })

  it("the fewest units of a price are paid, and less than them is no full use", () => {
    expect(figures(price({ minUnits: decimal("50") }), usage({ units: decimal("15"), used: decimal("15") }))).toEqual([
      "1200",
      "0",
      "1200",
      "30",
      "3.333333333"
    ])
  })

  it("discounts of the term and by contract multiply; overage is paid by the list", () => {
    // 100 x 24 x 0.85 x 0.9; 20 x 1 x 1.5 x 24.
    const discounted = price({ termDiscountPct: decimal("15"), volumeDiscountPct: decimal("10") })
    expect(figures(discounted, usage({ used: decimal("120") }))).toEqual(["1836", "720", "2556", "120", "0.833333333"])
    const cost = costOf(discounted, usage({ used: decimal("120") }), multiplier)
    expect([cost.rate, cost.listRate, cost.overageRate].map(text)).toEqual(["0.765", "1", "1.5"])
  })

  it("an override counts from its day, of the hour or of the month", () => {
    const own = price({ isOverride: true, overrideFrom: "2026-11-10", overrideHourly: decimal("0.8") })
    expect(figures(own, usage())[0]).toBe("1920")
    expect(figures(own, usage({ day: "2026-11-09" }))[0]).toBe("2400")
    expect(figures({ ...own, isOverride: false }, usage())[0]).toBe("2400")
    const month = price({
      hourly: undefined,
      monthly: decimal("260"),
      isOverride: true,
      overrideMonthly: decimal("180")
    })
    // 100 x 180 / 720 x 24; 20 x 260 / 720 x 1.5 x 24.
    expect(figures(month, usage({ used: decimal("120") })).slice(0, 2)).toEqual(["600", "260"])
  })

  it("tokens come from the used units, and used units from the tokens, where only one of them is told", () => {
    const given = price({ tokensPerUnitMinute: decimal("2500") })
    // 42.5 x 2500 x 60 x 24.
    expect(text(costOf(given, usage(), multiplier).tokens)).toBe("153000000")
    // 900,000 of 2500 x 60 x 24.
    const byTokens = costOf(given, usage({ used: undefined, tokens: decimal("900000") }), multiplier)
    expect([text(byTokens.used), text(byTokens.utilizationPct)]).toEqual(["0.25", "0.25"])
    expect(
      text(costOf(price(), usage({ used: undefined, tokens: decimal("900000") }), multiplier).used)
    ).toBeUndefined()
  })
})

describe("which price of provisioned units counts", () => {
  const chosen = (prices: ReadonlyArray<CommitmentPrice>, of: Partial<CommitmentUsage> = {}) =>
    text(resolve(prices, usage(of))?.hourly)

  it("model before all, region before global, with the provider's suffixes", () => {
    const everywhere = price({ hourly: decimal("1") })
    const inSweden = price({ hourly: decimal("2"), region: "swedencentral", provider: "azure_openai_ptu" })
    const ofModel = price({ hourly: decimal("3"), model: "gpt-4o" })
    expect(chosen([everywhere, inSweden, ofModel], { region: "swedencentral" })).toBe("3")
    expect(chosen([everywhere, inSweden], { region: "swedencentral" })).toBe("2")
    expect(chosen([everywhere, inSweden])).toBe("1")
    expect(chosen([inSweden])).toBeUndefined()
    expect(chosen([everywhere], { commitmentType: "gsu" })).toBeUndefined()
    expect(chosen([price({ hourly: undefined })])).toBeUndefined()
  })

  it("one row of a day: the term that is told, own before shipped, active before preview, the latest", () => {
    const byHour = price({ hourly: decimal("1") })
    const year = price({ hourly: decimal("0.3"), termMonths: 12 })
    const ownYear = price({ hourly: decimal("0.25"), termMonths: 12, precedence: 2 })
    expect(chosen([year, byHour])).toBe("1")
    expect(chosen([year, byHour], { termMonths: 12 })).toBe("0.3")
    expect(chosen([byHour], { termMonths: 12 })).toBeUndefined()
    expect(chosen([year, byHour], { termMonths: 0 })).toBe("1")
    expect(chosen([year, byHour, ownYear])).toBe("0.25")
    const windows = [
      price({ hourly: decimal("5"), effectiveTo: "2026-10-31" }),
      price({ hourly: decimal("6"), effectiveFrom: "2026-11-01" }),
      price({ hourly: decimal("7"), effectiveFrom: "2026-11-05" }),
      price({ hourly: decimal("8"), effectiveFrom: "2026-11-09", status: "preview" })
    ]
    expect(chosen(windows)).toBe("7")
    expect(chosen(windows, { day: "2026-10-31" })).toBe("5")
  })
})

describe("the cost of rented accelerators on a day, worked by hand: base, discount, total, GPU hours, rate of a GPU hour", () => {
  const machine = (change: Partial<InfrastructurePrice> = {}): InfrastructurePrice => ({
    ...listed,
    provider: "gcp_gpu",
    instanceType: "nvidia-l4",
    gpuCount: decimal("1"),
    hourly: decimal("0.56004"),
    overrideHourly: undefined,
    spotDiscountPct: decimal("65.3596"),
    reserved1yrDiscountPct: decimal("37"),
    reserved3yrDiscountPct: decimal("55"),
    ...change
  })
  const used = (change: Partial<InfrastructureUsage> = {}): InfrastructureUsage => ({
    provider: "gcp_gpu",
    instanceType: "nvidia-l4",
    region: "us-central1",
    day: "2026-11-10",
    pricingType: "on_demand",
    hours: decimal("10"),
    count: decimal("1"),
    gpuHours: undefined,
    ...change
  })
  const costs = (given: InfrastructurePrice, of: InfrastructureUsage) => {
    const { base, discount, effectiveHourlyRate, gpuHours, total } = machineCost(given, of)
    return [base, discount, total, gpuHours, effectiveHourlyRate].map(text)
  }

  it("spot and reservations are discounts, the others none", () => {
    expect(costs(machine(), used())).toEqual(["5.6004", "0", "5.6004", "10", "0.56004"])
    // 5.6004 x 0.653596 = 3.6603990384.
    expect(costs(machine(), used({ pricingType: "spot" }))).toEqual([
      "5.6004",
      "3.660399038",
      "1.940000962",
      "10",
      "0.194000096"
    ])
    expect(costs(machine(), used({ pricingType: "preemptible" }))[2]).toBe("1.940000962")
    expect(costs(machine(), used({ pricingType: "committed_1yr" }))[2]).toBe("3.528252")
    expect(costs(machine(), used({ pricingType: "reserved_3yr" }))[2]).toBe("2.52018")
    expect(costs(machine(), used({ pricingType: "reserved" }))[2]).toBe("5.6004")
    expect(costs(machine({ spotDiscountPct: decimal("100") }), used({ pricingType: "spot" }))).toEqual([
      "5.6004",
      "5.6004",
      "0",
      "10",
      "0"
    ])
  })

  it("machines with several accelerators, several machines, and what was negotiated", () => {
    const eight = machine({ instanceType: "a3-highgpu-8g", gpuCount: decimal("8"), hourly: decimal("88") })
    const of = used({ instanceType: "a3-highgpu-8g", hours: decimal("2.5"), count: decimal("3") })
    // 2.5 x 3 x 88; 2.5 x 3 x 8; 88 / 8.
    expect(costs(eight, of)).toEqual(["660", "0", "660", "60", "11"])
    expect(costs(eight, { ...of, gpuHours: decimal("59.5") })[3]).toBe("59.5")
    const own = { ...eight, isOverride: true, overrideHourly: decimal("66") }
    expect(costs(own, of)[2]).toBe("495")
    expect(text(machineCost(own, of).listRate)).toBe("88")
  })

  it("the region's own price before the global one; another machine has none", () => {
    const here = machine({ region: "us-central1", hourly: decimal("0.5") })
    expect(text(machinePrice([machine(), here], used())?.hourly)).toBe("0.5")
    expect(text(machinePrice([machine(), here], used({ region: "us-west4" }))?.hourly)).toBe("0.56004")
    expect(machinePrice([here], used({ region: "us-west4" }))).toBeUndefined()
    expect(machinePrice([machine()], used({ instanceType: "nvidia-t4" }))).toBeUndefined()
  })
})
