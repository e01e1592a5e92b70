// The coordinator's life: takes what is asked, decides it in order, keeps what that changes as one batch, and answers only then.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { coordination, wellKnown, type AppendError, type Cursor, type Draft, type Port, type ReadError, type Settlement, type SystemId, type Taken, type WrongDelivery } from "aaax"
import { appendBehind, appendSurely, batchesOf } from "./append.ts"
import { decide, lapse, type Request } from "./decide.ts"
import { Desk, weightOf, type Weighed } from "./desk.ts"
import { textOf } from "./keyed.ts"
import { load, positionName, scopesToSay } from "./load.ts"
import { pagesOf, pagesVersion } from "./pages.ts"
import { requestsAtOnceMax, stateEvery, turnTextMax } from "./limits.ts"
import { inboxIsDue } from "./mail.ts"
import { served } from "./line.ts"
import { beat, misses } from "./presence.ts"
import * as refusal from "./refusal.ts"
import { takeOver, type State } from "./state.ts"
import { callerOn, callsLine, underWayOf } from "./under-way.ts"

type Failure = AppendError | ReadError | WrongDelivery

/** What one run of the coordinator holds. */
class Life {
  readonly port: Port
  readonly busy = Semaphore.makeUnsafe(1)
  desk: Desk
  ledger: Cursor
  talk: Cursor
  /** Cursors of the talk and the first message behind each, so that the place of the oldest that is kept is known. */
  marks: Array<{ readonly message: number; readonly cursor: Cursor }>
  /** Entries behind the newest whole state. */
  behind: number
  docked: ReadonlySet<SystemId> = new Set()
  isDraining = false
  /** The kernel says here what it is doing. */
  isToldOfCalls = false
  readonly scope: Scope.Scope

  constructor(port: Port, scope: Scope.Scope, loaded: Effect.Success<ReturnType<typeof load>>) {
    this.port = port
    this.scope = scope
    this.desk = new Desk(loaded.state)
    this.ledger = loaded.ledger
    this.talk = loaded.talk
    this.marks = [{ message: 0, cursor: loaded.talkFrom }]
    this.behind = loaded.behind
  }

  get state(): State {
    return this.desk.state
  }
}

const lives = new WeakMap<Port, Life>()

const open = (port: Port, scope: Scope.Scope): Effect.Effect<Life, Failure> =>
  Effect.gen(function*() {
    const loaded = yield* load(port)
    for (const where of loaded.unreadable.slice(0, 20)) yield* Effect.logError(`an entry of the coordination log cannot be read and is passed over: ${where}`)
    if (loaded.unreadable.length > 20) yield* Effect.logError(`${loaded.unreadable.length - 20} more entries of the coordination log cannot be read`)
    const scopes = yield* scopesToSay(port, loaded.state)
    for (let at = 0; at < scopes.length; at += 100) yield* appendSurely(port, coordination.epochs, scopes.slice(at, at + 100).map(scopeDraft))
    return new Life(port, scope, loaded)
  })

const scopeDraft = (scope: coordination.LiveScope): Draft => ({ kind: "ended" in scope ? "ended" : "scope", subject: scope.task, payload: scope })

export const run = (port: Port): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const life = yield* open(port, yield* Effect.scope)
    lives.set(port, life)
    yield* Effect.forkScoped(followBeats(life))
    yield* Effect.forkScoped(followCalls(life))
    let done: ReadonlyArray<Settlement> = []
    for (;;) {
      const settle = done
      done = []
      const taken = yield* Effect.catch(port.take(coordination.requests, { limit: requestsAtOnceMax, wait: true, settle }), (error): Effect.Effect<ReadonlyArray<Taken>, Failure> =>
        // They took too long and come again; what was decided of them is known.
        error._tag === "LeaseLost" ? Effect.succeed([])
        : life.isDraining && error._tag === "Denied" ? Effect.never
        : Effect.fail(error))
      if (taken.length === 0) continue
      yield* life.busy.withPermit(turns(life, taken))
      done = taken.map(({ cursor, epoch }): Settlement => ({ cursor, epoch, outcome: "ack" }))
    }
  }))

