// Laws of the journal: every command has exactly one effect although appends fail in every way that a replicated log
// knows, the chain verifies, and whoever else moves the head makes the decider decide anew.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import type { Event } from "../../protocol/event.ts"
import { kernelSystem } from "../../protocol/names.ts"
import { journal as channel } from "../../protocol/well-known.ts"
import * as Audit from "../../kernel/authority/audit.ts"
import type { Decision } from "../../kernel/authority/decide/decision.ts"
import { payloadOf, type Entry } from "../../kernel/authority/entry.ts"
import * as Journal from "../../kernel/authority/journal.ts"
import { freeze } from "../../kernel/authority/state/frozen.ts"
import { initial } from "../../kernel/authority/state/state.ts"
import { step } from "../../kernel/authority/state/step.ts"
import * as Channels from "../../kernel/channel/channels.ts"
import { makeClock } from "../../kernel/clock.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { journalBatchMax } from "../../kernel/limits.ts"
import { sha256Bytes, sha256Hex } from "../../kernel/power/digest.ts"
import { prepare } from "../../kernel/store/codec.ts"
import * as Memory from "../../kernel/store/memory.ts"
import type { StoreService } from "../../kernel/store/store.ts"
import { testTime } from "../../kernel/testing.ts"
import { effect } from "../kit/it.ts"
import { makeRandom } from "../kit/random.ts"

const faults = { failedKept: 0.15, failedLost: 0.15, failedLate: 0.15, latencyMillisMax: 1 }
const time = testTime()
const clock = makeClock(time)

const open = (store: StoreService) =>
  Effect.gen(function*() {
    let made: Journal.Journal | undefined
    const channels = yield* Channels.make({ store, clock, boot: () => made?.state().boot ?? 0 })
    made = yield* Effect.orDie(Journal.make({ channels, canonical, sha256: sha256Hex, sha256Bytes, kernel: "law", version: "0", durability: "strict" }))
    return made
  })

/** A decision that leaves a mark, and answers how many of its own kind it found before it. */
const audited = (journal: Journal.Journal) => Audit.verify({ ...journal, sha256: sha256Bytes, expected: journal.state })

const mark = (name: string): Decision<string> => (state, now) => ({
  entries: [{ kind: "policy.activated", at: now, version: `${state.policy}${state.policy === "" ? "" : "+"}${name}`.slice(-2_000), description: name }],
  answer: state.policy
})

const everything = (store: StoreService): Effect.Effect<ReadonlyArray<Event>, unknown> =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    for (;;) {
      const page = yield* store.read(channel, { after: events.at(-1)?.cursor ?? 0, limit: 1000 })
      if (page.events.length === 0) return events
      events.push(...page.events)
    }
  })

const marks = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.filter(({ kind }) => kind === "policy.activated").map(({ payload }) => (payload as { description: string }).description)

/** Appends an entry as another kernel would: with the hash that follows from the newest one. */
const writeBeside = (store: StoreService, entry: Entry, hashed = true) =>
  Effect.gen(function*() {
    const last = (yield* everything(store)).at(-1)
    const prev = (last?.metadata["hash"] ?? "") as string
    const payload = payloadOf(entry)
    const hash = hashed ? sha256Hex(`${prev}\n${entry.kind}\n${canonical(payload)}`) : "0".repeat(64)
    const definition = store.channels().find(({ name }) => name === channel)!
    const draft = prepare({ kind: entry.kind, payload, metadata: { prev, hash } }, kernelSystem, definition)
    yield* store.append(channel, [draft], { sender: kernelSystem, expectedHead: last?.cursor ?? 0 })
  })

