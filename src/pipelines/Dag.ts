/**
 * The order of steps: an absent `depends_on` means the step before, an empty one a root. Ids are unique, dependencies known, without a cycle.
 */

/** What the checks need of a step. */
export interface DagStep {
  readonly stepId: string
  readonly dependsOn: ReadonlyArray<string> | undefined
}

/** What is wrong and with which step (by index). */
export interface DagFault {
  readonly index: number
  readonly reason: string
}

/** The dependencies of each step, made explicit, or the first fault. */
export const dependencies = (
  steps: ReadonlyArray<DagStep>
): { readonly dependsOn: ReadonlyArray<ReadonlyArray<string>> } | DagFault => {
  const dependsOn = steps.map((step, index) => step.dependsOn ?? previous(steps, index))
  const indexOf = new Map<string, number>()
  for (const [index, { stepId }] of steps.entries()) {
    if (indexOf.has(stepId)) return { index, reason: `step_id ${stepId} is used twice` }
    indexOf.set(stepId, index)
  }
  for (const [index, ids] of dependsOn.entries()) {
    const unknown = ids.find((id) => !indexOf.has(id))
    if (unknown !== undefined)
      return { index, reason: `depends_on names ${unknown}, which is no step of this pipeline` }
    if (new Set(ids).size < ids.length) return { index, reason: "depends_on names a step twice" }
  }
  return cycle(steps, dependsOn, indexOf) ?? { dependsOn }
}

const previous = (steps: ReadonlyArray<DagStep>, index: number): ReadonlyArray<string> => {
  const before = steps[index - 1]
  return before === undefined ? [] : [before.stepId]
}

/** Takes away steps whose dependencies are gone until nothing moves; what is left is on, or behind, a cycle. */
const cycle = (
  steps: ReadonlyArray<DagStep>,
  dependsOn: ReadonlyArray<ReadonlyArray<string>>,
  indexOf: ReadonlyMap<string, number>
): DagFault | undefined => {
  const left = new Set(steps.keys())
  const isGone = (id: string) => !left.has(indexOf.get(id) ?? -1)
  for (;;) {
    const free = [...left].filter((index) => (dependsOn[index] ?? []).every(isGone))
    if (free.length === 0) break
    for (const index of free) left.delete(index)
  }
  const [first] = left
  if (first === undefined) return undefined
  const names = [...left].map((index) => steps[index]?.stepId).join(", ")
  return { index: first, reason: `depends_on runs in a circle through ${names}` }
}
