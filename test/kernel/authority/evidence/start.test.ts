// Starts of a journal that is long: what lies before the newest snapshot is not read before the kernel runs, and is checked
// all the same.
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Audit from "../../../../kernel/authority/audit.ts"
import type { Decision } from "../../../../kernel/authority/decide/decision.ts"
import * as Journal from "../../../../kernel/authority/journal.ts"
import * as Channels from "../../../../kernel/channel/channels.ts"
import { makeClock } from "../../../../kernel/clock.ts"
import { canonical } from "../../../../kernel/guard/canonical.ts"
import { journalBatchMax, journalCheckedAtStart } from "../../../../kernel/limits.ts"
import { sha256Bytes, sha256Hex } from "../../../../kernel/power/digest.ts"
import * as Memory from "../../../../kernel/store/memory.ts"
import type { StoreService } from "../../../../kernel/store/store.ts"
import { testTime } from "../../../../kernel/testing.ts"
import { effect } from "../../../kit/it.ts"

const clock = makeClock(testTime())

const start = (store: StoreService) =>
  Effect.gen(function*() {
    const channels = yield* Channels.make({ store, clock, boot: () => 0 })
    return yield* Journal.make({ channels, canonical, sha256: sha256Hex, sha256Bytes, kernel: "long", version: "0", durability: "strict" })
  })

const unloaded: Decision<void> = (_, now) => ({
  entries: Array.from({ length: journalBatchMax }, () => ({ kind: "module.unloaded", at: now, module: "m" }) as const), answer: undefined
})

/** The same store, with one entry changed by somebody who left its hash alone. */
const changed = (store: StoreService, cursor: number): StoreService => ({
  ...store,
  read: (channel, options) => Effect.map(store.read(channel, options), (page) => ({
    ...page, events: page.events.map((event) => (event.channel === "aaax.journal" && event.cursor === cursor ? { ...event, payload: { at: 1, module: "evil" } } : event))
  }))
})

describe("a journal that is longer than a start reads", () => {
  effect("starts from its snapshot, and what lies before it is checked while it runs", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      yield* Effect.scoped(Effect.gen(function*() {
        const journal = yield* start(store)
        for (let at = 0; at <= journalCheckedAtStart / journalBatchMax; at++) yield* journal.submit(unloaded)
        yield* journal.snapshot
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const sound = yield* start(store)
        expect(yield* sound.checkUnread).toBeUndefined()
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const journal = yield* start(changed(store, 7))
        expect(yield* journal.checkUnread).toContain("aaax.journal#7")
        expect(yield* Audit.verify({ ...journal, sha256: sha256Bytes })).toMatchObject({ ok: false, firstBad: 7 })
      }))
    }))

  effect("is refused at once when the change lies in what a start reads", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      yield* Effect.scoped(Effect.gen(function*() {
        const journal = yield* start(store)
        yield* journal.submit(unloaded)
        yield* journal.snapshot
      }))
      const refused = yield* Effect.flip(Effect.scoped(start(changed(store, 7))))
      expect(refused).toMatchObject({ _tag: "StoreCorrupt", where: "aaax.journal#7" })
    }))
})
