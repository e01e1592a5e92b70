// The store API of the second generation, without a kernel: what the ancestor's store does, and where ours does better.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { LocalStore } from "../../../kernel/store/local.ts"

let folder = ""
const stores: Array<LocalStore> = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "aaax-sssn-"))
})
afterEach(() => {
  for (const store of stores.splice(0)) store.close()
  rmSync(folder, { recursive: true, force: true })
})
const open = (root = join(folder, "store")): LocalStore => {
  const store = new LocalStore(root)
  stores.push(store)
  return store
}
const withChannel = (name = "events"): LocalStore => {
  const store = open()
  store.createChannel({ name })
  return store
}
/** The name of what is refused with, and its sentence. */
const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (failure) {
    return String(failure)
  }
  return "nothing was refused"
}
/** Something that the types do not let pass, as a caller in JavaScript may give it. */
const wrong = (value: unknown): never => value as never
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const badNames = ["", "   ", ".", "..", "a/b", "a\\b", "a:b", "a b", "a%2Fb"]
const notText = [null, 7, bytes("events"), ["events"]]

describe("a model of the portable API", () => {
  it.each([...badNames, ...notText])("[122] [123] takes no %j for a name, and says which field it is", (name) => {
    const store = withChannel()
    expect(refusal(() => store.createChannel(wrong({ name })))).toBe("InvalidPayloadError: Invalid channel: name must be a non-empty path segment.")
    expect(refusal(() => store.appendEvent(wrong({ channel: "events", id: name })))).toContain("id must be a non-empty path segment.")
    expect(refusal(() => store.appendEvent(wrong({ channel: name })))).toContain("channel must be a non-empty path segment.")
    expect(refusal(() => store.putSnapshot(wrong({ name })))).toContain("name must be a non-empty path segment.")
    expect(store.listChannels()).toHaveLength(1)
    expect(store.queryEvents("events")).toEqual([])
  })

  it("[122] [X17] takes no name with a control character, none that is endless, and none in two spellings", () => {
    const store = open()
    expect(refusal(() => store.createChannel({ name: "a\u0000b" }))).toContain("name must be a non-empty path segment.")
    expect(refusal(() => store.createChannel({ name: "n".repeat(201) }))).toContain("name must be a path segment of at most 200 characters.")
    expect(refusal(() => store.createChannel({ name: "cafe\u0301" }))).toContain("name must be in Unicode normalization form NFC.")
    expect(refusal(() => store.createChannel({ name: "\ud800" }))).toContain("name must be a non-empty path segment.")
    expect(store.createChannel({ name: "café?#&\"" }).name).toBe("café?#&\"")
  })

  it.each(["", "a b", "a/b", "%41", 7])("[124] takes no %j for a kind, a correlation id or a consumer", (token) => {
    const store = withChannel()
    expect(refusal(() => store.appendEvent(wrong({ channel: "events", kind: token })))).toContain("kind must be a non-empty token.")
    expect(refusal(() => store.appendEvent(wrong({ channel: "events", correlation_id: token })))).toContain("correlation_id must be a non-empty token.")
    expect(refusal(() => store.createSubscription("events", { consumer: wrong(token) }))).toContain("consumer must be a non-empty token.")
    expect(store.appendEvent({ channel: "events", kind: "policy.sample", correlation_id: "c.1" }).kind).toBe("policy.sample")
  })

  it("[125] [138] has nothing in common with what was given, nor with what is answered", () => {
    const store = withChannel()
    const payload = Object.freeze({ list: [{ n: 1 }] })
    const metadata = { tags: ["a"] }
    const parents = [store.appendEvent({ channel: "events" }).id]
    const kept = store.appendEvent({ channel: "events", payload, metadata, parent_ids: parents })
    const before = JSON.stringify(kept)
    payload.list[0]!.n = 2
    metadata.tags.push("b")
    parents.push("other")
    expect(JSON.stringify(kept)).toBe(before)
    wrong(kept.payload)["list"] = "changed" as never
    ;(kept.parent_ids as Array<string>).push("changed")
    expect(JSON.stringify(store.getEvent(kept.id))).toBe(before)
    expect(JSON.stringify(store.queryEvents("events")[1])).toBe(before)
  })

  it("[126] has one of thirteen forms; log when none is said", () => {
    const store = open()
    const forms = [
      "log", "queue", "topic", "blackboard", "latest-state", "artifact-index", "pipeline-edge", "database-view", "feed", "time-series", "tree",
      "forum", "hub"
    ] as const
    for (const form of forms) expect(store.createChannel({ name: form, form }).form).toBe(form)
    expect(store.createChannel({ name: "plain" }).form).toBe("log")
    for (const form of ["stream", "", null, 1]) expect(refusal(() => store.createChannel(wrong({ name: "x", form })))).toContain("form must be one of log, queue")
    expect(store.listChannels()).toHaveLength(14)
  })

  it("[139] [X8] refuses what JSON cannot keep, and says where; dates become text, sets lists, bytes text", () => {
    const store = withChannel()
    for (const value of [Number.NaN, Infinity, () => 1, 1n, Symbol("s"), new URL("a:b"), bytes("\u00ff").subarray(0, 1)]) {
      expect(refusal(() => store.appendEvent({ channel: "events", payload: { deep: [value] } }))).toContain(
        "InvalidPayloadError: Value is not JSON serializable: payload.deep[0]: ")
    }
    const cycle: Array<unknown> = []
    cycle.push(cycle)
    expect(refusal(() => store.appendEvent({ channel: "events", payload: cycle }))).toContain("nested deeper than 64")
    expect(refusal(() => store.appendEvent({ channel: "events", timestamp: Number.NaN }))).toContain("timestamp must be a finite number.")
    expect(store.queryEvents("events")).toEqual([])
    const { payload } = store.appendEvent({
      channel: "events", payload: { at: new Date(0), set: new Set([2, 1]), map: new Map([[1, "one"]]), text: bytes("é"), gone: undefined }
    })
    expect(payload).toEqual({ at: "1970-01-01T00:00:00.000Z", map: { 1: "one" }, set: [2, 1], text: "é" })
  })

  it("[X8] drops no field in silence", () => {
    const store = withChannel()
    expect(refusal(() => store.appendEvent(wrong({ channel: "events", schema_ref: "a:B" })))).toContain("schema_ref is not a field; allowed: id, cursor, channel")
    expect(refusal(() => store.putSnapshot(wrong({ name: "state", status: "ok" })))).toContain("status is not a field")
  })
})

