/**
 * Before the tests of BigQuery: installs what they run on, once, since several of their processes would do it at the same time.
 */
import * as Bqemulator from "./Bqemulator.ts"
import * as ZetaSql from "./ZetaSql.ts"

const setup = async (): Promise<void> => {
  await ZetaSql.install()
  if (await Bqemulator.isPossible()) await Bqemulator.install()
}

export default setup
