// Keys at the edge: the kernel's own, and those of systems outside.
import * as HashMap from "effect/HashMap"
import type { EnrolmentView } from "../../../protocol/act.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { enrolmentsMax } from "../../limits.ts"
import type { Entry } from "../entry.ts"
import { grantsOf } from "../state/grants.ts"
import { lookup, type AuthorityState } from "../state/state.ts"
import type { Decision } from "./decision.ts"
import { endingOf } from "./ending.ts"
import { offlineGrantsOf } from "./token.ts"

/** The key that signs from now on. The name of the kernel stays that of its first key. */
export const decideKeyed = (audience: string, generation: number, key: { readonly kid: string; readonly x: string }): Decision<void> => ({ edge }, now) =>
  edge.generation >= generation
    ? { entries: [], answer: undefined }
    : { entries: [{ kind: "edge.keyed", at: now, audience: edge.audience ?? audience, generation, ...key }], answer: undefined }

export type EnrolAnswer = "done" | "taken" | "full"

const ended = (state: AuthorityState, now: number, holder: SystemId, ids: ReadonlyArray<string>): ReadonlyArray<Entry> => {
  const ending = endingOf(state, ids, holder, "revoked", now)
  return ending === undefined ? [] : [ending.entry]
}

/** With `replace` also over a key that is there: what was signed with that, or for it, ends. Grants of the name stay. */
export const decideEnrol = (enrolment: Omit<EnrolmentView, "epoch" | "enrolledAt">, replace: boolean): Decision<EnrolAnswer> => (state, now) => {
  const { system } = enrolment
  const before = lookup(state.edge.enrolled, system)
  if (before !== undefined && !replace) return { entries: [], answer: "taken" }
  if (before === undefined && HashMap.size(state.edge.enrolled) >= enrolmentsMax) return { entries: [], answer: "full" }
  return {
    entries: [...ended(state, now, system, offlineGrantsOf(state, system)), { kind: "key.enrolled", at: now, enrolment }],
    answer: "done"
  }
}

/** Ends a key, and every grant of its name: nobody is left who could use them. */
export const decideUnenrol = (system: SystemId): Decision<EnrolmentView | undefined> => (state, now) => {
  const before = lookup(state.edge.enrolled, system)
  if (before === undefined) return { entries: [], answer: undefined }
  const ids = new Set([...grantsOf(state, system).map(({ id }) => id), ...offlineGrantsOf(state, system)])
  return {
    entries: [{ kind: "key.revoked", at: now, system, kid: before.kid }, ...ended(state, now, system, [...ids])],
    answer: before
  }
}