describe("the layout of a local store", () => {
  it("[127] is sssn.sqlite and artifacts/ under its root", () => {
    const store = open()
    expect(readdirSync(store.root).filter((name) => !/-(?:wal|shm)$/u.test(name)).sort()).toEqual(["artifacts", "sssn.sqlite"])
    expect([store.databasePath, store.artifactsPath]).toEqual([join(store.root, "sssn.sqlite"), join(store.root, "artifacts")])
  })

  it.each(["", "  ", " store", "store ", 7, null, "a\0b"])("[127] is not made at the root %j", (root) => {
    const before = readdirSync(".")
    expect(refusal(() => new LocalStore(wrong(root)))).toBe("SSSNError: store root must be a non-empty path string.")
    expect(readdirSync(".")).toEqual(before)
  })

  it("[128] gives everything back when it is opened again", () => {
    const first = withChannel()
    const event = first.appendEvent({ channel: "events", payload: { a: [1, null, "x"] }, metadata: { k: "v" }, source: "s", schema: "m:T", timestamp: -1.25 })
    first.createSubscription("events", { id: "worker", consumer: "w", batchSize: 7, filters: { kind: "event" }, metadata: { m: 1 } })
    const artifact = first.writeArtifact(bytes("hello"), { channel: "events", media_type: "text/plain", event_ids: [event.id] })
    const snapshot = first.putSnapshot({ name: "latest", channel: "events", value: { n: 1 }, source_event_id: event.id })
    const channel = first.getChannel("events")
    const subscription = first.getSubscription("worker")
    first.close()
    expect(readdirSync(first.root).sort()).toEqual(["artifacts", "sssn.sqlite"])
    const again = open()
    expect(again.getChannel("events")).toEqual(channel)
    expect(again.getEvent(event.id)).toEqual(event)
    expect(again.getSubscription("worker")).toEqual(subscription)
    expect(again.getArtifact(artifact.id)).toEqual(artifact)
    expect(new TextDecoder().decode(again.readArtifact(artifact.id))).toBe("hello")
    expect(again.getSnapshot("latest")).toEqual(snapshot)
    expect(again.verify()).toEqual([])
    expect(refusal(() => first.listChannels())).toContain("StoreFailedError: Store is closed: ")
  })
})

