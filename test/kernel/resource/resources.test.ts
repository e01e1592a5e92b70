import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import { artifactGraceMillis, artifactQuotaBytes, lagCountMax, sharedSubscriptionsMax } from "../../../kernel/limits.ts"
import { makeArtifacts } from "../../../kernel/resource/artifacts.ts"
import { makeEvents } from "../../../kernel/resource/events.ts"
import { makeRecords, type Records } from "../../../kernel/resource/records.ts"
import { makeTally } from "../../../kernel/resource/tally.ts"
import type { Visitor } from "../../../kernel/resource/visitor.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../../kernel/testing.ts"
import type { ArtifactRecord } from "../../../protocol/artifact.ts"
import { channelOf } from "../../../protocol/channel.ts"
import { collected } from "../../contract/artifacts.ts"
import { effect } from "../../kit/it.ts"
import { visitorOf } from "../../kit/visitor.ts"

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

const world = <A>(body: (kernel: TestKernel, alice: Visitor) => Effect.Effect<A, unknown, Scope.Scope>, options: TestOptions = {}) =>
  Effect.gen(function*() {
    const kernel = yield* makeKernel(options)
    for (const name of ["log", "other"]) yield* kernel.channels.open(channelOf({ name, visibility: "public" }, kernel.id))
    return yield* body(kernel, yield* visitorOf(kernel, "alice"))
  })

const tagOf = <A>(run: Effect.Effect<A, unknown, never>): Effect.Effect<unknown> =>
  Effect.match(run, { onFailure: (failure) => (failure as { _tag: string })._tag, onSuccess: () => "success" })

/** Runs as if it were so many milliseconds after the kernel's time. */
const at = <A, E>(kernel: TestKernel, millis: number, run: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Clock.Clock, (clock) =>
    Effect.provideService(run, Clock.Clock, Object.create(clock, { currentTimeMillis: { value: Effect.succeed(kernel.channels.clock.now() + millis) } })))

describe("bytes that were streamed in", () => {
  effect("[X6] and that no record names are removed after a while, and not before", () => Effect.gen(function*() {
    const time = testTime()
    const memory = yield* Memory.make({ clock: makeClock(time) })
    let crashes = false
    // As after a crash between a record and its claim.
    const store: StoreService = { ...memory, claimArtifact: (digest) => (crashes ? Effect.void : memory.claimArtifact(digest)) }
    yield* world((kernel, alice) => Effect.gen(function*() {
      const { artifacts } = kernel.resources
      const plenty = { mediaType: "text/plain", sizeBytesMax: 99, totalBytesMax: 999 }
      const recorded = yield* artifacts.put(alice, once("recorded"))
      crashes = true
      const unclaimed = yield* artifacts.put(alice, once("recorded and not claimed"))
      crashes = false
      const whole = yield* store.putArtifact(Buffer.from("named by an event alone"), "text/plain")
      const orphan = yield* store.putArtifactStream(once("orphan"), { ...plenty, claim: "nobody" })
      const other = yield* store.putArtifactStream(once("orphan of a record with other bytes"), { ...plenty, claim: recorded.id })
      expect(yield* at(kernel, artifactGraceMillis - 1, artifacts.collect)).toEqual([])
      expect([...(yield* at(kernel, artifactGraceMillis, artifacts.collect))].sort()).toEqual([orphan.digest, other.digest].sort())
      for (const { digest } of [orphan, other]) expect(yield* tagOf(store.getArtifact(digest))).toBe("ArtifactNotFound")
      for (const digest of [recorded.sha256, whole.digest, unclaimed.sha256]) expect(yield* tagOf(store.getArtifact(digest))).toBe("success")
      expect([yield* store.unclaimedArtifacts(), yield* at(kernel, artifactGraceMillis * 9, artifacts.collect)]).toEqual([[], []])
    }), { store, time })
  }))

  effect("are bounded for each system, however small each of them is", () => world((kernel, alice) => Effect.gen(function*() {
    const records = yield* makeRecords<ArtifactRecord>(kernel.channels, "aaax.internal.artifacts", "artifact", "")
    const artifacts = makeArtifacts(kernel.channels, records)
    const big: ArtifactRecord = {
      id: "big", channel: null, path: "", mediaType: "text/plain", sizeBytes: artifactQuotaBytes - 5, sha256: "0".repeat(64), metadata: {}, eventIds: [],
      creator: "alice", createdAt: 0
    }
    yield* records.add(big, { subject: "big", recipient: "alice" })
    expect(yield* tagOf(artifacts.put(alice, once("seven.."), {}))).toBe("TooLarge")
    yield* artifacts.put(alice, once("five."), {})
    expect(yield* tagOf(artifacts.put(alice, once("x"), {}))).toBe("TooLarge")
    const bob = yield* visitorOf(kernel, "bob")
    expect(yield* tagOf(artifacts.put(bob, once("x"), {}))).toBe("success")
    // Each of these fits, and both together do not.
    yield* records.add({ ...big, id: "carols", creator: "carol" }, { subject: "carols", recipient: "carol" })
    const carol = yield* visitorOf(kernel, "carol")
    const both = yield* Effect.forEach(["four", "more"], (text) => tagOf(artifacts.put(carol, once(text), {})), { concurrency: 2 })
    expect(both.sort()).toEqual(["TooLarge", "success"])
  })))

  effect("are put by nobody who may not write, and then not a byte is read", () => world((kernel) => Effect.gen(function*() {
    const { artifacts } = kernel.resources
    const reader = yield* visitorOf(kernel, "reader", "read")
    let isRead = false
    async function* watched(): AsyncGenerator<Uint8Array> {
      isRead = true
      yield Buffer.from("x")
    }
    const draft = [{}, { channel: "log" }, { channel: "nowhere" }]
    expect(yield* Effect.forEach(draft, (one) => tagOf(artifacts.put(reader, watched(), one)))).toEqual(["Denied", "Denied", "ChannelNotFound"])
    const writer = yield* visitorOf(kernel, "writer", "write")
    expect(yield* tagOf(artifacts.put(writer, watched(), { eventIds: ["nobody"] }))).toBe("EventNotFound")
    expect(yield* tagOf(artifacts.put(writer, watched(), { mediaType: "text/html\r\nx: y" }))).toBe("InvalidPayload")
    expect(isRead).toBe(false)
  })))
})

