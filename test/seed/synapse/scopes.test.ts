import { describe, expect, it } from "vitest"
import { settle } from "../../../modules/coordinator/state.ts"
import { makeTable } from "../../kit/coordination.ts"

/** Whether bob may have the one beside ann's other. */
const beside = (held: ReadonlyArray<string>, wanted: ReadonlyArray<string>, worktrees: readonly [string, string] = ["w", "w"], folder = ""): string => {
  const table = makeTable()
  settle(table.desk.state, folder)
  table.get("ann", { verb: "claim", task: "a", paths: held, worktree: worktrees[0] })
  const answer = table.ask("bob", { verb: "claim", task: "b", paths: wanted, worktree: worktrees[1] })
  return answer?.ok === true ? "granted" : answer?.code ?? ""
}

describe("scopes", () => {
  it("[62] the same path and those above and below it conflict; siblings and names that begin alike do not", () => {
    for (const [a, b] of [["src", "src"], ["src", "src/a"], ["src/a/b", "src/a"]] as const) {
      expect([beside([a], [b]), beside([b], [a])]).toEqual(["SCOPE_CONFLICT", "SCOPE_CONFLICT"])
    }
    for (const [a, b] of [["src/a", "src/b"], ["src", "src2"]] as const) expect([beside([a], [b]), beside([b], [a])]).toEqual(["granted", "granted"])
  })

  it("[63] [64] no path, an empty one and ./ are the whole worktree", () => {
    for (const whole of [[], [""], ["./"], ["a", "."]]) expect([beside(whole, ["x/y"]), beside(["x/y"], whole)]).toEqual(["SCOPE_CONFLICT", "SCOPE_CONFLICT"])
    expect(makeTable().get("ann", { verb: "claim", task: "t", paths: ["a", "./"] }).claim.paths).toEqual([""])
    expect(makeTable().get("ann", { verb: "claim", task: "t" }).claim.paths).toEqual([])
  })

  it("[65] different worktrees never conflict", () => {
    expect([beside(["src"], ["src"], ["w1", "w2"]), beside([], [], ["", "w"])]).toEqual(["granted", "granted"])
    for (const labels of [["w", "W"], ["repo", "/repo"], ["a/../b", "b"], ["/repo", "/repo2"], ["", "/repo2"]] as const) expect(beside([], [], labels, "/repo"), labels.join(" ")).toBe("granted")
  })

  it("one tree under two names is one: none is the folder, and a path is what it leads to", () => {
    for (const [a, b] of [["/repo", "/repo/"], ["/repo", "//repo/./"], ["/repo/x/..", "/repo"], ["/repo", "/REPO"], ["", "/repo"], ["", "/Repo/."]] as const) {
      expect([beside(["src"], ["src/a"], [a, b], "/repo"), beside([], ["src"], [b, a], "/repo")], `${a} ${b}`).toEqual(["SCOPE_CONFLICT", "SCOPE_CONFLICT"])
      expect(beside(["src"], ["lib"], [a, b], "/repo")).toBe("granted")
    }
    // Where nobody says which folder it is, none is none.
    expect(beside([], [], ["", "/repo"])).toBe("granted")
  })

  it("a worktree is told as it was given", () => {
    const table = makeTable()
    settle(table.desk.state, "/repo")
    for (const worktree of ["", " w ", "/repo//x/../", "/Repo"]) expect(table.get("ann", { verb: "claim", task: "t", paths: ["src"], worktree }).claim.worktree).toBe(worktree)
    // Its absolute paths are those of its tree.
    expect(table.get("ann", { verb: "claim", task: "t", paths: ["/repo/src/a"], worktree: "" }).claim.paths).toEqual(["src/a"])
    expect(table.get("bob", { verb: "check", worktree: "/repo/", paths: ["src/a", "lib"] }).paths).toMatchObject([{ verdict: "theirs", owner: "ann" }, { verdict: "free" }])
    expect(table.get("bob", { verb: "why", worktree: "", path: "src/a" }).claims).toMatchObject([{ task: "t" }])
  })

  it("[66] one owner's claims do not conflict with each other", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "a", paths: ["src"] })
    table.get("ann", { verb: "claim", task: "b", paths: ["src/a"] })
    table.get("ann", { verb: "claim", task: "c" })
  })

  it("[67] paths are kept in their order, each once and in one spelling", () => {
    expect(makeTable().get("ann", { verb: "claim", task: "t", paths: ["./src/", " docs ", "src", "././a/b//"] }).claim.paths).toEqual(["src", "docs", "a/b"])
  })

  it("[68] a refusal names the first claim in the way and its owner", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "one", paths: ["src/a"] })
    table.get("bob", { verb: "claim", task: "two", paths: ["src/b"] })
    expect(table.ask("eve", { verb: "claim", task: "t", paths: ["src/b", "src"] })).toEqual({
      ok: false, code: "SCOPE_CONFLICT", message: "Task 't' file scope conflicts with 'one' held by ann.", holder: "ann", conflict: "one"
    })
  })

  it("[69] [D8] all nine spellings of one file are one file", () => {
    for (const [a, b] of [
      ["src//a", "src/a"], ["src/../lib", "lib"], [".", "src/a"], ["/repo/src", "src"], ["SRC/a", "src/a"], ["src\\a", "src/a"], ["src/*", "src/a.py"],
      ["src/**/*.ts", "src/x/y.ts"], ["caf\u00e9", "cafe\u0301"]
    ] as const) expect([beside([a], [b]), beside([b], [a])], `${a} ${b}`).toEqual(["SCOPE_CONFLICT", "SCOPE_CONFLICT"])
  })

  it("[70] globs conflict where one path can match both", () => {
    for (const [a, b] of [["src/**/*.ts", "src/x/y.ts"], ["*.ts", "a*"], ["src/*/x", "src/y"]] as const) expect(beside([a], [b]), `${a} ${b}`).toBe("SCOPE_CONFLICT")
    for (const [a, b] of [["src/*.md", "src/a.ts"], ["src/*.ts", "lib/*.ts"], ["a?.ts", "b?.ts"]] as const) expect(beside([a], [b]), `${a} ${b}`).toBe("granted")
  })

  it("[71] paths of another type are refused and widen nothing", () => {
    const table = makeTable()
    for (const paths of ["src", { 0: "src" }, [1], null]) expect(table.ask("ann", { verb: "claim", task: "t", paths })).toMatchObject({ code: "INVALID", message: expect.stringContaining("paths") })
    expect(table.get("bob", { verb: "state" }).items).toEqual([])
  })

  it("[72] [D14] a claim looks at those that it can touch, however many there are", () => {
    const table = makeTable()
    for (let at = 0; at < 2_000; at++) table.get(`s${at % 20}`, { verb: "claim", task: `t${at}`, paths: [`src/${at}/x`] })
    const { scopes } = table.desk.state
    let looked = 0
    const { covering, firstConflict } = scopes
    Object.assign(scopes, {
      firstConflict: (...args: Parameters<typeof firstConflict>) => {
        looked++
        return firstConflict(...args)
      }, covering
    })
    expect(table.ask("ann", { verb: "claim", task: "t", paths: ["src/77"] })).toMatchObject({ conflict: "t77" })
    expect(table.get("ann", { verb: "claim", task: "t", paths: ["lib"] }).claim.epoch).toBe(2_001)
    // One question to the index each, whose answers test/protocol/scope.test.ts holds against the rule for pairs.
    expect(looked).toBe(2)
  })

  it("[D27] a named lock without files conflicts with no scope, and two of one name do", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "deploy", mutex: true })
    table.get("bob", { verb: "claim", task: "all" })
    expect(table.ask("bob", { verb: "claim", task: "deploy", mutex: true })).toMatchObject({ code: "LEASE_LIVE" })
    expect(table.get("bob", { verb: "check", worktree: "", paths: ["x"] }).allowed).toBe(true)
  })

  it("a path may be changed by whoever claims it in a state of work, on its branch, and by nobody else", () => {
    const table = makeTable()
    const git = { branch: "feat", releaseOn: "manual" } as const
    table.get("ann", { verb: "claim", task: "a", paths: ["src"], worktree: "/r", git })
    const check = (system: string, paths: ReadonlyArray<string>, branch?: string): ReadonlyArray<string> =>
      table.get("probe", { verb: "check", worktree: "/r/", paths, owner: system, ...(branch === undefined ? {} : { branch }) }).paths.map(({ verdict }) => verdict)
    expect(check("ann", ["src/x", "SRC/y", "lib"], "feat")).toEqual(["mine", "mine", "free"])
    expect(check("ann", ["src/x"], "main")).toEqual(["free"])
    expect(check("bob", ["src/x", "lib"], "main")).toEqual(["theirs", "free"])
    table.get("ann", { verb: "update", task: "a", status: "done" })
    expect(check("ann", ["src/x"], "feat")).toEqual(["not-editable"])
    table.get("ann", { verb: "claim", task: "b", paths: ["src/*.ts"], worktree: "/r", git })
    expect(check("ann", ["src/x.ts", "src/x.md"], "feat")).toEqual(["mine", "not-editable"])
    expect(table.get("bob", { verb: "why", worktree: "/r", path: "src/x.ts" }).claims.map(({ task }) => task)).toEqual(["a", "b"])
    expect(table.get("bob", { verb: "why", worktree: "/r", path: "lib" }).claims).toEqual([])
    expect(table.get("ann", { verb: "check", worktree: "/r", paths: ["src/x.ts"], branch: "feat" }).allowed).toBe(true)
  })
})
