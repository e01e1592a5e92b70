// A start: the newest whole state and what was written behind it. What cannot be read is passed over and said aloud; where that
// may have been a claim or a part of the plan, it is known as a loss.
import * as Effect from "effect/Effect"
import { coordination, Schema, type Cursor, type Event, type Port, type ReadError } from "aaax"
import { liveScope } from "./desk.ts"
import { ledgerEntry, talkEntry } from "./entries.ts"
import { answeredMax } from "./limits.ts"
import { keepNewest, restoreChat, stepLedger, stepTalk } from "./fold.ts"
import { pagesVersion, stateOfPages } from "./pages.ts"
import { makeState, type State } from "./state.ts"

export const positionName = "coordination.position"

/** Where a whole state lies in the ledger: its pages behind `cursor` and up to `to`; and behind which entry of the talk its chats begin. */
const Place = Schema.Struct({ cursor: Schema.Int, to: Schema.optionalKey(Schema.Int), talk: Schema.optionalKey(Schema.Int) })
export interface Place extends Schema.Schema.Type<typeof Place> {}
const Position = Schema.Struct({ ...Place.fields, version: Schema.Int, before: Schema.optionalKey(Place), scopes: Schema.optionalKey(Schema.Int) })
type Position = typeof Position.Type
const positionOf = Schema.decodeUnknownOption(Position)

export interface Loaded {
  readonly state: State
  /** The newest cursors of ledger and talk. */
  readonly ledger: Cursor
  readonly talk: Cursor
  /** Behind which the oldest chat lies that is not in the state's pages, and its message at least. */
  readonly talkFrom: Cursor
  readonly talkMessage: number
  /** Entries behind the newest whole state. */
  readonly behind: number
  /** The whole state that it began with; nothing: everything was folded from the first entry on. */
  readonly place: Place | undefined
  /** Scopes that had been said since those that ended were forgotten, or more. */
  readonly scopes: number
  /** Entries that could not be read, losses among them: how many, and where they lie. */
  readonly unread: number
  readonly unreadable: ReadonlyArray<string>
}

const pageEvents = 1_000
/** More than any number of scopes after which they are forgotten. */
const unknownMany = 1_000_000_000
/** Runs of unreadable entries that are told one by one, of each channel. */
const runsMax = 1_000

/** Entries that cannot be read, as runs of them. */
class Runs {
  readonly runs: Array<{ from: Cursor; to: Cursor; reason: string }> = []
  entries = 0

  add(cursor: Cursor, reason: string): void {
    this.entries++
    const last = this.runs[this.runs.length - 1]
    if (last !== undefined && ((last.to === cursor - 1 && last.reason === reason) || this.runs.length === runsMax)) last.to = cursor
    else this.runs.push({ from: cursor, to: cursor, reason })
  }
}

const namesOf = (channel: string, { runs }: Runs): ReadonlyArray<string> => runs.map(({ from, reason, to }) => `${channel}#${from}${to === from ? "" : `..${to}`}: ${reason}`)

/** What comes behind a cursor. What the store cannot read is passed over. */
const follow = (
  port: Port, channel: string, from: Cursor, each: (event: Event) => void, unreadable: (cursor: Cursor, reason: string) => void, fullLog = true
): Effect.Effect<Cursor, ReadError> =>
  Effect.gen(function*() {
    let after = from
    let limit = pageEvents
    for (;;) {
      const page = yield* Effect.catchTag(port.read(channel, { after, limit, fullLog }), ["Gap", "StoreCorrupt"], (error) => Effect.succeed(error))
      if (!("events" in page)) {
        if (page._tag === "Gap") after = page.floor
        else if (limit > 1) limit = 1
        else unreadable(++after, page.reason)
        continue
      }
      limit = pageEvents
      for (const event of page.events) each(event)
      if (page.next === after && page.next < page.head) return yield* Effect.die(new Error(`${channel} ends before its head`))
      after = Math.max(after, page.next)
      if (after >= page.head) return after
    }
  })

