// What the state says of systems: their records, and how much each holds.
import * as HashMap from "effect/HashMap"
import type { SystemId } from "../../../protocol/names.ts"
import { lookup, nothingHeld, type AuthorityState, type Draft, type SystemRecord } from "./state.ts"

export const changeSystem = (state: Draft, id: SystemId, change: Partial<SystemRecord>): void => {
  const record = lookup(state.systems, id)
  if (record !== undefined) state.systems = HashMap.set(state.systems, id, { ...record, ...change })
}

/** What operators issue has ids of its own, which nobody can choose. */
export const isIssued = (id: string): boolean => id.startsWith("issued:")

/** An operator took these back: what policy had given is not given anew. What is left of it stays for whoever was given it by an operator. */
export const withhold = (state: Draft, ids: ReadonlyArray<string>): void => {
  for (const id of ids) {
    const grant = lookup(state.grants, id)?.grant
    const record = grant === undefined || grant.parent !== null || isIssued(id) ? undefined : lookup(state.systems, grant.holder)
    if (grant === undefined || record === undefined || record.withheld?.includes(grant.resource) === true) continue
    changeSystem(state, record.id, { withheld: [...(record.withheld ?? []), grant.resource] })
  }
}

type Helds = AuthorityState["held"]

export const count = (held: Helds, system: SystemId, grants: number, warrants: number, waiting = 0): Helds => {
  const before = lookup(held, system) ?? nothingHeld
  const after = { grants: before.grants + grants, warrants: before.warrants + warrants, waiting: before.waiting + waiting }
  return after.grants === 0 && after.warrants === 0 ? HashMap.remove(held, system) : HashMap.set(held, system, after)
}
