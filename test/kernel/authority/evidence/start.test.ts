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

const unloadedOf = (module: string): Decision<void> => (_, now) => ({
  entries: Array.from({ length: journalBatchMax }, () => ({ kind: "module.unloaded", at: now, module }) as const), answer: undefined
})
const unloaded = unloadedOf("m")

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

  effect("is found out when what lies before its snapshot is another journal, sound in itself", () =>
    Effect.gen(function*() {
      const written = Effect.fnUntraced(function*(module: string, batches: number) {
        const store = yield* Memory.make({ clock })
        yield* Effect.scoped(Effect.gen(function*() {
          const journal = yield* start(store)
          for (let at = 0; at <= batches; at++) yield* journal.submit(unloadedOf(module))
          yield* journal.snapshot
        }))
        return store
      })
      /** The one up to there, and the other behind it. */
      const joined = (before: StoreService, behind: StoreService, until: number): StoreService => ({
        ...behind,
        read: (channel, options) => Effect.gen(function*() {
          const page = yield* behind.read(channel, options)
          if (channel !== "aaax.journal") return page
          const other = yield* before.read(channel, options)
          return { ...page, events: page.events.map((event) => event.cursor > until ? event : other.events.find(({ cursor }) => cursor === event.cursor) ?? event) }
        })
      })
      /** What the newest snapshot was made of ends there. */
      const snapshotAt = (store: StoreService) => Effect.map(store.read("aaax.journal", { after: store.statisticsOf("aaax.journal")!.head - 10, limit: 10 }), ({ events }) =>
        (events.findLast(({ kind }) => kind === "snapshot.taken")!.payload as { readonly cursor: number }).cursor)
      const [short, other] = [yield* written("m", 0), yield* written("n", 0)]
      expect(yield* Effect.flip(Effect.scoped(start(joined(other, short, yield* snapshotAt(short)))))).toMatchObject({
        _tag: "StoreCorrupt", reason: "its entries are not those that the newest snapshot was made of"
      })
      yield* Effect.scoped(start(short))
      const batches = journalCheckedAtStart / journalBatchMax
      const [long, another] = [yield* written("m", batches), yield* written("n", batches)]
      yield* Effect.scoped(Effect.gen(function*() {
        const journal = yield* start(joined(another, long, yield* snapshotAt(long)))
        expect(yield* journal.checkUnread).toMatch(/^its first \d+ entries are not those that the newest snapshot was made of$/u)
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
