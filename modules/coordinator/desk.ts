// The desk: what one turn of decisions writes. A decision enters its changes here, and they are in the state at once for
// the decision behind it; they are said to nobody before they are kept.
import type { coordination, Draft, SystemId } from "aaax"
import { keepNewest, stepLedger, stepTalk, type LedgerEntry, type TalkEntry } from "./fold.ts"
import { answeredMax, entryTextMax } from "./limits.ts"
import { invalid } from "./refusal.ts"
import type { State } from "./state.ts"

/** Who asks, and when: `at` is kernel time, and never goes back. */
export interface Asker {
  /** The request's event. */
  readonly id: string
  readonly seat: string
  readonly system: SystemId
  readonly at: number
}

export interface Weighed {
  readonly draft: Draft
  /** Strings in it, in UTF-16 code units, and some for each of its members. */
  readonly weight: number
}

export class Desk {
  readonly state: State
  now = 0
  ledger: Array<Weighed> = []
  epochs: Array<Weighed> = []
  talk: Array<Weighed> = []
  presence: Array<Weighed> = []
  replies: Array<Weighed> = []
  /** Claims that were granted, and to which request. */
  granted: Array<{ readonly claim: coordination.Claim; readonly request: string | null }> = []
  /** Inboxes that are waited for from now on, and for how long. */
  waits: Array<{ readonly seat: string; readonly request: string; readonly millis: number }> = []

  /** A loss was accepted: what is known now is what is so. */
  isMended = false

  constructor(state: State) {
    this.state = state
  }

  /** A change that is kept with the claims and the plan. */
  enter(entry: LedgerEntry, cause: string | null): void {
    stepLedger(this.state, entry, this.now)
    if (cause !== null) keepNewest(this.state.answered, cause, entry, answeredMax)
    this.ledger.push(weighed({ kind: entry.kind, payload: entry.payload, correlationId: cause }))
    const { kind, payload } = entry
    if (kind === "claimed" || kind === "handed") {
      this.granted.push({ claim: payload.claim, request: cause })
      this.scope(liveScope(payload.claim))
    } else if (kind === "released" || kind === "expired") this.scope({ task: payload.task, epoch: payload.epoch, ended: true })
  }

  /** What is so of a task's scope. */
  scope(scope: coordination.LiveScope): void {
    this.epochs.push(weighed({ kind: "ended" in scope ? "ended" : "scope", subject: scope.task, payload: scope }))
  }

  /** What is said. */
  say(entry: TalkEntry, cause: string | null): void {
    stepTalk(this.state, entry, this.now)
    if (cause !== null) keepNewest(this.state.answered, cause, entry, answeredMax)
    this.talk.push(weighed({ kind: entry.kind, payload: entry.payload, correlationId: cause }))
  }

  /** `cause`: the request whose asker hears of it as everybody does. */
  show<K extends keyof coordination.PresenceEntries>(kind: K, payload: coordination.PresenceEntries[K], cause: string | null = null): void {
    this.presence.push(weighed({ kind, payload, correlationId: cause }))
  }

  answer(request: string, system: SystemId, payload: coordination.Answer): void {
    this.state.waiting.end(request)
    const answer = weighed({ kind: "answer", recipient: system, correlationId: request, payload })
    // Each of its letters may take six.
    const isTooMuch = answer.weight * 6 > entryTextMax && JSON.stringify(payload).length > entryTextMax
    this.replies.push(isTooMuch ? weighed({ ...answer.draft, payload: invalid("The answer does not fit into one. Ask for less at once.") }) : answer)
  }

  notify(system: SystemId, payload: coordination.Notice): void {
    this.replies.push(weighed({ kind: "notice", recipient: system, payload }))
  }
}

export const liveScope = (claim: coordination.Claim): coordination.LiveScope => ({
  task: claim.task, epoch: claim.epoch, owner: claim.owner, holder: claim.holder, worktree: claim.worktree, paths: claim.paths,
  mutex: claim.mutex === true, ...(claim.git === undefined ? {} : { branch: claim.git.branch }), expiresAt: claim.expiresAt
})

const weighed = (draft: Draft): Weighed => ({ draft, weight: weightOf(draft.payload) })

/** Roughly how long the JSON text of a value is when each of its letters takes one. */
export const weightOf = (value: unknown): number => {
  if (typeof value === "string") return value.length + 3
  if (typeof value !== "object" || value === null) return 6
  let weight = 4
  if (Array.isArray(value)) for (const item of value) weight += weightOf(item)
  else {
    const record = value as Readonly<Record<string, unknown>> // an object that is no array
    for (const key in record) weight += key.length + weightOf(record[key])
  }
  return weight
}
