// The coordinator's life: takes what is asked, decides it in order, keeps what that changes as one batch, and answers only then.
import * as Effect from "effect/Effect"
import { coordination, wellKnown, type Cursor, type Port, type Settlement, type Taken } from "aaax"
import { followCalls } from "./calls.ts"
import { decide, lapse, type Request } from "./decide.ts"
import { weightOf } from "./desk.ts"
import { keep } from "./keep.ts"
import { textOf } from "./keyed.ts"
import { askItself, folderOf, Life, open, tell, type Failure, type Kept } from "./life.ts"
import { chatsMax, pastDefault, requestsAtOnceMax, turnTextMax } from "./limits.ts"
import { served } from "./line.ts"
import { inboxIsDue } from "./mail.ts"
import { beat, misses } from "./presence.ts"
import * as refusal from "./refusal.ts"
import { readWaits, resume } from "./resume.ts"
import { letGoOf } from "./spent.ts"
import { settle as settleIn } from "./state.ts"
import { callsLine } from "./under-way.ts"
import { keepPosition, keepState } from "./whole.ts"

const lives = new WeakMap<Port, Life>()

/** Until its port is taken from it. */
export const run = (port: Port, kept: Kept = { chats: chatsMax, past: pastDefault }): Effect.Effect<void, Failure> =>
  Effect.catchTag(live(port, kept), "Undocked", () => Effect.void)

const live = (port: Port, kept: Kept): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const loaded = yield* open(port, kept.chats)
    if (kept.anywhere !== true) settleIn(loaded.state, yield* folderOf(port))
    const life = new Life(port, yield* Effect.scope, loaded, kept.past)
    lives.set(port, life)
    yield* tellOfUnread(life)
    yield* readWaits(port, life.desk)
    yield* goOnWithWaits(life)
    yield* Effect.forkScoped(followBeats(life))
    yield* Effect.forkScoped(followCalls(life))
    let done: ReadonlyArray<Settlement> = []
    for (;;) {
      const settle = done
      done = []
      const taken = yield* Effect.catch(
        port.take(coordination.requests, { limit: requestsAtOnceMax, wait: true, settle }),
        (error): Effect.Effect<ReadonlyArray<Taken>, Failure> =>
          // They took too long and come again; what was decided of them is known.
          error._tag === "LeaseLost" ? Effect.succeed([])
          : life.isDraining && error._tag === "Denied" ? Effect.never
          : Effect.fail(error)
      )
      if (taken.length === 0) continue
      yield* life.busy.withPermit(turns(life, taken))
      done = taken.map(({ cursor, epoch }): Settlement => ({ cursor, epoch, outcome: "ack" }))
    }
  }))

/** With the next requests, whose time is that of the kernel. */
const goOnWithWaits = (life: Life): Effect.Effect<void, Failure> => {
  life.isToResume = life.state.waiting.live.size > 0
  return life.isToResume ? askItself(life.port, { kind: "resume" }) : Effect.void
}

/** What was found is told to whoever looks: `aaax doctor`. What may be wrong is not written down as the whole state. */
const tellOfUnread = (life: Life): Effect.Effect<void, Failure> =>
  life.unread === 0 ? Effect.void : life.state.losses === undefined ? keepState(life) : Effect.asVoid(keepPosition(life, life.place, undefined))

/** Before it is stopped, the whole state is written down. */
export const drain = (port: Port): Effect.Effect<void, Failure> =>
  Effect.suspend(() => {
    const life = lives.get(port)
    if (life === undefined) return Effect.void
    life.isDraining = true
    return life.busy.withPermit(Effect.suspend(() => (life.behind === 0 || life.state.losses !== undefined ? Effect.void : keepState(life))))
  })

/** So much at once that what it writes stays small. */
const turns = (life: Life, taken: ReadonlyArray<Taken>): Effect.Effect<void, Failure> => {
  let text = 0
  for (let at = 0; at < taken.length; at++) {
    const more = weightOf(taken[at]!.event.payload)
    if (text + more > turnTextMax && at > 0) return Effect.andThen(turnOf(life, taken.slice(0, at), text), Effect.suspend(() => turns(life, taken.slice(at))))
    text += more
  }
  return turnOf(life, taken, text)
}

