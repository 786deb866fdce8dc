/**
 * What a conversion did and how far it can be trusted: rows, totals, rules. From the outputs of a billing pipeline's steps.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { sum } from "../focus/DecimalText.ts"
import { table } from "./table.ts"

const Violation = Schema.Struct({
  rule: Schema.String,
  column: Schema.String,
  rows: Schema.Number,
  example: Schema.String
})

const judgement = {
  evaluated: Schema.Number,
  violated: Schema.Array(Violation),
  warnings: Schema.Array(Violation),
  gaps: Schema.Array(Schema.Struct({ rule: Schema.String, rows: Schema.Number, reason: Schema.String })),
  overridden: Schema.Number
}

/** A procedure's answers to what it could not know: each column unknown_... or missing_... that is not null. */
const Conversions = Schema.Struct({
  conversions: Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})

const Outputs = Schema.Struct({
  extract: Schema.Struct({
    quarantined: Schema.Number,
    quarantine: Schema.Array(Schema.Struct({ reason: Schema.String, rows: Schema.Number, example: Schema.String }))
  }),
  reconcile: Schema.Struct({
    reconciliation: Schema.Array(
      Schema.Struct({
        billingPeriod: Schema.String,
        currency: Schema.String,
        nativeBilled: Schema.String,
        focusBilled: Schema.String,
        difference: Schema.String,
        focusEffective: Schema.String
      })
    ),
    invoices: Schema.Array(
      Schema.Struct({
        billingPeriod: Schema.String,
        currency: Schema.String,
        invoiceId: Schema.NullOr(Schema.String),
        nativeBilled: Schema.String,
        focusBilled: Schema.String,
        difference: Schema.String
      })
    ),
    rows: Schema.Struct({
      in: Schema.Number,
      converted: Schema.Number,
      extra: Schema.Number,
      dropped: Schema.Record({ key: Schema.String, value: Schema.Number }),
      quarantined: Schema.Number
    })
  }),
  conformance: Schema.Struct({
    ...judgement,
    contractCommitment: Schema.Struct({ rows: Schema.Number, ...judgement })
  })
})

/** The object that `convert --json` prints. Amounts are exact decimal text; `explained` counts native rows without a FOCUS row by rule, `rowsExtra` FOCUS rows beside the first of their native row: rowsIn + rowsExtra = rowsOut + quarantined + explained. */
export interface ConversionSummary {
  readonly rowsIn: number
  readonly rowsOut: number
  readonly rowsExtra: number
  readonly quarantined: number
  readonly explained: Readonly<Record<string, number>>
  readonly quarantine: (typeof Outputs.Type)["extract"]["quarantine"]
  /** What the bill leaves open, such as services that no lookup knows; the rows are converted all the same. */
  readonly notices: ReadonlyArray<string>
  readonly reconciliation: ReadonlyArray<{
    readonly billingPeriod: string
    readonly currency: string
    readonly nativeBilled: string
    readonly focusBilled: string
    readonly difference: string
    readonly focusEffective: string
  }>
  /** The same money by invoice, of sources that tell invoices; null: rows that no invoice has yet. */
  readonly invoices: (typeof Outputs.Type)["reconcile"]["invoices"]
  readonly conformance: (typeof Outputs.Type)["conformance"]
}

/** Reads the outputs of the steps extract_billing, convert_to_focus, reconcile and check_conformance. */
export const of = (output: (stepId: string) => unknown): Effect.Effect<ConversionSummary> => {
  const conformance = Schema.decodeUnknownOption(Schema.Struct({ conformance: Schema.Unknown }))(
    output("check_conformance")
  )
  return Schema.decodeUnknown(Outputs)({
    extract: output("extract_billing"),
    reconcile: output("reconcile"),
    conformance: Option.getOrUndefined(conformance)?.conformance
  }).pipe(
    // The pipeline's own processors wrote these outputs.
    Effect.orDie,
    Effect.map(({ extract, reconcile, conformance: judged }) => ({
      rowsIn: reconcile.rows.in,
      rowsOut: reconcile.rows.converted + reconcile.rows.extra,
      rowsExtra: reconcile.rows.extra,
      quarantined: reconcile.rows.quarantined,
      explained: reconcile.rows.dropped,
      quarantine: extract.quarantine,
      notices: noticesOf(output("convert_to_focus")),
      reconciliation: byPeriodAndCurrency(reconcile.reconciliation),
      invoices: reconcile.invoices,
      conformance: judged
    }))
  )
}