describe("the channels of a local store", () => {
  it("[129] have one name each, are found by it, and are listed in order", () => {
    const store = withChannel("events")
    store.createChannel({ name: "alerts", description: "bad news" })
    expect(refusal(() => store.createChannel({ name: "events", form: "queue" }))).toBe("ChannelExistsError: Channel already exists: events")
    expect(refusal(() => store.getChannel("missing"))).toBe("ChannelNotFoundError: Channel not found: missing")
    expect(store.listChannels().map(({ name, form }) => `${name} ${form}`)).toEqual(["alerts log", "events log"])
  })

  it.each([[], "text", 7, new Date(0)])("[130] take no metadata that is no object: %j", (metadata) => {
    const store = withChannel()
    expect(refusal(() => store.createChannel(wrong({ name: "x", metadata })))).toBe("InvalidPayloadError: channel.metadata must be an object.")
    expect(refusal(() => store.appendEvent(wrong({ channel: "events", metadata })))).toBe("InvalidPayloadError: event.metadata must be an object.")
    expect(refusal(() => store.putSnapshot(wrong({ name: "x", metadata })))).toBe("InvalidPayloadError: snapshot.metadata must be an object.")
    expect(refusal(() => store.writeArtifact(bytes("x"), wrong({ metadata })))).toBe("InvalidPayloadError: artifact.metadata must be an object.")
    expect(refusal(() => store.createSubscription("events", wrong({ metadata })))).toBe("InvalidPayloadError: subscription.metadata must be an object.")
    expect([store.listChannels().length, store.queryEvents("events").length, store.listSnapshots().length]).toEqual([1, 0, 0])
    expect([store.listArtifacts().length, store.listSubscriptions().length]).toEqual([0, 0])
    expect(store.createChannel({ name: "none", metadata: null }).metadata).toEqual({})
  })

  it.each([...badNames, 7, null])("[131] name the field when something is looked up by %j", (name) => {
    const store = withChannel()
    const given = wrong(name)
    const segment = (field: string): string => `InvalidPayloadError: ${field} must be a non-empty path segment.`
    expect(refusal(() => store.getChannel(given))).toBe(segment("channel.name"))
    expect(refusal(() => store.getEvent(given))).toBe(segment("event.id"))
    expect(refusal(() => store.queryEvents(given))).toBe(segment("event.channel"))
    expect(refusal(() => store.getSubscription(given))).toBe(segment("subscription.id"))
    expect(refusal(() => store.pullSubscription(given))).toBe(segment("subscription.id"))
    expect(refusal(() => store.getArtifact(given))).toBe(segment("artifact.id"))
    expect(refusal(() => store.readArtifact(given))).toBe(segment("artifact.id"))
    expect(refusal(() => store.getSnapshot(given))).toBe(segment("snapshot.name"))
  })
})

