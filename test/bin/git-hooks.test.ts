// Git hooks as git runs them: the gate in front of a commit, releases behind it, and hooks that were there before.
import { execFile } from "node:child_process"
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { scriptOf } from "../../bin/git-hooks/script.ts"
import { SynapseHub } from "../../kernel/synapse-hub.ts"
import { SynapseAgent } from "../../libos/synapse/agent.ts"
import { aaax, type Told } from "../kit/command.ts"
import { build, entry } from "../kit/command-line.ts"
import { gitEnvironment, makeRepository, type Repository } from "../kit/repository.ts"

let hub: SynapseHub
let repository: Repository
let seats = 0
let alice = ""
const argv = process.argv[1]
beforeAll(async () => {
  await build()
  hub = await new SynapseHub({ port: 0 }).start()
  // What is installed is the program that installs: here, the built one.
  process.argv[1] = entry
}, 60_000)
afterAll(async () => {
  process.argv[1] = argv!
  await hub.stop()
})
beforeEach(() => {
  repository = makeRepository()
  alice = `alice-${++seats}`
})
afterEach(() => repository.remove())

const cli = (...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--dir", repository.path)
const install = (...args: ReadonlyArray<string>): Promise<Told> => cli("git", "install", "--seat", alice, "--uri", hub.uri, ...args)
const take = (...args: ReadonlyArray<string>): Promise<Told> => cli("claims", "take", ...args)
/** Not in this process's way: hooks ask the hub, which is in it. */
const git = (...args: ReadonlyArray<string>): Promise<{ readonly code: number; readonly stderr: string }> =>
  new Promise((resolve) => {
    execFile("git", args, { cwd: repository.path, env: { PATH: process.env["PATH"], HOME: repository.path, ...gitEnvironment } }, (error, _, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stderr }))
  })
const commit = (...args: ReadonlyArray<string>): ReturnType<typeof git> => git("commit", "--quiet", "-m", "Change", ...args)
const hook = (path: string, body: string): void => {
  mkdirSync(dirname(join(repository.path, path)), { recursive: true })
  writeFileSync(join(repository.path, path), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
}
/** All that git keeps of its own and we may touch: names, modes and content. */
const files = (folder = join(repository.path, ".git")): Record<string, string> =>
  Object.fromEntries(readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => /^(hooks|aaax|config)/u.test(path)).sort().map((path) => {
    const full = join(folder, path)
    const stats = lstatSync(full)
    return [path, `${stats.mode.toString(8)} ${stats.isFile() ? readFileSync(full, "utf8") : ""}`]
  }))

