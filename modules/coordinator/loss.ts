// Losses: entries of the ledger that cannot be read. One of them may have granted what somebody else would be granted now, so
// nothing of claims and plan is changed until the operator gives them up.
import { coordination } from "aaax"
import { liveScope, type Asker, type Desk } from "./desk.ts"
import { nameLengthMax } from "./limits.ts"
import { pageOf } from "./page.ts"
import * as refusal from "./refusal.ts"
import type { State } from "./state.ts"

type AcceptAsk = Extract<coordination.Ask, { readonly verb: "accept-loss" }>

export const changesLedger: ReadonlySet<coordination.Verb> = new Set(["claim", "release", "update", "handoff", "checkpoint", "declare", "plan"])

/** Places and tasks that are named where a loss is told or recorded. */
const namedMax = 100

export const losses = ({ losses: found }: State): coordination.Answer<"losses"> => ({
  ok: true, entries: found?.entries ?? 0, places: found?.places.slice(0, namedMax) ?? [], scopes: pageOf(found?.scopes ?? [], () => "", namedMax).items
})

/** From now on what is known is what is so. Who had been granted what cannot be read has lost it. */
export const accept = (desk: Desk, by: Asker, ask: AcceptAsk): coordination.Answer<"accept-loss"> => {
  const { state } = desk
  const found = state.losses
  if (by.system !== coordination.operator) return refusal.operatorOnly
  if (found === undefined) return { ok: true, entries: 0 }
  if (ask.entries !== undefined && ask.entries !== found.entries) return refusal.ledgerDamaged(found)
  const tasks = found.scopes.map(({ task }) => task).slice(0, namedMax)
  const who = (ask.by ?? coordination.operator).slice(0, nameLengthMax)
  desk.enter({ kind: "accepted", payload: { by: who, at: desk.now, entries: found.entries, places: found.places.slice(0, namedMax), tasks } }, by.id)
  state.losses = undefined
  desk.isMended = true
  for (const { epoch, task } of found.scopes) {
    const claim = state.claims.get(task)
    desk.scope(claim === undefined ? { task, epoch, ended: true } : liveScope(claim))
  }
  // What ended meanwhile ends now.
  for (const claim of state.claims.values()) if (claim.expiresAt <= desk.now) state.timers.add(desk.now, "lapse", `${claim.epoch}/${claim.task}`)
  return { ok: true, entries: found.entries }
}
