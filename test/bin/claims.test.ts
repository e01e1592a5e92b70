// Claims from the command line, in a git repository, at a hub of ours.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { parseNameStatus } from "../../bin/worktree/changed.ts"
import { synapseBesideMax } from "../../kernel/limits.ts"
import { SynapseHub } from "../../kernel/synapse-hub.ts"
import { SynapseAgent } from "../../libos/synapse/agent.ts"
import type { Claim } from "../../protocol/coordination.ts"
import { aaax, type Told } from "../kit/command.ts"
import { makeRepository, type Repository } from "../kit/repository.ts"

let hub: SynapseHub
let repository: Repository
let seats = 0
let alice = ""
let bob = ""
beforeAll(async () => {
  hub = await new SynapseHub({ port: 0 }).start()
})
afterAll(() => hub.stop())
beforeEach(() => {
  repository = makeRepository()
  alice = `alice-${++seats}`
  bob = `bob-${seats}`
})
afterEach(() => repository.remove())

const at = (folder: string, ...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--uri", hub.uri, "--dir", folder)
const claims = (...args: ReadonlyArray<string>): Promise<Told> => at(repository.path, "claims", ...args)
const take = async (seat: string, ...args: ReadonlyArray<string>): Promise<Claim> => {
  const told = await claims("take", ...args, "--seat", seat, "--json")
  expect(told, told.stderr).toMatchObject({ code: 0 })
  return JSON.parse(told.stdout) as Claim
}

describe("aaax claims take", () => {
  it("claims paths of the working tree, on its branch, and renews what is taken again", async () => {
    repository.write("src/a.ts")
    const first = await take(alice, "src/a.ts", "docs/**", "--note", "why", "--ttl", "10m", "--release-on", "commit")
    expect(first).toMatchObject({
      owner: alice, worktree: repository.path, paths: ["src/a.ts", "docs/**"], note: "why", git: { branch: "main", releaseOn: "commit" }, task: expect.stringMatching(/^claim-[0-9a-f]{10}$/u)
    })
    expect(first.expiresAt - first.claimedAt).toBe(600_000)
    const again = await take(alice, "docs/**", "src/a.ts")
    expect(again).toMatchObject({ task: first.task, note: "why" })
    expect(again.epoch).toBeGreaterThan(first.epoch)
    expect((await claims("take", "src/a.ts", "docs/**", "--seat", alice)).stdout).toMatch(/^renewed {2}src\/a\.ts, docs\/\*\* {2}until .*on main/u)
  })

  it("refuses what another seat holds with 5, whose it is, until when, and what to try", async () => {
    await take(bob, "src/auth/**", "--task", `T-${bob}`)
    const told = await claims("take", "src/auth/login.ts", "--seat", alice)
    expect(told).toMatchObject({ code: 5, stdout: "" })
    expect(told.stderr).toMatch(new RegExp(`conflict {2}src/auth/login\\.ts: src/auth/\\*\\* held by ${bob} until [0-9: -]+ \\(task T-${bob}\\)\ntry: aaax claims take src/auth/login\\.ts --wait\n +aaax send 'please hand T-${bob} over' --target ${bob}`, "u"))
    const same = await claims("take", "elsewhere", "--task", `T-${bob}`, "--seat", alice)
    expect(same).toMatchObject({ code: 5 })
    expect(same.stderr).toContain(`held by ${bob}`)
  })

  it("spells paths as git does: from the top, composed, links on the way resolved, a link with what it leads to", async () => {
    repository.write("src/deep/a.ts")
    symlinkSync("src", join(repository.path, "short"))
    symlinkSync("src/deep/a.ts", join(repository.path, "link.ts"))
    repository.write("app/[id].tsx")
    const from = join(repository.path, "src")
    const told = await at(from, "claims", "take", "deep/a.ts", "../short/deep/b.ts", "./../link.ts", "cafe\u0301", "../app/*.ts", `${repository.path}/app/[id].tsx`, "--seat", alice, "--json")
    expect((JSON.parse(told.stdout) as Claim).paths).toEqual(["src/deep/a.ts", "src/deep/b.ts", "link.ts", "src/caf\u00e9", "app/*.ts", "app/[id].tsx"])
  })

  it("follows the case of the index where the file system ignores it", async () => {
    repository.write("Src/A.ts")
    repository.git("add", ".")
    repository.git("config", "core.ignorecase", "true")
    expect((await take(alice, "src/a.TS", "SRC/new.ts")).paths).toEqual(["Src/A.ts", "SRC/new.ts"])
  })

  it("refuses what lies outside, what is empty, and both or neither of paths and --all", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "aaax-elsewhere-"))
    symlinkSync(elsewhere, join(repository.path, "out"))
    for (const wrong of [["../x"], [elsewhere], ["out/x"], ["out"], ["src/*/../x"], [""], [], ["a", "--all"], ["a", "--ttl", "soon"], ["a", "--release-on", "never"]]) {
      const told = await claims("take", ...wrong, "--seat", alice)
      expect(told.code, `${wrong.join(" ")}: ${told.stderr}`).toBe(2)
    }
    expect((await at(elsewhere, "claims", "take", "a", "--seat", alice)).stderr).toContain("not a git repository")
    rmSync(elsewhere, { recursive: true })
    expect(JSON.parse((await claims("ls", "--owner", alice, "--json")).stdout)).toEqual([])
  })

  it("sends who names files of a working tree inside there, and claims the link to it", async () => {
    repository.git("worktree", "add", "--quiet", "-b", "inner", join(repository.path, "inner"))
    repository.write("inner/src/a.ts")
    for (const path of ["inner/src/a.ts", "inner/*.ts", "inner/new.ts"]) {
      expect(await claims("take", path, "--seat", alice)).toMatchObject({ code: 2, stderr: expect.stringContaining(`${path} lies in inner, which is a working tree of its own: go there`) })
    }
    expect((await take(alice, "inner")).paths).toEqual(["inner"])
    const there = await at(join(repository.path, "inner"), "claims", "take", "src/a.ts", "--seat", alice, "--json")
    expect(JSON.parse(there.stdout)).toMatchObject({ paths: ["src/a.ts"], worktree: join(repository.path, "inner") })
  })

  it("waits in line, and gives up when its time is up", async () => {
    await take(bob, "src", "--task", `T-${bob}`)
    const late = await claims("take", "src", "--seat", alice, "--wait-timeout", "50ms")
    expect(late).toMatchObject({ code: 7, stdout: "" })
    expect(late.stderr).toMatch(new RegExp(`waited in vain {2}src: src held by ${bob} until .*\\(task T-${bob}\\)\ntry: aaax send 'please hand T-${bob} over' --target ${bob}`, "u"))
    // Commands share one stdout: the one that waits is a seat of its own here.
    const other = await SynapseAgent.connect({ uri: hub.uri, name: bob, reconnect: false })
    const waiting = claims("take", "src", "--seat", alice, "--wait", "--json")
    await other.ask({ verb: "state" })
    await other.release(`T-${bob}`)
    expect(JSON.parse((await waiting).stdout)).toMatchObject({ owner: alice, paths: ["src"] })
    other.close()
  })

  it("gives its place up when it is interrupted", async () => {
    await take(bob, "src", "--task", `T-${bob}`)
    const other = await SynapseAgent.connect({ uri: hub.uri, name: bob, reconnect: false })
    const waits = await SynapseAgent.connect({ uri: hub.uri, name: alice, reconnect: false })
    const waiting = claims("take", "src", "--seat", alice, "--wait")
    // Until somebody who comes now is the second in line.
    await vi.waitFor(async () => {
      const late = await SynapseAgent.connect({ uri: hub.uri, name: `late-${crypto.randomUUID()}`, reconnect: false })
      const { position } = await late.ask({ verb: "wait", task: `T-${bob}` })
      late.close()
      expect(position).toBe(2)
    }, { timeout: 10_000, interval: 10 })
    process.emit("SIGINT", "SIGINT")
    expect(await waiting).toMatchObject({ code: 130, stderr: expect.stringContaining("nothing was claimed") })
    await other.release(`T-${bob}`)
    expect((await other.ask({ verb: "state", owner: alice })).items).toEqual([])
    waits.close()
    other.close()
  })

  it("takes, checks and gives back beside an agent that is connected as the same seat, which holds the same", async () => {
    const agent = await SynapseAgent.connect({ uri: hub.uri, name: alice, reconnect: false })
    const took = await claims("take", "a", "--seat", alice, "--json")
    expect(took.code).toBe(0)
    const { epoch, task } = JSON.parse(took.stdout)
    expect((await agent.ask({ verb: "state", owner: alice })).items).toMatchObject([{ task, epoch }])
    expect((await claims("check", "a", "--seat", alice)).code).toBe(0)
    await agent.ask({ verb: "claim", task: `T-${alice}`, worktree: repository.path, paths: ["b"] })
    expect((await claims("release", `T-${alice}`, "--seat", alice)).code).toBe(0)
    await agent.release(task, { epoch })
    // It is there as it was.
    expect((await agent.requestWho()).online_agents).toContain(alice)
    agent.close()
  })

  it("waits for a moment where there is no room beside the seat, and then says what to do; who only asks needs none", async () => {
    const all = await Promise.all(Array.from({ length: synapseBesideMax }, () => SynapseAgent.connect({ uri: hub.uri, name: alice, beside: true, reconnect: false })))
    expect(await claims("take", "b", "--seat", alice)).toMatchObject({ code: 5, stderr: expect.stringContaining(`--seat ${alice}/shell`) })
    expect((await claims("check", "b", "--seat", alice)).code).toBe(4)
    expect((await claims("release", "--on", "commit", "--seat", alice)).code).toBe(0)
    const taking = claims("take", "a", "--seat", alice)
    await all[0]!.ask({ verb: "state" })
    for (const one of all) one.close()
    expect((await taking).code).toBe(0)
  })

  it("is refused at no branch, with the way to one", async () => {
    repository.git("checkout", "--quiet", "--detach")
    const told = await claims("take", "src", "--seat", alice)
    expect(told).toMatchObject({ code: 4 })
    expect(told.stderr).toContain("git switch --create")
  })
})

