// Names: one rule for everything that appears in a path or a URL.
import { describe, expect, it } from "vitest"
import { channelOf, forms } from "../../protocol/channel.ts"
import { covers, isRisk, riskAtMost, riskMax } from "../../protocol/authority.ts"
import { isSegment, isSystemId, nameLengthMax, nearest } from "../../protocol/names.ts"
import { ancestral, common, deadLettersOf, isReserved, privileged, settlementOf } from "../../protocol/well-known.ts"
import { finalReplies, replyKinds } from "../../protocol/warrant.ts"

describe("a segment", () => {
  it.each(["a", "repo.files", "x-1", "ünïcode", "日本", "@scope", "a".repeat(nameLengthMax)])("may be %s", (name) => expect(isSegment(name)).toBe(true))
  it.each(["", " ", "a b", ".", "..", "a/b", "a:b", "a\\b", "a%2f", "a\nb", "a\u0000", "a\u007f", "\u00a0", "a".repeat(nameLengthMax + 1)])("may not be %j", (name) =>
    expect(isSegment(name)).toBe(false))
})

describe("a system id", () => {
  it("is segments joined by /", () => {
    for (const id of ["a", "project/agent", "a/b/c"]) expect(isSystemId(id)).toBe(true)
    for (const id of ["", "/", "a/", "/a", "a//b", "a/..", "a/b c", `${"a/".repeat(150)}a`]) expect(isSystemId(id)).toBe(false)
  })
})

describe("the nearest name", () => {
  it("is one that can be meant, or none", () => {
    expect(nearest("repo.fils", ["repo.files", "repo.facts"])).toBe("repo.files")
    expect(nearest("APPROVALS", ["approvals"])).toBe("approvals")
    expect(nearest("something else", ["repo.files"])).toBeUndefined()
    expect(nearest("x", [])).toBeUndefined()
  })
})

describe("reserved names", () => {
  it("are those of the kernel, and no name that only begins alike", () => {
    for (const name of ["aaax", "aaax.", "aaax.journal", settlementOf("mine"), ...ancestral, ...common, ...privileged]) expect(isReserved(name)).toBe(true)
    for (const name of ["aaaxx", "aaa", "Aaax.x", "my.aaax.x", deadLettersOf("mine")]) expect(isReserved(name)).toBe(false)
  })
})

describe("risks and accesses", () => {
  it("are ordered", () => {
    expect(riskMax("low", "high")).toBe("high")
    expect(riskMax("irreversible", "medium")).toBe("irreversible")
    expect([riskAtMost("low", "medium"), riskAtMost("medium", "medium"), riskAtMost("high", "medium")]).toEqual([true, true, false])
    expect([covers("execute", "read"), covers("write", "write"), covers("read", "write")]).toEqual([true, true, false])
    for (const word of ["", "LOW", "__proto__", "constructor", "toString"]) expect(isRisk(word)).toBe(false)
  })
})

describe("a channel of a spec", () => {
  it("has the delivery and the indexes of its form, unless it says another delivery", () => {
    expect(channelOf({ name: "c" }, "a")).toMatchObject({ form: "log", delivery: "shared", durability: "strict", visibility: "private", owner: "a", indexes: [] })
    expect(channelOf({ name: "c", form: "queue" }, "a").delivery).toBe("exclusive")
    expect(channelOf({ name: "c", delivery: "exclusive" }, "a").form).toBe("queue")
    expect(channelOf({ name: "c", delivery: "latest" }, "a")).toMatchObject({ form: "latest-state", indexes: ["subject"] })
    expect(channelOf({ name: "c", delivery: "addressed", indexes: ["kind", "recipient"] }, "a").indexes).toEqual(["recipient", "correlationId", "kind"])
    expect(channelOf({ name: "c", form: "log", delivery: "exclusive" }, "a")).toMatchObject({ form: "log", delivery: "exclusive" })
    expect(Object.keys(forms)).toHaveLength(13)
  })
})

describe("replies", () => {
  it("are final but for those that something follows, and those that answer no request of their reader", () => {
    expect(Object.values(replyKinds).filter((kind) => !finalReplies.has(kind))).toEqual(["capability_delegated", "action_approved", "action_escalated", "action_compensated"])
  })
})
