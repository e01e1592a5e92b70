import { Effect, Exit } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest"
import { executor as gitExecutor, type GitOptions, type Repository } from "../../../kernel/executor/git.ts"
import { makeSecrets } from "../../../kernel/executor/secrets.ts"
import { reportOf, type CallPowers } from "../../../protocol/executor.ts"
import { callOf } from "../../contract/call.ts"
import { executorContract } from "../../contract/executor.ts"
import { powers } from "../../kit/powers.ts"
import { web } from "../../kit/web.ts"

const env = { PATH: process.env["PATH"]!, HOME: "/nonexistent", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_AUTHOR_NAME: "t", GIT_AUTHOR_EMAIL: "t@t", GIT_COMMITTER_NAME: "t", GIT_COMMITTER_EMAIL: "t@t" }
const git = (folder: string, ...args: ReadonlyArray<string>): string => execFileSync("git", args, { cwd: folder, env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()

/** Made once and copied: git takes longer for it than the file system. */
const template = realpathSync(mkdtempSync(join(tmpdir(), "aaax-git-")))
git(template, "init", "--quiet", "--initial-branch=main", "--template=")
writeFileSync(join(template, "a.txt"), "one\n")
git(template, "add", ".")
git(template, "commit", "--quiet", "-m", "first")
afterAll(() => rmSync(template, { recursive: true, force: true }))

const repository = (): { readonly base: string; readonly root: string } => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-git-")))
  const root = join(base, "shop")
  cpSync(template, root, { recursive: true })
  return { base, root }
}

executorContract("git", async () => {
  const { base, root } = repository()
  const executor = gitExecutor({ repositories: { shop: { path: root } } })
  for (let number = 0; number < 12; number++) writeFileSync(join(root, `file-${number}`), `content ${number}`)
  const of = (payload: object, id: string) => callOf(executor, "shop", payload, id)
  return {
    executor,
    call: (number) => of({ op: "commit", message: `Add ${number}`, paths: [`file-${number}`] }, `call ${number}.`),
    effects: async (call) => git(root, "log", "--format=%s").split("\n").filter((subject) => subject === (call.payload as { message: string }).message).length,
    refusedOutside: [
      ["a file that is not there", of({ op: "commit", message: "x", paths: ["nothing"] }, "a")], ["nothing to commit", of({ op: "commit", message: "x", paths: ["a.txt"] }, "b")],
      ["a commit that is not there", of({ op: "branch", name: "x", at: "0123456" }, "c")]
    ],
    outside: async () => [git(root, "for-each-ref"), readdirSync(base).sort()],
    dispose: async () => rmSync(base, { recursive: true, force: true })
  }
})

describe("git", () => {
  let base: string
  let root: string
  beforeEach(() => {
    ;({ base, root } = repository())
  })
  afterEach(() => rmSync(base, { recursive: true, force: true }))

  const make = (more: Partial<Repository> = {}, options: Partial<GitOptions> = {}) => gitExecutor({ repositories: { shop: { path: root, ...more } }, ...options })
  const perform = (executor: ReturnType<typeof make>, payload: unknown, target = "shop", given: Partial<CallPowers> = {}, id = "w-1") =>
    Effect.runPromiseExit(executor.perform(callOf(executor, target, payload, id), powers(given).powers))
  const result = async (...args: Parameters<typeof perform>): Promise<any> => {
    const exit = await perform(...args)
    if (Exit.isFailure(exit)) throw new Error(JSON.stringify(exit.cause))
    return exit.value
  }
  const reason = async (...args: Parameters<typeof perform>): Promise<string> => {
    const exit = await perform(...args)
    const [first] = Exit.isFailure(exit) ? exit.cause.reasons : []
    return first?._tag === "Fail" ? first.error.reason : first?._tag === "Die" ? `died: ${String(first.defect)}` : "succeeded"
  }

  it("tells status, history, branches and differences as data", async () => {
    const executor = make({ labels: ["internal"] })
    writeFileSync(join(root, "a.txt"), "two\n")
    writeFileSync(join(root, "b c.txt"), "new\n")
    git(root, "branch", "other")
    const head = git(root, "rev-parse", "HEAD")
    expect(reportOf(await result(executor, { op: "status" }))).toMatchObject({ labels: ["internal"], result: {
      commit: head, branch: "main", isClean: false, entries: [{ path: "a.txt", state: ".M" }, { path: "b c.txt", state: "??" }]
    } })
    expect(reportOf(await result(executor, { op: "log" })).result).toEqual({ commits: [{ commit: head, author: "t", at: expect.any(String), subject: "first" }] })
    expect(reportOf(await result(executor, { op: "branches" })).result).toEqual({ branches: [{ name: "main", commit: head }, { name: "other", commit: head }] })
    expect((reportOf(await result(executor, { op: "diff" })).result as { diff: string }).diff).toContain("-one\n+two\n")
    expect(reportOf(await result(executor, { op: "diff", from: "main", to: "other" })).result).toEqual({ diff: "" })
    expect(reportOf(await result(executor, { op: "diff", paths: ["b c.txt"] })).result).toEqual({ diff: "" })
  })

  it("commits the named paths and no others, as the system that asked, with its warrant's name", async () => {
    writeFileSync(join(root, "a.txt"), "two\n")
    writeFileSync(join(root, "b.txt"), "staged before\n")
    git(root, "add", "b.txt")
    const { commit } = await result(make(), { op: "commit", message: "Change a", paths: ["a.txt"] })
    expect(git(root, "rev-parse", "HEAD")).toBe(commit)
    expect(git(root, "log", "-1", "--format=%an <%ae> %cn%n%B")).toBe("tester <tester@aaax.invalid> AAAX\nChange a\n\nAaax-Warrant: w-1")
    expect(git(root, "show", "--name-only", "--format=")).toBe("a.txt")
    expect(git(root, "status", "--porcelain")).toBe("A  b.txt")
  })

  it("commits that a file is gone", async () => {
    rmSync(join(root, "a.txt"))
    await result(make(), { op: "commit", message: "Remove a", paths: ["a.txt"] })
    expect(git(root, "ls-files")).toBe("")
  })

  it("changes nothing when the fence has moved on", async () => {
    writeFileSync(join(root, "a.txt"), "two\n")
    const head = git(root, "rev-parse", "HEAD")
    expect(await reason(make(), { op: "commit", message: "x", paths: ["a.txt"] }, "shop", { stillHolds: Effect.fail({ reason: "moved on" }) })).toBe("moved on")
    expect(git(root, "rev-parse", "HEAD")).toBe(head)
    expect(git(root, "status", "--porcelain")).toBe("M a.txt")
  })

  it("makes worktrees in the folder that config names for them, works in them, and removes them when nothing is lost", async () => {
    const executor = make({ worktrees: join(base, "trees") })
    expect(await result(executor, { op: "worktree.add", branch: "feature" }, "shop/feature")).toMatchObject({ worktree: "feature", branch: "feature" })
    writeFileSync(join(base, "trees/feature/a.txt"), "elsewhere\n")
    expect(await reason(executor, { op: "worktree.remove" }, "shop/feature")).toMatch(/contains modified or untracked files/u)
    const { commit } = await result(executor, { op: "commit", message: "In a worktree", paths: ["a.txt"] }, "shop/feature")
    expect(git(root, "rev-parse", "feature")).toBe(commit)
    expect(git(root, "rev-parse", "main")).not.toBe(commit)
    expect((await result(executor, { op: "worktrees" })).worktrees).toMatchObject([{ path: "shop", branch: "main" }, { path: "feature", branch: "feature" }])
    expect(await result(executor, { op: "worktree.remove" }, "shop/feature", {}, "w-2")).toEqual({ removed: "feature" })
    expect(existsSync(join(base, "trees/feature"))).toBe(false)
  })

  it("can tell after a crash whether it did what it was asked", async () => {
    const executor = make({ worktrees: join(base, "trees") })
    for (const [target, payload] of [["shop", { op: "branch", name: "b" }], ["shop/t", { op: "worktree.add", branch: "t" }], ["shop/t", { op: "worktree.remove" }]] as const) {
      const call = callOf(executor, target, payload, "w")
      if (payload.op !== "worktree.remove") expect(await Effect.runPromise(executor.status!(call)), payload.op).toBeUndefined()
      const done = await result(executor, payload, target)
      expect(await Effect.runPromise(executor.status!(call)), payload.op).toEqual(done)
    }
  })

  it("declares its risk by what is asked", () => {
    const { recoveryOf, risk, riskOf } = make({ remotes: { origin: "file:///nowhere" } })
    const of = (op: string) => ({ target: "shop", payload: { op, message: "m", paths: ["a"], name: "n", branch: "b", remote: "origin", commit: "0".repeat(40) } })
    const exact = (op: string, payload: object) => riskOf?.({ target: "shop", payload: { op, ...payload } })
    expect(exact("status", {})).toBe("low")
    expect(exact("commit", { message: "m", paths: ["a"] })).toBe("medium")
    expect(exact("push", { remote: "origin", branch: "b", commit: "1".repeat(40) })).toBe("irreversible")
    expect(riskOf?.(of("status"))).toBe("irreversible")
    expect([risk, make().risk]).toEqual(["irreversible", "medium"])
    expect(recoveryOf?.({ target: "shop", payload: { op: "status" } })).toBe("idempotent")
  })

  it.each([
    ["status", {}, "other", /no repository of this name/u], ["status", {}, "shop/x", /no folder for worktrees/u], ["status", { extra: 1 }, "shop", /^payload/u],
    ["diff", { from: "--output=stolen" }, "shop", /from/u], ["diff", { from: "a..b" }, "shop", /from/u], ["diff", { from: "HEAD:a.txt" }, "shop", /from/u],
    ["diff", { paths: ["../x"] }, "shop", /paths\[0\]/u], ["diff", { paths: [":(exclude)a"] }, "shop", /paths\[0\]/u], ["log", { ref: "-p" }, "shop", /ref/u],
    ["commit", { message: "m", paths: [] }, "shop", /paths/u], ["commit", { message: "m", paths: ["."] }, "shop", /name the files/u],
    ["commit", { message: "m", paths: [".git/hooks/x"] }, "shop", /\.git is reserved/u], ["commit", { message: " ", paths: ["a"] }, "shop", /message/u],
    ["commit", { message: "m\n\naaax-warrant: other", paths: ["a"] }, "shop", /kernel's to say/u], ["branch", { name: "-d" }, "shop", /name/u],
    ["branch", { name: "a..b" }, "shop", /name/u], ["branch", { name: "a.lock" }, "shop", /name/u], ["branch", { name: "HEAD" }, "shop", /name/u],
    ["branch", { name: "a", at: "@{-1}" }, "shop", /at/u], ["worktree.add", { branch: "x" }, "shop", /REPOSITORY\/WORKTREE/u],
    ["push", { remote: "origin", branch: "main", commit: "1".repeat(40) }, "shop", /no remote origin; config names none/u]
  ])("refuses %s %j of %s", (op, more, target, expected) => {
    expect(make().check?.({ target, payload: { op, ...more } })).toMatch(expected)
  })

  describe("runs nothing that a repository names", () => {
    /** A program that leaves a trace when it is run. */
    const trap = (): string => {
      const path = join(base, "trap.sh")
      writeFileSync(path, `#!/bin/sh\necho run >> ${join(base, "trace")}\ncat\n`)
      chmodSync(path, 0o755)
      return path
    }
    const isTrapped = (): boolean => existsSync(join(base, "trace"))

    it("when it looks: no monitor, pager, filter, textconv or external diff", async () => {
      const path = trap()
      for (const [key, value] of [
        ["core.fsmonitor", path], ["core.pager", path], ["pager.diff", path], ["pager.log", path], ["diff.external", path], ["diff.x.textconv", path], ["diff.x.command", path],
        ["filter.x.clean", path], ["filter.x.smudge", path], ["filter.x.required", "true"], ["core.editor", path], ["gpg.program", path], ["log.showSignature", "true"]
      ] as const) git(root, "config", key, value)
      writeFileSync(join(root, ".gitattributes"), "* filter=x diff=x\n")
      writeFileSync(join(root, "a.txt"), "two\n")
      for (const payload of [{ op: "status" }, { op: "diff" }, { op: "log" }, { op: "diff", from: "HEAD" }, { op: "branches" }, { op: "worktrees" }]) {
        expect(Exit.isSuccess(await perform(make(), payload)), payload.op).toBe(true)
      }
      expect(isTrapped()).toBe(false)
    })

    it("when it commits or makes a worktree: no hooks, signatures or editors", async () => {
      const path = trap()
      mkdirSync(join(root, ".git/hooks"))
      for (const hook of ["pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout", "post-index-change", "reference-transaction"]) {
        writeFileSync(join(root, ".git/hooks", hook), readFileSync(path), { mode: 0o755 })
      }
      for (const [key, value] of [["commit.gpgSign", "true"], ["gpg.program", path], ["core.editor", path], ["core.fsmonitor", path], ["commit.template", path]] as const) git(root, "config", key, value)
      writeFileSync(join(root, "a.txt"), "two\n")
      await result(make(), { op: "commit", message: "m", paths: ["a.txt"] })
      await result(make({ worktrees: join(base, "trees") }), { op: "worktree.add", branch: "f" }, "shop/f")
      expect(isTrapped()).toBe(false)
      writeFileSync(join(root, "a.txt"), "three\n")
      git(root, "config", "commit.gpgSign", "false")
      await result(make({ trusted: true }), { op: "commit", message: "m", paths: ["a.txt"] }, "shop", {}, "w-2")
      expect(isTrapped()).toBe(true)
    })

    it("and does not commit through a filter that it will not run", async () => {
      git(root, "config", "filter.x.clean", trap())
      writeFileSync(join(root, ".gitattributes"), "* filter=x\n")
      expect(await reason(make(), { op: "commit", message: "m", paths: [".gitattributes"] })).toMatch(/settings have filter\.x\.clean, which runs a program/u)
      expect(isTrapped()).toBe(false)
    })

    it("and fetches nothing that a repository lacks", async () => {
      git(root, "config", "remote.origin.promisor", "true")
      expect(await reason(make(), { op: "status" })).toMatch(/remote\.origin\.promisor/u)
    })
  })

  it("works in the declared folder alone, whatever the repository calls its own", async () => {
    const other = repository()
    try {
      git(root, "config", "core.worktree", other.root)
      writeFileSync(join(other.root, "a.txt"), "changed elsewhere\n")
      expect(await result(make(), { op: "status" })).toMatchObject({ isClean: true })
      renameSync(join(root, ".git"), join(base, "moved"))
      symlinkSync(join(other.root, ".git"), join(root, ".git"))
      expect(await reason(make(), { op: "status" })).toMatch(/\.git is not a folder/u)
      rmSync(join(root, ".git"))
      writeFileSync(join(root, ".git"), `gitdir: ${join(other.root, ".git")}\n`)
      expect(await reason(make(), { op: "status" })).toMatch(/\.git is not a folder/u)
      rmSync(join(root, ".git"))
      // No repository above it is found either.
      git(base, "init", "--quiet")
      expect(await reason(make(), { op: "status" })).toMatch(/\.git is not there/u)
    } finally {
      rmSync(other.base, { recursive: true, force: true })
    }
  })

  it("enters no worktree of another repository", async () => {
    const other = repository()
    try {
      mkdirSync(join(base, "trees"))
      git(other.root, "worktree", "add", "--quiet", "-b", "x", join(base, "trees/x"))
      expect(await reason(make({ worktrees: join(base, "trees") }), { op: "status" }, "shop/x")).toMatch(/not a worktree of this repository/u)
    } finally {
      rmSync(other.base, { recursive: true, force: true })
    }
  })

  describe("pushes", () => {
    const bare = (): string => {
      git(base, "init", "--quiet", "--bare", "remote.git")
      return join(base, "remote.git")
    }

    it("the commit that was named to the address that config names, and can tell whether it is there", async () => {
      const remote = bare()
      const executor = make({ remotes: { origin: `file://${remote}` } })
      git(root, "remote", "add", "origin", "file:///somewhere/else")
      const commit = git(root, "rev-parse", "HEAD")
      const call = { op: "push", remote: "origin", branch: "main", commit }
      expect(await Effect.runPromise(executor.status!(callOf(executor, "shop", call, "w")))).toBeUndefined()
      expect(await result(executor, call)).toEqual({ remote: "origin", branch: "main", commit })
      expect(git(remote, "rev-parse", "main")).toBe(commit)
      expect(await Effect.runPromise(executor.status!(callOf(executor, "shop", call, "w")))).toEqual({ remote: "origin", branch: "main", commit })
      expect(executor.externalOf?.({ target: "shop", payload: call })).toBe(true)
      expect(executor.externalOf?.({ target: "shop", payload: { op: "status" } })).toBe(false)
    })

    it("no commit of zeros, which would remove the branch", () => {
      const executor = make({ remotes: { origin: "file:///nowhere" } })
      expect(executor.check?.({ target: "shop", payload: { op: "push", remote: "origin", branch: "main", commit: "0".repeat(40) } })).toMatch(/not the full name of a commit/u)
    })

    it("nothing that would drop what is there", async () => {
      const remote = bare()
      const executor = make({ remotes: { origin: `file://${remote}` } })
      const first = git(root, "rev-parse", "HEAD")
      git(root, "commit", "--quiet", "--allow-empty", "-m", "second")
      await result(executor, { op: "push", remote: "origin", branch: "main", commit: git(root, "rev-parse", "HEAD") })
      expect(await reason(executor, { op: "push", remote: "origin", branch: "main", commit: first })).toMatch(/rejected/u)
    })

    it("nowhere else, whatever the repository rewrites", async () => {
      const remote = bare()
      git(root, "config", `url.file:///elsewhere/.insteadOf`, `file://${base}`)
      expect(await reason(make({ remotes: { origin: `file://${remote}` } }), { op: "push", remote: "origin", branch: "main", commit: git(root, "rev-parse", "HEAD") })).toMatch(/settings have url\./u)
      git(root, "config", "--unset", "url.file:///elsewhere/.insteadOf")
      for (const key of ["http.proxy", "http.sslVerify", "core.sshCommand"]) {
        git(root, "config", key, "x")
        expect(await reason(make({ remotes: { origin: `file://${remote}` } }), { op: "push", remote: "origin", branch: "main", commit: "1".repeat(40) }), key).toMatch(/settings have/u)
        git(root, "config", "--unset", key)
      }
    })

    it("only to https and file, with a credential that is for that host", () => {
      process.env["AAAX_TEST_PUSH"] = "canary-canary"
      try {
        const secrets = makeSecrets({ T: { from: "env:AAAX_TEST_PUSH", hosts: ["github.com"] } })
        expect(() => make({ remotes: { o: "ssh://git@github.com/x" } })).toThrow(/https:\/\/ or file:\/\//u)
        expect(() => make({ remotes: { o: "https://user@github.com/x" } })).toThrow(/has a user/u)
        expect(() => make({ remotes: { o: "https://gitlab.com/x" }, credential: "secret:T" }, { secrets })).toThrow(/T is not for gitlab\.com/u)
        expect(() => make({ remotes: { o: "https://github.com/x" }, credential: "canary-canary" }, { secrets })).toThrow(/write it as secret:NAME/u)
        expect(make({ remotes: { o: "https://github.com/x" }, credential: "secret:T" }, { secrets }).risk).toBe("irreversible")
      } finally {
        delete process.env["AAAX_TEST_PUSH"]
      }
    })

    it("does not know what became of it when the other side broke off", async () => {
      const server = await web((_, response) => response.destroy())
      try {
        const executor = make({ remotes: { o: `https://${server.host}/x.git` } })
        expect(await reason(executor, { op: "push", remote: "o", branch: "main", commit: git(root, "rev-parse", "HEAD") })).toMatch(/^died: Error: git: fatal: unable to access/u)
      } finally {
        await server.close()
      }
    })
  })
})
