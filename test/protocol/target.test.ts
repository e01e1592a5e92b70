import { describe, expect, it } from "vitest"
import { addressesProject, isDirected, isEverybody, isInProject, isRecipient, matchesName, targetParts, wakes } from "../../protocol/target.ts"

describe("a target", () => {
  it("is everybody when it is empty or says so, and else what stands between its commas", () => {
    expect(["", "  ", "all", " all "].map(isEverybody)).toEqual([true, true, true, true])
    expect(["ALL", "all,bob", "bob", ","].map(isEverybody)).toEqual([false, false, false, false])
    expect([targetParts(" a ,b,, c/* "), targetParts(","), targetParts("")]).toEqual([["a", "b", "c/*"], [], []])
    // What is longer than anybody writes is looked at as one name.
    const long = "a,".repeat(2_048)
    expect([targetParts(long).length, targetParts(`${long}b`)]).toEqual([2_048, [`${long}b`]])
  })

  it("matches names by stars, single characters and sets, with case and across slashes", () => {
    for (const [pattern, name] of [
      ["bob", "bob"], ["*", ""], ["*", "a/b"], ["p/*", "p/a/b"], ["a*c", "abbc"], ["a**c", "ac"], ["*a*b", "xaxxab"], ["?", "é"], ["a?c", "a/c"], ["[ab]", "b"], ["[a-c]x", "bx"],
      ["[!a-c]x", "dx"], ["[]]", "]"], ["[a-]", "-"], ["[!]]", "a"], ["x[", "x["], ["[a", "[a"], ["*[0-9]", "agent7"], ["a*", "a"], ["[-a]", "-"]
    ] as const) expect(matchesName(pattern, name), `${pattern} ${name}`).toBe(true)
    for (const [pattern, name] of [
      ["bob", "Bob"], ["bob", "bobby"], ["p/*", "p"], ["a*c", "abcd"], ["?", ""], ["?", "ab"], ["[ab]", "c"], ["[a-c]", "d"], ["[b-c]", "a"], ["[!a-c]", "b"], ["[]]", "a"],
      ["[!]]", "]"], ["x[", "x"], ["[ac]", "b"], ["[axc]", "b"], ["*ab", "abx"], ["a*?", "a"], ["[a-c]", "-"], ["*b*a", "ab"], ["x*", "a"]
    ] as const) expect(matchesName(pattern, name), `${pattern} ${name}`).toBe(false)
    expect(matchesName(`${"*a".repeat(2_000)}b`, "a".repeat(20_000))).toBe(false)
  })

  it("is directed at whom it names, and reaches them and everybody", () => {
    expect([isDirected("all", "bob"), isDirected("", "bob"), isDirected("ann, b*", "bob"), isDirected("ann", "bob")]).toEqual([false, false, true, false])
    expect([isRecipient("all", "bob"), isRecipient("b?b", "bob"), isRecipient("ann", "bob")]).toEqual([true, true, false])
  })

  it("is for a project that is named, or somebody of it", () => {
    expect(["", "p", "p/ann", "q, p/x"].map((target) => addressesProject(target, "p"))).toEqual([true, true, true, true])
    expect(["q", "pq", "pq/ann"].map((target) => addressesProject(target, "p"))).toEqual([false, false, false])
    expect([isInProject("p", "p"), isInProject("p/ann", "p"), isInProject("pq", "p"), isInProject("q", "p")]).toEqual([true, true, false, false])
  })

  it("wakes whom it reaches; who waits for what is directed at it also by what is urgent, and by nothing for everybody", () => {
    const woken = (target: string, priority?: boolean, directedOnly?: boolean): boolean =>
      wakes({ target, ...(priority === undefined ? {} : { priority }) }, "bob", directedOnly === undefined ? {} : { directedOnly })
    expect([woken("all"), woken("bob"), woken("ann"), woken("ann", true), woken("all", false, false)]).toEqual([true, true, false, false, true])
    expect([woken("all", false, true), woken("bob", false, true), woken("ann", true, true), woken("ann", undefined, true)]).toEqual([false, true, true, false])
  })
})
