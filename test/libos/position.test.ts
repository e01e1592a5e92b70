// A reader's position where others take from the same log: nothing that is held now is lost to it, also not by a restart.
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { makeKernel } from "../../kernel/testing.ts"
import { makeReader } from "../../libos/channel.ts"
import { doneUpTo, positionAt } from "../../libos/position.ts"
import { effect } from "../kit/it.ts"
import { probe } from "../kit/probe.ts"

const world = Effect.fnUntraced(function*(events: number) {
  const kernel = yield* makeKernel({ channels: [{ name: "log" }] })
  const worker = yield* probe(kernel, "worker", { takes: ["log"], writes: ["log"] })
  const port = yield* probe(kernel, "reader", { reads: ["log"] })
  yield* worker.append("log", Array.from({ length: events }, (_, n) => ({ payload: n })))
  const give = (taken: ReadonlyArray<{ readonly event: { readonly cursor: number }; readonly epoch: number }>, outcome: "ack" | "nack") =>
    worker.settle("log", taken.map(({ epoch, event }) => ({ cursor: event.cursor, epoch, outcome })))
  return { kernel, worker, port, reader: makeReader<number>(port, "log"), give, kept: () => kernel.channels.store.subscription("reader", "r", "log")?.cursor }
})

const payloads = (events: ReadonlyArray<{ readonly payload: unknown }>): ReadonlyArray<unknown> => events.map(({ payload }) => payload)

describe("a durable follower", () => {
  effect("is remembered below what it was passed by and below what came back and is not handled", () =>
    Effect.gen(function*() {
      const { give, kept, reader, worker } = yield* world(6)
      const taken = yield* worker.take("log", { limit: 4 })
      const follower = reader.follow({ from: "r" })
      const [first] = [yield* follower.pull]
      expect(payloads(first)).toEqual([4, 5])
      yield* follower.advance(first[1]!.cursor)
      expect(kept()).toBe(taken[0]!.event.cursor - 1)
      yield* give([taken[0]!, taken[3]!], "nack")
      yield* give([taken[1]!], "ack")
      const back = yield* follower.pull
      expect(payloads(back)).toEqual([0, 3])
      // The first of them is handled; of the others one is held still, and one is not handled.
      yield* follower.advance(back[0]!.cursor)
      expect(kept()).toBe(taken[2]!.event.cursor - 1)
      yield* give([taken[2]!], "ack")
      yield* worker.append("log", [{ payload: 6 }])
      const next = yield* follower.pull
      expect(payloads(next)).toEqual([6])
      // It is settled now, and still one is not handled.
      yield* follower.advance(back[0]!.cursor)
      expect(kept()).toBe(back[1]!.cursor - 1)
      yield* follower.advance(next[0]!.cursor)
      expect(kept()).toBe(next[0]!.cursor)
    }))

  effect("that waits is woken by what is given back", () =>
    Effect.gen(function*() {
      const { give, reader, worker } = yield* world(2)
      const taken = yield* worker.take("log", { limit: 1 })
      const follower = reader.follow({ from: "start" })
      expect(payloads(yield* follower.pull)).toEqual([1])
      const [came] = yield* Effect.all([follower.pull, give(taken, "nack")], { concurrency: "unbounded" })
      expect(payloads(came)).toEqual([0])
    }))

  effect("that wants the full log sees what others took and settled", () =>
    Effect.gen(function*() {
      const { give, reader, worker } = yield* world(3)
      const taken = yield* worker.take("log", { limit: 2 })
      yield* give([taken[0]!], "ack")
      expect(payloads(yield* reader.follow({ from: "start", fullLog: true }).pull)).toEqual([0, 1, 2])
      expect(payloads(yield* reader.follow({ from: "start" }).pull)).toEqual([2])
    }))

  effect("passes over hundreds that are held, and gets each that is given back once", () =>
    Effect.gen(function*() {
      const { give, reader, worker } = yield* world(900)
      const taken = yield* worker.take("log", { limit: 600 })
      const follower = reader.follow({ from: "start" })
      const seen: Array<unknown> = []
      while (seen.length < 300) seen.push(...payloads(yield* follower.pull))
      expect(seen).toEqual(Array.from({ length: 300 }, (_, n) => 600 + n))
      yield* give(taken.filter((_, n) => n % 3 === 0), "nack")
      yield* give(taken.filter((_, n) => n % 3 === 1), "ack")
      const back: Array<unknown> = []
      while (back.length < 200) back.push(...payloads(yield* follower.pull))
      expect(back).toEqual(Array.from({ length: 200 }, (_, n) => 3 * n))
      yield* give(taken.filter((_, n) => n % 3 === 2), "nack")
      while (back.length < 400) back.push(...payloads(yield* follower.pull))
      expect(back.slice(200)).toEqual(Array.from({ length: 200 }, (_, n) => 3 * n + 2))
    }))
})

describe("how far a position is done", () => {
  effect("is below the oldest that is held or open", () =>
    Effect.sync(() => {
      const position = positionAt(10)
      expect(doneUpTo(position, 10)).toBe(10)
      expect(doneUpTo(position, 10, [4, 7])).toBe(3)
      position.held.add(3)
      expect(doneUpTo(position, 10, [4])).toBe(2)
      position.held.add(1)
      expect([doneUpTo(position, 10), doneUpTo(position, 0)]).toEqual([0, 0])
    }))
})