describe("the events of a local store", () => {
  it("[132] [133] have cursors from 1, and are queried in order, behind a cursor, by kind", () => {
    const store = withChannel()
    const raw = store.appendEvent({ channel: "events", kind: "raw", payload: 1 })
    const derived = store.appendEvent({ channel: "events", kind: "raw.derived", payload: 2 })
    expect([raw.cursor, derived.cursor]).toEqual([1, 2])
    expect(store.getEvent(raw.id)).toEqual(raw)
    expect(store.queryEvents("events")).toEqual([raw, derived])
    expect(store.queryEvents("events", { afterCursor: 1 })).toEqual([derived])
    expect(store.queryEvents("events", { kind: "raw" })).toEqual([raw])
    expect(store.queryEvents("events", { limit: 1 })).toEqual([raw])
  })

  it("[134] are refused for a channel or parent that is not there, and nothing is kept", () => {
    const store = withChannel()
    expect(refusal(() => store.appendEvent({ channel: "missing" }))).toBe("ChannelNotFoundError: Channel not found: missing")
    expect(refusal(() => store.appendEvent({ channel: "events", parent_ids: ["nobody"] }))).toBe("EventNotFoundError: Event not found: nobody")
    expect(refusal(() => store.appendEvent({ channel: "events", id: "e", parent_ids: ["e"] }))).toBe("EventNotFoundError: Event not found: e")
    expect(refusal(() => store.appendEvent(wrong({ payload: {} })))).toContain("InvalidPayloadError: Invalid event: channel must be a non-empty path segment.")
    expect(refusal(() => store.appendEvent(wrong({ channel: "events", parent_ids: "e1" })))).toContain("parent_ids must be a list of path segments.")
    expect(refusal(() => store.appendEvents([{ channel: "events" }, { channel: "missing" }]))).toContain("ChannelNotFoundError")
    expect(store.queryEvents("events")).toEqual([])
  })

  it("[135] keep the order of their parents, which may be in any channel", () => {
    const store = withChannel()
    store.createChannel({ name: "other" })
    const [first, second] = store.appendEvents([{ channel: "other" }, { channel: "events" }])
    const child = store.appendEvent({ channel: "events", parent_ids: [second!.id, first!.id] })
    expect(store.getEvent(child.id).parent_ids).toEqual([second!.id, first!.id])
    const [a, b] = store.appendEvents([{ channel: "events", id: "a" }, { channel: "events", parent_ids: ["a"] }])
    expect([a!.cursor, b!.cursor]).toEqual([4, 5])
  })

  it("[136] are queried with integers alone, and the parameter is named", () => {
    const store = withChannel()
    for (const value of [true, 1.5, "1", null, Number.NaN]) {
      expect(refusal(() => store.queryEvents("events", { afterCursor: wrong(value) }))).toBe("InvalidPayloadError: after_cursor must be an integer.")
      expect(refusal(() => store.queryEvents("events", { limit: wrong(value) }))).toBe("InvalidPayloadError: limit must be an integer.")
    }
    expect(refusal(() => store.queryEvents("events", { afterCursor: -1 }))).toBe("InvalidPayloadError: after_cursor must be greater than or equal to 0.")
    expect(refusal(() => store.queryEvents("events", { limit: 0 }))).toBe("InvalidPayloadError: limit must be greater than 0.")
    expect(refusal(() => store.queryEvents("events", { limit: 1e9 }))).toContain("limit must be less than or equal to")
    expect(refusal(() => store.queryEvents("events", { afterCursor: 2 ** 60 }))).toContain("after_cursor must be less than or equal to")
  })

  it("[137] have well-formed kinds wherever one is said", () => {
    const store = withChannel()
    expect(refusal(() => store.appendEvent({ channel: "events", kind: "a b" }))).toContain("kind must be a non-empty token.")
    expect(refusal(() => store.queryEvents("events", { kind: "a b" }))).toBe("InvalidPayloadError: event.kind must be a non-empty token.")
    expect(refusal(() => store.createSubscription("events", { filters: { kind: "a b" } }))).toBe(
      "InvalidPayloadError: subscription filter 'kind' must be a non-empty token.")
  })

  it("[140] [X1] may be appended again: the same content is the same event, other content is a conflict", () => {
    const store = withChannel()
    store.createChannel({ name: "other" })
    const draft = { channel: "events", id: "order-1", payload: { n: 1, m: 2 }, metadata: { a: "b" }, parent_ids: [] }
    const kept = store.appendEvent(draft)
    expect(store.appendEvent({ ...draft, payload: { m: 2, n: 1 } })).toEqual(kept)
    expect(store.appendEvent({ ...draft, timestamp: kept.timestamp })).toEqual(kept)
    for (const change of [{ payload: { n: 2 } }, { kind: "other" }, { channel: "other" }, { timestamp: 1 }, { source: "me" }]) {
      expect(refusal(() => store.appendEvent({ ...draft, ...change }))).toBe("EventExistsError: Event already exists with other content: order-1")
    }
    expect(store.queryEvents("events")).toEqual([kept])
  })
})

