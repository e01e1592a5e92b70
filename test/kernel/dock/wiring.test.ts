// Wiring: which channels a port may touch, and in which direction; what no manifest gets.
import { describe, expect, it } from "vitest"
import { emptyManifest, type Manifest } from "../../../protocol/manifest.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { notWired, wiringOf, type Wire, type Wiring } from "../../../kernel/guard/wiring.ts"

const there = new Set(["news", "work", ...wellKnown.ancestral, wellKnown.journal, wellKnown.approvals])
const wire = (manifest: Partial<Manifest>, added: ReadonlyArray<string> = [], privileged = false): Wiring | string =>
  wiringOf({ ...emptyManifest("a"), ...manifest }, added, privileged, (name) => there.has(name))
const wired = (...args: Parameters<typeof wire>): Wiring => {
  const wiring = wire(...args)
  if (typeof wiring === "string") throw new Error(wiring)
  return wiring
}
const words = (wire: Wire | undefined): string => (["read", "append", "take"] as const).filter((direction) => wire?.[direction]).join(" ")

describe("the wiring of every system", () => {
  it("is append only on requests, and read only on replies, progress and the heartbeat", () => {
    const wiring = wired({})
    expect([...wiring].map(([name, wire]) => [name, words(wire)])).toEqual([
      [wellKnown.capabilityRequest, "append"], [wellKnown.actionGate, "append"], [wellKnown.kernelReplies, "read"], [wellKnown.progress, "read"], [wellKnown.heartbeat, "read"]
    ])
  })

  it("is, for a privileged one, append only on the loader and lifecycle, and read only on the registries", () => {
    const wiring = wired({}, [], true)
    for (const name of [wellKnown.moduleLoader, wellKnown.lifecycle]) expect(words(wiring.get(name))).toBe("append")
    for (const name of [wellKnown.capabilityRegistry, wellKnown.moduleRegistry, wellKnown.policyStore, wellKnown.approvals]) expect(words(wiring.get(name))).toBe("read")
    expect(wiring.get(wellKnown.journal)).toBeUndefined()
  })

  it("has each direction that the manifest names, and no other", () => {
    expect(words(wired({ reads: ["news"] }).get("news"))).toBe("read")
    expect(words(wired({ writes: ["news"] }).get("news"))).toBe("append")
    expect(words(wired({ takes: ["work"] }).get("work"))).toBe("read take")
    expect(words(wired({ reads: ["news"], writes: ["news"] }).get("news"))).toBe("read append")
    expect(words(wired({ provides: [{ name: "own" }] }).get("own"))).toBe("read append take")
    expect(words(wired({}, ["news"]).get("news"))).toBe("read append take")
  })

  it("is refused as a whole for one channel that is not there or not offered", () => {
    expect(wire({ reads: ["news", "gone"] })).toBe("Channel 'gone' is not available for docking.")
    expect(wire({}, ["gone"])).toBe("Channel 'gone' is not available for docking.")
    expect(wire({ provides: [{ name: "aaax.x" }] })).toBe("Channel 'aaax.x' cannot be provided: names that begin with aaax. are the kernel's.")
  })

  it.each([
    ["reads", wellKnown.journal, true], ["writes", wellKnown.journal, true], ["takes", wellKnown.journal, true], ["takes", wellKnown.actionGate, true],
    ["takes", wellKnown.lifecycle, true], ["reads", wellKnown.capabilityRequest, true], ["reads", wellKnown.lifecycle, true], ["writes", wellKnown.kernelReplies, true],
    ["writes", wellKnown.heartbeat, true], ["writes", wellKnown.capabilityRegistry, true], ["writes", wellKnown.approvals, true], ["takes", wellKnown.kernelReplies, true],
    ["writes", wellKnown.lifecycle, false], ["writes", wellKnown.moduleLoader, false], ["reads", wellKnown.moduleRegistry, false],
    ["reads", wellKnown.settlementOf("work"), true], ["writes", wellKnown.settlementOf("work"), true]
  ] as const)("never has %s of %s (privileged: %s), nor by a host's wish", (list, channel, privileged) => {
    expect(wire({ [list]: [channel] }, [], privileged)).toMatch(/the kernel's own|does not offer|docked as privileged/u)
    if (list !== "writes" || !["aaax.kernel-replies", "aaax.heartbeat", wellKnown.capabilityRegistry, wellKnown.approvals].includes(channel)) {
      const added = wire({}, [channel], privileged)
      if (typeof added !== "string") expect(words(added.get(channel))).not.toMatch(list === "takes" ? /take/u : list === "reads" ? /read/u : /never/u)
    }
  })
})

describe("a refusal", () => {
  it("names what is wired in that direction, and how to ask for more", () => {
    expect(notWired("a", wired({ reads: ["news"] }), "work", "read").message).toBe(
      "a may not read work: it is not wired to it in that direction. Allowed: aaax.kernel-replies, aaax.progress, aaax.heartbeat, news. Add it to `reads` of the module's manifest.")
    expect(notWired("a", wired({}), "work", "take").message).toBe(
      "a may not take from work: it is not wired to it in that direction. Add it to `takes` of the module's manifest.")
    expect(notWired("a", wired({}), wellKnown.journal, "read").message).not.toContain("Add it")
  })

  it("does not list more than can be read", () => {
    const provides = Array.from({ length: 30 }, (_, at) => ({ name: `c${at}` }))
    expect(notWired("a", wired({ provides }), "work", "take").message).toContain(" and 22 more")
  })
})
