import { describe, expect, it } from "vitest"
import { covers, makeScopeIndex, normaliseScope, normaliseWorktree, overlaps, placeOf, scopesOverlap, treeOf } from "../../protocol/scope.ts"
import { makeRandom } from "../kit/random.ts"

const touch = (a: string, b: string): boolean => scopesOverlap(normaliseScope([a]), normaliseScope([b]))

describe("a scope", () => {
  it("is kept in its order, each path once and in one spelling", () => {
    expect(normaliseScope(["./src/a/", " docs//b ", "src/a", "x\\y"])).toEqual(["src/a", "docs/b", "x/y"])
    expect(normaliseScope([])).toEqual([])
    for (const whole of ["", ".", "./", "/etc", "C:\\x", "a/../b", "~/x", "a\u0000b", "x".repeat(5_000)]) {
      expect(normaliseScope(["a", whole]), whole).toEqual([""])
    }
  })

  it("below an absolute worktree is what is below it", () => {
    expect(normaliseScope(["/repo/src", "/repo/./lib/"], "/repo/")).toEqual(["src", "lib"])
    expect(normaliseScope(["/repository/src"], "/repo")).toEqual([""])
    expect(normaliseScope(["/repo"], "/repo")).toEqual([""])
    // A label is no place.
    expect([normaliseScope(["w/src"], "w"), normaliseWorktree("/repo//../x"), normaliseWorktree("a/../b")]).toEqual([["w/src"], "/repo//../x", "a/../b"])
    expect([normaliseWorktree(" /repo//x/./ "), normaliseWorktree("wt-a"), normaliseWorktree("")]).toEqual(["/repo/x", "wt-a", ""])
  })

  it("a worktree is one tree, however it is written; a label is itself", () => {
    for (const same of ["/repo/x", "/repo/x/", "//repo//x", "/repo/./x/.", "/repo/y/../x", "/../repo/x", "/REPO/X", " /repo/x "]) expect(treeOf(same, "/else"), same).toBe("/repo/x")
    expect([treeOf("/caf\u00e9"), treeOf("/")]).toEqual([treeOf("/cafe\u0301"), "/"])
    expect([treeOf("", "/Repo/"), treeOf(" ", "/repo"), treeOf("", ""), treeOf("")]).toEqual(["/repo", "/repo", "", ""])
    for (const label of ["wt-a", "WT-a", "repo", "a/../b", "./x", "wt//a"]) expect(treeOf(label, "/repo")).toBe(label)
  })

  it("a worktree that is not said is the folder; where the others lie is not guessed", () => {
    expect(["", "/repo/x/", "/repo/link/../x", "/Repo", "wt-a"].map((worktree) => placeOf(worktree, "/here//now/"))).toEqual(["/here/now", "/repo/x", "/repo/link/../x", "/Repo", "wt-a"])
    expect(placeOf("", "")).toBe("")
  })

  it("touches what lies in it, above it and beside its spelling, and nothing else", () => {
    for (const [a, b] of [
      ["src", "src"], ["src", "src/a"], ["src/a/b", "src"], ["", "x"], ["src//a", "src/a"], ["src/../lib", "lib"], [".", "src/a"], ["/repo/src", "src"],
      ["SRC/a", "src/a"], ["src\\a", "src/a"], ["src/*", "src/a.py"], ["src/**/*.ts", "src/x/y.ts"], ["caf\u00e9", "cafe\u0301"], ["src/**", "src"],
      ["**/x.ts", "x.ts"], ["**/x.ts", "a/b/x.ts"], ["*.ts", "a.*"], ["a*c", "*b*"], ["src/?.ts", "src/\u00e9.ts"], ["src/?.ts", "src/x\u0302.ts"], ["src/?b", "src/\u0438\u0302\u0323b"], ["a?", "a?\u0302"],
      ["src/[ab].ts", "src/a.ts"], ["src/[id].tsx", "src/[id].tsx"], ["{src,lib}/a", "lib/a"], ["src/a**", "src/abc/d"], ["a/**.ts", "a/b/c.ts"], ["**/*.md", "src/a.ts"]
    ] as const) expect([touch(a, b), touch(b, a)], `${a} ${b}`).toEqual([true, true])
    for (const [a, b] of [
      ["src", "src2"], ["src/a", "src/b"], ["src/*.md", "src/a.ts"], ["src/*.ts", "lib/*.ts"], ["a?c", "ac"], ["*.ts", "*.md"], ["src/*/x", "src/a/y"], ["src/a**", "src/b"], ["src/?.ts", "src/xy.ts"],
      ["src/?b", "src/b"], ["x*\u00e9", "xb"]
    ] as const) expect([touch(a, b), touch(b, a)], `${a} ${b}`).toEqual([false, false])
  })

  it("covers the paths below it, and a name that looks like a pattern is a name", () => {
    expect(covers(["src/*.ts"], "src/a.ts")).toBe(true)
    expect(covers(["src/a*"], "src/*")).toBe(false)
    expect(covers(["src/**"], "src")).toBe(true)
    expect(covers(["src"], "SRC/x/y")).toBe(true)
    expect(covers(["src/a"], "src")).toBe(false)
    expect(covers(["src"], "../src")).toBe(false)
    expect(covers([], "../src")).toBe(true)
    expect(covers([""], "anything")).toBe(true)
    // What leads out of the tree is in the whole of it alone.
    expect([covers(["*"], "../src"), covers(["*"], "."), covers(["**"], "../src")]).toEqual([false, false, true])
    expect([covers(["**.md"], "a/b.md"), covers(["**.md"], "a/b.ts"), covers(["**/b.md"], "b.md/x"), covers(["a**"], "ab/c"), covers(["a**"], "b")]).toEqual([true, false, true, true, false])
    // No mark of a path that is there stands for anything else.
    expect([covers(["a*b"], "a?"), covers(["a?"], "a?"), covers(["a*"], "a?"), covers(["*b"], "*")]).toEqual([false, true, true, false])
  })

  it("is compared in a time that grows with both, however many stars they have", () => {
    const a = "**/a/".repeat(60)
    const b = "**/b/".repeat(60)
    expect([touch(`${a}x`, `${b}x`), covers([`${a}x`], "a/".repeat(120)), covers([`${a}x`], "b/".repeat(120))]).toEqual([true, false, false])
    expect([touch(`${"*a".repeat(60)}x`, `${"*b".repeat(60)}y`), touch(`${"*a".repeat(60)}*x`, `${"*b".repeat(60)}*x`)]).toEqual([false, true])
    expect(covers([`${"*a".repeat(60)}x`], "a".repeat(200))).toBe(false)
  })
})