describe("a subscription of a local store", () => {
  const withEvents = (count: number): LocalStore => {
    const store = withChannel()
    store.appendEvents(Array.from({ length: count }, (_, at) => ({ channel: "events", kind: at % 2 === 0 ? "raw" : "sample", payload: at })))
    return store
  }
  const cursors = (events: ReadonlyArray<{ readonly cursor: number }>): ReadonlyArray<number> => events.map(({ cursor }) => cursor)

  it("[141] [142] [147] gives its batch of the oldest unseen, or as many as asked, and its cursor says how far it is", () => {
    const store = withEvents(5)
    const { id } = store.createSubscription("events", { batchSize: 2 })
    expect(cursors(store.pullSubscription(id))).toEqual([1, 2])
    expect(store.getSubscription(id).cursor).toBe(2)
    expect(cursors(store.pullSubscription(id, 1))).toEqual([3])
    expect(cursors(store.pullSubscription(id, 10))).toEqual([4, 5])
    expect(store.pullSubscription(id)).toEqual([])
    expect(store.getSubscription(id).cursor).toBe(5)
  })

  it("[143] [X5] of a given id is the one that is there, with its cursor; never another channel's, and no option is passed over in silence", () => {
    const store = withEvents(3)
    store.createChannel({ name: "other" })
    store.createSubscription("events", { id: "worker", consumer: "w", batchSize: 1 })
    store.pullSubscription("worker")
    expect(store.createSubscription("events", { id: "worker" })).toMatchObject({ cursor: 1, consumer: "w", batch_size: 1 })
    expect(store.createSubscription("events", { id: "worker", batchSize: 1, consumer: "w" }).cursor).toBe(1)
    expect(refusal(() => store.createSubscription("other", { id: "worker" }))).toBe("SubscriptionExistsError: Subscription already exists: worker")
    expect(refusal(() => store.createSubscription("events", { id: "worker", batchSize: 2, filters: { kind: "raw" } }))).toContain(
      "Subscription already exists: worker, with other batch_size, filters")
  })

  it("[144] [149] lets through its kind, and does not look twice at what it passed over", () => {
    const store = withEvents(5)
    const { id } = store.createSubscription("events", { filters: { kind: "sample" }, batchSize: 2 })
    expect(cursors(store.pullSubscription(id))).toEqual([2, 4])
    expect(store.pullSubscription(id)).toEqual([])
    expect(store.getSubscription(id).cursor).toBe(5)
    store.appendEvent({ channel: "events", kind: "sample" })
    expect(cursors(store.pullSubscription(id))).toEqual([6])
  })

  it("[145] [146] is refused with filters, sizes and ids that are none", () => {
    const store = withEvents(1)
    const { id } = store.createSubscription("events")
    for (const filters of [[], "raw", 7]) {
      expect(refusal(() => store.createSubscription("events", { filters: wrong(filters) }))).toBe("InvalidPayloadError: subscription.filters must be an object.")
    }
    expect(refusal(() => store.createSubscription("events", { filters: { kind: 123 } }))).toContain("subscription filter 'kind' must be")
    expect(refusal(() => store.createSubscription("events", { filters: { source: "s", after: 1 } }))).toBe(
      "InvalidPayloadError: subscription filters only support 'kind'; unsupported: after, source")
    expect(refusal(() => store.createSubscription("events", { batchSize: 0 }))).toBe("InvalidPayloadError: batch_size must be greater than 0.")
    expect(refusal(() => store.createSubscription("missing"))).toBe("ChannelNotFoundError: Channel not found: missing")
    expect(refusal(() => store.pullSubscription(id, 0))).toBe("InvalidPayloadError: limit must be greater than 0.")
    expect(refusal(() => store.pullSubscription("missing"))).toBe("SubscriptionNotFoundError: Subscription not found: missing")
    expect(refusal(() => store.getSubscription("missing"))).toBe("SubscriptionNotFoundError: Subscription not found: missing")
    expect(store.listSubscriptions()).toHaveLength(1)
  })

  it("[X3] loses nothing when its reader dies over a batch: it peeks, works, and only then acknowledges", () => {
    const store = withEvents(3)
    store.createSubscription("events", { id: "careful", batchSize: 2 })
    expect(cursors(store.peekSubscription("careful"))).toEqual([1, 2])
    store.close()
    const restarted = open()
    expect(cursors(restarted.peekSubscription("careful"))).toEqual([1, 2])
    expect(restarted.ackSubscription("careful", 2).cursor).toBe(2)
    expect(restarted.subscriptionLag("careful")).toBe(1)
    expect(restarted.ackSubscription("careful", 1).cursor).toBe(2)
    expect(refusal(() => restarted.ackSubscription("careful", 9))).toContain("cursor must be less than or equal to 3")
  })
})

