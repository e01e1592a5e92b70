// Why: who changed a path last and with what authority, or why an event exists, back to what started it and on to the
// actions that were asked for because of it. Everything is found by an index, and bounded.
import * as Effect from "effect/Effect"
import type { Because, Why } from "../../../protocol/approval.ts"
import type { Event } from "../../../protocol/event.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { actionGate, journal as journalChannel } from "../../../protocol/well-known.ts"
import { pageEventsMax, subjectLengthMax, whyDepthMax, whyEntriesMax, whyStepsMax } from "../../limits.ts"
import type { StoreService } from "../../store/store.ts"
import { entryOf } from "../entry.ts"
import type { Journal } from "../journal.ts"
import { tell, type Told } from "./story.ts"

export interface WhyOptions {
  readonly journal: Journal
  readonly store: StoreService
}

/** States of an action that may have changed something. */
const touched: ReadonlySet<Warrant["state"]> = new Set<Warrant["state"]>(["started", "succeeded", "unknown"])

const inWords = ({ approvals, editedBy, grant, rule, standing, state, verdict }: Warrant & { readonly verdict: string }): string => [
  state,
  `rule ${rule}${verdict === "" ? "" : ` (${verdict})`}`,
  `grant ${grant ?? "none"}`,
  ...(editedBy === undefined ? [] : [`arguments by ${editedBy}`]),
  ...(approvals === undefined || approvals.length === 0 ? [] : [`approved by ${approvals.map(({ by }) => by).join(", ")}`]),
  ...(standing === undefined ? [] : [`by ${standing}`])
].join("; ")

const ofWarrant = ({ verdict, warrant }: Told, depth: number): Because => ({
  depth, is: "warrant", id: warrant.id, at: warrant.requestedAt, by: warrant.system, what: `${warrant.executor} on ${warrant.target}`,
  detail: inWords({ ...warrant, verdict })
})

const ofEvent = (event: Event, depth: number): Because => ({
  depth, is: event.channel === actionGate ? "request" : "event", id: event.id, at: event.recordedAt, by: event.sender,
  what: `${event.channel}#${event.cursor}`, detail: event.kind
})

/**
 * Targets that may mean a path, the most exact one first: as it is, and below a folder that is a root of the executor
 * (`out/a.md` may be `a.md` below the root `out`, or `out:a.md`).
 */
export const targetsFor = (path: string): ReadonlyArray<string> => {
  const plain = path.replace(/^(?:\.\/)+/u, "")
  const segments = plain.split("/").filter((segment) => segment !== "")
  const targets = new Set([path, plain])
  for (let at = 1; at < Math.min(segments.length, 64); at++) {
    const rest = segments.slice(at).join("/")
    targets.add(`${segments[at - 1]!}:${rest}`)
    targets.add(rest)
  }
  return [...targets].filter((target) => target !== "" && target.length <= subjectLengthMax)
}

