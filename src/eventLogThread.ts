/**
 * The program of the thread that writes the event log.
 */
import { serve } from "./eventlog/Writer.ts"
import { eventModel } from "./eventModel.ts"

serve(eventModel)
