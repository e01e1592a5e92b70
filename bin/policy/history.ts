// The journal of this folder decided again with another policy, page by page: what it would newly deny, escalate or allow.
import * as Effect from "effect/Effect"
import type { Policy, Question, Verdict } from "../../protocol/authority.ts"
import type { Event, Page } from "../../protocol/event.ts"
import { routes } from "../../protocol/routes.ts"
import type { ChannelView } from "../../protocol/view.ts"
import { judge, judgedOf } from "../../kernel/authority/decide/ask.ts"
import { entryOf } from "../../kernel/authority/entry.ts"
import { isDecided, questionOf, saidOf, type Decided } from "../../kernel/authority/history.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { sha256Hex } from "../../kernel/power/digest.ts"
import type { Desk } from "../sssn/desk.ts"

export interface Tally {
  readonly system: string
  readonly decided: number
  readonly same: number
  readonly denied: number
  readonly escalated: number
  readonly allowed: number
  /** Cannot be decided again: their bodies were erased, or are not what was decided on. */
  readonly erased: number
  /** Decided before policy was asked: by a missing capability, for example. */
  readonly unasked: number
}

export interface Changed {
  readonly request: string
  readonly at: number
  readonly system: string
  readonly what: string
  readonly was: Verdict["outcome"]
  readonly now: Verdict["outcome"]
  readonly rule: string
  readonly reason: string
}

export interface Redecided {
  readonly version: string
  readonly since: number | null
  /** Entries of the journal that were looked at. */
  readonly entries: number
  readonly systems: ReadonlyArray<Tally>
  /** The newest of them, at most `changesMax`. */
  readonly changes: ReadonlyArray<Changed>
}

/** Changes that are told one by one, and entries that are decided again at once. */
const changesMax = 200
const pageEntries = 250
const asksAtOnce = 64

const digestOf = (value: unknown): string => sha256Hex(canonical(value))

/** The first entry that is not older than this: times of the journal do not go back. */
const firstSince = async (desk: Desk, since: number, head: number): Promise<number> => {
  let [low, high] = [0, head]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [entry] = await desk.ask<ReadonlyArray<Event>>(routes.audit, { query: { after: middle, limit: 1 } })
    if (entry === undefined || entryOf(entry).at >= since) high = middle
    else low = Math.max(middle + 1, entry.cursor)
  }
  return low
}

/** The bodies of requests, as far as they are kept, read in pages from the first to the last of them. */
const bodiesOf = async (desk: Desk, channel: string, decided: ReadonlyArray<Decided>): Promise<ReadonlyMap<string, unknown>> => {
  const wanted = new Set(decided.map(({ request }) => request))
  const cursors = decided.map(({ requestCursor }) => requestCursor)
  const last = Math.max(...cursors)
  const bodies = new Map<string, unknown>()
  const { floor } = await desk.ask<ChannelView>(routes.channel, { id: channel })
  for (let after = Math.max(Math.min(...cursors) - 1, floor); after < last; ) {
    const page = await desk.ask<Page>(routes.read, { id: channel, query: { after, limit: pageEntries } })
    for (const event of page.events) if (wanted.has(event.id)) bodies.set(event.id, event.payload)
    const next = page.events.at(-1)?.cursor
    if (next === undefined) break
    after = next
  }
  return bodies
}

const whatOf = (entry: Decided): string =>
  entry.kind === "action.decided" ? `${entry.warrant.executor} ${entry.warrant.target}` : `${entry.access} ${entry.resource}`

const counters = ["decided", "same", "denied", "escalated", "allowed", "erased", "unasked"] as const
type Counts = { -readonly [Key in (typeof counters)[number]]: number }
const newly = { deny: "denied", escalate: "escalated", allow: "allowed" } as const

/** Decides everything since then again. Holds one page of it at a time. */
export const redecide = async (
  desk: Desk, policy: Policy, { head, onProgress, since }: { readonly head: number; readonly since: number | null; readonly onProgress: (entries: number) => void }
): Promise<Redecided> => {
  const tallies = new Map<string, Counts>()
  let changes: Array<Changed> = []
  let entries = 0

  const verdictOf = (question: Question): Effect.Effect<Verdict> => {
    const known = judgedOf(policy, question)
    return Effect.map(known === undefined ? judge(policy, question) : Effect.succeed(known), policy.ask)
  }

  const decideOne = Effect.fnUntraced(function*(entry: Decided, body: unknown) {
    const counts = tallies.get(entry.system) ?? { decided: 0, same: 0, denied: 0, escalated: 0, allowed: 0, erased: 0, unasked: 0 }
    tallies.set(entry.system, counts)
    counts.decided++
    const question = questionOf(entry, body, digestOf)
    if (typeof question === "string") return void counts[question === "unasked" ? "unasked" : "erased"]++
    const then = saidOf(entry)
    const now = yield* verdictOf(question)
    if (now.outcome === then.outcome) return void counts.same++
    counts[newly[now.outcome]]++
    changes.push({
      request: entry.request, at: entry.at, system: entry.system, what: whatOf(entry), was: then.outcome, now: now.outcome, rule: now.rule, reason: now.reason ?? ""
    })
    if (changes.length > 2 * changesMax) changes = changes.slice(-changesMax)
  })

  for (let after = since === null ? 0 : await firstSince(desk, since, head); ; ) {
    const page = await desk.ask<ReadonlyArray<Event>>(routes.audit, { query: { after, limit: pageEntries } })
    const decided = page.map(entryOf).filter(isDecided)
    for (const channel of new Set(decided.map((entry) => entry.channel))) {
      const ofChannel = decided.filter((entry) => entry.channel === channel)
      const bodies = await bodiesOf(desk, channel, ofChannel)
      await Effect.runPromise(Effect.forEach(ofChannel, (entry) => decideOne(entry, bodies.get(entry.request)), { concurrency: asksAtOnce, discard: true }))
    }
    entries += page.length
    onProgress(entries)
    const last = page.at(-1)
    if (last === undefined || page.length < pageEntries || last.cursor >= head) break
    after = last.cursor
  }
  return {
    version: policy.version, since, entries,
    systems: [...tallies].map(([system, counts]) => ({ system, ...counts })).sort((a, b) => (a.system < b.system ? -1 : 1)),
    changes: changes.slice(-changesMax).reverse()
  }
}
