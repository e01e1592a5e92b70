// What the kernel is changing files for, followed: claims wait for calls that touch what they are for.
import * as Effect from "effect/Effect"
import { coordination, type Cursor } from "aaax"
import type { Desk, Weighed } from "./desk.ts"
import { askItself, tell, type Failure, type Life } from "./life.ts"
import { callerOn, callsLine, underWayOf } from "./under-way.ts"

/** Reads the newest word of the kernel. */
const look = (life: Life): Effect.Effect<Cursor, Failure> =>
  Effect.map(life.port.read(coordination.underWay, { limit: 10 }), ({ events, head }) => {
    const newest = events.findLast(({ subject }) => subject === "calls")
    const calls = underWayOf(newest?.payload)
    if (calls !== undefined) life.state.underWay = calls
    if (newest !== undefined) life.isToldOfCalls = true
    return head
  })

/** Calls that have ended let those go on who wait for them. */
export const followCalls = (life: Life): Effect.Effect<never, Failure> => {
  let seen: Cursor = 0
  return Effect.forever(Effect.gen(function*() {
    yield* life.port.awaitBeyond(coordination.underWay, seen)
    seen = yield* look(life)
    if (life.state.lines.has(callsLine)) yield* askItself(life.port, { kind: "calls" })
  }))
}

/**
 * A call may have looked at the claims just before these were kept: whoever was granted what it touches is told when it has
 * ended. A call that looks later is refused.
 */
export const heldBack = (life: Life, granted: Desk["granted"], replies: ReadonlyArray<Weighed>): Effect.Effect<ReadonlyArray<Weighed>, Failure> =>
  Effect.gen(function*() {
    const seen = yield* look(life)
    const isTouched = ({ claim }: Desk["granted"][number]): boolean => callerOn(life.state, claim, claim.holder) !== undefined
    const touched = granted.filter(isTouched)
    if (touched.length === 0) return replies
    const requests = new Set(touched.map(({ request }) => request))
    const isHeld = ({ draft }: Weighed): boolean => draft.kind === "answer" && requests.has(draft.correlationId ?? null)
    const later = replies.filter(isHeld)
    const wait = (after: Cursor): Effect.Effect<void, Failure> =>
      Effect.andThen(life.port.awaitBeyond(coordination.underWay, after), Effect.flatMap(look(life), (cursor) => (touched.some(isTouched) ? wait(cursor) : tell(life, later))))
    yield* Effect.forkIn(Effect.ignore(wait(seen)), life.scope)
    return replies.filter((reply) => !isHeld(reply))
  })