describe("aaax claims ls, why and release", () => {
  it("shows who holds what, and whose a path is", async () => {
    await take(alice, "src/**", "--task", `T-${alice}`, "--note", "the login")
    const listed = await claims("ls")
    expect(listed.stdout).toMatch(new RegExp(`T-${alice} +${alice} +claimed +[0-9: -]+ +main +src/\\*\\*`, "u"))
    expect(JSON.parse((await claims("ls", "--owner", alice, "--json")).stdout)).toMatchObject([{ task: `T-${alice}` }])
    expect(JSON.parse((await claims("ls", "--here", "--json")).stdout)).toHaveLength(1)
    expect((await claims("why", "src/x/y.ts")).stdout).toMatch(new RegExp(`^src/x/y\\.ts is held by ${alice} until .*task T-${alice}, claimed, epoch \\d+, on main\\)\n {2}claimed {2}src/\\*\\*\n {2}note {5}the login`, "u"))
    expect((await claims("why", "docs")).stdout).toContain("nobody has claimed docs")
  })

  it("lists more than a page", async () => {
    const agent = await SynapseAgent.connect({ uri: hub.uri, name: bob, reconnect: false })
    for (let at = 0; at < 120; at++) await agent.ask({ verb: "claim", task: `${bob}-${at}`, worktree: "elsewhere", paths: [`f${at}/${"x".repeat(3_000)}`], note: "n".repeat(3_000) })
    agent.close()
    expect(JSON.parse((await claims("ls", "--owner", bob, "--json")).stdout)).toHaveLength(120)
  })

  it("releases by task, or all of the seat in this working tree, and says what it cannot", async () => {
    const one = await take(alice, "a")
    await take(alice, "b", "--task", `T-${alice}`)
    await take(`${alice}/below`, "c")
    expect((await claims("release", "--seat", alice)).code).toBe(2)
    expect((await claims("release", one.task, "--seat", bob)).code).toBe(4)
    expect((await claims("release", "nothing", "--seat", alice)).code).toBe(3)
    expect((await claims("release", one.task, "--seat", alice)).stdout).toBe(`released  ${one.task}\n`)
    expect(JSON.parse((await claims("release", "--all", "--seat", alice, "--json")).stdout)).toEqual([`T-${alice}`])
    expect((await claims("release", "--all", "--seat", alice)).stdout).toBe("nothing to release\n")
    expect(JSON.parse((await claims("ls", "--owner", alice, "--json")).stdout)).toMatchObject([{ owner: `${alice}/below` }])
  })

  it("releases exactly what the newest commit has done with", async () => {
    for (const path of ["a.ts", "b.ts", "c.ts", "old.ts"]) repository.write(path, `${path}\nlong enough to be known again\n`)
    repository.git("add", ".")
    repository.git("commit", "--quiet", "-m", "All")
    const [done, by, other, renamed] = [
      await take(alice, "a.ts", "--release-on", "commit"), await take(alice, "b.ts"), await take(alice, "c.ts", "--release-on", "commit"), await take(alice, "old.ts", "--release-on", "commit")
    ]
    const others = await take(bob, "d.ts", "--release-on", "commit")
    for (const path of ["a.ts", "b.ts", "d.ts"]) repository.write(path, "changed\n")
    repository.git("mv", "old.ts", "new.ts")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "-m", "Some")
    expect(new Set(JSON.parse((await claims("release", "--on", "commit", "--seat", alice, "--json")).stdout) as ReadonlyArray<string>)).toEqual(new Set([done.task, renamed.task]))
    const left = (JSON.parse((await claims("ls", "--here", "--json")).stdout) as ReadonlyArray<Claim>).map(({ task }) => task)
    expect(new Set(left)).toEqual(new Set([by.task, other.task, others.task]))
  })

  it("releases what a merge has brought in, also from another working tree", async () => {
    repository.write("a.ts")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "-m", "All")
    const side = join(repository.path, "side")
    repository.git("worktree", "add", "--quiet", "-b", "feature", side)
    const told = await at(side, "claims", "take", "a.ts", "--release-on", "merge", "--seat", alice, "--json")
    const open = await take(alice, "b.ts", "--release-on", "merge")
    repository.git("-C", side, "commit", "--quiet", "--allow-empty", "-m", "x")
    repository.write("side/a.ts", "changed\n")
    repository.git("-C", side, "commit", "--quiet", "-am", "Change")
    repository.git("merge", "--quiet", "--no-ff", "--no-edit", "feature")
    expect(JSON.parse((await claims("release", "--on", "merge", "--seat", alice, "--json")).stdout)).toEqual([(JSON.parse(told.stdout) as Claim).task])
    expect(JSON.parse((await claims("ls", "--owner", alice, "--json")).stdout)).toMatchObject([{ task: open.task }])
  })
})