describe("an artifact of a local store", () => {
  it("[150] is its bytes, and what is known of them", () => {
    const store = withChannel()
    const event = store.appendEvent({ channel: "events" })
    const artifact = store.writeArtifact(bytes("hello"), { channel: "events", media_type: "text/plain", metadata: { n: 1 }, event_ids: [event.id] })
    expect(artifact).toMatchObject({
      channel: "events", size: 5, media_type: "text/plain", event_ids: [event.id], metadata: { n: 1 },
      sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    })
    expect(store.getArtifact(artifact.id)).toEqual(artifact)
    expect(store.readArtifact(artifact.id)).toEqual(bytes("hello"))
    expect(store.writeArtifact(new ArrayBuffer(0)).size).toBe(0)
  })

  it("[151] is made of bytes alone, which are copied", () => {
    const store = open()
    for (const data of ["text", 7, null, undefined, [1, 2], {}]) {
      expect(refusal(() => store.writeArtifact(wrong(data)))).toBe("InvalidPayloadError: artifact data must be bytes.")
    }
    const buffer = bytes("abcdef")
    const { id } = store.writeArtifact(new DataView(buffer.buffer, 1, 3))
    buffer.fill(0)
    expect(store.readArtifact(id)).toEqual(bytes("bcd"))
    expect(store.listArtifacts()).toHaveLength(1)
  })

  it("[152] names events that are there", () => {
    const store = open()
    for (const ids of ["e1", {}, 7, null]) {
      expect(refusal(() => store.writeArtifact(bytes("x"), { event_ids: wrong(ids) }))).toBe(
        "InvalidPayloadError: artifact.event_ids must be a list of path segments.")
    }
    expect(refusal(() => store.writeArtifact(bytes("x"), { event_ids: ["nobody"] }))).toBe("EventNotFoundError: Event not found: nobody")
    expect(refusal(() => store.writeArtifact(bytes("x"), { channel: "missing" }))).toBe("ChannelNotFoundError: Channel not found: missing")
    expect(refusal(() => store.readArtifact("missing"))).toBe("ArtifactNotFoundError: Artifact not found: missing")
    expect(refusal(() => store.getArtifact("missing"))).toBe("ArtifactNotFoundError: Artifact not found: missing")
    expect(readdirSync(store.artifactsPath)).toEqual([])
  })

  it("[153] is read from artifacts/ alone, whatever its row or a link says", () => {
    const store = open()
    const secret = join(folder, "secret")
    writeFileSync(secret, "secret")
    const { id } = store.writeArtifact(bytes("x"))
    symlinkSync(secret, join(store.artifactsPath, "link"))
    mkdirSync(join(store.artifactsPath, "folder"))
    const db = new Database(store.databasePath)
    const point = (path: string): string => {
      db.prepare("UPDATE artifacts SET path = ?, sha256 = NULL").run(path)
      return refusal(() => store.readArtifact(id))
    }
    for (const path of ["../secret", secret, "artifacts/link", "artifacts/../../secret", "artifacts", "../nothing", "sssn.sqlite"]) {
      expect(point(path), path).toBe("ArtifactNotFoundError: Artifact payload path is outside artifact storage.")
    }
    for (const path of ["artifacts/nothing", "artifacts/folder"]) expect(point(path), path).toContain("ArtifactNotFoundError: Artifact payload not found")
    db.close()
  })

  it("[154] of the same bytes is another one, and the same file", () => {
    const store = open()
    const [one, two] = [store.writeArtifact(bytes("same")), store.writeArtifact(bytes("same"))]
    expect(one.id).not.toBe(two.id)
    expect(one.path).toBe(two.path)
    expect(readdirSync(store.artifactsPath)).toHaveLength(1)
  })

  it("[155] [X6] is verified when it is read, healed when it is written again, bounded, and leaves no part behind", () => {
    const store = new LocalStore(join(folder, "store"), { artifactBytesMax: 10 })
    stores.push(store)
    const artifact = store.writeArtifact(bytes("precious"))
    const file = join(store.root, artifact.path)
    writeFileSync(file, "tampered")
    expect(refusal(() => store.readArtifact(artifact.id))).toContain("ArtifactCorruptError: Artifact payload is damaged")
    expect(store.verify()).toEqual([expect.stringContaining("damaged")])
    truncateSync(file, 3)
    expect(refusal(() => store.readArtifact(artifact.id))).toContain("ArtifactCorruptError")
    store.writeArtifact(bytes("precious"))
    expect(store.readArtifact(artifact.id)).toEqual(bytes("precious"))
    expect(refusal(() => store.writeArtifact(bytes("eleven char")))).toBe("InvalidPayloadError: artifact data must be at most 10 bytes; it is 11.")
    expect(readdirSync(store.artifactsPath)).toEqual([artifact.sha256])
    writeFileSync(join(store.artifactsPath, "stray"), "x")
    expect(store.verify()).toEqual(["Artifact payload has no artifact: stray"])
  })

  it("[X15] has a media type that can stand in a header", () => {
    const store = open()
    for (const media of ["text/html\r\nx: y", "text", "", "a/b\nc", "text/plain; \u0000", `a/${"b".repeat(300)}`, 7]) {
      expect(refusal(() => store.writeArtifact(bytes("x"), { media_type: wrong(media) }))).toContain("media_type must be a media type such as text/plain")
    }
    expect(store.writeArtifact(bytes("x"), { media_type: "application/vnd.x+json; charset=utf-8" }).media_type).toContain("charset")
    expect(existsSync(store.artifactsPath)).toBe(true)
  })
})

