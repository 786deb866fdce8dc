/**
 * The line items of the demo company's bills, day by day. They are consistent as AWS's are: a negation cancels each covered line, used and
 * unused commitment add up to what was bought, discounts equal the difference to the net costs, and tax is a rate of the sum.
 */
import {
  coveredUsage,
  discountedUsage,
  planFee,
  planOf,
  purchases,
  reservationFee,
  reservationsOf
} from "./AwsCommitments.ts"
import { hoursOfDay, type Company, type Period, type Random, type Resource } from "./AwsCompany.ts"
import { costOf, emptyLine, type Draft, type Line } from "./AwsLine.ts"
import { discounts, otherCharges, taxes, type Book } from "./AwsMonth.ts"

/** All line items of one period, in order of time; lines of the whole month come last. */
export function* linesOf(from: Company, period: Period, random: Random): Generator<Line> {
  const totals = new Map<string, bigint>()
  let number = 0
  for (const draft of draftsOf(from, period, random)) {
    totals.set(draft.account, (totals.get(draft.account) ?? 0n) + draft.cost)
    yield identified(draft, period, number++)
  }
  for (const draft of taxes(totals, period)) yield identified(draft, period, number++)
}

const identified = (draft: Draft, period: Period, number: number): Line => ({
  ...draft,
  id: `${period.start.slice(0, 7)}-${number.toString(36).padStart(8, "0")}`
})

function* draftsOf(from: Company, period: Period, random: Random): Generator<Draft> {
  const books = new Map<string, Book>()
  const plan = planOf(from)
  const reservations = reservationsOf(from)
  let reservedHours = 0n
  for (const day of period.days) {
    let usedCommitment = 0n
    for (const item of from.resources) {
      const line = usage(item, day, random)
      if (item.coverage === "savings-plan") {
        const { effective, drafts } = coveredUsage(plan, item, line)
        usedCommitment += effective
        yield* drafts
      } else if (item.coverage === "reserved") {
        reservedHours += line.quantity
        yield discountedUsage(reservations, line)
      } else {
        const netCost = line.cost - (line.cost * BigInt(from.discountTenths)) / 10n
        const key = `${item.account} ${item.service.code}`
        const { cost, discount } = books.get(key) ?? { cost: 0n, discount: 0n }
        books.set(key, {
          account: item.account,
          service: item.service,
          cost: cost + line.cost,
          discount: discount + line.cost - netCost
        })
        yield { ...line, netCost }
      }
    }
    yield planFee(plan, day, usedCommitment)
  }
  if (period.index === 0) yield* purchases(plan, reservations, period)
  yield reservationFee(reservations, period, reservedHours)
  yield* discounts(books.values(), period)
  yield* otherCharges(from, period, books.values())
}

/** A day of one resource, on demand; spot instances cost 35 % and what is free costs nothing. */
const usage = (item: Resource, day: Period["days"][number], random: Random): Draft => {
  const { service, region } = item
  const isHourly = service.unit === "Hrs"
  const quantity = isHourly
    ? random(12) === 0
      ? BigInt(1 + random(23)) * 1_000n
      : hoursOfDay
    : (service.dailyQuantity * BigInt(60 + random(81))) / 100n
  const isSpot = item.coverage === "spot"
  const rate = isSpot ? (item.rate * 35n) / 100n : item.coverage === "free" ? 0n : item.rate
  const cost = costOf(rate, quantity)
  return {
    ...emptyLine,
    ...day,
    account: item.account,
    productCode: service.code,
    productName: service.name,
    family: service.family,
    usageType: `${region.prefix}${isSpot ? service.usageType.replace("BoxUsage", "SpotUsage") : service.usageType}`,
    operation: isSpot ? "RunInstances:SV001" : service.operation,
    availabilityZone: item.zone,
    resourceId: item.id,
    description: isSpot
      ? "m6i.large Linux/UNIX Spot Instance-hour"
      : item.coverage === "free"
        ? `${service.description} (free tier)`
        : service.description,
    quantity,
    unit: service.unit,
    rate,
    cost,
    netCost: cost,
    publicRate: item.rate,
    term: isSpot ? "" : "OnDemand",
    sku: item.sku,
    region: region.code,
    location: region.location,
    instanceType: service.instanceType ?? "",
    attributes: service.attributes ?? {},
    tags: item.tags
  }
}
