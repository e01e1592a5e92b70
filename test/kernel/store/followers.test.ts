// Appends that go with another one into one row of the log: kept with it, or not at all.
import Database from "better-sqlite3"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeEach, describe, expect } from "vitest"
import type { Appended } from "../../../protocol/event.ts"
import { makeClock } from "../../../kernel/clock.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { Follower, StoreService } from "../../../kernel/store/store.ts"
import { everything } from "../../contract/store.ts"
import { channel, effect, numbered } from "../../kit/store-it.ts"

const root = mkdtempSync(join(tmpdir(), "aaax-followers-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let path = ""
beforeEach(() => {
  path = join(mkdtempSync(join(root, "s-")), "kernel.db")
})

const leader = channel("leader")
const other = channel("other", { durability: "relaxed" })
const open = (faults?: Sqlite.FaultHook) =>
  Effect.tap(Sqlite.make({ path, clock: makeClock(), ...(faults === undefined ? {} : { faults }) }), (store) =>
    store.channels().length > 0 ? Effect.void : Effect.andThen(store.putChannel(leader), store.putChannel(other)))
const follower = (told: Array<unknown>, expectedHead = 0, name = "other"): Follower => ({
  channel: name, batch: numbered(other, 10, 12), sender: "f", expectedHead,
  kept: (appended: ReadonlyArray<Appended> | undefined) => void told.push(appended?.map(({ cursor }) => cursor))
})
const rows = (): unknown => {
  const db = new Database(path, { readonly: true })
  try {
    return db.prepare("SELECT count(*) FROM log").pluck().get()
  } finally {
    db.close()
  }
}
const kept = (store: StoreService, from: typeof leader) => Effect.map(everything(store, from), (events) => events.map(({ payload }) => payload))

describe("a follower of an append", () => {
  effect("is kept in the same row, and told of before the append is answered", () => Effect.gen(function*() {
    const store = yield* open()
    const told: Array<unknown> = []
    yield* Effect.tap(
      store.append("leader", numbered(leader, 0, 1), { sender: "l", expectedHead: 0, followers: [follower(told)] }), () => Effect.sync(() => told.push("answered")))
    expect(told).toEqual([[1, 2], "answered"])
    expect(rows()).toBe(1)
    expect(yield* kept(store, leader)).toEqual([0])
    expect(yield* kept(store, other)).toEqual([10, 11])
  }))

  effect("is not kept when the append is refused, and is not told of", () => Effect.gen(function*() {
    const store = yield* open()
    const told: Array<unknown> = []
    const refusal = yield* Effect.flip(store.append("leader", numbered(leader, 0, 1), { sender: "l", expectedHead: 7, followers: [follower(told)] }))
    expect([refusal._tag, told]).toEqual(["HeadConflict", []])
    expect(yield* kept(store, other)).toEqual([])
  }))

  effect("may be refused by itself, and takes nothing along", () => Effect.gen(function*() {
    const store = yield* open()
    const told: Array<unknown> = []
    const followers = [follower(told, 5), follower(told, 0, "nobody"), follower(told)]
    yield* store.append("leader", numbered(leader, 0, 1), { sender: "l", followers })
    expect(told.toSorted()).toEqual([[1, 2], undefined, undefined])
    expect(yield* kept(store, leader)).toHaveLength(1)
    expect(yield* kept(store, other)).toHaveLength(2)
  }))

  for (const moment of ["write", "commit", "committed"] as const) {
    effect(`is as unknown as the append when the disk fails (${moment}), and both are there afterwards, or neither`, () => Effect.gen(function*() {
      let failing = false
      const store = yield* open((at) => {
        if (failing && at === moment) throw new Error("no space")
      })
      const told: Array<unknown> = []
      failing = true
      const refusal = yield* Effect.flip(store.append("leader", numbered(leader, 0, 1), { sender: "l", followers: [follower(told)] }))
      expect([refusal._tag, told]).toEqual(["AppendUnknown", []])
      failing = false
      yield* store.reopen
      expect([(yield* kept(store, leader)).length, (yield* kept(store, other)).length]).toEqual(moment === "committed" ? [1, 2] : [0, 0])
      yield* store.append("other", numbered(other, 0, 1), { sender: "x" })
    }))
  }
})