/** Where whole states lie, the newest first, as far as that is known. */
const placesOf = (port: Port): Effect.Effect<{ readonly places: ReadonlyArray<Place>; readonly scopes: number }, ReadError> =>
  Effect.map(
    Effect.catchTag(port.getSnapshot(positionName), ["SnapshotNotFound", "StoreCorrupt"], () => Effect.succeed(undefined)),
    (snapshot) => {
      const position = positionOf(snapshot?.value)
      if (position._tag === "None" || position.value.version !== pagesVersion) return { places: [], scopes: unknownMany }
      const { before, cursor, scopes = unknownMany, talk, to }: Position = position.value
      return { scopes, places: [{ cursor, ...(to === undefined ? {} : { to }), ...(talk === undefined ? {} : { talk }) }, ...(before === undefined ? [] : [before])] }
    }
  )

/** Up to where entries are gone: what is read from the start on begins there. */
const floorOf = (port: Port): Effect.Effect<Cursor, ReadError> =>
  Effect.catchTag(Effect.as(port.read(coordination.ledger, { after: 1, limit: 1, fullLog: true }), 0), ["Gap", "StoreCorrupt"], (error) => Effect.succeed(error._tag === "Gap" ? error.floor : 0))

/** `chats`: messages that are kept at most. */
export const load = (port: Port, chats: number): Effect.Effect<Loaded, ReadError> =>
  Effect.gen(function*() {
    const { places, scopes } = yield* placesOf(port)
    for (const place of places) {
      const from = place.cursor === 0 && place.to === undefined ? undefined : yield* loadFrom(port, chats, place.cursor, places)
      if (from !== undefined) return { ...from, scopes: scopes + from.behind }
    }
    // Nothing that can be gone on from: everything that is there is folded again.
    const all = (yield* loadFrom(port, chats, undefined, places))!
    return { ...all, scopes: scopes + all.behind }
  })

/** Goes on from the whole state behind `start`, or from the first entry on. Nothing: the state is not there. */
const loadFrom = (port: Port, chats: number, start: Cursor | undefined, places: ReadonlyArray<Place>): Effect.Effect<Omit<Loaded, "scopes"> | undefined, ReadError> =>
  Effect.gen(function*() {
    const floor = start ?? (yield* floorOf(port))
    let state = makeState(chats)
    let place: Place | undefined
    let talk = { from: 0, to: 0 }
    let talkMessage = 0
    let pages: Array<string> = []
    let first: Cursor = 0
    let isWhole = start === undefined && floor === 0
    let behind = 0
    const [passed, unheard] = [new Runs(), new Runs()]
    let lost = new Runs()
    /** Lost is what nothing else tells of. */
    const lose = (cursor: Cursor, reason: string): void => {
      const isPage = places.some((one) => one.to !== undefined && cursor > one.cursor && cursor <= one.to)
      ;(isPage ? passed : lost).add(cursor, reason)
    }
    /** What could not be read behind this cursor changes nothing after all. */
    const passBehind = (behindOf: Cursor): void => {
      const all = lost
      lost = new Runs()
      for (const { from, reason, to } of all.runs) for (let cursor = from; cursor <= to; cursor++) (cursor > behindOf ? passed : lost).add(cursor, reason)
    }
    const whole = (event: Event, { part, parts, text }: coordination.LedgerEntries["state"]): void => {
      // The pages of a state lie one behind the other: what could not be read right before this one was of them.
      if (part > 1 && lost.entries > 0) passBehind(event.cursor - part)
      if (part === 1) {
        pages = []
        first = event.cursor
      }
      if ((isWhole && lost.entries === 0) || part !== pages.length + 1) return
      pages.push(text)
      if (pages.length < parts) return
      const read = stateOfPages(pages.join(""), chats)
      if (read === undefined) return
      // Whoever wrote it had read what cannot be read now.
      passBehind(0)
      isWhole = true
      behind = 0
      ;({ state, talk } = read)
      talkMessage = state.chats.size === 0 ? 0 : Math.max(...state.chats.keys()) + 1
      place = { cursor: first - 1, to: event.cursor, talk: talk.from }
    }
    const ledger = yield* follow(port, coordination.ledger, floor, (event) => {
      const entry = ledgerEntry(event.kind, event.payload)
      if (entry === null) return
      if (entry === undefined) return event.kind === "state" ? passed.add(event.cursor, "a page of the state is not whole") : lose(event.cursor, `${event.kind} is not whole`)
      if (entry.kind === "state") return whole(event, entry.payload)
      if (entry.kind === "accepted") lost = new Runs()
      behind++
      stepLedger(state, entry, event.recordedAt)
      if (event.correlationId !== null) keepNewest(state.answered, event.correlationId, entry, answeredMax)
    }, lose)
    if (!isWhole) {
      if (start !== undefined) return undefined
      lost.runs.unshift({ from: 1, to: floor, reason: "it is not there any more, and no whole state tells of it" })
      lost.entries++
    }
    if (lost.entries > 0) state.losses = { entries: lost.entries, places: lost.runs, scopes: [] }
    /** Entries of the talk behind the newest message. */
    let since = 0
    const mishear = (cursor: Cursor, reason: string): void => {
      since++
      unheard.add(cursor, reason)
    }
    const head = yield* follow(port, coordination.talk, talk.from, (event) => {
      const entry = talkEntry(event.kind, event.payload)
      if (entry === undefined) return mishear(event.cursor, `${event.kind} is not whole`)
      if (entry === null) return
      if (entry.kind === "chat") since = 0
      if (event.cursor > talk.to) {
        stepTalk(state, entry, event.recordedAt)
        if (event.correlationId !== null) keepNewest(state.answered, event.correlationId, entry, answeredMax)
      } else if (entry.kind === "chat") restoreChat(state, entry.payload.chat)
    }, mishear)
    // Each may have been a message: no number is given twice.
    state.message += since
    state.notes.sort((a, b) => a.at - b.at)
    return { state, ledger, talk: head, talkFrom: talk.from, talkMessage, behind, place, unread: lost.entries + passed.entries + unheard.entries, unreadable: [...namesOf(coordination.ledger, lost), ...namesOf(coordination.ledger, passed), ...namesOf(coordination.talk, unheard)] }
  })

