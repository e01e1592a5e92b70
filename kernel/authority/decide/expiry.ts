// What time ends: questions that nobody answered, and grants that are over.
import * as HashMap from "effect/HashMap"
import { expiriesAtOnceMax } from "../../limits.ts"
import { sameTrace, type Entry } from "../entry.ts"
import type { AuthorityState } from "../state/state.ts"
import type { Decision } from "./decision.ts"
import { endingOf } from "./ending.ts"

/** Escalations that expire to a refusal, and grants that are over: so many at once that one batch can hold them. */
export const decideExpiry: Decision<void> = (state, now) => {
  const entries: Array<Entry> = []
  for (const warrant of HashMap.values(state.warrants)) {
    if (entries.length >= expiriesAtOnceMax) break
    if (warrant.state === "escalated" && warrant.expiresAt !== null && now >= warrant.expiresAt) {
      entries.push({ kind: "warrant.expired", at: now, warrant: warrant.id, system: warrant.system, ...sameTrace(warrant) })
    }
  }
  const over = [...HashMap.values(state.grants)]
    .filter(({ grant }) => grant.caveats.expiresAt !== undefined && now >= grant.caveats.expiresAt)
    .slice(0, expiriesAtOnceMax)
    .map(({ grant }) => grant.id)
  const ending = endingOf(state, over, null, "expired", now)
  if (ending !== undefined) entries.push(ending.entry)
  return { entries, answer: undefined }
}

/** When the next expiry is due, in kernel time. */
export const nextExpiry = (state: AuthorityState): number | undefined => {
  let next: number | undefined
  const consider = (at: number | null | undefined): void => {
    if (at !== null && at !== undefined && (next === undefined || at < next)) next = at
  }
  for (const warrant of HashMap.values(state.warrants)) if (warrant.state === "escalated") consider(warrant.expiresAt)
  for (const { grant } of HashMap.values(state.grants)) consider(grant.caveats.expiresAt)
  return next
}