describe("the gate in front of a commit", () => {
  it("refuses what is not claimed, lets through what is, and releases it behind the commit", async () => {
    expect((await install()).code).toBe(0)
    repository.write("a.ts")
    repository.git("add", ".")
    const refused = await commit()
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain("the commit is refused")
    expect(refused.stderr).toContain(`try: aaax claims take a.ts --seat ${alice}`)
    expect((await take("a.ts", "--release-on", "commit", "--seat", alice)).code).toBe(0)
    expect(await commit(), "claimed").toMatchObject({ code: 0 })
    expect(JSON.parse((await cli("claims", "ls", "--here", "--json")).stdout)).toEqual([])
    expect(await cli("git", "status")).toMatchObject({ code: 0 })
  })

  it("checks and releases while an agent is connected as the same seat", async () => {
    await install()
    const agent = await SynapseAgent.connect({ uri: hub.uri, name: alice, reconnect: false })
    repository.write("a.ts")
    repository.git("add", ".")
    const { claim } = await agent.ask({ verb: "claim", task: `T-${alice}`, worktree: repository.path, paths: ["a.ts"], git: { branch: "main", releaseOn: "commit" } })
    const frames = agent.frames()
    expect(await commit()).toMatchObject({ code: 0, stderr: "" })
    for await (const frame of frames) if (frame.type === "release_granted") {
      expect(frame).toMatchObject({ task_id: claim.task, owner: alice })
      break
    }
    expect((await agent.ask({ verb: "state", owner: alice })).items).toEqual([])
    agent.close()
  })

  it("sees the paths of the very commit that is made: those of commit -a and of commit PATH", async () => {
    for (const path of ["a.ts", "b.ts"]) repository.write(path)
    repository.git("add", ".")
    repository.git("commit", "--quiet", "-m", "All")
    await install()
    await take("a.ts", "--seat", alice)
    for (const path of ["a.ts", "b.ts"]) repository.write(path, "changed\n")
    expect((await commit("-a")).stderr).toContain("  missing       b.ts")
    expect(await commit("a.ts")).toMatchObject({ code: 0 })
    expect((await commit("b.ts")).code).toBe(1)
  })

  it("refuses while the hub cannot be reached, and lets an empty commit through", async () => {
    await cli("git", "install", "--seat", alice, "--uri", "ws://127.0.0.1:1")
    repository.write("a.ts")
    repository.git("add", ".")
    expect(await commit()).toMatchObject({ code: 1, stderr: expect.stringContaining("git commit --no-verify") })
    repository.git("reset", "--quiet")
    expect(await commit("--allow-empty")).toMatchObject({ code: 0 })
    expect((await cli("git", "status")).stdout).toContain("cannot be reached, so every commit is refused")
  })

  it("refuses when the program is not where it was", async () => {
    hook(".git/hooks/pre-commit", scriptOf("pre-commit", { node: process.execPath, file: "/nowhere/aaax's.js" }, undefined).split("\n").slice(1).join("\n"))
    expect(await commit("--allow-empty")).toMatchObject({ code: 1, stderr: expect.stringContaining("aaax git install again") })
    hook(".git/hooks/pre-commit", "exit 0")
    hook(".git/hooks/post-commit", scriptOf("post-commit", { node: "/nowhere/node", file: entry }, undefined).split("\n").slice(1).join("\n"))
    expect(await commit("--allow-empty")).toMatchObject({ code: 0 })
  })
})

