import * as BigDecimal from "effect/BigDecimal"
import { describe, expect, it } from "@effect/vitest"
import { costOf, type Price, resolve, type Usage } from "../../src/genai/PaygPrice.ts"

const decimal = BigDecimal.unsafeFromString

const price = (change: Partial<Price> = {}): Price => ({
  provider: "openai",
  model: "gpt-4o",
  serviceTier: undefined,
  contextWindow: undefined,
  region: "global",
  status: "active",
  effectiveFrom: undefined,
  effectiveTo: undefined,
  lastUpdated: "",
  tokenKind: undefined,
  precedence: 0,
  isOverride: false,
  overrideFrom: undefined,
  input: decimal("2.50"),
  output: decimal("10.00"),
  cachedInput: decimal("1.25"),
  cacheWrite: undefined,
  cacheWrite1h: undefined,
  batchInput: undefined,
  batchOutput: undefined,
  overrideInput: undefined,
  overrideOutput: undefined,
  cachedDiscountPct: undefined,
  batchDiscountPct: decimal("50"),
  volumeDiscountPct: undefined,
  ...change
})

const usage = (change: Partial<Usage> = {}): Usage => ({
  provider: "openai",
  model: "gpt-4o",
  modelFamily: undefined,
  region: undefined,
  serviceTier: undefined,
  tokenKind: undefined,
  contextWindow: undefined,
  day: "2026-05-01",
  isBatch: false,
  input: 1_000_000n,
  cachedInput: 200_000n,
  cacheWrite: 0n,
  cacheWrite1h: 0n,
  output: 500_000n,
  ...change
})

const figures = (given: Price, used: Usage) => {
  const cost = costOf(given, used)
  if (cost === undefined) return undefined
  const { cacheWrite, cached, discountPct, input, list, output, total } = cost
  return [input, cached, cacheWrite, output, total, list, discountPct].map(BigDecimal.format)
}

describe("the cost of a day's tokens, worked by hand: input, cached, cache writes, output, total, list, discount", () => {
  it("cached reads cost their own rate alone", () => {
    // 800,000 x 2.50 + 200,000 x 1.25 + 500,000 x 10, per million.
    expect(figures(price(), usage())).toEqual(["2", "0.25", "0", "5", "7.25", "7.25", "0"])
    // 500 K at 3.00, 500 K cached at 0.30, 200 K out at 15.00.
    const sonnet = price({ input: decimal("3"), cachedInput: decimal("0.3"), output: decimal("15") })
    const used = usage({ input: 1_000_000n, cachedInput: 500_000n, output: 200_000n })
    expect(figures(sonnet, used)).toEqual(["1.5", "0.15", "0", "3", "4.65", "4.65", "0"])
  })

  it("cache writes of 5 minutes and of an hour have their own rates, and fall back from hour to minutes to input", () => {
    const used = usage({
      input: 1_000_000n,
      cachedInput: 100_000n,
      cacheWrite: 200_000n,
      cacheWrite1h: 300_000n,
      output: 0n
    })
    const opus = price({
      input: decimal("5"),
      cachedInput: decimal("0.5"),
      cacheWrite: decimal("6.25"),
      cacheWrite1h: decimal("10")
    })
    // 400,000 x 5 + 100,000 x 0.5 + (200,000 x 6.25 + 300,000 x 10).
    expect(figures(opus, used)).toEqual(["2", "0.05", "4.25", "0", "6.3", "6.3", "0"])
    // The hour costs as the minutes: 500,000 x 6.25.
    expect(figures({ ...opus, cacheWrite1h: undefined }, used)?.[2]).toBe("3.125")
    // Both cost as input: 500,000 x 5.
    expect(figures({ ...opus, cacheWrite: undefined, cacheWrite1h: undefined }, used)?.[2]).toBe("2.5")
  })

  it("a batch takes cached reads and writes down with it", () => {
    // Half of 7.25; the list is the batch's too.
    expect(figures(price(), usage({ isBatch: true }))).toEqual(["1", "0.125", "0", "2.5", "3.625", "3.625", "0"])
    // Own batch prices: 800,000 x 2 + 200,000 x (1.25 x 2 / 2.5 = 1) + 500,000 x 4.
    const own = price({ batchInput: decimal("2"), batchOutput: decimal("4") })
    expect(figures(own, usage({ isBatch: true }))).toEqual(["1.6", "0.2", "0", "2", "3.8", "3.8", "0"])
  })

  it("an override counts from its day, and the list stays the published price", () => {
    const own = price({
      isOverride: true,
      overrideFrom: "2026-05-01",
      overrideInput: decimal("2"),
      overrideOutput: decimal("8")
    })
    // 800,000 x 2 + 200,000 x 1.25 + 500,000 x 8 = 1.6 + 0.25 + 4 = 5.85 of 7.25: 19.3103448... percent less.
    expect(figures(own, usage())).toEqual(["1.6", "0.25", "0", "4", "5.85", "7.25", "19.3103"])
    expect(figures(own, usage({ day: "2026-04-30" }))?.[4]).toBe("7.25")
    expect(figures({ ...own, isOverride: false }, usage())?.[4]).toBe("7.25")
  })

  it("a volume discount takes from every part, each rounded once, half away from zero", () => {
    // 7.25 x 0.9.
    expect(figures(price({ volumeDiscountPct: decimal("10") }), usage())).toEqual([
      "1.8",
      "0.225",
      "0",
      "4.5",
      "6.525",
      "7.25",
      "10"
    ])
    // 1 x 0.0005 x 10^-6 = 0.0000000005, which is half of the last decimal.
    const tiny = price({ input: decimal("0.0005"), output: decimal("0.0004") })
    expect(figures(tiny, usage({ input: 1n, cachedInput: 0n, output: 1n }))?.slice(0, 5)).toEqual([
      "0.000000001",
      "0",
      "0",
      "0",
      "0.000000001"
    ])
  })

  it("without a price for cached reads they cost half, or what the discount leaves", () => {
    expect(figures(price({ cachedInput: undefined, cachedDiscountPct: undefined }), usage())?.[1]).toBe("0.25")
    // 200,000 x 2.50 x 0.1.
    expect(figures(price({ cachedInput: undefined, cachedDiscountPct: decimal("90") }), usage())?.[1]).toBe("0.05")
  })

  it("prices of 0 divide by nothing, and counts that cannot be are refused", () => {
    expect(figures(price({ input: decimal("0"), output: decimal("0"), cachedInput: decimal("0") }), usage())).toEqual([
      "0",
      "0",
      "0",
      "0",
      "0",
      "0",
      "0"
    ])
    expect(figures(price(), usage({ cachedInput: 1_000_001n }))).toBeUndefined()
  })
})

