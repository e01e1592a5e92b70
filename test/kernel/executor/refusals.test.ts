// What each executor refuses in words of its own: bounds, texts that would change on the way, and files and programs that are not what they should be.
import { Effect, Exit, Fiber } from "effect"
import { execFileSync } from "node:child_process"
import { chownSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { makeSteps, openRoot } from "../../../kernel/executor/confined.ts"
import { executor as fsRead } from "../../../kernel/executor/fs-read.ts"
import { executor as fsWrite } from "../../../kernel/executor/fs-write.ts"
import { checkoutOf } from "../../../kernel/executor/git/run.ts"
import { executor as gitExecutor, type Repository } from "../../../kernel/executor/git.ts"
import { executor as httpFetch, type FetchOptions } from "../../../kernel/executor/http-fetch.ts"
import { executor as processRun } from "../../../kernel/executor/process-run.ts"
import { makeSecrets } from "../../../kernel/executor/secrets.ts"
import {
  argumentBytesMax, fetchBodyBytesMax, fetchHeaderBytesMax, fetchHeadersMax, fetchMillisMax, gitMessageBytesMax, gitOutputBytesMax, processInputBytesMax,
  processMillisMax, processOutputBytesMax, secretBytesMax, secretsMax
} from "../../../kernel/limits.ts"
import { reportOf, type CallPowers, type Executor } from "../../../protocol/executor.ts"
import { callOf } from "../../contract/call.ts"
import { powers } from "../../kit/powers.ts"
import { web } from "../../kit/web.ts"

let base: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-refusals-")))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const perform = (executor: Executor, target: string, payload: unknown, given: Partial<CallPowers> = {}) =>
  Effect.runPromiseExit(executor.perform(callOf(executor, target, payload, "w-1"), powers(given).powers))
/** Why it did not happen; `died:` when nobody knows whether it did. */
const reasonOf = (exit: Exit.Exit<unknown, { readonly reason: string }>): string => {
  const [first] = Exit.isFailure(exit) ? exit.cause.reasons : []
  return first?._tag === "Fail" ? first.error.reason : first?._tag === "Die" ? `died: ${String(first.defect)}` : "succeeded"
}
const reason = async (...args: Parameters<typeof perform>): Promise<string> => reasonOf(await perform(...args))
/** Only the superuser can give a file to somebody else. */
const isRoot = process.getuid?.() === 0

describe("http.fetch", () => {
  const options: FetchOptions = { allow: [{ hosts: ["a.example"], methods: ["GET", "POST"] }], timeoutMillis: 1_000 }
  const check = (payload: unknown, target = "https://a.example/") => httpFetch(options).check?.({ target, payload })

  it.each<readonly [string, object, RegExp]>([
    ["more headers than are sent", { headers: Object.fromEntries(Array.from({ length: fetchHeadersMax + 1 }, (_, at) => [`x-${at}`, ""])) }, /^at most \d+ headers/u],
    ["headers that are too long together", { headers: { "x-long": "x".repeat(fetchHeaderBytesMax) } }, /^the headers have more than \d+ bytes/u],
    ["an encoding of no body", { method: "POST", encoding: "base64" }, /^payload\.encoding: there is no body/u],
    ["a body of a GET", { method: "GET", body: "" }, /^payload\.body: a GET has none/u],
    ["a body of too many bytes", { method: "POST", body: "é".repeat(fetchBodyBytesMax / 2 + 1) }, /^the body has more than \d+ bytes/u],
    ["a body that is not base64 as it says", { method: "POST", body: "/w=", encoding: "base64" }, /^payload\.body: it is not what its encoding says/u],
    ["a body that is no well-formed text", { method: "POST", body: "\ud800" }, /^payload\.body: it is not what its encoding says/u],
    ["more time than config gives", { timeoutMillis: 1_001 }, /^payload\.timeoutMillis: at most 1000/u]
  ])("is not asked with %s", (_, payload, why) => {
    expect(check(payload)).toMatch(why)
  })

  it("is asked up to each of its bounds", () => {
    expect(check({ headers: Object.fromEntries(Array.from({ length: fetchHeadersMax }, (_, at) => [`x-${at}`, ""])), timeoutMillis: 1_000 })).toBeUndefined()
    expect(check({ method: "POST", body: "é".repeat(fetchBodyBytesMax / 2), headers: { "x-long": "x".repeat(fetchHeaderBytesMax - 10) } })).toBeUndefined()
  })

  it("is asked for no URL that is longer than any", () => {
    expect(check(null, `https://a.example/${"x".repeat(10_000)}`)).toMatch(/^the URL is longer than \d+ characters/u)
  })

  it("gives no more time in the config than there is", () => {
    expect(() => httpFetch({ ...options, timeoutMillis: fetchMillisMax + 1 })).toThrow(/timeoutMillis.*at most \d+/su)
    expect(httpFetch({ ...options, timeoutMillis: fetchMillisMax }).name).toBe("http.fetch")
  })

  it("says of a name without an address that it is not there", async () => {
    const exit = await perform(httpFetch({ ...options, resolve: async () => [] }), "https://a.example/", null)
    expect(exit).toMatchObject({ cause: { reasons: [{ error: { reason: "the name a.example has no address", unavailable: true } }] } })
  })

  it("sends no secret that would be more than one header", async () => {
    writeFileSync(join(base, "key"), "first line\nx-evil: 1", { mode: 0o600 })
    const server = await web((_, response) => void response.end())
    try {
      const secrets = makeSecrets({ K: { from: "file:key", hosts: [server.host] } }, base)
      const executor = httpFetch({ allow: [{ hosts: ["127.0.0.1"], schemes: ["http"], ports: [server.port] }], allowPrivate: [server.host], secrets })
      expect(await reason(executor, `http://${server.host}/`, { headers: { authorization: "Bearer secret:K" } })).toBe("the secret K is not one line of visible ASCII, as a header has to be")
      expect(server.asked).toEqual([])
    } finally {
      await server.close()
    }
  })

  it("does not call a change undone when the way on from it could not be gone", async () => {
    const server = await web((_, response) => void response.writeHead(303, { location: `http://gone.example:${server.port}/` }).end())
    try {
      const executor = httpFetch({
        allow: [{ hosts: ["127.0.0.1", "gone.example"], methods: ["GET", "POST"], schemes: ["http"], ports: [server.port] }], allowPrivate: [server.host], resolve: async () => []
      })
      expect(await reason(executor, `http://${server.host}/`, { method: "POST" })).toMatch(/^died: .*gone\.example has no address/u)
      expect(await reason(executor, `http://${server.host}/`, null)).toBe("the name gone.example has no address")
    } finally {
      await server.close()
    }
  })
})

describe("process.run", () => {
  const make = (more: Partial<Parameters<typeof processRun>[0]> = {}) => processRun({ programs: { node: process.execPath }, root: base, ...more })
  const check = (payload: unknown) => make().check?.({ target: "node", payload })

  it.each<readonly [string, object, RegExp]>([
    ["arguments that are too long together", { args: ["x".repeat(argumentBytesMax)] }, /^the arguments have more than \d+ bytes/u],
    ["input that is no well-formed text", { stdin: "\ud800" }, /^payload\.stdin: it is not well-formed text/u],
    ["too much input", { stdin: "é".repeat(processInputBytesMax / 2 + 1) }, /^the input has more than \d+ bytes/u]
  ])("is not given %s", (_, payload, why) => {
    expect(check(payload)).toMatch(why)
  })

  it("is given as much as it takes", () => {
    expect(check({ args: ["x".repeat(argumentBytesMax - 1)], stdin: "é".repeat(processInputBytesMax / 2) })).toBeUndefined()
  })

  it("gives no more time and output in the config than there are", () => {
    expect(() => make({ timeoutMillis: processMillisMax + 1 })).toThrow(/timeoutMillis/u)
    expect(() => make({ outputBytesMax: processOutputBytesMax + 1 })).toThrow(/outputBytesMax/u)
    expect(() => make({ root: "here" })).toThrow(/here is not an absolute path/u)
  })

  it("starts in a folder below its root, and nowhere else", async () => {
    writeFileSync(join(base, "plain"), "")
    mkdirSync(join(base, "inner"))
    symlinkSync("/", join(base, "out"))
    const started = (cwd: string) => reason(make(), "node", { args: ["-e", ""], cwd })
    expect(await started("plain")).toBe("plain is not a folder")
    expect(await started("none")).toBe("none is not there")
    expect(await started("out")).toBe("out leads out of the root")
    expect(await started("inner")).toBe("succeeded")
  })

  it("hands over no secret that no variable can hold", async () => {
    writeFileSync(join(base, "key"), "battery\0staple", { mode: 0o600 })
    const secrets = makeSecrets({ K: { from: "file:key", programs: ["node"] } }, base)
    expect(await reason(make({ secrets }), "node", { args: ["-e", ""], env: { TOKEN: "secret:K" } })).toBe("the secret for TOKEN has a NUL, which no variable can hold")
  })
})

describe("a secret", () => {
  it("has at most so many bytes, also in a variable, and there are at most so many", () => {
    process.env["AAAX_TEST_LONG"] = "é".repeat(secretBytesMax / 2 + 1)
    try {
      expect(() => makeSecrets({ K: { from: "env:AAAX_TEST_LONG" } })).toThrow(/it has more than \d+ bytes/u)
      process.env["AAAX_TEST_LONG"] = "é".repeat(secretBytesMax / 2)
      expect(makeSecrets({ K: { from: "env:AAAX_TEST_LONG" } }).list()).toMatchObject([{ problem: null }])
    } finally {
      delete process.env["AAAX_TEST_LONG"]
    }
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`K${at}`, { from: "env:AAAX_TEST_NEVER" }]))
    expect(() => makeSecrets(many(secretsMax + 1))).toThrow(/at most \d+ are allowed/u)
    expect(makeSecrets(many(secretsMax)).list()).toHaveLength(secretsMax)
  })

  it("of a variable is no file, whatever the variable is called", () => {
    const path = join(base, "file")
    writeFileSync(path, "battery staple", { mode: 0o600 })
    expect(makeSecrets({ K: { from: `env:${path}` } }).isSource(statSync(path))).toBe(false)
    expect(makeSecrets({ K: { from: `env:${path}` }, F: { from: `file:${path}` } }, base).isSource(statSync(path))).toBe(true)
  })

  it.runIf(isRoot)("is no file of somebody else", () => {
    const path = join(base, "key")
    writeFileSync(path, "battery staple", { mode: 0o600 })
    chownSync(path, 65_534, 65_534)
    expect(() => makeSecrets({ K: { from: "file:key" } }, base)).toThrow(/belongs to somebody else/u)
  })
})

