import { AppendUnknown, HeadConflict, Overloaded, StoreUnavailable, TooLarge, type AppendError, type Draft } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { appendBehind, appendSurely, batchesOf } from "../../../modules/coordinator/append.ts"
import { makeWorld, type FakeWorld } from "../../kit/port-fake.ts"

const unknown = new AppendUnknown({ channel: "log", reason: "no answer" })

const opened = (): FakeWorld => {
  const world = makeWorld()
  world.open("log")
  return world
}
/** Fails the next appends so. */
const failing = (world: FakeWorld, ...failures: ReadonlyArray<{ readonly error: AppendError; readonly kept?: boolean }>): void => {
  const left = [...failures]
  world.failAppend = () => left.shift()
}
const append = (world: FakeWorld, drafts: ReadonlyArray<Draft>, head: number): Promise<number | AppendError> =>
  Effect.runPromise(Effect.match(appendBehind(world.port("coordinator"), "log", drafts, head), { onFailure: (error) => error as AppendError, onSuccess: (cursor) => cursor }))
const draft = (payload: unknown): Draft => ({ kind: "claimed", payload })

describe("an append behind a head", () => {
  it("that had no answer is there once, whether it was kept or not", async () => {
    for (const kept of [true, false]) {
      const world = opened()
      failing(world, { error: unknown, kept }, { error: new StoreUnavailable({ reason: "full" }) })
      expect([await append(world, [draft(1), draft({ x: 2 })], 0), world.events("log").map(({ payload }) => payload)]).toEqual([2, [1, { x: 2 }]])
    }
  })

  it("fails when something else is there, and when it can never be kept", async () => {
    const world = opened()
    await append(world, [draft("theirs")], 0)
    expect(await append(world, [draft("mine")], 0)).toBeInstanceOf(HeadConflict)
    failing(world, { error: unknown })
    expect(await append(world, [draft("mine")], 0)).toBeInstanceOf(HeadConflict)
    failing(world, { error: new TooLarge({ what: "it", size: 2, sizeMax: 1, unit: "characters" }) })
    expect(await append(world, [draft("mine")], 1)).toBeInstanceOf(TooLarge)
    expect(world.events("log").length).toBe(1)
  })

  it("is not taken for kept when what is there is another's, of another kind, or more", async () => {
    const same = async (theirs: ReadonlyArray<Draft>, sender = "coordinator"): Promise<number | AppendError> => {
      const world = opened()
      await Effect.runPromise(world.port(sender).append("log", theirs))
      failing(world, { error: unknown })
      return append(world, [draft("mine")], 0)
    }
    expect(await same([draft("mine")])).toBe(1)
    expect(await same([draft("mine")], "somebody")).toBeInstanceOf(HeadConflict)
    expect(await same([{ kind: "released", payload: "mine" }])).toBeInstanceOf(HeadConflict)
    expect(await same([draft("mine"), draft("more")])).toBeInstanceOf(HeadConflict)
    // Nor when no outcome was unknown: it was never sent.
    const world = opened()
    await append(world, [draft("mine")], 0)
    failing(world, { error: new Overloaded({ what: "it", limit: 1, unit: "events", retryAfterMillis: 1 }) })
    expect(await append(world, [draft("mine")], 0)).toBeInstanceOf(HeadConflict)
    // Once unknown, it stays so whatever is answered in between.
    failing(world, { error: unknown, kept: true }, { error: new Overloaded({ what: "it", limit: 1, unit: "events", retryAfterMillis: 1 }) })
    expect(await append(world, [draft("next")], 1)).toBe(2)
  })

  it("that depends on nothing before it is repeated until it is there, and no longer", async () => {
    const surely = (world: FakeWorld): Promise<AppendError | undefined> =>
      Effect.runPromise(Effect.match(appendSurely(world.port("coordinator"), "log", [draft("x")]), { onFailure: (error) => error, onSuccess: () => undefined }))
    for (const error of [unknown, new StoreUnavailable({ reason: "full" }), new Overloaded({ what: "it", limit: 1, unit: "events", retryAfterMillis: 1 })]) {
      const world = opened()
      failing(world, { error }, { error })
      expect(await surely(world), error._tag).toBeUndefined()
      expect(world.events("log").map(({ payload }) => payload)).toEqual(["x"])
    }
    const world = opened()
    failing(world, { error: new TooLarge({ what: "it", size: 2, sizeMax: 1, unit: "characters" }) })
    expect(await surely(world)).toBeInstanceOf(TooLarge)
    expect(world.events("log")).toEqual([])
  })

  it("goes in as few batches as fit", () => {
    const weighed = (weight: number): { readonly draft: Draft; readonly weight: number } => ({ draft: draft(weight), weight })
    expect(batchesOf([weighed(100_000), weighed(40_000), weighed(20_000), weighed(900_000), weighed(1)]).map((batch) => batch.map(({ payload }) => payload)))
      .toEqual([[100_000, 40_000], [20_000], [900_000], [1]])
    expect(batchesOf(Array.from({ length: 1_000 }, () => weighed(1))).map(({ length }) => length)).toEqual([900, 100])
    expect(batchesOf([weighed(900_000), weighed(1)]).map((batch) => batch.map(({ payload }) => payload))).toEqual([[900_000], [1]])
    expect(batchesOf([])).toEqual([])
  })
})