describe("the index of scopes", () => {
  it("has each scope once, and forgets what was never there", () => {
    const index = makeScopeIndex<string>()
    index.add("", ["a"], "ann", "one")
    index.add("", ["b"], "ann", "one")
    expect([index.covering("", "a"), index.covering("", "b")]).toEqual([[], ["one"]])
    for (const [worktree, value] of [["", "two"], ["other", "one"]] as const) index.remove(worktree, ["b"], "ann", value)
    expect(index.firstConflict("", ["b"], "bob")).toBe("one")
    index.remove("", ["b"], "ann", "one")
    expect([index.firstConflict("", [], "bob"), index.covering("", "b")]).toEqual([undefined, []])
  })

  it("names the first of very many that the whole tree touches, and one of them for a part of it", () => {
    const index = makeScopeIndex<number>()
    for (let at = 0; at < 1_000; at++) index.add("", [`src/${at % 2 === 0 ? `${at}/x` : `*${at}`}`], at < 3 ? "bob" : "ann", at)
    expect([index.firstConflict("", [], "eve"), index.firstConflict("", [], "bob"), index.firstConflict("", [], "bob", 3)]).toEqual([0, 3, 4])
    expect(index.firstConflict("", ["src"], "bob")).toBeGreaterThan(2)
    expect(index.firstConflict("", ["lib", "src/500"], "bob")).toBeGreaterThan(2)
  })

  const words = ["src", "SRC", "a", "b", "a.ts", "b.md", "lib", "x", "*", "**", "*.ts", "?", "a*", "[ab]", "caf\u00e9", "cafe\u0301"]
  const random = makeRandom(11)
  const path = (): string => {
    const length = random.int(4)
    const parts = Array.from({ length }, () => words[random.int(words.length)]!)
    const text = parts.join(random.int(8) === 0 ? "//" : random.int(9) === 0 ? "\\" : "/")
    return random.int(12) === 0 ? `./${text}/` : random.int(30) === 0 ? `/${text}` : random.int(30) === 0 ? `${text}/../x` : text
  }

  it("says what the rule for two scopes says of each pair", () => {
    const index = makeScopeIndex<number>()
    const held = new Map<number, { readonly worktree: string; readonly paths: ReadonlyArray<string>; readonly owner: string }>()
    for (let step = 0; step < 3_000; step++) {
      const worktree = random.int(5) === 0 ? "other" : ""
      const owner = `o${random.int(4)}`
      const paths = normaliseScope(Array.from({ length: random.int(20) === 0 ? 0 : 1 + random.int(3) }, path))
      const conflicts = [...held].filter(([, one]) => one.worktree === worktree && one.owner !== owner && scopesOverlap(one.paths, paths))
      // The one that was there first.
      expect(index.firstConflict(worktree, paths, owner), JSON.stringify(paths)).toBe(conflicts[0]?.[0])
      const plain = path()
      const covering = [...held].filter(([, one]) => one.worktree === worktree && covers(one.paths, plain)).map(([key]) => key)
      expect(index.covering(worktree, plain), plain).toEqual(covering)
      if (held.size > 40 || random.int(3) === 0) {
        const [key, one] = [...held][random.int(Math.max(1, held.size))] ?? []
        if (key !== undefined && one !== undefined) {
          index.remove(one.worktree, one.paths, one.owner, key)
          held.delete(key)
        }
      } else {
        index.add(worktree, paths, owner, step)
        held.set(step, { worktree, paths, owner })
      }
    }
  })

  it("takes worktrees that are one for one, also those that are there when it learns which folder it is in", () => {
    const index = makeScopeIndex<string>()
    index.add("/repo", ["lib"], "ann", "first")
    index.add("", ["src"], "bob", "second")
    index.add("/Repo/./", ["docs/*.md"], "ann", "third")
    index.add("label", ["src"], "bob", "label")
    expect([index.firstConflict("/repo", ["src"], "eve"), index.firstConflict("", ["lib"], "eve")]).toEqual([undefined, undefined])
    index.settle("/repo/")
    expect(index.firstConflict("/repo/x/..", ["src/a"], "eve")).toBe("second")
    expect(index.firstConflict("", [], "eve")).toBe("first")
    expect(index.firstConflict("", ["docs/a.*"], "bob")).toBe("third")
    expect(index.covering("", "lib/a")).toEqual(["first"])
    expect(index.firstConflict("label", ["src"], "eve")).toBe("label")
    index.remove("/REPO", ["src"], "bob", "second")
    index.add("", ["src"], "ann", "first")
    expect(index.firstConflict("/repo", ["src", "lib"], "eve")).toBe("first")
    expect(index.firstConflict("/repo", ["lib"], "eve")).toBeUndefined()
    // It is where it is.
    index.settle("/other")
    expect([index.firstConflict("/other", [], "eve"), index.firstConflict("", [], "eve")]).toEqual([undefined, "third"])
  })

  it("never says less than names that two patterns both match", () => {
    const names = ["src", "a", "a.ts", "b.md", "ab", "x/a.ts", "src/a.ts", "src/x/b.md", "lib/a", "src/a/b"]
    for (let step = 0; step < 3_000; step++) {
      const a = path()
      const b = path()
      const both = names.some((name) => covers(normaliseScope([a]), name) && covers(normaliseScope([b]), name))
      if (both) expect(touch(a, b), `${a} ${b}`).toBe(true)
    }
    expect(overlaps("a/**/b", "a/b")).toBe(true)
  })
})
