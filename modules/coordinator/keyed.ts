// Keyed requests: what was applied once is answered again as it was, and not applied a second time, also after a restart.
import type { coordination } from "aaax"
import type { Asker, Desk } from "./desk.ts"
import { keyOf } from "./fold.ts"
import * as refusal from "./refusal.ts"
import type { State } from "./state.ts"

type Ledger = coordination.LedgerEntries
type Talk = coordination.TalkEntries

/** The text that tells whether two requests with one key are the same. */
export const textOf = (ask: unknown): string => {
  if (typeof ask !== "object" || ask === null) return canonical(ask)
  const { key: _, ...rest } = ask as { readonly key?: unknown } // an object
  return canonical(rest)
}

/** JSON with the members of every object in the order of their names. */
const canonical = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  const members = Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`
}

/** What was answered when this was applied, or that the key was for something else; nothing: it is new. */
export const answeredBefore = (state: State, applied: coordination.Applied): coordination.Answer | undefined => {
  const id = keyOf(applied)
  const kept = state.keys.get(id)
  if (kept === undefined) return undefined
  if (kept.applied.digest !== applied.digest) return refusal.keyConflict(applied.key)
  // Whoever uses a key keeps it alive.
  state.keys.delete(id)
  state.keys.set(id, kept)
  return answerOf(kept.kind, kept.payload)
}

/** The claim that was granted for a key; nothing when it was the seat's before. */
export const grantedBy = (state: State, by: Asker, key: string): coordination.Claim | undefined => {
  const kept = state.keys.get(keyOf({ seat: by.seat, verb: "claim", key }))
  if (kept?.kind !== "claimed") return undefined
  const { claim, renewed } = kept.payload as Ledger["claimed"] // of this kind
  return renewed ? undefined : claim
}

/** The answer that goes with an entry. */
export const answerOf = (kind: string, payload: unknown): coordination.Answer | undefined => {
  // Each kind has its payload: both were written together, and looked at when they were read.
  switch (kind) {
    case "claimed": {
      const { claim, renewed } = payload as Ledger["claimed"]
      return { ok: true, claim, renewed }
    }
    case "released": {
      const { owner, task } = payload as Ledger["released"]
      return { ok: true, task, owner }
    }
    case "updated":
      return { ok: true, claim: (payload as Ledger["updated"]).claim }
    case "checkpointed": {
      const { claim } = payload as Ledger["checkpointed"]
      return { ok: true, task: claim.task, version: claim.version }
    }
    case "handed": {
      const { claim, note, previousOwner } = payload as Ledger["handed"]
      return { ok: true, claim, previousOwner, note }
    }
    case "declared": {
      const { again, task } = payload as Ledger["declared"]
      return { ok: true, task, again }
    }
    case "planned":
      return { ok: true, task: (payload as Ledger["planned"]).task }
    case "progress":
      return { ok: true, note: (payload as Talk["progress"]).note }
    case "offered":
      return { ok: true, offer: (payload as Talk["offered"]).offer }
    default:
      return undefined
  }
}

/** What goes into the log of a request with a key. */
export const appliedOf = (ask: coordination.Ask, by: Asker, digest: string | undefined): coordination.Applied | undefined =>
  digest === undefined || !("key" in ask) || ask.key === undefined ? undefined : { seat: by.seat, verb: ask.verb, key: ask.key, digest }

/** A request that was decided before its answer could be given, and comes again. */
export const decidedBefore = (desk: Desk, request: string): coordination.Answer | undefined => {
  const before = desk.state.answered.get(request)
  return before === undefined ? undefined : answerOf(before.kind, before.payload)
}