describe("an artifact", () => {
  effect("is found through each of the events that it belongs to, and by nobody who may not read its channel", () => world((kernel, alice) => Effect.gen(function*() {
    const { artifacts } = kernel.resources
    const [one, two] = yield* kernel.channels.append("test", "log", [{ payload: 1 }, { payload: 2 }])
    const record = yield* artifacts.put(alice, once("hello"), { channel: "log", eventIds: [one!.id, two!.id, one!.id] })
    expect(record.eventIds).toEqual([one!.id, two!.id])
    for (const eventId of record.eventIds) expect((yield* artifacts.list(alice, { eventId })).records).toEqual([record])
    const { bytes } = yield* artifacts.open(alice, record, { from: 1, to: 3 })
    expect((yield* collected(bytes.chunks)).toString()).toBe("ell")
    const blind: Visitor = { ...alice, refusal: (channel) => alice.refusal(channel === "log" ? "gone" : channel, "read") }
    expect([(yield* artifacts.list(blind)).records, yield* tagOf(artifacts.get(blind, record.id)), yield* tagOf(artifacts.open(blind, record))]).toEqual([[], "ArtifactNotFound", "ArtifactNotFound"])
  })))
})

describe("a subscription", () => {
  effect("is one of a bounded number for each system", () => world((kernel, alice) => Effect.gen(function*() {
    const { subscriptions } = kernel.resources
    for (let left = sharedSubscriptionsMax; left > 0; left -= 1_000) {
      yield* kernel.channels.append("aaax", "aaax.internal.subscriptions", Array.from({ length: 1_000 }, (_, index) => ({
        kind: "subscription", subject: `s${left}-${index}`, recipient: "alice", payload: { id: `s${left}-${index}`, channel: "log", batchSize: 1, filters: {}, metadata: {}, creator: "alice", createdAt: 0, consumer: null }
      })))
    }
    expect(yield* tagOf(subscriptions.create(alice, { channel: "log" }))).toBe("Overloaded")
    expect(yield* tagOf(subscriptions.create(alice, { channel: "log", id: "s1000-7" }))).toBe("success")
    const bob = yield* visitorOf(kernel, "bob")
    expect(yield* tagOf(subscriptions.create(bob, { channel: "log" }))).toBe("success")
  })))

  effect("[148] on a store that forgets and repeats gives every event once, to one of those who pull", () => world((kernel, alice) => Effect.gen(function*() {
    const { subscriptions } = kernel.resources
    for (let batch = 0; batch < 10; batch++) yield* kernel.resources.events.append(alice, "log", Array.from({ length: 20 }, (_, index) => ({ payload: batch * 20 + index })))
    yield* Effect.forEach(Array.from({ length: 8 }), () => subscriptions.create(alice, { channel: "log", id: "one", batchSize: 3 }), { concurrency: "unbounded" })
    expect((yield* subscriptions.list(alice)).records).toHaveLength(1)
    const seen: Array<number> = []
    const drain = Effect.gen(function*() {
      for (;;) {
        const { events } = yield* subscriptions.pull(alice, "one")
        if (events.length === 0) return
        seen.push(...events.map(({ cursor }) => cursor))
      }
    })
    yield* Effect.forEach([1, 2, 3, 4], () => drain, { concurrency: "unbounded" })
    expect([seen.length, new Set(seen).size]).toEqual([200, 200])
  }), { hostile: { seed: 11, failedKept: 0.1, failedLost: 0.1, failedLate: 0.1 } }))

  effect("[148] whose cursor takes a while to be kept is pulled by one after the other, and acknowledged in between", () => Effect.gen(function*() {
    const time = testTime()
    const memory = yield* Memory.make({ clock: makeClock(time) })
    const store: StoreService = {
      ...memory, advance: (...given) => Effect.andThen(Effect.promise(() => new Promise((resolve) => setImmediate(resolve))), memory.advance(...given))
    }
    yield* world((kernel, alice) => Effect.gen(function*() {
      const { subscriptions } = kernel.resources
      yield* kernel.channels.append("test", "log", Array.from({ length: 100 }, (_, payload) => ({ payload })))
      yield* subscriptions.create(alice, { channel: "log", id: "slow", batchSize: 9 })
      const pulls = yield* Effect.forEach(Array.from({ length: 12 }), () => subscriptions.pull(alice, "slow"), { concurrency: "unbounded" })
      const cursors = pulls.flatMap(({ events }) => events.map(({ cursor }) => cursor))
      expect([cursors.length, new Set(cursors).size]).toEqual([100, 100])
    }), { store, time })
  }))

  effect("counts what it is behind where cursors have holes, up to a bound", () => world((kernel, alice) => Effect.gen(function*() {
    const { subscriptions } = kernel.resources
    yield* subscriptions.create(alice, { channel: "log", id: "lag" })
    for (let batch = 0; batch < 3; batch++) yield* kernel.channels.append("test", "log", [{ payload: 1 }, { payload: 2 }])
    expect(yield* subscriptions.lag(alice, "lag")).toMatchObject({ cursor: 0, behind: 6, isExact: true })
    yield* subscriptions.pull(alice, "lag", { limit: 4 })
    expect(yield* subscriptions.lag(alice, "lag")).toMatchObject({ behind: 2, isExact: true })
    for (let batch = 0; batch <= lagCountMax / 1_000; batch++) yield* kernel.channels.append("test", "log", Array.from({ length: 1_000 }, () => ({})))
    expect(yield* subscriptions.lag(alice, "lag")).toMatchObject({ isExact: false, behind: lagCountMax })
  }), { hostile: { seed: 1, failedKept: 0, failedLost: 0, failedLate: 0 } }))

  effect("behind what retention keeps says so, and goes on from where it is told", () => world((kernel, alice) => Effect.gen(function*() {
    const { subscriptions } = kernel.resources
    yield* kernel.channels.append("test", "log", Array.from({ length: 10 }, (_, payload) => ({ payload })))
    yield* subscriptions.create(alice, { channel: "log", id: "late" })
    yield* subscriptions.pull(alice, "late", { limit: 2 })
    yield* kernel.channels.store.evict("log", 6)
    expect(yield* tagOf(subscriptions.pull(alice, "late"))).toBe("Gap")
    yield* subscriptions.ack(alice, "late", 6)
    expect((yield* subscriptions.pull(alice, "late")).events.map(({ payload }) => payload)).toEqual([6, 7, 8, 9])
  })))
})