describe("hooks that were there", () => {
  it("run first, with what they were called with, can say no, and are back as they were after uninstall", async () => {
    hook(".git/hooks/pre-commit", "echo \"$0 $#\" >> ran\nexit \"$(cat code)\"")
    hook(".git/hooks/post-commit", "echo post >> ran; exit 3")
    writeFileSync(join(repository.path, ".git/hooks/commit-msg"), "#!/bin/sh\necho \"msg $1\" >> ran\n", { mode: 0o755 })
    chmodSync(join(repository.path, ".git/hooks/pre-commit"), 0o750)
    const before = files()
    expect((await install()).stdout).toContain("pre-commit that was there runs first")
    repository.write("code", "7\n")
    expect((await commit("--allow-empty")).code).toBe(1)
    repository.write("code", "0\n")
    expect((await commit("--allow-empty")).code).toBe(0)
    expect(readFileSync(join(repository.path, "ran"), "utf8").split("\n").map((line) => line.replace(/^.*\//u, "").replace(/\.before-aaax/u, ""))).toEqual([
      "pre-commit 0", "pre-commit 0", "COMMIT_EDITMSG", "post", ""
    ])
    const once = files()
    expect(JSON.parse((await install("--json")).stdout)).toMatchObject({ changed: [] })
    expect(files()).toEqual(once)
    expect((await cli("git", "uninstall")).code).toBe(0)
    expect(files()).toEqual(before)
    expect((await cli("git", "uninstall")).stdout).toContain("nothing of ours is there")
    expect(await cli("git", "status")).toMatchObject({ code: 3 })
  })

  it("of a folder that config names are passed on, all of them, and its files stay as they are", async () => {
    hook(".husky/_/pre-commit", "echo husky >> ran")
    hook(".husky/_/pre-push", "cat >> ran")
    repository.git("config", "core.hooksPath", ".husky/_")
    const before = [files(), files(join(repository.path, ".husky"))]
    expect(JSON.parse((await install("--json")).stdout)).toMatchObject({ passesOn: ".husky/_", chained: ["pre-commit"] })
    expect((await commit("--allow-empty")).code).toBe(0)
    repository.write("a.ts")
    repository.git("add", ".")
    expect((await commit()).code).toBe(1)
    // One that is put there later runs, too; and what git hands over reaches it.
    hook(".husky/_/commit-msg", "echo later >> ran; exit 9")
    await take("--all", "--seat", alice)
    expect((await commit()).code).toBe(1)
    const bare = join(repository.path, ".git", "elsewhere")
    repository.git("init", "--quiet", "--bare", bare)
    expect((await git("push", "--quiet", bare, "HEAD:refs/heads/x")).code).toBe(0)
    const ran = readFileSync(join(repository.path, "ran"), "utf8")
    expect(ran).toContain("husky\n")
    expect(ran).toContain("later\n")
    expect(ran).toContain("refs/heads/x")
    rmSync(bare, { recursive: true })
    rmSync(join(repository.path, ".husky/_/commit-msg"))
    expect((await cli("git", "uninstall")).code).toBe(0)
    expect([files(), files(join(repository.path, ".husky"))]).toEqual(before)
    expect(repository.git("config", "core.hooksPath")).toBe(".husky/_")
  })

  it("that somebody puts in our place later are left alone, and status says that the gate is gone", async () => {
    await install()
    hook(".git/hooks/pre-commit", "exit 0")
    const told = await cli("git", "status")
    expect(told).toMatchObject({ code: 1 })
    expect(told.stdout).toContain("NOT in force")
    // Installed again, it runs first.
    await install()
    expect(await cli("git", "status")).toMatchObject({ code: 0 })
    await cli("git", "uninstall")
    expect(readFileSync(join(repository.path, ".git/hooks/pre-commit"), "utf8")).toBe("#!/bin/sh\nexit 0\n")
    // A tool sets its own folder while ours is in force.
    await install()
    repository.git("config", "core.hooksPath", "elsewhere")
    expect(await cli("git", "status")).toMatchObject({ code: 1 })
    await install()
    expect(await cli("git", "status")).toMatchObject({ code: 0 })
  })

  it("of a folder that a link leads to, and may be many repositories', stay as they are, run first and under their own names", async () => {
    hook("shared/pre-commit", "echo \"$(basename \"$0\")\" >> ran")
    hook("shared/reference-transaction", "echo \"transaction $1\" >> ran")
    symlinkSync("../shared", join(repository.path, ".git/hooks"))
    const before = [files(), files(join(repository.path, "shared"))]
    expect(JSON.parse((await install("--json")).stdout)).toMatchObject({ passesOn: join(repository.path, ".git/hooks"), chained: ["pre-commit"] })
    expect(JSON.parse((await install("--json")).stdout)).toMatchObject({ changed: [] })
    expect(await cli("git", "status")).toMatchObject({ code: 0 })
    repository.write("a.ts")
    repository.git("add", "a.ts")
    expect((await commit()).code).toBe(1)
    expect((await commit("--no-verify")).code).toBe(0)
    expect(readFileSync(join(repository.path, "ran"), "utf8")).toContain("pre-commit\n")
    expect(readFileSync(join(repository.path, "ran"), "utf8")).toContain("transaction committed\n")
    expect((await cli("git", "uninstall")).code).toBe(0)
    expect([files(), files(join(repository.path, "shared"))]).toEqual(before)
  })

  it("are in force only where git runs them, and what cannot be written is said", async () => {
    await install()
    chmodSync(join(repository.path, ".git/hooks/pre-commit"), 0o644)
    expect(await cli("git", "status")).toMatchObject({ code: 1, stdout: expect.stringContaining("NOT in force") })
    await cli("git", "uninstall")
    repository.git("config", "core.hooksPath", "hooks")
    repository.write(".git/aaax", "a file\n")
    expect(await install()).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be written (ENOTDIR)") })
  })
})

describe("several working trees", () => {
  it("have the hooks in common, and each a seat of its own", async () => {
    const side = join(repository.path, "side")
    repository.git("worktree", "add", "--quiet", "-b", "feature", side)
    const before = files()
    await install()
    expect((await aaax("git", "install", "--seat", `${alice}-side`, "--uri", hub.uri, "--dir", side)).code).toBe(0)
    repository.write("side/a.ts")
    repository.git("-C", side, "add", ".")
    await aaax("claims", "take", "a.ts", "--seat", alice, "--uri", hub.uri, "--dir", side)
    expect((await git("-C", side, "commit", "--quiet", "-m", "x")).stderr).toContain(`${alice}-side has no claim`)
    await aaax("claims", "release", "--all", "--seat", alice, "--dir", side)
    // The seat and the hub are those of the working tree.
    expect((await aaax("claims", "take", "a.ts", "--dir", side)).code).toBe(0)
    expect((await git("-C", side, "commit", "--quiet", "-m", "x")).code).toBe(0)
    await aaax("git", "uninstall", "--dir", side)
    await cli("git", "uninstall")
    expect(existsSync(join(repository.path, ".git/aaax"))).toBe(false)
    expect(repository.git("config", "--list")).not.toMatch(/aaax|worktreeconfig/u)
    expect(Object.keys(files()).filter((path) => path.startsWith("hooks"))).toEqual(Object.keys(before).filter((path) => path.startsWith("hooks")))
  })

  it("of a bare repository go on working, and are as they were afterwards; settings that others made for their tree stay", async () => {
    const bare = join(repository.path, "bare")
    repository.git("clone", "--quiet", "--bare", repository.path, bare)
    const trees = ["one", "two"].map((name) => {
      repository.git("-C", bare, "worktree", "add", "--quiet", "-b", name, join(repository.path, name))
      return join(repository.path, name)
    })
    const [one = "", two = ""] = trees
    const settings = (): string => readFileSync(join(bare, "config"), "utf8")
    const before = settings()
    for (const [nth, tree] of trees.entries()) {
      expect(await aaax("git", "install", "--seat", `${alice}-${nth}`, "--uri", hub.uri, "--dir", tree)).toMatchObject({ code: 0 })
    }
    for (const [nth, tree] of trees.entries()) {
      expect(repository.git("-C", tree, "status", "--short")).toBe("")
      expect(repository.git("-C", tree, "config", "aaax.seat")).toBe(`${alice}-${nth}`)
      expect((await git("-C", tree, "commit", "--quiet", "--allow-empty", "-m", "x")).code).toBe(0)
    }
    expect(repository.git("-C", bare, "rev-parse", "--is-bare-repository")).toBe("true")
    repository.git("-C", two, "config", "--worktree", "core.sparseCheckout", "false")
    for (const tree of trees) expect((await aaax("git", "uninstall", "--dir", tree)).code).toBe(0)
    expect(repository.git("-C", two, "config", "core.sparseCheckout")).toBe("false")
    repository.git("-C", two, "config", "--worktree", "--unset", "core.sparseCheckout")
    await aaax("git", "uninstall", "--dir", one)
    expect(settings()).toBe(before)
  })

  it("that have a folder of hooks of their own alone keep it, and the others keep theirs", async () => {
    const side = join(repository.path, "side")
    repository.git("worktree", "add", "--quiet", "-b", "feature", side)
    repository.git("config", "extensions.worktreeConfig", "true")
    repository.git("-C", side, "config", "--worktree", "core.hooksPath", "own")
    hook("side/own/pre-commit", "echo own >> ran")
    const there = (...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--dir", side)
    await install()
    expect(await there("git", "status")).toMatchObject({ code: 1 })
    expect(await there("git", "install", "--seat", `${alice}-side`, "--uri", hub.uri)).toMatchObject({ code: 0 })
    expect(await there("git", "status")).toMatchObject({ code: 0 })
    repository.write("side/a.ts")
    repository.git("-C", side, "add", "a.ts")
    expect((await git("-C", side, "commit", "--quiet", "-m", "x")).stderr).toContain(`${alice}-side has no claim`)
    expect(readFileSync(join(side, "ran"), "utf8")).toBe("own\n")
    expect(await cli("git", "status")).toMatchObject({ code: 0 })
    expect((await commit("--allow-empty")).code).toBe(0)
    expect((await there("git", "uninstall")).code).toBe(0)
    expect(repository.git("-C", side, "config", "core.hooksPath")).toBe("own")
  })
})