const turnOf = (life: Life, taken: ReadonlyArray<Taken>, text: number): Effect.Effect<void, Failure> => {
  const newest = life.asked.add(taken.length, text, life.desk.now)
  return newest === undefined ? turn(life, taken) : Effect.andThen(turn(life, taken), letGoOf(life.port, coordination.requests, newest))
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
  if (life.isToResume) {
    life.isToResume = false
    resume(desk, taken[0]!.event.recordedAt) // nothing is decided of nothing
  }
  for (const { attempt, event } of taken) {
    if (event.sender === port.system) own(life, event.kind, event.payload, event.recordedAt)
    else {
      const digest = digests?.get(event.id)
      const request: Request = {
        id: event.id, sender: event.sender, at: event.recordedAt, payload: event.payload, isAgain: attempt > 1, ...(digest === undefined ? {} : { digest })
      }
      decide(desk, request)
    }
  }
  const kept = desk.waits.length === 0 ? keep(life) : Effect.andThen(keep(life), timeWaits(life))
  return Effect.catch(kept, (error) => recover(life, taken, error))
}

/** What it asks of itself: that time went on, that calls have ended, and that somebody waited for long enough. */
const own = (life: Life, kind: string, payload: unknown, at: number): void => {
  lapse(life.desk, at)
  if (kind === "beat") beat(life.desk, life.docked)
  else if (kind === "calls") served(life.desk, callsLine)
  else if (kind === "inbox" && isWait(payload)) inboxIsDue(life.desk, payload.seat, payload.request)
}

const isWait = (payload: unknown): payload is { readonly seat: string; readonly request: string } =>
  typeof payload === "object" && payload !== null && "seat" in payload && "request" in payload

/** So that nobody waits for an inbox longer than they said. */
const timeWaits = (life: Life): Effect.Effect<void> => {
  const { waits } = life.desk
  life.desk.waits = []
  return Effect.forEach(waits, ({ millis, ...wait }) =>
    Effect.forkIn(Effect.andThen(Effect.sleep(millis), Effect.ignore(askItself(life.port, { kind: "inbox", payload: wait }))), life.scope), { discard: true })
}

/** What was decided could not be kept: it is forgotten, and the log says what is so. */
const recover = (life: Life, taken: ReadonlyArray<Taken>, error: Failure): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    if (error._tag === "Undocked" || error._tag === "Denied" || error._tag === "ChannelNotFound") return yield* Effect.fail(error)
    yield* Effect.logError(`coordination could not be written down: ${error.message}`)
    life.reopen(yield* open(life.port, life.state.chatsMax))
    yield* tellOfUnread(life)
    for (const { event } of taken) if (event.sender !== life.port.system) life.desk.answer(event.id, event.sender, refusal.unavailable)
    const { replies } = life.desk
    life.desk.replies = []
    yield* tell(life, replies)
    yield* goOnWithWaits(life)
  })

/** The kernel's heart: time went on, and who is docked. Asked of itself only when that changes something. */
const followBeats = (life: Life): Effect.Effect<never, Failure> => {
  const { port } = life
  let seen: Cursor = 0
  return Effect.forever(Effect.gen(function*() {
    seen = yield* port.awaitBeyond(wellKnown.heartbeat, seen)
    const page = yield* Effect.catchTag(port.read(wellKnown.heartbeat, { after: seen - 1, limit: 1 }), "Gap", () => Effect.succeed(undefined))
    const event = page?.events[0]
    const payload = event?.payload
    if (event === undefined || typeof payload !== "object" || payload === null || !("systems" in payload) || !Array.isArray(payload["systems"])) return
    life.docked = new Set(payload["systems"].map(String))
    if (life.state.timers.next() <= event.recordedAt || misses(life.state, life.docked)) yield* askItself(port, { kind: "beat" })
  }))
}