describe("a folder", () => {
  it("that was moved away since it was opened is not gone on from, where files have no handles", async () => {
    const root = join(base, "root")
    mkdirSync(join(root, "inner"), { recursive: true })
    const steps = makeSteps(false)
    const opened = await openRoot(root)
    const inner = await steps.enter(opened, "inner")
    try {
      expect(await steps.at(inner, "x")).toBe(join(root, "inner/x"))
      renameSync(join(root, "inner"), join(root, "moved"))
      mkdirSync(join(root, "inner"))
      await expect(steps.at(inner, "x")).rejects.toThrow("a folder was moved meanwhile")
      // The same folder, by way of a link: it would be another one in a moment.
      rmSync(join(root, "inner"), { recursive: true })
      renameSync(join(root, "moved"), join(base, "outside"))
      symlinkSync(join(base, "outside"), join(root, "inner"))
      await expect(steps.at(inner, "x")).rejects.toThrow("a folder was moved meanwhile")
    } finally {
      await inner.handle.close()
      await opened.handle.close()
    }
  })
})

describe("fs.write", () => {
  it("takes no more content than its config says, and says so before it looks at it", () => {
    const executor = fsWrite({ roots: [base], contentBytesMax: 10 })
    expect(executor.check?.({ target: "a", payload: { content: "x".repeat(21) } })).toBe("the content has more than 10 bytes")
    expect(executor.check?.({ target: "a", payload: { content: "x".repeat(11) } })).toBe("the content has 11 bytes, at most 10 are allowed")
    expect(executor.check?.({ target: "a", payload: { content: "x".repeat(10) } })).toBeUndefined()
  })

  it("tells what it would change of a place that there is, and of no other", async () => {
    const { changes } = fsWrite({ roots: [base] })
    const of = (target: string) => Effect.runPromiseExit(changes!(callOf(fsWrite({ roots: [base] }), target, { content: "x" }, "w-1")))
    expect(await of("a/b")).toMatchObject({ value: [join(base, "a/b")] })
    expect(reasonOf(await of("../b"))).not.toMatch(/^died|succeeded/u)
  })

  it("changes nothing when it is stopped at the last moment", async () => {
    const executor = fsWrite({ roots: [base] })
    let stop = Effect.void
    const fiber = Effect.runFork(executor.perform(callOf(executor, "a", { content: "x" }, "w-1"), powers({ stillHolds: Effect.suspend(() => stop) }).powers))
    stop = Effect.sync(() => void Effect.runFork(Fiber.interrupt(fiber)))
    await Effect.runPromise(Fiber.await(fiber))
    expect(existsSync(join(base, "a"))).toBe(false)
  })

  describe("taken back", () => {
    const executor = () => fsWrite({ roots: [base] })
    const writes = async (content: string) => {
      const served = executor()
      const call = callOf(served, "a", { content }, "w-1")
      const kept: Array<Uint8Array> = []
      // As the kernel keeps it: by the digest of the bytes.
      const keep: CallPowers["keep"] = (bytes, mediaType) => Effect.promise(async () => {
        kept.push(bytes)
        return { artifact: (await import("node:crypto")).hash("sha256", bytes, "hex"), sizeBytes: bytes.length, mediaType }
      })
      const exit = await Effect.runPromiseExit(served.perform(call, powers({ keep }).powers))
      if (Exit.isFailure(exit)) throw new Error(JSON.stringify(exit.cause))
      return { call, kept, undo: reportOf(exit.value).undo }
    }
    const back = (undo: unknown, call: ReturnType<typeof callOf>, given: Partial<CallPowers> = {}) => {
      const served = executor()
      return served.compensate!(callOf(served, "a", {}, "w-2"), { original: call, result: null, undo } as Parameters<NonNullable<Executor["compensate"]>>[1], powers(given).powers)
    }

    it("is not what nobody kept, or cannot be read", async () => {
      writeFileSync(join(base, "a"), "before")
      const { call, undo } = await writes("after")
      expect(undo).toMatchObject({ before: { was: "kept" } })
      for (const what of [undefined, null, {}, { before: { was: "kept" } }, { before: { was: "magic" } }]) {
        expect(reasonOf(await Effect.runPromiseExit(back(what, call))), JSON.stringify(what)).toBe("what was there before was not kept")
      }
      expect(reasonOf(await Effect.runPromiseExit(back({ before: { was: "lost", reason: "it held a secret" } }, call)))).toBe("what was there before was not kept: it held a secret")
      expect(reasonOf(await Effect.runPromiseExit(back(undo, call)))).toBe("what was there before cannot be read here")
      expect(readFileSync(join(base, "a"), "utf8")).toBe("after")
    })

    it("is not what a link has taken the place of, which nobody takes for gone", async () => {
      const { call, undo } = await writes("after")
      expect(undo).toEqual({ before: { was: "absent" } })
      rmSync(join(base, "a"))
      symlinkSync("/nowhere", join(base, "a"))
      expect(reasonOf(await Effect.runPromiseExit(back(undo, call)))).toMatch(/link|ELOOP|loop/iu)
      rmSync(join(base, "a"))
      expect(await Effect.runPromise(back(undo, call))).toEqual({ path: "a", sha256: null })
    })

    it("changes nothing when it is stopped at the last moment", async () => {
      const { call, undo } = await writes("after")
      let stop = Effect.void
      const fiber = Effect.runFork(back(undo, call, { stillHolds: Effect.suspend(() => stop) }))
      stop = Effect.sync(() => void Effect.runFork(Fiber.interrupt(fiber)))
      await Effect.runPromise(Fiber.await(fiber))
      expect(readFileSync(join(base, "a"), "utf8")).toBe("after")
    })
  })
})

