// What a port takes of what a system hands to it, and the words for what it does not take.
import { describe, expect, it } from "vitest"
import * as Given from "../../../kernel/dock/given.ts"
import { batchEventsMax, heldCursorsMax, takeItemsMax } from "../../../kernel/limits.ts"
import { InvalidPayload } from "../../../protocol/errors.ts"

const refusal = (make: () => unknown): string => {
  try {
    make()
  } catch (thrown) {
    if (thrown instanceof InvalidPayload) return `${thrown.what} ${thrown.path}: ${thrown.reason}`
    throw thrown
  }
  return "taken"
}
const ack = { cursor: 1, epoch: 1, outcome: "ack" }
const settle = (more: object) => () => Given.settlementsOf([{ ...ack, ...more }])
const snapshot = (more: object) => () => Given.snapshotDraftOf({ name: "s", value: 1, ...more } as never)

describe("a port takes no", () => {
  it.each<readonly [string, () => unknown, RegExp]>([
    ["drafts that are no list", () => Given.draftsOf({ length: 1 }), /^event : an append takes a list/u],
    ["filter that is none", () => Given.readOptionsOf({ filter: 1 as never }), /^filter : must be an object/u],
    ["filter of nothing", () => Given.readOptionsOf({ filter: null as never }), /^filter : must be an object/u],
    ["filter of a number", () => Given.readOptionsOf({ filter: { kind: 1 as never } }), /^filter kind: must be a string/u],
    ["id that is no text", () => Given.eventIdOf(1), /^event id:/u],
    ["id with a slash", () => Given.eventIdOf("a/b"), /^event id:/u],
    ["ids that are no list", () => Given.eventIdsOf("a"), /^event ids: must be a list/u],
    ["ids beyond a batch", () => Given.eventIdsOf(Array.from({ length: batchEventsMax + 1 }, () => "a")), /^event ids: at most \d+ are removed at once/u],
    ["eviction of nobody knows what", () => Given.evictOptionsOf({}), /^evict : says before when/u],
    ["eviction before no time", () => Given.evictOptionsOf({ before: Number.NaN }), /^evict before: must be a time/u],
    ["eviction down to a part of an event", () => Given.evictOptionsOf({ maxCount: 1.5 }), /^evict maxCount: must be a number of events/u],
    ["eviction down to fewer than none", () => Given.evictOptionsOf({ maxCount: -1 }), /^evict maxCount: must be a number of events/u],
    ["settlement that is none", () => Given.settlementsOf([null]), /^settlement \[0\]: must be an object/u],
    ["settlement of a word", () => Given.settlementsOf(["ack"]), /^settlement \[0\]: must be an object/u],
    ["settlements that are no list", () => Given.settlementsOf(ack), /^settlement : settle takes a list/u],
    ["settlements beyond what is taken at once", () => Given.settlementsOf(Array.from({ length: takeItemsMax + 1 }, () => ack)), /^settlement : at most \d+ leases/u],
    ["settlement without a cursor", settle({ cursor: "1" }), /^settlement \[0\]\.cursor:/u],
    ["settlement without an epoch", settle({ epoch: 0.5 }), /^settlement \[0\]\.epoch:/u],
    ["settlement with another outcome", settle({ outcome: "maybe" }), /^settlement \[0\]\.outcome: must be ack, nack or dead/u],
    ["lease without a cursor", () => Given.leaseOf(-1, 1), /^lease : a lease is named/u],
    ["lease without an epoch", () => Given.leaseOf(1, undefined), /^lease : a lease is named/u],
    ["subscription without a name", () => Given.subscriptionOf("", 1), /^subscription name:/u],
    ["subscription whose name is no text", () => Given.subscriptionOf(1, 1), /^subscription name:/u],
    ["subscription without a cursor", () => Given.subscriptionOf("s", Infinity), /^subscription cursor:/u],
    ["snapshot that is none", () => Given.snapshotDraftOf(null as never), /^snapshot : must be an object/u],
    ["snapshot that is a text", () => Given.snapshotDraftOf("s" as never), /^snapshot : must be an object/u],
    ["snapshot without a name", snapshot({ name: 1 }), /^snapshot name:/u],
    ["snapshot with a path for a name", snapshot({ name: "a/b" }), /^snapshot name:/u],
    ["snapshot of a channel that cannot be", snapshot({ channel: 1 }), /^snapshot channel:/u],
    ["snapshot of an event that cannot be", snapshot({ sourceEventId: "a/b" }), /^snapshot sourceEventId:/u],
    ["snapshot at a place that cannot be", snapshot({ cursor: -1 }), /^snapshot cursor:/u],
    ["snapshot at no time", snapshot({ timestamp: Infinity }), /^snapshot timestamp:/u],
    ["snapshot at a time in words", snapshot({ timestamp: "noon" }), /^snapshot timestamp:/u],
    ["snapshot with a schema that is no name", snapshot({ schema: {} }), /^snapshot schema:/u],
    ["snapshot with metadata that is a list", snapshot({ metadata: [] }), /^snapshot metadata:/u],
    ["snapshot with metadata that is nothing", snapshot({ metadata: null }), /^snapshot metadata:/u],
    ["snapshot with metadata that is a text", snapshot({ metadata: "x" }), /^snapshot metadata:/u],
    ["snapshot that some may see", snapshot({ visibility: "some" }), /^snapshot visibility:/u],
    ["revision that is none", () => Given.putOptionsOf({ expectedRevision: "1" as never }), /^snapshot expectedRevision:/u]
  ])("%s", (_, make, why) => {
    expect(refusal(make)).toMatch(why)
  })

  it("more than it counts first, however long the list says it is", () => {
    expect(Given.draftsOf(Array.from({ length: batchEventsMax + 9 }, () => ({})))).toHaveLength(batchEventsMax + 1)
    expect(Given.heldOf(Array.from({ length: heldCursorsMax + 9 }, (_, at) => at))).toHaveLength(heldCursorsMax)
    expect(Given.settlementsOf([{ ...ack, reason: "x".repeat(2_000) }])).toMatchObject([{ reason: "x".repeat(1_000) }])
  })
})

describe("a port takes", () => {
  it("each of them up to its bound, and nothing beside what was asked for", () => {
    expect(Given.eventIdsOf(Array.from({ length: batchEventsMax }, () => "a"))).toHaveLength(batchEventsMax)
    expect(Given.settlementsOf(Array.from({ length: takeItemsMax }, () => ack))).toHaveLength(takeItemsMax)
    expect(Given.evictOptionsOf({ before: 1, maxCount: 0 })).toEqual({ before: 1, maxCount: 0 })
    expect(Given.heldOf([1, "2", -3, 4.5, 6])).toEqual([1, 6])
    expect(Given.snapshotDraftOf({ name: "s", value: 1, visibility: "public", metadata: {}, timestamp: 1, schema: "x", owner: "me" } as never)).toEqual({
      name: "s", value: 1, channel: null, sourceEventId: null, cursor: null, schema: "x", timestamp: 1, metadata: {}, visibility: "public"
    })
    expect(Given.appendOptionsOf({ key: "k", expectedHead: 1, class: "kernel" } as never)).toEqual({ key: "k", expectedHead: 1 })
    expect(Given.putOptionsOf({ expectedRevision: 0 })).toEqual({ expectedRevision: 0 })
  })
})