export interface Said {
  /** What is said of live scopes and is not so, or is so and not said. */
  readonly wrong: ReadonlyArray<coordination.LiveScope>
  /** Said to be live, of a claim that the ledger has nothing of. */
  readonly doubtful: ReadonlyArray<coordination.LiveScope>
  /** The largest epoch that anything was said of. */
  readonly epoch: number
}

/** What is said of live scopes, held against the claims. As long as some may be lost, nothing is said to have ended. */
export const scopesSaid = (port: Port, state: State): Effect.Effect<Said, ReadError> =>
  Effect.gen(function*() {
    const said = new Map<string, { readonly epoch: number; readonly live: boolean; readonly scope: coordination.LiveScope | undefined }>()
    let newest = 0
    yield* follow(port, coordination.epochs, 0, ({ kind, payload, subject }) => {
      if (subject === null || typeof payload !== "object" || payload === null || !("epoch" in payload)) return
      const epoch = Number(payload.epoch)
      if (!Number.isSafeInteger(epoch)) return
      newest = Math.max(newest, epoch)
      const live = kind === "scope"
      said.set(subject, { epoch, live, scope: live && state.losses !== undefined ? payload as unknown as coordination.LiveScope : undefined }) // written by a coordinator
    }, () => {}, false)
    const wrong: Array<coordination.LiveScope> = []
    const doubtful: Array<coordination.LiveScope> = []
    for (const claim of state.claims.values()) {
      const one = said.get(claim.task)
      if (one?.live === true && one.epoch === claim.epoch) continue
      if (state.losses === undefined || one === undefined || one.epoch < claim.epoch) wrong.push(liveScope(claim))
    }
    for (const [task, { epoch, live, scope }] of said) {
      if (!live) continue
      const claim = state.claims.get(task)
      if (state.losses === undefined) {
        if (claim === undefined) wrong.push({ task, epoch, ended: true })
      } else if (scope !== undefined && (claim === undefined || claim.epoch < epoch)) doubtful.push(scope)
    }
    return { wrong, doubtful, epoch: newest }
  })
