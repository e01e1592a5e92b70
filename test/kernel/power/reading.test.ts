import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { appendFileSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { readingPower } from "../../../kernel/power/reading.ts"
import type { FileEntry, ReadFailure, ReadingPower } from "../../../protocol/power.ts"

const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex")

describe("a reading power", () => {
  let base: string
  let root: string
  const saved = { HOME: process.env["HOME"], PATH: process.env["PATH"] }
  beforeEach(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-read-")))
    root = join(base, "root")
    mkdirSync(root)
    // The user's own git configuration is none of the test's.
    process.env["HOME"] = base
  })
  afterEach(() => {
    Object.assign(process.env, saved)
    rmSync(base, { recursive: true, force: true })
  })

  const put = (path: string, content: string | Buffer = path): void => {
    mkdirSync(join(root, path, ".."), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  const git = (...args: ReadonlyArray<string>): string =>
    execFileSync("git", ["-c", "user.name=A B", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", ...args], {
      cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"]
    }).trim()
  const commit = (subject: string): string => {
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", subject)
    return git("rev-parse", "HEAD")
  }
  const open = (): Promise<ReadingPower> => Effect.runPromise(readingPower(root))
  const listed = async (): Promise<ReadonlyArray<FileEntry>> => Effect.runPromise((await open()).list)
  const kinds = async (): Promise<Record<string, string>> => Object.fromEntries((await listed()).map(({ kind, path }) => [path, kind]))
  const failure = <A>(effect: Effect.Effect<A, ReadFailure>): Promise<ReadFailure> => Effect.runPromise(Effect.flip(effect))

  describe("in a git work tree", () => {
    it("lists what is tracked and what is not ignored, with kinds, and nothing of git and the kernel", async () => {
      git("init", "-q")
      put(".gitignore", "ignored\n*.log\n")
      for (const path of ["tracked.ts", "sub/tracked.ts", "gone.ts", "dir-later", "ünï\"cödé \n.txt", ".aaax/kernel.db", "sub/.aaax/x"]) put(path)
      symlinkSync("tracked.ts", join(root, "link"))
      commit("first")
      for (const path of ["ignored", "x.log", "new.ts", "sub/new.ts", ".aaax/more"]) put(path)
      unlinkSync(join(root, "gone.ts"))
      unlinkSync(join(root, "dir-later"))
      put("dir-later/inside")
      symlinkSync("/etc", join(root, "out"))
      symlinkSync("nowhere", join(root, "dangling"))
      execFileSync("mkfifo", [join(root, "fifo")])
      git("init", "-q", "nested")
      put("nested/x")
      expect(await kinds()).toEqual({
        ".gitignore": "file", "tracked.ts": "file", "sub/tracked.ts": "file", "gone.ts": "missing", "dir-later": "directory", "dir-later/inside": "file",
        "ünï\"cödé \n.txt": "file", "link": "link", "new.ts": "file", "sub/new.ts": "file", "out": "link", "dangling": "link", "nested": "directory"
      })
    })

    it("knows a submodule and does not look into it", async () => {
      git("init", "-q", "../module")
      execFileSync("git", ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "x"], { cwd: join(base, "module") })
      git("init", "-q")
      git("submodule", "add", "-q", "../module", "deps/module")
      put("deps/module/inside")
      expect(await kinds()).toEqual({ ".gitmodules": "file", "deps/module": "submodule" })
    })

    it("lists a path in conflict once", async () => {
      git("init", "-q")
      put("a", "0")
      commit("base")
      git("checkout", "-q", "-b", "other")
      put("a", "1")
      commit("one")
      git("checkout", "-q", "main")
      put("a", "2")
      commit("two")
      expect(() => git("merge", "-q", "other")).toThrow()
      expect((await listed()).map(({ path }) => path)).toEqual(["a"])
    })

    it("does not look behind a link that a tracked folder has become", async () => {
      git("init", "-q")
      put("d/secret", "tracked")
      commit("first")
      rmSync(join(root, "d"), { recursive: true })
      mkdirSync(join(base, "outside"))
      writeFileSync(join(base, "outside/secret"), "outside, and longer")
      symlinkSync(join(base, "outside"), join(root, "d"))
      const entries = await listed()
      expect(entries.find(({ path }) => path === "d/secret")).toEqual({ path: "d/secret", kind: "missing", sizeBytes: 0, changedAt: 0, stamp: "" })
      expect(entries.find(({ path }) => path === "d")).toMatchObject({ kind: "link", linkTarget: join(base, "outside") })
      expect((await failure((await open()).read("d/secret", 100))).reason).toBe("a link leads to it")
      expect((await failure((await open()).digest("d/secret"))).reason).toBe("a link leads to it")
    })

    it("lists a folder of the work tree relative to that folder", async () => {
      git("init", "-q")
      put("top")
      put("sub/deep/x")
      commit("first")
      const power = await Effect.runPromise(readingPower(join(root, "sub")))
      expect((await Effect.runPromise(power.list)).map(({ path }) => path)).toEqual(["deep/x"])
      expect(await Effect.runPromise(power.isGit)).toBe(true)
    })

    it("runs nothing that the repository names", async () => {
      git("init", "-q")
      put("x")
      const first = commit("first")
      const trap = join(base, "trap")
      writeFileSync(trap, `#!/bin/sh\ntouch ${base}/sprung\n`, { mode: 0o755 })
      for (const key of ["core.fsmonitor", "core.pager", "gpg.program", "core.sshCommand", "core.askPass", "diff.external"]) git("config", key, trap)
      git("config", "log.showSignature", "true")
      git("config", "core.hooksPath", base)
      const power = await open()
      await Effect.runPromise(power.list)
      await Effect.runPromise(power.commits(undefined, 10))
      await Effect.runPromise(power.commits(first, 10))
      expect(execFileSync("ls", [base], { encoding: "utf8" })).not.toContain("sprung")
    })

    it("says what git says of a repository that it does not trust", async () => {
      git("init", "-q")
      if (process.getuid?.() !== 0) return
      chownSync(root, 12_345, 12_345)
      chownSync(join(root, ".git"), 12_345, 12_345)
      expect(await failure(readingPower(root))).toEqual({ path: root, reason: expect.stringMatching(/dubious ownership[^]*safe\.directory/u) })
    })

    it("lists a bare repository as the folder that it is", async () => {
      git("init", "-q", "--bare")
      expect(Object.keys(await kinds())).toContain("HEAD")
    })
  })

  describe("in a plain folder, or without git", () => {
    it("lists everything but git's and the kernel's files", async () => {
      for (const path of ["a", "b/c", "b/d/e", ".hidden", "node_modules/x/index.js", ".aaax/kernel.db", "b/.git/config"]) put(path)
      symlinkSync("..", join(root, "b/up"))
      execFileSync("mkfifo", [join(root, "fifo")])
      expect(await kinds()).toEqual({ a: "file", "b/c": "file", "b/d/e": "file", ".hidden": "file", "node_modules/x/index.js": "file", "b/up": "link", fifo: "special" })
      expect(await Effect.runPromise((await open()).isGit)).toBe(false)
      expect(await Effect.runPromise((await open()).commits(undefined, 10))).toEqual([])
    })

    it("takes a work tree for a plain folder when there is no git", async () => {
      git("init", "-q")
      put(".gitignore", "ignored")
      put("ignored")
      process.env["PATH"] = base
      expect(await kinds()).toEqual({ ".gitignore": "file", ignored: "file" })
      expect(await Effect.runPromise((await open()).isGit)).toBe(false)
    })

    it("has an entry for a name that is not UTF-8, and goes on", async () => {
      put("after")
      writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x63, 0xe9, 0x21])]), "x")
      expect(await kinds()).toEqual({ "c\ufffd!": "special", after: "file" })
      git("init", "-q")
      expect(await kinds()).toEqual({ "c\ufffd!": "special", after: "file" })
    })

    it("is not made for what is no folder", async () => {
      put("file")
      expect(await failure(readingPower(join(root, "file")))).toMatchObject({ reason: "it is not a folder" })
      expect(await failure(readingPower(join(root, "nowhere")))).toMatchObject({ reason: "it is not there" })
    })

    it("lets others have their turn while it lists", async () => {
      for (let i = 0; i < 100; i++) mkdirSync(join(root, `d${i}`))
      for (let i = 0; i < 10_000; i++) writeFileSync(join(root, `d${i % 100}`, `f${i}`), "")
      const power = await open()
      let turns = 0
      let done = false
      const turn = (): void => {
        turns++
        if (!done) setImmediate(turn)
      }
      setImmediate(turn)
      expect(await Effect.runPromise(power.list)).toHaveLength(10_000)
      done = true
      expect(turns).toBeGreaterThan(3)
    })
  })

  describe("an entry", () => {
    it("has size, time of change, and a stamp that changes with the content", async () => {
      put("a", "12345")
      const [before] = await listed()
      expect(before).toMatchObject({ path: "a", kind: "file", sizeBytes: 5 })
      expect(Math.abs(before!.changedAt - Date.now())).toBeLessThan(60_000)
      expect((await listed())[0]!.stamp).toBe(before!.stamp)
      appendFileSync(join(root, "a"), "6")
      expect((await listed())[0]!.stamp).not.toBe(before!.stamp)
    })
  })

  describe("reading a file", () => {
    it.each([[0], [1], [1_000], [262_144], [262_145], [3_000_000]])("of %i bytes gives its bytes and its digest", async (size) => {
      const content = Buffer.alloc(size, "0123456789\n")
      put("f", content)
      const power = await open()
      const { bytes, truncated } = await Effect.runPromise(power.read("f", 10_000_000))
      expect([Buffer.from(bytes).equals(content), truncated]).toEqual([true, false])
      expect(await Effect.runPromise(power.digest("f"))).toBe(sha256(content))
    })

    it.each([[10, 9, true], [10, 10, false], [10, 0, true], [600_000, 500_000, true], [10, -1, true], [10, Number.NaN, true]])(
      "of %i bytes with the limit %d: truncated %s", async (size, limit, expected) => {
        put("f", "x".repeat(size))
        const { bytes, truncated } = await Effect.runPromise((await open()).read("f", limit))
        expect([bytes.length, truncated]).toEqual([limit > 0 ? Math.min(size, limit) : 0, expected])
      })

    it("hands out bytes that nobody else's reading shares", async () => {
      put("f", "abc")
      const { bytes } = await Effect.runPromise((await open()).read("f", 100))
      expect(bytes.buffer.byteLength).toBe(4)
    })

    it.each([
      ["", /not relative/u], ["../outside", /not relative/u], ["a/../../outside", /not relative/u], ["/etc/passwd", /not relative/u], ["a//b", /not relative/u],
      ["./a", /not relative/u], ["a/.", /not relative/u], ["a\0b", /not relative/u], [".git/config", /git or to the kernel/u], [".GIT/config", /git or to the kernel/u],
      ["sub/.git/x", /git or to the kernel/u], [".aaax/kernel.db", /git or to the kernel/u], [".aaax", /git or to the kernel/u], ["nowhere", /not there/u], ["file/x", /not there/u],
      ["folder", /a folder/u], ["link", /a link/u], ["dangling", /a link/u], ["link-to-folder/x", /a link/u], ["fifo", /not a file/u], ["x".repeat(300), /too long/u]
    ])("%j is refused", async (path, reason) => {
      put("file")
      put("folder/x")
      put(".git/config")
      put(".aaax/kernel.db")
      symlinkSync("file", join(root, "link"))
      symlinkSync("nowhere", join(root, "dangling"))
      symlinkSync("folder", join(root, "link-to-folder"))
      execFileSync("mkfifo", [join(root, "fifo")])
      writeFileSync(join(base, "outside"), "outside")
      const power = await open()
      for (const effect of [power.read(path, 100), power.digest(path)]) expect(await failure<unknown>(effect)).toEqual({ path, reason: expect.stringMatching(reason) })
    })

    it("leaves no file open", async () => {
      put("f", "x".repeat(300_000))
      put("g")
      const power = await open()
      const count = (): number => execFileSync("ls", [`/proc/${process.pid}/fd`], { encoding: "utf8" }).split("\n").length
      const before = count()
      for (let i = 0; i < 50; i++) {
        await Effect.runPromise(power.read("f", 400_000))
        await Effect.runPromise(power.digest("f"))
        await Effect.runPromise(power.digest("g"))
        await failure<unknown>(power.read("nowhere", 1))
      }
      expect(count()).toBeLessThan(before + 10)
    })
  })

  describe("history", () => {
    it("comes oldest first, with what git knows of each commit", async () => {
      git("init", "-q")
      const one = commit("one: ünï\u0001cödé")
      const two = commit("two\n\nA body that is not the subject.")
      expect(await Effect.runPromise((await open()).commits(undefined, 10))).toEqual([
        { hash: one, parents: [], author: "A B", email: "a@b.c", authoredAt: expect.any(Number), subject: "one: ünï\u0001cödé" },
        { hash: two, parents: [one], author: "A B", email: "a@b.c", authoredAt: expect.any(Number), subject: "two" }
      ])
    })

    it("goes on behind a commit, with the newest of it", async () => {
      git("init", "-q")
      const hashes = ["a", "b", "c", "d"].map(commit)
      const power = await open()
      const of = async (since: string | undefined, limit: number): Promise<Array<string>> =>
        (await Effect.runPromise(power.commits(since, limit))).map(({ subject }) => subject)
      expect(await of(hashes[1], 10)).toEqual(["c", "d"])
      expect(await of(hashes[3], 10)).toEqual([])
      expect(await of(hashes[0], 2)).toEqual(["c", "d"])
      expect(await of(undefined, 2)).toEqual(["c", "d"])
      expect(await of(undefined, 0)).toEqual([])
    })

    it("starts with the newest again when the commit is not known any more, or was never one", async () => {
      git("init", "-q")
      commit("a")
      commit("b")
      const power = await open()
      for (const since of ["0".repeat(40), "main", "--all", "HEAD~1", "", "--output=stolen"]) {
        expect((await Effect.runPromise(power.commits(since, 10))).map(({ subject }) => subject), since).toEqual(["a", "b"])
      }
    })

    it("after a rewrite gives what is new", async () => {
      git("init", "-q")
      commit("a")
      const rewritten = commit("b")
      git("commit", "-q", "--amend", "--allow-empty", "-m", "b2")
      expect((await Effect.runPromise((await open()).commits(rewritten, 10))).map(({ subject }) => subject)).toEqual(["b2"])
    })

    it("of a repository without a commit is empty", async () => {
      git("init", "-q")
      expect(await Effect.runPromise((await open()).commits(undefined, 10))).toEqual([])
    })

    it("of a shallow clone is what is there", async () => {
      git("init", "-q")
      for (const subject of ["a", "b", "c"]) commit(subject)
      execFileSync("git", ["clone", "-q", "--depth", "2", `file://${root}`, join(base, "clone")], { stdio: "ignore" })
      const power = await Effect.runPromise(readingPower(join(base, "clone")))
      expect((await Effect.runPromise(power.commits(undefined, 10))).map(({ subject }) => subject)).toEqual(["b", "c"])
    })

    it("of 20,000 commits with a hostile one comes whole", async () => {
      git("init", "-q")
      const stream = Array.from({ length: 20_000 }, (_, at) => {
        const subject = at === 7 ? "x".repeat(1_000_000) : `commit ${at}`
        return `commit refs/heads/main\ncommitter A <a@b.c> ${1_000_000 + at} +0000\ndata ${subject.length}\n${subject}\n`
      }).join("")
      execFileSync("git", ["fast-import", "--quiet"], { cwd: root, input: stream })
      const found = await Effect.runPromise((await open()).commits(undefined, 100_000))
      expect(found).toHaveLength(20_000)
      expect(found[7]!.subject).toBe("x".repeat(4_096))
      expect([found[0]!.subject, found[8]!.subject, found[19_999]!.authoredAt]).toEqual(["commit 0", "commit 8", 1_019_999])
    })
  })
})
