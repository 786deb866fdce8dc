/**
 * `reconcile`: native totals against FOCUS totals, as the runs of a running service compared them.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ServiceClient, ServiceRefused } from "./client/ServiceClient.ts"
import { table } from "./table.ts"

const period = Options.text("period").pipe(
  Options.withDescription("First day of a billing period, as in 2026-08-01; absent: all"),
  Options.optional
)
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

/** The command. It needs PIPELINE_API_KEY; it fails when a difference is not 0. */
export const reconcile = Command.make("reconcile", { period, json }, (given) =>
  Effect.gen(function* () {
    const org = yield* ServiceClient.ownOrg
    const urlParams = Option.isSome(given.period) ? { billing_period: given.period.value } : {}
    const found = yield* (yield* ServiceClient).call(({ focus }) => focus.reconciliation({ path: { org }, urlParams }))
    yield* Console.log(
      given.json
        ? JSON.stringify(found)
        : [
            table(
              ["period", "source", "currency", "credential", "native billed", "FOCUS billed", "difference", "rows"],
              found.entries.map((entry) => [
                entry.billing_period,
                entry.source,
                entry.currency,
                entry.credential_id,
                entry.native_billed,
                entry.focus_billed,
                entry.difference,
                entry.rows_in
              ])
            ),
            ...(found.invoices.length === 0
              ? []
              : [
                  "",
                  table(
                    ["period", "invoice", "currency", "native billed", "FOCUS billed", "difference"],
                    found.invoices.map((entry) => [
                      entry.billing_period,
                      entry.invoice_id ?? "(none yet)",
                      entry.currency,
                      entry.native_billed,
                      entry.focus_billed,
                      entry.difference
                    ])
                  )
                ]),
            ...found.quarantined.map(
              ({ billing_period, reason, rows, source }) =>
                `${rows} rows of ${source} ${billing_period} in quarantine: ${reason}`
            )
          ].join("\n")
    )
    if (!found.is_exact) {
      return yield* new ServiceRefused({ message: `native and FOCUS totals of ${org} differ: see above` })
    }
  }).pipe(Effect.provide(ServiceClient.layer))
).pipe(
  Command.withDescription(
    "Native totals against FOCUS totals, per billing period and per invoice; exit code 0 only when all are equal."
  )
)
