// Retention by age: what a channel keeps no longer than so long. Looked at when it is due and not more often than that is
// worth: the oldest event says when. Nobody's append waits for it, and a channel without a limit costs nothing.
import * as Effect from "effect/Effect"
import type { Cursor } from "../../protocol/names.ts"
import type { KernelClock } from "../clock.ts"
import { ageSlackMillisMax, ageSlackMillisMin } from "../limits.ts"
import { deliveries } from "./delivery.ts"
import { lastBefore } from "./host.ts"
import { run } from "./pending.ts"
import type { Timer } from "./queue-calls.ts"
import { evictedBy } from "./retention.ts"
import type { Room } from "./room.ts"
import type { StoreService } from "../store/store.ts"

export interface Ageing {
  /** A commit, a settlement or an opening may have changed what is due. */
  readonly touch: (room: Room) => void
  readonly close: () => void
}

export interface AgeingOptions {
  readonly store: StoreService
  readonly clock: KernelClock
  readonly timer: Timer
}

interface State {
  /** Kernel time before which there is nothing to do. */
  lookAt: number
  isLooking: boolean
  cancel: (() => void) | undefined
}

/** So much later than it could an event may go, so that many go at once. */
export const ageSlackOf = (ageMillis: number): number => Math.min(ageSlackMillisMax, Math.max(ageSlackMillisMin, Math.ceil(ageMillis / 64)))

export const makeAgeing = ({ clock, store, timer }: AgeingOptions): Ageing => {
  const states = new Map<Room, State>()
  let isClosed = false

  const arm = (room: Room, state: State, at: number): void => {
    state.lookAt = at
    state.cancel?.()
    state.cancel = at === Infinity || isClosed ? undefined : timer(Math.max(1, at - clock.now()), () => {
      state.cancel = undefined
      touch(room)
    })
  }

  /** Lets go of what is too old, as far as nobody needs it; answers when to look again. */
  const look = Effect.fnUntraced(function*(room: Room, ageMillis: number) {
    const { name } = room.channel
    const slack = ageSlackOf(ageMillis)
    const before = store.statisticsOf(name)
    if (before === undefined || before.events === 0) return Infinity
    const cutoff = clock.now() - ageMillis
    const [oldest] = (yield* store.read(name, { after: before.floor, limit: 1 })).events
    if (oldest === undefined) return Infinity
    if (oldest.recordedAt > cutoff) return oldest.recordedAt + ageMillis + slack
    const old: Cursor = yield* lastBefore({ store, name }, cutoff + 1)
    // What a queue has still to hand out goes to its dead letters; what somebody holds is waited for.
    const queue = deliveries[room.channel.delivery].isQueue ? room.queue : undefined
    if (queue !== undefined) {
      yield* queue.restore
      if (queue.settledFloor() < old) queue.bury(old, `nobody settled it within ${ageMillis} ms`)
    }
    const floor = Math.min(old, queue === undefined ? Infinity : queue.settledFloor(), room.ceiling())
    if (floor > before.floor) {
      yield* store.evict(name, floor)
      const after = store.statisticsOf(name)
      if (after !== undefined) room.retained = evictedBy(room.retained, Math.max(0, before.events - after.events), floor)
    }
    return clock.now() + slack
  })

  const touch = (room: Room): void => {
    const { retention: { ageMillis } } = room.channel
    const known = states.get(room)
    if (isClosed || ageMillis === undefined) {
      known?.cancel?.()
      states.delete(room)
      return
    }
    const state = known ?? { lookAt: 0, isLooking: false, cancel: undefined }
    if (known === undefined) states.set(room, state)
    if (state.isLooking) return
    const now = clock.now()
    // The first event of an empty channel: it is the oldest one now.
    if (state.lookAt === Infinity) arm(room, state, now + ageMillis + ageSlackOf(ageMillis))
    if (now < state.lookAt) {
      // Rung too early: kernel time waits for its jumps to be confirmed.
      if (state.cancel === undefined) arm(room, state, state.lookAt)
      return
    }
    state.isLooking = true
    run(look(room, ageMillis), (exit) => {
      state.isLooking = false
      // What cannot be read or evicted now is tried again.
      if (!isClosed && states.get(room) === state) arm(room, state, exit._tag === "Success" ? exit.value : clock.now() + ageSlackMillisMax)
    })
  }

  return {
    touch,
    close: () => {
      isClosed = true
      for (const { cancel } of states.values()) cancel?.()
      states.clear()
    }
  }
}