describe("aaax claims check", () => {
  const check = (...args: ReadonlyArray<string>): Promise<Told> => claims("check", ...args, "--seat", alice)
  const stage = (...paths: ReadonlyArray<string>): void => {
    for (const path of paths) repository.write(path)
    repository.git("add", "--all")
  }

  it("--staged passes when this seat has claimed every path, both sides of renames and copies", async () => {
    repository.write("old.ts", "a\nb\nc\nd\ne\nf\n")
    repository.write("gone.ts")
    stage()
    repository.git("commit", "--quiet", "-m", "All")
    repository.git("mv", "old.ts", "new.ts")
    repository.git("rm", "--quiet", "gone.ts")
    stage("src/a.ts")
    await take(alice, "new.ts", "src/**", "gone.ts")
    const told = await check("--staged", "--json")
    expect(told).toMatchObject({ code: 4 })
    expect(JSON.parse(told.stdout)).toMatchObject({ allowed: false, seat: alice, branch: "main" })
    expect(told.stderr).toMatch(new RegExp(`the commit is refused: ${alice} has no claim for 1 of 4 staged paths on main\n {2}missing {7}old\\.ts {2}nobody has claimed it\ntry: aaax claims take old\\.ts --seat ${alice}`, "u"))
    await take(alice, "old.ts")
    expect(await check("--staged")).toMatchObject({ code: 0, stdout: `allowed  4 paths on main, claimed by ${alice}\n` })
    expect((await claims("check", "--staged", "--seat", bob)).code).toBe(5)
  })

  it("--staged tells what is missing, another's and not editable apart", async () => {
    stage("a.ts", "b.ts", "c.ts", "d d.ts")
    await take(alice, "a.ts")
    await take(bob, "b.ts", "--task", `T-${bob}`)
    const done = await take(alice, "c.ts")
    const agent = await SynapseAgent.connect({ uri: hub.uri, name: alice, reconnect: false })
    await agent.updateTask(done.task, { status: "done" })
    agent.close()
    const told = await check("--staged")
    expect(told).toMatchObject({ code: 5, stdout: "" })
    expect(told.stderr).toContain("has no claim for 3 of 4 staged paths")
    expect(told.stderr).toContain("  missing       d d.ts  nobody has claimed it")
    expect(told.stderr).toContain(`  theirs        b.ts  claimed by ${bob} (task T-${bob})`)
    expect(told.stderr).toContain(`  not-editable  c.ts  task ${done.task} is done or waits`)
    expect(told.stderr).toContain(`try: aaax claims take 'd d.ts' --seat ${alice}\n     aaax claims why b.ts\n     git restore --staged b.ts`)
    // A seat that is named alike is another one.
    expect((await claims("check", "a.ts", "--seat", alice.slice(0, -1))).code).toBe(5)
    expect((await check("a.ts")).code).toBe(0)
  })

  it("is of one working tree and one branch", async () => {
    stage("a.ts")
    await take(alice, "a.ts")
    repository.git("checkout", "--quiet", "-b", "other")
    expect((await check("--staged")).stderr).toContain("  missing       a.ts")
    repository.git("checkout", "--quiet", "main")
    expect((await check("--staged")).code).toBe(0)
    const side = join(repository.path, "side")
    repository.git("worktree", "add", "--quiet", "-b", "feature", side)
    repository.write("side/a.ts")
    repository.git("-C", side, "add", ".")
    expect((await at(side, "claims", "check", "--staged", "--seat", alice)).code).toBe(4)
  })

  it("--staged sees what the user's configuration would leave out", async () => {
    repository.git("config", "diff.relative", "true")
    repository.git("config", "diff.ignoreSubmodules", "all")
    repository.git("config", "diff.renames", "false")
    stage("top.ts", "src/a.ts")
    repository.git("update-index", "--add", "--cacheinfo", `160000,${repository.git("rev-parse", "HEAD")},module`)
    await take(alice, "src")
    const told = await at(join(repository.path, "src"), "claims", "check", "--staged", "--seat", alice)
    expect(told.stderr).toContain("  missing       top.ts")
    expect(told.stderr).toContain("  missing       module")
  })

  it("--staged passes an empty index without a hub, and nothing else", async () => {
    const alone = (...args: ReadonlyArray<string>): Promise<Told> => aaax("claims", "check", ...args, "--seat", alice, "--uri", "ws://127.0.0.1:1", "--dir", repository.path)
    expect(await alone("--staged")).toMatchObject({ code: 0, stdout: "nothing is staged\n" })
    stage("a.ts")
    const told = await alone("--staged")
    expect(told.code).toBe(6)
    expect(told.stderr).toMatch(/the commit is refused, because who may change what cannot be told: [^\n]+\ntry: .*git commit --no-verify/u)
    expect((await alone()).code).toBe(2)
    expect((await alone("a.ts", "--staged")).code).toBe(2)
  })

  it("asks about as many paths as there are", async () => {
    await take(alice, "many")
    const told = await check(...Array.from({ length: 900 }, (_, at) => `many/${at}`), `many/${"x".repeat(2_000)}`, "--json")
    expect(told).toMatchObject({ code: 0 })
    expect((JSON.parse(told.stdout) as { readonly paths: ReadonlyArray<object> }).paths).toHaveLength(901)
  })

  it("--staged refuses at no branch, and in a folder that is no repository", async () => {
    stage("a.ts")
    await take(alice, "a.ts")
    repository.git("checkout", "--quiet", "--detach")
    expect(await check("--staged")).toMatchObject({ code: 4 })
    const elsewhere = mkdtempSync(join(tmpdir(), "aaax-elsewhere-"))
    mkdirSync(join(elsewhere, "x"))
    expect((await at(join(elsewhere, "x"), "claims", "check", "--staged")).code).toBe(1)
    rmSync(elsewhere, { recursive: true })
  })

  it("--staged leaves out of a merge what came in as it was", async () => {
    stage("ours.ts", "both.ts")
    repository.git("commit", "--quiet", "-m", "All")
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.write("theirs.ts")
    repository.write("both.ts", "theirs\n")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "-m", "Theirs")
    repository.git("checkout", "--quiet", "main")
    repository.write("both.ts", "ours\n")
    repository.git("commit", "--quiet", "-am", "Ours")
    expect(() => repository.git("merge", "--no-edit", "feature")).toThrow()
    repository.write("both.ts", "resolved\n")
    repository.git("add", ".")
    const told = await check("--staged")
    expect(told.stderr).toContain("for 1 of 1 staged paths")
    expect(told.stderr).toContain("  missing       both.ts")
  })

  it("takes no list of paths that is not whole", () => {
    expect(parseNameStatus("M\0a\0R100\0b\0c\0")).toEqual(["a", "b", "c"])
    expect(parseNameStatus("")).toEqual([])
    for (const wrong of ["M\0a", "M\0", "R100\0a\0", "Q\0a\0", "\0", "a\0M\0", "M\0\0"]) expect(() => parseNameStatus(wrong), JSON.stringify(wrong)).toThrow("git diff")
  })
})
