/**
 * The savings plan and the reservations of the demo's company: what they cost, what usage takes of them, and what nothing uses.
 */
import { hoursOfDay, type Company, type Period, type Resource } from "./AwsCompany.ts"
import { amount, costOf, emptyLine, money, quantityText, rateText, type Commitment, type Draft } from "./AwsLine.ts"
import { database } from "./AwsPriceList.ts"

/** A savings plan; `daily` is what a day of it costs, upfront or not. */
export interface Plan {
  readonly payer: string
  readonly daily: bigint
  readonly isUpfront: boolean
  readonly facts: Commitment
}

/** The plan covers all its instances all day, and a twentieth more than that. */
export const planOf = ({ payer, resources, savingsPlan }: Company): Plan => {
  const covered = resources.filter(({ coverage }) => coverage === "savings-plan")
  const fullDay = covered.reduce((sum, item) => sum + costOf(planRate(item), hoursOfDay), 0n)
  return {
    payer,
    daily: fullDay + fullDay / 20n,
    isUpfront: savingsPlan === "All Upfront",
    facts: {
      SavingsPlanARN: `arn:aws:savingsplans::${payer}:savingsplan/sp-demo-1`,
      OfferingType: "ComputeSavingsPlans",
      PaymentOption: savingsPlan,
      PurchaseTerm: "1yr"
    }
  }
}

/** A savings plan costs 72 % of on demand. */
const planRate = (item: Resource): bigint => (item.rate * 72n) / 100n

/** On-demand usage that the plan covers: the usage, and the negation that takes its cost away; `effective` is used of the plan. */
export const coveredUsage = (plan: Plan, item: Resource, line: Draft) => {
  const rate = planRate(item)
  const effective = costOf(rate, line.quantity)
  const drafts: ReadonlyArray<Draft> = [
    {
      ...line,
      type: "SavingsPlanCoveredUsage",
      savingsPlan: { ...plan.facts, SavingsPlanRate: rateText(rate), SavingsPlanEffectiveCost: money(effective) }
    },
    {
      ...line,
      type: "SavingsPlanNegation",
      description: `SavingsPlanNegation used by AccountId : ${item.account} and UsageSku : ${item.sku}`,
      cost: -line.cost,
      netCost: -line.cost,
      savingsPlan: plan.facts
    }
  ]
  return { effective, drafts }
}

const ofPlan = ({ payer, isUpfront, facts }: Plan) => ({
  ...emptyLine,
  account: payer,
  productCode: "ComputeSavingsPlans",
  productName: "Savings Plans for AWS Compute usage",
  usageType: isUpfront ? "ComputeSP:1yrAllUpfront" : "ComputeSP:1yrNoUpfront",
  description: `1 year ${facts["PaymentOption"]} Compute Savings Plan`
})

/** A day of the plan: its fee, nothing if it was paid upfront, and how much of the commitment was used. */
export const planFee = (plan: Plan, day: Period["days"][number], used: bigint): Draft => {
  const fee = plan.isUpfront ? 0n : plan.daily
  return {
    ...ofPlan(plan),
    ...day,
    type: "SavingsPlanRecurringFee",
    quantity: hoursOfDay,
    unit: "Hrs",
    cost: fee,
    netCost: fee,
    savingsPlan: {
      ...plan.facts,
      TotalCommitmentToDate: money(plan.daily),
      UsedCommitment: money(used),
      RecurringCommitmentForBillingPeriod: money(fee),
      AmortizedUpfrontCommitmentForBillingPeriod: money(plan.daily - fee)
    }
  }
}

/** Partial upfront reservations of one kind; rates per hour. */
export interface Reservations {
  readonly payer: string
  readonly count: bigint
  readonly rate: bigint
  readonly upfrontRate: bigint
  readonly facts: Commitment
}

/** One for every reserved database and two more, that nothing uses. */
export const reservationsOf = ({ payer, resources }: Company): Reservations => ({
  payer,
  count: BigInt(resources.filter(({ coverage }) => coverage === "reserved").length + 2),
  rate: 720_000_000n,
  upfrontRate: 700_000_000n,
  facts: {
    ReservationARN: `arn:aws:rds:us-east-1:${payer}:ri:ri-demo-1`,
    SubscriptionId: "4217709231",
    LeaseContractLength: "1yr",
    OfferingClass: "standard",
    PurchaseOption: "Partial Upfront"
  }
})

/** Usage that a reservation covers: it costs nothing, its share of the fees is told beside. */
export const discountedUsage = ({ rate, upfrontRate, facts }: Reservations, line: Draft): Draft => {
  const recurring = costOf(rate, line.quantity)
  const upfront = costOf(upfrontRate, line.quantity)
  return {
    ...line,
    type: "DiscountedUsage",
    rate: 0n,
    cost: 0n,
    netCost: 0n,
    term: "Reserved",
    description: "db.r6g.large reserved instance applied",
    reservation: {
      ...facts,
      EffectiveCost: money(recurring + upfront),
      RecurringFeeForUsage: money(recurring),
      AmortizedUpfrontCostForUsage: money(upfront)
    }
  }
}

const ofReservations = ({ payer }: Reservations) => ({
  ...emptyLine,
  account: payer,
  productCode: database.code,
  productName: database.name,
  family: database.family,
  usageType: "HeavyUsage:db.r6g.large",
  operation: database.operation,
  instanceType: database.instanceType ?? "",
  term: "Reserved"
})

/** A month of the reservations: the fee for every hour, and the part of it that nothing used. */
export const reservationFee = (reservations: Reservations, period: Period, used: bigint): Draft => {
  const { count, rate, upfrontRate, facts } = reservations
  const total = count * hoursOfDay * BigInt(period.days.length)
  const unused = total - used
  const cost = costOf(rate, total)
  return {
    ...ofReservations(reservations),
    start: period.start,
    end: period.end,
    type: "RIFee",
    description: "USD hourly fee per PostgreSQL, db.r6g.large instance",
    quantity: total,
    unit: "Hrs",
    rate,
    cost,
    netCost: cost,
    reservation: {
      ...facts,
      NumberOfReservations: String(count),
      TotalReservedUnits: quantityText(total),
      AmortizedUpfrontFeeForBillingPeriod: money(costOf(upfrontRate, total)),
      UnusedQuantity: quantityText(unused),
      UnusedRecurringFee: money(costOf(rate, unused)),
      UnusedAmortizedUpfrontFeeForBillingPeriod: money(costOf(upfrontRate, unused))
    }
  }
}

/** What is paid once, for a year. */
export function* purchases(plan: Plan, reservations: Reservations, { start, end }: Period): Generator<Draft> {
  if (plan.isUpfront) {
    yield {
      ...ofPlan(plan),
      start,
      end,
      type: "SavingsPlanUpfrontFee",
      billType: "Purchase",
      ...amount(plan.daily * 365n),
      savingsPlan: plan.facts
    }
  }
  const rate = reservations.upfrontRate * 24n * 365n
  const quantity = reservations.count * 1_000n
  const price = costOf(rate, quantity)
  yield {
    ...ofReservations(reservations),
    start,
    end,
    type: "Fee",
    billType: "Purchase",
    description: "Sign up charge for subscription: db.r6g.large, Partial Upfront",
    unit: "Quantity",
    quantity,
    rate,
    cost: price,
    netCost: price,
    reservation: {
      ...reservations.facts,
      NumberOfReservations: String(reservations.count),
      UpfrontValue: money(price)
    }
  }
}
