/** The program of the thread that writes the log of the accounts. */
import { serve } from "../../src/eventlog/Writer.ts"
import { model } from "./Accounts.ts"

serve(model)