describe("the one price of a day", () => {
  const named = (prices: ReadonlyArray<Price>, used: Usage) => resolve(prices, used)?.lastUpdated
  it("is the model's own before its family's before the one without a date", () => {
    const used = usage({ model: "gpt-4o-2024-08-06", modelFamily: "gpt-4o-family" })
    const [own, family, undated] = [
      price({ model: "gpt-4o-2024-08-06", lastUpdated: "own" }),
      price({ model: "gpt-4o-family", lastUpdated: "family" }),
      price({ lastUpdated: "undated" })
    ]
    expect(named([undated, family, own], used)).toBe("own")
    expect(named([undated, family], used)).toBe("family")
    expect(named([undated], used)).toBe("undated")
    expect(named([undated], usage({ model: "gpt-4o-mini" }))).toBeUndefined()
    expect(
      named([price({ model: "claude-opus-4-5", lastUpdated: "opus" })], usage({ model: "claude-opus-4-5@20251101" }))
    ).toBe("opus")
  })

  it("is valid on the day; of several the newest, an active one, the organisation's own", () => {
    const old = price({ effectiveTo: "2026-04-30", lastUpdated: "old" })
    const present = price({ effectiveFrom: "2026-05-01", lastUpdated: "present" })
    expect(named([old, present], usage({ day: "2026-04-30" }))).toBe("old")
    expect(named([old, present], usage())).toBe("present")
    expect(named([old], usage())).toBeUndefined()
    const preview = price({ effectiveFrom: "2026-05-01", status: "preview", lastUpdated: "preview" })
    expect(named([preview, price({ lastUpdated: "active" })], usage())).toBe("active")
    expect(named([present, price({ precedence: 2, lastUpdated: "contract" })], usage())).toBe("contract")
  })

  it("is of the tier, the region, the context window", () => {
    const flex = price({ serviceTier: "flex", lastUpdated: "flex" })
    const standard = price({ lastUpdated: "standard" })
    expect(named([flex, standard], usage({ serviceTier: "flex" }))).toBe("flex")
    expect(named([flex, standard], usage({ serviceTier: "default" }))).toBe("standard")
    expect(named([standard], usage({ serviceTier: "priority" }))).toBeUndefined()
    const us = price({ region: "us", lastUpdated: "us" })
    expect(named([standard, us], usage({ region: "us" }))).toBe("us")
    expect(named([standard, us], usage({ region: "eu" }))).toBe("standard")
    const [short, long] = [
      price({ contextWindow: "0-200k", lastUpdated: "short" }),
      price({ contextWindow: "200k-1M", lastUpdated: "long" })
    ]
    expect(named([short, long], usage({ contextWindow: "200k-1M" }))).toBe("long")
    expect(named([short, long], usage())).toBe("short")
    expect(named([short], usage({ contextWindow: "200k-1M" }))).toBeUndefined()
    expect(named([standard], usage({ contextWindow: "200k-1M" }))).toBe("standard")
  })

  it("does not exist for a batch that nobody priced", () => {
    expect(named([price({ batchDiscountPct: undefined })], usage({ isBatch: true }))).toBeUndefined()
  })
})