describe("the journal", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    effect(`keeps every command exactly once, in order, on a store that fails in every way (seed ${seed})`, () =>
      Effect.gen(function*() {
        const random = makeRandom(seed)
        const store = yield* Memory.make({ clock, hostile: { seed, ...faults } })
        const journal = yield* open(store)
        const names = Array.from({ length: 60 }, (_, at) => `m${at}`)
        const submitted: Array<Fiber.Fiber<Journal.Submitted<string>>> = []
        for (const name of names) {
          submitted.push(yield* Effect.forkChild(journal.submit(mark(name)), { startImmediately: true }))
          if (random.chance(0.3)) yield* Effect.sleep(random.int(3))
        }
        const answers = yield* Effect.forEach(submitted, Fiber.join)
        // Late appends land, and must not double what was repeated.
        yield* Effect.sleep(40)
        const events = yield* everything(store)
        expect(marks(events)).toEqual(names)
        answers.forEach(({ answer, cursor }, at) => {
          expect(answer).toBe(names.slice(0, at).join("+").slice(-2_000))
          expect(events.find((event) => event.cursor === cursor)?.payload).toMatchObject({ description: names[at] })
        })
        const report = yield* audited(journal)
        expect(report.problems).toEqual([])
        expect(report.entries).toBe(events.length)
        const refolded = events.reduce((state, event) => step(state, {
          cursor: event.cursor, hash: event.metadata["hash"] as string, entry: { kind: event.kind, ...(event.payload as object) } as Entry
        }), initial)
        expect(freeze(journal.state())).toEqual(freeze(refolded))
      }))
  }

  effect("goes on where it was when it is opened again, and fences what came before with a boot", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock, hostile: { seed: 9, ...faults } })
      for (const boot of [1, 2, 3]) {
        const scope = yield* Scope.make()
        const journal = yield* Scope.provide(open(store), scope)
        expect(journal.state().boot).toBe(boot)
        yield* journal.submit(mark(`b${boot}`))
        yield* Scope.close(scope, Exit.void)
      }
      const journal = yield* open(store)
      expect(journal.state()).toMatchObject({ boot: 4, policy: "b1+b2+b3" })
      expect((yield* audited(journal)).problems).toEqual([])
    }))

  effect("decides anew on top of what somebody else has written", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      const journal = yield* open(store)
      yield* journal.submit(mark("mine"))
      yield* writeBeside(store, { kind: "policy.activated", at: clock.now(), version: "theirs", description: "theirs" })
      let asked = 0
      const { answer } = yield* journal.submit((state, now) => {
        asked++
        return mark("after")(state, now)
      })
      expect(answer).toBe("theirs")
      expect(asked).toBe(2)
      expect(journal.state().policy).toBe("theirs+after")
      expect(marks(yield* everything(store))).toEqual(["mine", "theirs", "after"])
      expect((yield* audited(journal)).problems).toEqual([])
    }))

  effect("decides nothing any more on top of an entry that does not follow from the one before it, and says so to all", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      const journal = yield* open(store)
      yield* writeBeside(store, { kind: "policy.activated", at: clock.now(), version: "forged", description: "forged" }, false)
      const exits = yield* Effect.forEach(["a", "b"], (name) => Effect.exit(journal.submit(mark(name))), { concurrency: "unbounded" })
      for (const exit of [...exits, yield* Effect.exit(journal.submit(mark("c")))]) {
        expect(Exit.isFailure(exit) && String(exit.cause)).toContain("its hash does not follow from the entry before it")
      }
      expect(marks(yield* everything(store))).toEqual(["forged"])
      const report = yield* audited(journal)
      expect(report.ok).toBe(false)
      const again = yield* Effect.exit(open(store))
      expect(Exit.isFailure(again)).toBe(true)
    }))

  effect("lets a decision die alone that throws, is too long, or makes an entry that cannot be kept", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      const journal = yield* open(store)
      let deep: unknown = 1
      for (let level = 0; level < 100; level++) deep = { deep }
      const bad: ReadonlyArray<Decision<string>> = [
        () => {
          throw new Error("a decision of somebody's")
        },
        (_, now) => ({ entries: Array.from({ length: journalBatchMax + 1 }, () => ({ kind: "module.unloaded" as const, at: now, module: "x" })), answer: "" }),
        (_, now) => ({ entries: [{ kind: "module.unloaded", at: now, module: deep as string }], answer: "" }),
        (_, now) => ({ entries: [{ kind: "module.unloaded", at: now, module: "x".repeat(2_000_000) }], answer: "" }),
        (_, now) => ({ entries: [{ kind: "module.unloaded", at: Number.NaN, module: `${now}` }], answer: "" })
      ]
      const commands = bad.flatMap((decision, at) => [mark(`before${at}`), decision, mark(`after${at}`)])
      const exits = yield* Effect.forEach(commands, (decision) => Effect.exit(journal.submit(decision)), { concurrency: "unbounded" })
      expect(exits.map((exit) => exit._tag)).toEqual(bad.flatMap(() => ["Success", "Failure", "Success"]))
      expect(marks(yield* everything(store))).toEqual(bad.flatMap((_, at) => [`before${at}`, `after${at}`]))
      expect((yield* audited(journal)).problems).toEqual([])
    }))

  effect("keeps more than one batch holds in several, in order", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      const journal = yield* open(store)
      const long = (name: string): Decision<string> => (state, now) => ({
        entries: [...Array.from({ length: 300 }, () => ({ kind: "module.unloaded" as const, at: now, module: name })), ...mark(name)(state, now).entries],
        answer: ""
      })
      const names = Array.from({ length: 9 }, (_, at) => `l${at}`)
      yield* Effect.forEach(names, (name) => journal.submit(long(name)), { concurrency: "unbounded" })
      expect(marks(yield* everything(store))).toEqual(names)
      expect((yield* audited(journal)).problems).toEqual([])
    }))

  effect("tells whoever waits when its kernel ends, and takes nothing any more", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      const scope = yield* Scope.make()
      const journal = yield* Scope.provide(open(store), scope)
      yield* Scope.close(scope, Exit.void)
      expect(Exit.isFailure(yield* Effect.exit(journal.submit(mark("late"))))).toBe(true)
      expect(marks(yield* everything(store))).toEqual([])
    }))

  effect("is told apart from one that was changed, cut or reordered", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make({ clock })
      const journal = yield* open(store)
      yield* Effect.forEach(["a", "b", "c", "d"], (name) => journal.submit(mark(name)), { discard: true })
      const kept = yield* everything(store)
      const verify = (events: ReadonlyArray<Event>) => audited({
        ...journal, read: (after: number) => Effect.succeed(events.filter((_, at) => at >= events.findIndex((event) => event.cursor > after) && events.some((event) => event.cursor > after)))
      })
      expect((yield* verify(kept)).problems).toEqual([])
      const at = kept.length - 2
      const changed = kept.with(at, { ...kept[at]!, payload: { ...(kept[at]!.payload as object), description: "x" } })
      expect((yield* verify(changed)).problems).toEqual([`#${kept[at]!.cursor} was changed: its hash does not match its content`])
      expect((yield* verify(kept.toSpliced(at, 1))).problems[0]).toContain("does not name the entry before it")
      expect((yield* verify(kept.slice(0, -1))).problems[0]).toContain("are missing")
    }))
})