describe("a snapshot of a local store", () => {
  it("[156] is replaced as a whole, and comes from an event that is there", () => {
    const store = withChannel("state")
    const event = store.appendEvent({ channel: "state" })
    const first = store.putSnapshot({ name: "latest", channel: "state", value: { a: null }, source_event_id: event.id, schema: "m:S", metadata: { k: 1 } })
    expect(store.getSnapshot("latest")).toEqual(first)
    expect(store.putSnapshot({ name: "latest", value: 2, timestamp: 5 })).toEqual({
      name: "latest", channel: null, timestamp: 5, value: 2, schema: null, source_event_id: null, metadata: {}
    })
    expect(refusal(() => store.getSnapshot("missing"))).toBe("SnapshotNotFoundError: Snapshot not found: missing")
    expect(refusal(() => store.putSnapshot({ name: "x", source_event_id: "nobody" }))).toBe("EventNotFoundError: Event not found: nobody")
    expect(refusal(() => store.putSnapshot({ name: "x", channel: "missing" }))).toBe("ChannelNotFoundError: Channel not found: missing")
    expect(store.listSnapshots()).toHaveLength(1)
  })

  it("[157] [X7] is put on what was expected, so that a stale writer loses", () => {
    const store = open()
    const first = store.putSnapshot({ name: "n", value: { b: 1, a: 1 } }, { expected: null })
    expect(refusal(() => store.putSnapshot({ name: "n", value: 0 }, { expected: null }))).toBe("SnapshotConflictError: Snapshot is not the expected one: n")
    const second = store.putSnapshot({ name: "n", value: 2 }, { expected: { ...first, value: { b: 1, a: 1 } } })
    expect(refusal(() => store.putSnapshot({ name: "n", value: 3 }, { expected: first }))).toContain("SnapshotConflictError")
    expect(store.getSnapshot("n")).toEqual(second)
  })
})

describe("the fast path of the second generation", () => {
  it("[128] creates, appends, pulls, keeps bytes and a state, and finds all of it after a restart", () => {
    const store = new LocalStore(join(folder, ".sssn"))
    store.createChannel({ name: "readings", schema: "demo.schemas:Reading", form: "time-series" })
    const reading = store.appendEvent({ channel: "readings", kind: "raw", source: "sensor", payload: { celsius: 21 } })
    store.createSubscription("readings", { id: "processor" })
    const [pulled] = store.pullSubscription("processor")
    const report = store.writeArtifact(bytes("warm"), { channel: "readings", media_type: "text/plain", event_ids: [pulled!.id] })
    store.putSnapshot({ name: "latest-reading", channel: "readings", value: pulled!.payload, source_event_id: reading.id })
    store.close()
    const again = open(join(folder, ".sssn"))
    expect(again.getSubscription("processor").cursor).toBe(1)
    expect(again.getSnapshot("latest-reading").value).toEqual({ celsius: 21 })
    expect(readFileSync(join(again.root, report.path), "utf8")).toBe("warm")
    again.appendEvent({ channel: "readings", payload: { celsius: 22 } })
    expect(again.pullSubscription("processor").map(({ payload }) => payload)).toEqual([{ celsius: 22 }])
  })
})
