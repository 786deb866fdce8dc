/**
 * What the outside and the inside of a request's way tell each other: its id, the matched route, the organisation's allowance.
 */
import * as FiberRef from "effect/FiberRef"
import type { OrgAllowance } from "./RateLimits.ts"

/** Filled in as the request is handled: only its own fiber touches them. */
export interface RequestNotes {
  readonly requestId: string
  /** The route's template, never the path itself: `/api/v1/pipelines/runs/:id`. */
  route?: string
  allowance?: OrgAllowance
}

/** The notes of the request that this fiber handles. */
export const currentNotes: FiberRef.FiberRef<RequestNotes> = FiberRef.unsafeMake<RequestNotes>({ requestId: "" })