describe("an event under an id of its writer", () => {
  effect("[140] is kept once, also on a store that forgets and repeats, and its content is compared in full", () => world((kernel, alice) => Effect.gen(function*() {
    const { events } = kernel.resources
    const draft = { id: "mine", payload: { b: 1, a: [2] }, recipient: "bob", subject: "s", labels: ["l"] }
    const all = yield* Effect.forEach(Array.from({ length: 12 }), () => events.append(alice, "log", [draft]), { concurrency: "unbounded" })
    expect(new Set(all.map(([event]) => event!.cursor)).size).toBe(1)
    expect((yield* events.append(alice, "log", [{ ...draft, payload: { a: [2], b: 1 } }]))[0]).toEqual(yield* events.get(alice, "mine"))
    for (const change of [{ recipient: "carol" }, { subject: "t" }, { labels: [] }, { payload: { b: 1, a: [2, 3] } }]) {
      expect(yield* tagOf(events.append(alice, "log", [{ ...draft, ...change }]))).toBe("EventExists")
    }
    expect(yield* tagOf(events.append(alice, "log", [draft, {}]))).toBe("EventExists")
    expect((yield* events.read(alice, "log", { after: 0, limit: 10 })).events).toHaveLength(1)
  }), { hostile: { seed: 5, failedKept: 0.2, failedLost: 0.2, failedLate: 0.1 } }))
})