/** Before it is stopped, the whole state is written down. */
export const drain = (port: Port): Effect.Effect<void, Failure> =>
  Effect.suspend(() => {
    const life = lives.get(port)
    if (life === undefined) return Effect.void
    life.isDraining = true
    return life.busy.withPermit(Effect.suspend(() => (life.behind === 0 ? Effect.void : writeState(life))))
  })

/** So much at once that what it writes stays small. */
const turns = (life: Life, taken: ReadonlyArray<Taken>): Effect.Effect<void, Failure> => {
  let text = 0
  for (let at = 0; at < taken.length; at++) {
    text += weightOf(taken[at]!.event.payload)
    if (text > turnTextMax && at > 0) return Effect.andThen(turn(life, taken.slice(0, at)), Effect.suspend(() => turns(life, taken.slice(at))))
  }
  return turn(life, taken)
}

const turn = (life: Life, taken: ReadonlyArray<Taken>): Effect.Effect<void, Failure> =>
  Effect.suspend(() => {
    const keyed = taken.filter(({ event }) => hasKey(event.payload))
    return keyed.length === 0 ? decided(life, taken, undefined) : Effect.flatMap(digestsOf(keyed), (digests) => decided(life, taken, digests))
  })

const hasKey = (payload: unknown): boolean => typeof payload === "object" && payload !== null && "key" in payload && typeof payload.key === "string"

const encoder = new TextEncoder()

const digestsOf = (keyed: ReadonlyArray<Taken>): Effect.Effect<ReadonlyMap<string, string>> =>
  Effect.promise(async () => new Map(await Promise.all(keyed.map(async ({ event }) => {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(textOf(event.payload))))
    return [event.id, Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")] as const
  }))))

/* hot */
const decided = (life: Life, taken: ReadonlyArray<Taken>, digests: ReadonlyMap<string, string> | undefined): Effect.Effect<void, Failure> => {
  const { desk, port } = life
  for (const { attempt, event } of taken) {
    if (event.sender === port.system && event.kind !== "request") own(life, event.kind, event.payload, event.recordedAt)
    else {
      const digest = digests?.get(event.id)
      const request: Request = {
        id: event.id, sender: event.sender, at: event.recordedAt, payload: event.payload, isAgain: attempt > 1, ...(digest === undefined ? {} : { digest })
      }
      decide(desk, request)
    }
  }
  const kept = desk.waits.length === 0 ? commit(life) : Effect.andThen(commit(life), timeWaits(life))
  return Effect.catch(kept, (error) => Effect.andThen(Effect.logError(`coordination could not be written down: ${error.message}`), recover(life, taken, error)))
}

/** What it asks of itself: that time went on, who is docked, and that somebody waited for long enough. */
const own = (life: Life, kind: string, payload: unknown, at: number): void => {
  lapse(life.desk, at)
  if (kind === "beat") beat(life.desk, life.docked)
  else if (kind === "calls") served(life.desk, callsLine)
  else if (kind === "inbox" && isWait(payload)) inboxIsDue(life.desk, payload.seat, payload.request)
}

const isWait = (payload: unknown): payload is { readonly seat: string; readonly request: string } =>
  typeof payload === "object" && payload !== null && "seat" in payload && "request" in payload

/** Asks something of itself, when the store takes it: it is asked again with the next beat. */
const tell = (port: Port, draft: Draft): Effect.Effect<void, Failure> =>
  Effect.catchTag(Effect.asVoid(port.append(coordination.requests, [draft])), ["StoreUnavailable", "AppendUnknown", "Overloaded"], () => Effect.void)

/** So that nobody waits longer than they said. */
const timeWaits = (life: Life): Effect.Effect<void> => {
  const { waits } = life.desk
  life.desk.waits = []
  return Effect.forEach(waits, ({ millis, ...wait }) =>
    Effect.forkIn(Effect.andThen(Effect.sleep(millis), Effect.ignore(tell(life.port, { kind: "inbox", payload: wait }))), life.scope), { discard: true })
}

