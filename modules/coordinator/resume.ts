// Going on with requests that stayed while another coordinator was here, or before the log was read again.
import * as Effect from "effect/Effect"
import { coordination, type Draft, type Event, type Port, type ReadError } from "aaax"
import { appendSurely, batchesOf } from "./append.ts"
import { decide, lapse } from "./decide.ts"
import { weightOf, type Desk } from "./desk.ts"
import { wait } from "./line.ts"
import type { Failure, Life } from "./life.ts"
import { waitsAheadMax } from "./limits.ts"
import { arrive } from "./presence.ts"
import { toldBy, type Change, type Waiting } from "./waiting.ts"

const draftOf = ({ ended, waiting }: Change): Draft => ({ kind: ended ? "ended" : "waits", subject: waiting.request, payload: ended ? {} : waiting })

const keepChanges = (port: Port, changes: ReadonlyArray<Change>): Effect.Effect<void, Failure> =>
  Effect.forEach(batchesOf(changes.map((change) => {
    const draft = draftOf(change)
    return { draft, weight: weightOf(draft.payload) }
  })), (batch) => appendSurely(port, coordination.waiting, batch), { discard: true })

/** Keeps who waits now and who does no longer. */
export const keepWaits = (life: Life): Effect.Effect<void, Failure> => {
  const { port, state: { waiting } } = life
  const { changes } = waiting
  waiting.changes = []
  life.waitsSaid += changes.length
  const kept = keepChanges(port, changes)
  if (life.waitsSaid < waitsAheadMax + 4 * waiting.live.size) return kept
  // Those that ended long ago are forgotten: those that stay are said again, and what is older goes.
  const all = waiting.inOrder()
  life.waitsSaid = all.length
  return Effect.andThen(
    Effect.andThen(kept, keepChanges(port, all.map((one) => ({ waiting: one, ended: false })))),
    Effect.ignore(port.evict(coordination.waiting, { maxCount: Math.max(1, all.length) }))
  )
}

const waitingIn = ({ kind, payload }: Event): Waiting | undefined =>
  // The channel is the coordinator's alone; another one may have put anything there.
  kind === "waits" && typeof payload === "object" && payload !== null && "request" in payload && "system" in payload && "ask" in payload && "order" in payload
    ? payload as unknown as Waiting
    : undefined

/** What is known of requests that stay. */
export const readWaits = (port: Port, { state }: Desk): Effect.Effect<void, ReadError> =>
  Effect.gen(function*() {
    for (let after = 0;;) {
      const page = yield* Effect.catchTag(port.read(coordination.waiting, { after, limit: 1_000 }), ["Gap", "StoreCorrupt"], () => Effect.succeed(undefined))
      for (const event of page?.events ?? []) {
        const waiting = waitingIn(event)
        if (waiting !== undefined) state.waiting.know(waiting)
      }
      if (page === undefined || page.next >= page.head || page.next <= after) return
      after = page.next
    }
  })

/** Asks what stays once more, in the order in which it came: it is answered, or stays in its line. */
export const resume = (desk: Desk, now: number): void => {
  lapse(desk, now)
  for (const { ask, digest, request: id, system, until } of desk.state.waiting.inOrder()) {
    if (ask.verb === "wait") resumeWait(desk, id, system, ask.task)
    else {
      const payload = until === undefined ? ask : { ...ask, waitMillis: Math.max(1, until - now) }
      decide(desk, { id, sender: system, at: now, payload, isAgain: true, isResumed: true, ...(digest === undefined ? {} : { digest }) })
    }
  }
}

/** It was answered that it waits; now it is told when that is over. */
const resumeWait = (desk: Desk, id: string, system: string, task: string): void => {
  const by = { id: id.slice(toldBy("").length), seat: coordination.seatOfSystem(system), system, at: desk.now }
  if ("ok" in arrive(desk, by, "wait")) return desk.state.waiting.end(id)
  const answer = wait(desk, by, task)
  if (answer.ok) return
  desk.state.waiting.end(id)
  if (answer.code === "NOT_CLAIMED") desk.notify(system, { notice: "free", task: task.trim() })
}
