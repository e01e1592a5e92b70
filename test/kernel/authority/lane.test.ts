// A lane writes what the journal's entries became into one channel, each once and in order, without a key: the channel
// itself says how far it has come.
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { channelOf } from "../../../protocol/channel.ts"
import type { Event } from "../../../protocol/event.ts"
import { kernelSystem } from "../../../protocol/names.ts"
import { makeLane } from "../../../kernel/authority/lane.ts"
import type { Projected } from "../../../kernel/authority/projected.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { batchEventsMax } from "../../../kernel/limits.ts"
import { prepare } from "../../../kernel/store/codec.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { testTime } from "../../../kernel/testing.ts"
import { effect } from "../../kit/it.ts"

const clock = makeClock(testTime())
const channel = channelOf({ name: "aaax.kernel-replies", delivery: "addressed" }, kernelSystem)
const told = (at: number): Projected => ({
  channel: channel.name, kind: "capability_grant", payload: { at }, recipient: at % 2 === 0 ? "even" : "odd", correlationId: `r${at}`
})
const open = (store: StoreService, dropped: Array<number> = []) =>
  Effect.gen(function*() {
    const lane = makeLane({ store, channel: () => channel, dropped: (at) => void dropped.push(at) })
    yield* lane.restore
    return lane
  })
const everything = (store: StoreService): Effect.Effect<ReadonlyArray<Event>, unknown> =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    for (;;) {
      const page = yield* store.read(channel.name, { after: events.at(-1)?.cursor ?? 0, limit: 1_000 })
      if (page.events.length === 0) return events
      events.push(...page.events)
    }
  })
const ats = (events: ReadonlyArray<Event>) => events.filter(({ sender }) => sender === kernelSystem).map(({ payload }) => (payload as { at: number }).at)
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

describe("a lane of projections", () => {
  for (const seed of [1, 2, 3, 4]) {
    effect(`tells everything once on a store that fails in every way, however often it begins again (seed ${seed})`, () =>
      Effect.gen(function*() {
        const store = yield* Memory.make({ clock, hostile: { seed, failedKept: 0.15, failedLost: 0.15, failedLate: 0.15, latencyMillisMax: 1 } })
        yield* store.putChannel(channel)
        for (let boot = 1; boot <= 6; boot++) {
          const lane = yield* open(store)
          // Each time from the beginning: nothing else remembers how far it came.
          for (let at = 1; at <= boot * 12; at++) {
            lane.add(at, told(at))
            if (at % 4 === 0) yield* lane.flush
          }
        }
        yield* Effect.sleep(40)
        const events = yield* everything(store)
        expect(ats(events)).toEqual(upTo(72))
        expect(events[6]).toMatchObject({ recipient: "odd", correlationId: "r7", kind: "capability_grant", metadata: { journal: 7 } })
      }))
  }

  effect("goes on behind what somebody else has written there", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      yield* store.putChannel(channel)
      const beside = () => store.append(channel.name, [prepare({ payload: { at: 999 }, metadata: { journal: 999 } }, "host", channel)], { sender: "host" })
      const lane = yield* open(store)
      lane.add(1, told(1))
      yield* lane.flush
      yield* beside()
      lane.add(2, told(2))
      yield* lane.flush
      yield* beside()
      const again = yield* open(store)
      for (const at of [1, 2, 3]) again.add(at, told(at))
      yield* again.flush
      expect(ats(yield* everything(store))).toEqual([1, 2, 3])
    }))

  effect("drops what no event can hold, says so, and keeps what is beside it", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      yield* store.putChannel(channel)
      const dropped: Array<number> = []
      const lane = yield* open(store, dropped)
      let deep: unknown = 1
      for (let level = 0; level < 100; level++) deep = { deep }
      lane.add(1, told(1))
      lane.add(2, { ...told(2), payload: { deep } })
      lane.add(3, { ...told(3), payload: { text: "x".repeat(2_000_000) } })
      lane.add(4, told(4))
      yield* lane.flush
      expect(dropped).toEqual([2, 3])
      expect(ats(yield* everything(store))).toEqual([1, 4])
    }))

  effect("writes more than one batch holds in several, in order", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock, hostile: { seed: 7 } })
      yield* store.putChannel(channel)
      const lane = yield* open(store)
      for (const at of upTo(batchEventsMax * 2 + 5)) lane.add(at, told(at))
      yield* lane.flush
      expect(ats(yield* everything(store))).toEqual(upTo(batchEventsMax * 2 + 5))
    }))
})