/* hot */
const commit = (life: Life): Effect.Effect<void, Failure> => {
  const { desk } = life
  const writes: Array<Effect.Effect<void, Failure>> = []
  if (desk.ledger.length > 0) writes.push(keepLedger(life, batchesOf(desk.ledger)))
  if (desk.epochs.length > 0) for (const batch of batchesOf(desk.epochs)) writes.push(appendSurely(life.port, coordination.epochs, batch))
  if (desk.talk.length > 0) writes.push(keepTalk(life, batchesOf(desk.talk)))
  if (desk.presence.length > 0) for (const batch of batchesOf(desk.presence)) writes.push(appendSurely(life.port, coordination.presence, batch))
  const [first] = writes
  if (first === undefined) return answers(life)
  const kept = writes.length === 1 ? first : Effect.all(writes, { concurrency: "unbounded", discard: true })
  return Effect.flatMap(kept, () => answers(life))
}

const keepLedger = (life: Life, batches: ReadonlyArray<ReadonlyArray<Draft>>): Effect.Effect<void, Failure> =>
  Effect.forEach(batches, (batch) =>
    Effect.map(appendBehind(life.port, coordination.ledger, batch, life.ledger), (head) => {
      life.ledger = head
      life.behind += batch.length
    }), { discard: true })

const keepTalk = (life: Life, batches: ReadonlyArray<ReadonlyArray<Draft>>): Effect.Effect<void, Failure> =>
  Effect.forEach(batches, (batch) =>
    Effect.map(appendBehind(life.port, coordination.talk, batch, life.talk), (head) => {
      const first = batch.find(({ kind }) => kind === "chat")
      // Each was made from an entry of the talk.
      if (first !== undefined) life.marks.push({ message: (first.payload as coordination.TalkEntries["chat"]).chat.message, cursor: life.talk })
      life.talk = head
    }), { discard: true })

/** Everything is kept: whoever asked is told. */
const answers = (life: Life): Effect.Effect<void, Failure> => {
  const { desk } = life
  const { granted, replies } = desk
  clear(desk)
  if (granted.length > 0 && life.isToldOfCalls) return Effect.flatMap(heldBack(life, granted, replies), (rest) => answered(life, rest))
  return answered(life, replies)
}

/* hot */
const answered = (life: Life, replies: ReadonlyArray<Weighed>): Effect.Effect<void, Failure> => {
  const batches = batchesOf(replies)
  const told = batches.length === 0 ? Effect.void : batches.length === 1 ? appendSurely(life.port, coordination.replies, batches[0]!) : Effect.forEach(batches, (batch) => appendSurely(life.port, coordination.replies, batch), { discard: true })
  return life.behind >= stateEvery && life.behind >= 2 * life.state.claims.size ? Effect.andThen(told, writeState(life)) : told
}

const clear = (desk: Desk): void => {
  desk.ledger = []
  desk.epochs = []
  desk.talk = []
  desk.presence = []
  desk.replies = []
  desk.granted = []
}

/** What was decided could not be kept: it is forgotten, and the log says what is so. */
const recover = (life: Life, taken: ReadonlyArray<Taken>, error: Failure): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    if (error._tag === "Undocked" || error._tag === "Denied" || error._tag === "ChannelNotFound") return yield* Effect.fail(error)
    const before = life.state
    const fresh = yield* open(life.port, life.scope)
    takeOver(before, fresh.state)
    const { now } = life.desk
    life.desk = fresh.desk
    life.desk.now = now
    life.ledger = fresh.ledger
    life.talk = fresh.talk
    life.marks = fresh.marks
    life.behind = fresh.behind
    for (const { event } of taken) if (event.sender !== life.port.system || event.kind === "request") life.desk.answer(event.id, event.sender, refusal.unavailable)
    yield* answers(life)
  })

