/**
 * DeepSeek's balance on the loopback, from the wire contract.
 */
import * as Effect from "effect/Effect"
import { httpServer } from "./httpServer.ts"

export const deepSeekKey = "sk-deepseek-0001"

/** Starts the server; it ends with the scope. `state.total` is what is left of the prepaid yuan. */
export const deepSeekServer = Effect.gen(function* () {
  const state = { total: "110.00" }
  const server = yield* httpServer(({ headers, url }, response) => {
    const isKnown = headers.authorization === `Bearer ${deepSeekKey}` && url.pathname === "/user/balance"
    response.writeHead(isKnown ? 200 : 401)
    response.end(
      isKnown
        ? `{"is_available":true,"balance_infos":[{"currency":"CNY","total_balance":"${state.total}","granted_balance":"10.00","topped_up_balance":"100.00"}]}`
        : `{"error":{"message":"never show this ${deepSeekKey}","type":"authentication_error","code":"invalid_request_error"}}`
    )
  })
  return { ...server, state }
})