describe("fs.read", () => {
  it("reads no more at once than its config says", () => {
    const executor = fsRead({ roots: [base], bytesMax: 10 })
    expect(executor.check?.({ target: "a", payload: { length: 11 } })).toBe("payload.length: at most 10 bytes are read at once")
    expect(executor.check?.({ target: "a", payload: { length: 10 } })).toBeUndefined()
  })
})

describe("git", () => {
  const env = { PATH: process.env["PATH"]!, HOME: "/nonexistent", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_AUTHOR_NAME: "t", GIT_AUTHOR_EMAIL: "t@t", GIT_COMMITTER_NAME: "t", GIT_COMMITTER_EMAIL: "t@t" }
  const git = (...args: ReadonlyArray<string>): string => execFileSync("git", args, { cwd: join(base, "shop"), env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
  const repository = (): string => {
    const root = join(base, "shop")
    mkdirSync(root)
    git("init", "--quiet", "--initial-branch=main", "--template=")
    writeFileSync(join(root, "a.txt"), "one\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return root
  }
  const make = (more: Partial<Repository> = {}) => gitExecutor({ repositories: { shop: { path: join(base, "shop"), ...more } } })
  const commit = (message: string) => ({ op: "commit", message, paths: ["a.txt"] })

  it.each<readonly [string, object, RegExp]>([
    ["a message with a NUL", commit("a\0b"), /^payload\.message: it has a NUL/u],
    ["a message that is no well-formed text", commit("a\ud800b"), /^payload\.message: .*not well-formed text/u],
    ["a message of too many bytes", commit("é".repeat(gitMessageBytesMax / 2 + 1)), /^payload\.message: it has more than \d+ bytes/u],
    ["a message of nothing", commit(" \n"), /^payload\.message: it is empty/u],
    ["a message in the kernel's words", commit("x\naaax-warrant: w"), /^payload\.message: a line of it begins with Aaax-Warrant:/u],
    ["a difference to something from nothing", { op: "diff", to: "main" }, /^payload\.to: there is no from/u],
    ["what is staged, against two commits", { op: "diff", staged: true, from: "main", to: "main" }, /^payload\.staged: /u],
    ["a branch that is a commit's name", { op: "branch", name: "a".repeat(40) }, /^payload\.name: it is the name of something else/u],
    ["a push of a part of a name", { op: "push", remote: "o", branch: "main", commit: "a".repeat(39) }, /^payload\.commit: it is not the full name/u],
    ["a file of git's own", { op: "log", paths: ["x/.git/config"] }, /^payload\.paths\[0\]: \.git is reserved/u]
  ])("is not asked for %s", (_, payload, why) => {
    expect(make({ remotes: { o: "file:///nowhere" } }).check?.({ target: "shop", payload })).toMatch(why)
  })

  it("has plain names for worktrees, and addresses for remotes", () => {
    for (const target of ["shop/a/b", "shop/-x", "shop/.."]) {
      expect(make({ worktrees: base }).check?.({ target, payload: { op: "status" } }), target).toMatch(/^the name of a worktree/u)
    }
    expect(() => make({ remotes: { o: "nowhere" } })).toThrow(/nowhere is not an address/u)
  })

  it("says of what is not there, and of what is there already, that it did nothing", async () => {
    repository()
    expect(await reason(make(), "shop", { op: "diff", from: "nothing" })).toMatch(/^git: fatal: .*nothing/u)
    git("branch", "taken")
    expect(await reason(make(), "shop", { op: "branch", name: "taken" })).toBe("it is there already")
    expect(await reason(make({ worktrees: join(base, "trees") }), "shop/none", { op: "worktree.remove" })).toBe("there is no such worktree")
  })

  it("does not say that a commit is there which a hook took away again", async () => {
    const root = repository()
    mkdirSync(join(root, ".git/hooks"))
    writeFileSync(join(root, ".git/hooks/post-commit"), "#!/bin/sh\nexec git reset --quiet --hard HEAD~1\n", { mode: 0o755 })
    writeFileSync(join(root, "a.txt"), "two\n")
    expect(await reason(make({ trusted: true }), "shop", commit("x"))).toBe("died: Error: git said that it was done, but it is not there")
  })

  it("changes nothing when it is stopped at the last moment", async () => {
    repository()
    const executor = make()
    let stop = Effect.void
    const fiber = Effect.runFork(executor.perform(callOf(executor, "shop", { op: "branch", name: "late" }, "w-1"), powers({ stillHolds: Effect.suspend(() => stop) }).powers))
    stop = Effect.sync(() => void Effect.runFork(Fiber.interrupt(fiber)))
    await Effect.runPromise(Fiber.await(fiber))
    expect(git("branch", "--list", "late")).toBe("")
  })

  it("takes no part of an answer for the whole", async () => {
    const root = repository()
    mkdirSync(join(root, "many"))
    const name = "x".repeat(200)
    for (let at = 0; at * 205 < gitOutputBytesMax; at++) writeFileSync(join(root, "many", `${name}${at}`), "")
    expect(await reason(make(), "shop", { op: "status" })).toBe("git says more than is read; ask for less")
  })

  it("does nothing in a repository whose settings cannot be read", async () => {
    const root = repository()
    writeFileSync(join(root, ".git/config"), "[core\n")
    expect(await reason(make(), "shop", { op: "status" })).toMatch(/^the repository's settings cannot be read/u)
  })

  it.runIf(isRoot)("does nothing in a repository of somebody else", async () => {
    const root = repository()
    chownSync(join(root, ".git"), 65_534, 65_534)
    expect(await reason(make(), "shop", { op: "status" })).toBe(`${root}/.git belongs to somebody else`)
  })

  it("enters no worktree without a folder for them", async () => {
    const root = repository()
    expect(make().check?.({ target: "shop/x", payload: { op: "status" } })).toMatch(/names no folder for worktrees/u)
    await expect(checkoutOf(root, "x", undefined)).rejects.toThrow("config names no folder for worktrees of this repository")
  })

  describe("the program", () => {
    const path = process.env["PATH"]
    afterEach(() => {
      process.env["PATH"] = path
    })
    const instead = (...lines: ReadonlyArray<string>): Executor => {
      mkdirSync(join(base, "bin"))
      if (lines.length > 0) writeFileSync(join(base, "bin/git"), ["#!/bin/sh", ...lines, ""].join("\n"))
      if (lines.length > 0) chmodSync(join(base, "bin/git"), 0o755)
      process.env["PATH"] = join(base, "bin")
      return make()
    }

    it("that is not there is missed when it is asked for", async () => {
      repository()
      expect(await reason(instead(), "shop", { op: "status" })).toBe("git was not found on PATH when the kernel started")
    })

    it("that would run what a repository names is not used", async () => {
      repository()
      expect(await reason(instead("echo git version 2.30.9"), "shop", { op: "status" })).toBe("this git is git version 2.30.9; at least 2.31 is needed")
    })

    it("that is ended in the middle leaves open what it did", async () => {
      repository()
      expect(await reason(instead('[ "$2" = version ] && echo git version 2.40.0 && exit', "kill -9 $$"), "shop", { op: "status" })).toBe("died: Error: git was ended by SIGKILL")
    })
  })
})