const writeState = (life: Life): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { port, state } = life
    const cursor = life.ledger
    const pages = pagesOf(state, { from: talkFrom(life), to: life.talk }, life.desk.now)
    for (const page of pages) life.ledger = yield* appendBehind(port, coordination.ledger, [{ kind: "state", payload: page }], life.ledger)
    life.behind = 0
    yield* Effect.catch(port.putSnapshot({ name: positionName, value: { version: pagesVersion, cursor }, channel: coordination.ledger, cursor }), (error) =>
      Effect.logWarning(`the position of the coordination state was not kept, a start takes longer: ${error.message}`))
  })

/** Behind this cursor of the talk lies the oldest chat that is kept. */
const talkFrom = (life: Life): Cursor => {
  const [oldest = Infinity] = life.state.chats.keys()
  while (life.marks.length > 1 && life.marks[1]!.message <= oldest) life.marks.shift()
  return oldest === Infinity ? life.talk : life.marks[0]!.cursor
}

/** The kernel's heart: time went on, and who is docked. Asked of itself only when that changes something. */
const followBeats = (life: Life): Effect.Effect<never, Failure> => {
  const { port } = life
  let seen: Cursor = 0
  const next = Effect.gen(function*() {
    const head = yield* port.awaitBeyond(wellKnown.heartbeat, seen)
    seen = head
    const page = yield* Effect.catchTag(port.read(wellKnown.heartbeat, { after: head - 1, limit: 1 }), "Gap", () => Effect.succeed(undefined))
    const event = page?.events[0]
    const payload = event?.payload
    if (event === undefined || typeof payload !== "object" || payload === null || !("systems" in payload) || !Array.isArray(payload["systems"])) return
    life.docked = new Set(payload["systems"].map(String))
    if (life.state.timers.next() > event.recordedAt && !misses(life.state, life.docked)) return
    yield* tell(port, { kind: "beat" })
  })
  return Effect.forever(next)
}

/** What the kernel is changing files for, as it is now. */
const callsNow = (life: Life): Effect.Effect<Cursor, Failure> =>
  Effect.map(life.port.read(coordination.underWay, { limit: 10 }), ({ events, head }) => {
    const calls = underWayOf(events[events.length - 1]?.payload)
    if (calls !== undefined) life.state.underWay = calls
    return head
  })

/** Calls that have ended let those go on who wait for them. */
const followCalls = (life: Life): Effect.Effect<never, Failure> => {
  let seen: Cursor = 0
  return Effect.forever(Effect.gen(function*() {
    yield* life.port.awaitBeyond(coordination.underWay, seen)
    life.isToldOfCalls = true
    seen = yield* callsNow(life)
    if (life.state.lines.has(callsLine)) yield* tell(life.port, { kind: "calls" })
  }))
}

/**
 * A call may have looked at the claims just before these were kept: whoever was granted what it touches is told when it has
 * ended. A call that looks later is refused.
 */
const heldBack = (life: Life, granted: Desk["granted"], replies: ReadonlyArray<Weighed>): Effect.Effect<ReadonlyArray<Weighed>, Failure> =>
  Effect.gen(function*() {
    const seen = yield* callsNow(life)
    const touched = granted.filter(({ claim }) => callerOn(life.state, claim, claim.holder) !== undefined)
    if (touched.length === 0) return replies
    const held = new Set(touched.map(({ request }) => request))
    const isHeld = ({ draft }: Weighed): boolean => draft.kind === "answer" && held.has(draft.correlationId ?? null)
    const later = replies.filter(isHeld)
    const wait = (after: Cursor): Effect.Effect<void, Failure> =>
      Effect.flatMap(life.port.awaitBeyond(coordination.underWay, after), () => Effect.flatMap(callsNow(life), (cursor) =>
        touched.some(({ claim }) => callerOn(life.state, claim, claim.holder) !== undefined) ? wait(cursor) : answered(life, later)))
    yield* Effect.forkIn(Effect.ignore(wait(seen)), life.scope)
    return replies.filter((reply) => !isHeld(reply))
  })