export const makeWhy = ({ journal, store }: WhyOptions): (asked: string) => Effect.Effect<Why> => {
  const storyOf = (id: string): Effect.Effect<Told | undefined> =>
    Effect.map(Effect.orDie(journal.about(id)), (placed) => placed.reduce<Told | undefined>((told, { entry }) => tell(told, entry), undefined))
  const eventOf = (id: string): Effect.Effect<Event | undefined> => Effect.orElseSucceed(store.event(id), () => undefined)

  /** The newest action on a target that may have changed it; looked for in windows that grow from the head back. */
  const lastOn = Effect.fnUntraced(function*(target: string): Effect.fn.Return<Told | undefined> {
    const head = journal.state().cursor
    let looked = 0
    for (let before = head, width = 1_000; before > 0 && looked < whyEntriesMax; width *= 8) {
      const from = Math.max(0, before - width)
      const found: Array<Event> = []
      for (let after = from; ; ) {
        const page = yield* Effect.orDie(store.read(journalChannel, { after, limit: pageEventsMax, filter: { subject: target } }))
        found.push(...page.events.filter(({ cursor }) => cursor <= before))
        const last = page.events.at(-1)
        if (last === undefined || last.cursor >= before || page.events.length < pageEventsMax || found.length >= whyEntriesMax) break
        after = last.cursor
      }
      looked += found.length
      for (const event of found.reverse()) {
        const entry = entryOf(event)
        // What only looks changes nothing.
        if (entry.kind !== "action.decided" || entry.warrant.risk === "low" || entry.warrant.state === "denied") continue
        const told = yield* storyOf(entry.warrant.id)
        if (told !== undefined && touched.has(told.warrant.state)) return told
      }
      before = from
    }
    return undefined
  })

  interface Step { readonly id: string; readonly depth: number }

  /** What led to these, breadth first, each once. */
  const follow = Effect.fnUntraced(function*(start: ReadonlyArray<Step>): Effect.fn.Return<Pick<Why, "because" | "warrant" | "cut">> {
    const because: Array<Because> = []
    const seen = new Set<string>()
    const next = [...start]
    let warrant: string | null = null
    let cut = false
    for (let step = next.shift(); step !== undefined; step = next.shift()) {
      const { depth, id } = step
      if (seen.has(id)) continue
      if (because.length >= whyStepsMax || depth > whyDepthMax) {
        cut = true
        break
      }
      seen.add(id)
      const told = yield* storyOf(id)
      if (told !== undefined) {
        because.push(ofWarrant(told, depth))
        warrant ??= id
      }
      const event = yield* eventOf(id)
      if (event === undefined) continue
      because.push(ofEvent(event, depth))
      for (const parent of event.parentIds) next.push({ id: parent, depth: depth + 1 })
      // A reply says what it answers.
      if (event.correlationId !== null && event.correlationId !== id) next.push({ id: event.correlationId, depth: depth + 1 })
    }
    return { because, warrant, cut }
  })

  /** Actions that were asked for because of it, and what was asked for because of their requests. */
  const effectsOf = Effect.fnUntraced(function*(id: string): Effect.fn.Return<{ readonly effects: ReadonlyArray<Because>; readonly cut: boolean }> {
    const effects: Array<Because> = []
    const next: Array<Step> = [{ id, depth: 1 }]
    const seen = new Set([id])
    for (let step = next.shift(); step !== undefined; step = next.shift()) {
      if (step.depth > whyDepthMax) return { effects, cut: true }
      const { events } = yield* Effect.orDie(store.read(actionGate, { after: 0, limit: whyStepsMax, filter: { parentId: step.id } }).pipe(
        Effect.catchTag("Gap", ({ floor }) => store.read(actionGate, { after: floor, limit: whyStepsMax, filter: { parentId: step!.id } }))
      ))
      for (const event of events) {
        if (seen.has(event.id)) continue
        if (effects.length >= whyStepsMax) return { effects, cut: true }
        seen.add(event.id)
        const told = yield* storyOf(event.id)
        effects.push(told === undefined ? ofEvent(event, step.depth) : ofWarrant(told, step.depth))
        next.push({ id: event.id, depth: step.depth + 1 })
      }
    }
    return { effects, cut: false }
  })

  return Effect.fnUntraced(function*(asked: string): Effect.fn.Return<Why> {
    const told = yield* storyOf(asked)
    if (told !== undefined || (yield* eventOf(asked)) !== undefined) {
      const back = yield* follow([{ id: asked, depth: 0 }])
      const forward = yield* effectsOf(asked)
      return { asked, as: told === undefined ? "event" : "request", ...back, effects: forward.effects, cut: back.cut || forward.cut }
    }
    for (const target of targetsFor(asked)) {
      const last = yield* lastOn(target)
      if (last === undefined) continue
      const back = yield* follow([{ id: last.warrant.id, depth: 0 }])
      const forward = yield* effectsOf(last.warrant.id)
      return { asked, as: "path", ...back, effects: forward.effects, cut: back.cut || forward.cut }
    }
    return { asked, as: "path", because: [], effects: [], warrant: null, cut: false }
  })
}