const noticesOf = (converted: unknown): ReadonlyArray<string> => {
  const answers = Option.match(Schema.decodeUnknownOption(Conversions)(converted), {
    onNone: () => [],
    onSome: ({ conversions }) => conversions
  })
  const notices = answers.flatMap((answer) =>
    Object.entries(answer).flatMap(([column, value]) =>
      /^(unknown|missing)_/.test(column) && typeof value === "string"
        ? [`${column.replaceAll("_", " ")}: ${value}`]
        : []
    )
  )
  return [...new Set(notices)]
}

/** Native tables and credentials of one period and currency are one bill to the reader; currencies are never added. */
const byPeriodAndCurrency = (
  entries: (typeof Outputs.Type)["reconcile"]["reconciliation"]
): ConversionSummary["reconciliation"] => {
  const groups = Map.groupBy(entries, (entry) => `${entry.billingPeriod} ${entry.currency}`)
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    return first === undefined
      ? []
      : [
          {
            billingPeriod: first.billingPeriod,
            currency: first.currency,
            nativeBilled: sum(group.map((each) => each.nativeBilled)),
            focusBilled: sum(group.map((each) => each.focusBilled)),
            difference: sum(group.map((each) => each.difference)),
            focusEffective: sum(group.map((each) => each.focusEffective))
          }
        ]
  })
}

/** True when every difference is 0, no rule is violated and no row lies in quarantine: the money of such a row is in no total. */
export const isSound = ({ conformance, invoices, quarantined, reconciliation }: ConversionSummary): boolean =>
  quarantined === 0 &&
  [...reconciliation, ...invoices].every((entry) => entry.difference === "0") &&
  [...conformance.violated, ...conformance.contractCommitment.violated].length === 0

/** The summary for a person. */
export const render = (summary: ConversionSummary, output: Option.Option<string>): string => {
  const { conformance, explained } = summary
  const reasons = Object.entries(explained).filter(([, rows]) => rows > 0)
  return [
    `Rows   ${summary.rowsIn} in, ${summary.rowsOut} out, ${summary.quarantined} quarantined`,
    ...reasons.map(([reason, rows]) => `       ${rows} explained: ${reason}`),
    ...(summary.rowsExtra === 0
      ? []
      : [`       ${summary.rowsExtra} more out than in: rows split into used and unused parts`]),
    ...summary.quarantine.map(
      ({ reason, rows, example }) => `       ${rows} quarantined: ${reason}, such as ${example}`
    ),
    ...summary.notices,
    "",
    table(
      ["billing period", "currency", "native billed", "FOCUS billed", "difference", "FOCUS effective"],
      summary.reconciliation.map((each) => [
        each.billingPeriod,
        each.currency,
        each.nativeBilled,
        each.focusBilled,
        each.difference,
        each.focusEffective
      ])
    ),
    ...(summary.invoices.length === 0
      ? []
      : [
          "",
          table(
            ["billing period", "invoice", "currency", "native billed", "FOCUS billed", "difference"],
            summary.invoices.map((each) => [
              each.billingPeriod,
              each.invoiceId ?? "(none yet)",
              each.currency,
              each.nativeBilled,
              each.focusBilled,
              each.difference
            ])
          )
        ]),
    "",
    `FOCUS 1.3: ${conformance.evaluated} rules evaluated, ${conformance.violated.length} violated, ${conformance.gaps.length} excused as gaps of the source, ${conformance.overridden} evaluated as corrected`,
    ...conformance.violated.map(({ rule, rows, example }) => `  violated ${rule}: ${rows} rows, such as ${example}`),
    ...conformance.gaps.map(({ rule, rows, reason }) => `  gap ${rule}: ${rows} rows (${reason})`),
    ...commitmentsOf(conformance.contractCommitment),
    ...Option.match(output, { onNone: () => [], onSome: (path) => ["", `FOCUS rows: ${path}`] })
  ].join("\n")
}

const commitmentsOf = ({
  evaluated,
  rows,
  violated
}: ConversionSummary["conformance"]["contractCommitment"]): ReadonlyArray<string> =>
  rows === 0
    ? []
    : [
        `Contract commitments: ${rows}, ${evaluated} rules evaluated, ${violated.length} violated`,
        ...violated.map((each) => `  violated ${each.rule}: ${each.rows} commitments, such as ${each.example}`)
      ]
