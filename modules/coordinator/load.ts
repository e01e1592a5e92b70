// A start: the newest whole state and what was written behind it. What cannot be read is passed over, counted and said aloud.
import * as Effect from "effect/Effect"
import { coordination, Schema, type Cursor, type Event, type Port, type ReadError } from "aaax"
import { liveScope } from "./desk.ts"
import { ledgerEntry, talkEntry } from "./entries.ts"
import { answeredMax } from "./limits.ts"
import { keepNewest, restoreChat, stepLedger, stepTalk } from "./fold.ts"
import { pagesVersion, stateOfPages, type TalkPart } from "./pages.ts"
import { makeState, type State } from "./state.ts"

export const positionName = "coordination.position"
const Position = Schema.Struct({ version: Schema.Int, cursor: Schema.Int })
const positionOf = Schema.decodeUnknownOption(Position)

export interface Loaded {
  readonly state: State
  /** The newest cursors of ledger and talk. */
  readonly ledger: Cursor
  readonly talk: Cursor
  /** Behind which the oldest chat that is kept lies. */
  readonly talkFrom: Cursor
  /** Entries behind the newest whole state. */
  readonly behind: number
  /** Entries that could not be read: where they lie. */
  readonly unreadable: ReadonlyArray<string>
}

const pageEvents = 1_000

/** What comes behind a cursor. What the store cannot read is passed over. */
const follow = (
  port: Port, channel: string, from: Cursor, each: (event: Event) => void, unreadable: Array<string>, fullLog = true
): Effect.Effect<Cursor, ReadError> =>
  Effect.gen(function*() {
    let after = from
    let limit = pageEvents
    for (;;) {
      const page = yield* Effect.catchTag(port.read(channel, { after, limit, fullLog }), ["Gap", "StoreCorrupt"], (error) => Effect.succeed(error))
      if (!("events" in page)) {
        if (page._tag === "Gap") after = page.floor
        else if (limit > 1) limit = 1
        else unreadable.push(`${channel}#${++after}: ${page.reason}`)
        continue
      }
      limit = pageEvents
      for (const event of page.events) each(event)
      if (page.next === after && page.next < page.head) return yield* Effect.die(new Error(`${channel} ends before its head`))
      after = Math.max(after, page.next)
      if (after >= page.head) return after
    }
  })

/** Where the newest whole state begins. */
const startOf = (port: Port): Effect.Effect<Cursor, ReadError> =>
  Effect.map(
    Effect.catchTag(port.getSnapshot(positionName), ["SnapshotNotFound", "StoreCorrupt"], () => Effect.succeed(undefined)),
    (snapshot) => {
      const position = positionOf(snapshot?.value)
      return position._tag === "Some" && position.value.version === pagesVersion ? position.value.cursor : 0
    }
  )

export const load = (port: Port): Effect.Effect<Loaded, ReadError> =>
  Effect.gen(function*() {
    const start = yield* startOf(port)
    const from = start === 0 ? undefined : yield* loadFrom(port, start)
    if (from !== undefined) return from
    // Nothing that can be gone on from: everything is folded again.
    return (yield* loadFrom(port, 0))!
  })

const loadFrom = (port: Port, start: Cursor): Effect.Effect<Loaded | undefined, ReadError> =>
  Effect.gen(function*() {
    let state = makeState()
    let talk: TalkPart = { from: 0, to: 0 }
    let pages: Array<string> = []
    let isWhole = start === 0
    let behind = 0
    let isFirst = true
    const unreadable: Array<string> = []
    const ledger = yield* follow(port, coordination.ledger, start, (event) => {
      const entry = ledgerEntry(event.kind, event.payload)
      if (entry === undefined) unreadable.push(`${event.channel}#${event.cursor}: ${event.kind} is not whole`)
      // Behind what was evicted, the first whole state is where it begins.
      if (isFirst && start === 0 && event.cursor > 1) isWhole = false
      isFirst = false
      if (entry?.kind === "state") {
        const { part, parts, text } = entry.payload
        if (part === 1) pages = []
        if (isWhole || part !== pages.length + 1) return
        pages.push(text)
        if (pages.length < parts) return
        const read = stateOfPages(pages.join(""))
        if (read === undefined) return
        isWhole = true
        ;({ state, talk } = read)
        return
      }
      if (entry === undefined || entry === null) return
      behind++
      stepLedger(state, entry, event.recordedAt)
      if (event.correlationId !== null) keepNewest(state.answered, event.correlationId, entry, answeredMax)
    }, unreadable)
    if (!isWhole && start > 0) return undefined
    const head = yield* follow(port, coordination.talk, talk.from, (event) => {
      const entry = talkEntry(event.kind, event.payload)
      if (entry === undefined) unreadable.push(`${event.channel}#${event.cursor}: ${event.kind} is not whole`)
      if (entry === undefined || entry === null) return
      if (event.cursor > talk.to) {
        stepTalk(state, entry, event.recordedAt)
        if (event.correlationId !== null) keepNewest(state.answered, event.correlationId, entry, answeredMax)
      } else if (entry.kind === "chat") restoreChat(state, entry.payload.chat)
    }, unreadable)
    state.notes.sort((a, b) => a.at - b.at)
    return { state, ledger, talk: head, talkFrom: talk.from, behind, unreadable }
  })

/** What is said of live scopes and is not so, or is so and not said. */
export const scopesToSay = (port: Port, state: State): Effect.Effect<ReadonlyArray<coordination.LiveScope>, ReadError> =>
  Effect.gen(function*() {
    const said = new Map<string, number>()
    const wrong: Array<coordination.LiveScope> = []
    yield* follow(port, coordination.epochs, 0, (event) => {
      if (event.subject === null) return
      const { payload } = event
      const isLive = event.kind === "scope" && typeof payload === "object" && payload !== null && "epoch" in payload
      said.set(event.subject, isLive ? Number(payload.epoch) : -1)
    }, [], false)
    for (const claim of state.claims.values()) if (said.get(claim.task) !== claim.epoch) wrong.push(liveScope(claim))
    for (const [task, epoch] of said) if (epoch >= 0 && !state.claims.has(task)) wrong.push({ task, epoch, ended: true })
    return wrong
  })