describe("a query without an index", () => {
  effect("looks at a bounded number of events, and refuses when nobody could tell that from the end", () => world((kernel, alice) => Effect.gen(function*() {
    const events = makeEvents(kernel.channels, 2_000)
    for (const kind of ["common", "common", "common", "rare"]) yield* kernel.channels.append("test", "log", Array.from({ length: 1_000 }, () => ({ kind })))
    const rare = { filter: { kind: "rare" }, limit: 5 }
    expect(yield* Effect.flip(events.query(alice, "log", { after: 0, ...rare }))).toMatchObject({ _tag: "InvalidPayload", reason: expect.stringContaining("go on behind 2000") })
    expect(yield* events.read(alice, "log", { after: 0, ...rare })).toMatchObject({ events: [], next: 2_000 })
    expect((yield* events.query(alice, "log", { after: 2_000, ...rare })).events.map(({ cursor }) => cursor)).toEqual([3_001, 3_002, 3_003, 3_004, 3_005])
    expect((yield* events.query(alice, "log", { after: 3_998, ...rare })).events).toHaveLength(2)
    expect(yield* events.query(alice, "log", { after: 4_000, ...rare })).toMatchObject({ events: [], next: 4_000 })
  })))
})

describe("the list of snapshots", () => {
  effect("has none of the kernel's own, whatever channel they name", () => world((kernel, alice) => Effect.gen(function*() {
    for (const name of ["aaax.state", "state"]) yield* kernel.channels.store.putSnapshot({ name, value: 1, channel: "log" }, "aaax")
    expect((yield* kernel.resources.snapshots.list(alice)).map(({ name }) => name)).toEqual(["state"])
  })))
})

describe("what a creator has used", () => {
  effect("is counted on from where it was counted last, and again for one that was forgotten", () => world((kernel) => Effect.gen(function*() {
    const kept = yield* makeRecords<{ readonly size: number }>(kernel.channels, "aaax.internal.tallied", "thing", "")
    const lists: Array<number> = []
    const records: Records<{ readonly size: number }> = {
      ...kept,
      list: (after, limit, filter) => Effect.tap(kept.list(after, limit, filter), () => Effect.sync(() => void lists.push(after)))
    }
    const tally = makeTally(records, ({ size }) => size)
    for (const size of [1, 2, 3]) yield* records.add({ size }, { subject: `${size}`, recipient: "a" })
    expect(yield* tally("a")).toMatchObject({ count: 3, size: 6 })
    yield* records.add({ size: 4 }, { subject: "4", recipient: "a" })
    yield* records.add({ size: 100 }, { subject: "5", recipient: "b" })
    expect(yield* tally("a")).toMatchObject({ count: 4, size: 10 })
    expect(lists).toEqual([0, 3])
    for (let other = 0; other < 1_001; other++) yield* tally(`other-${other}`)
    expect(yield* tally("a")).toMatchObject({ count: 4, size: 10 })
    expect(lists.at(-1)).toBe(0)
  }), { time: testTime() }))
})
