import { Effect, Exit, Fiber } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { executor as fsWrite } from "../../../kernel/executor/fs-write.ts"
import type { Call, Executor } from "../../../protocol/executor.ts"
import { callOf } from "../../contract/call.ts"
import { executorContract } from "../../contract/executor.ts"

/** Everything below a folder: kind, mode and content. */
const tree = (folder: string): Array<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).sort().map((path) => {
    const full = join(folder, path)
    const stats = lstatSync(full)
    const what = stats.isSymbolicLink() ? `-> ${readlinkSync(full)}` : stats.isFile() ? readFileSync(full, "utf8") : stats.isDirectory() ? "/" : "special"
    return `${path} ${(stats.mode & 0o777).toString(8)} ${what}`
  })

const folders = (): { base: string; root: string; elsewhere: string } => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-write-")))
  const [root, elsewhere] = [join(base, "root"), join(base, "elsewhere")]
  mkdirSync(root)
  mkdirSync(elsewhere)
  writeFileSync(join(elsewhere, "secret"), "secret")
  return { base, root, elsewhere }
}

for (const byHandle of [true, false]) {
  executorContract("fs.write", async () => {
    const { base, elsewhere, root } = folders()
    const executor = fsWrite({ roots: [root], byHandle })
    symlinkSync(elsewhere, join(root, "out"))
    symlinkSync(join(elsewhere, "secret"), join(root, "file-link"))
    symlinkSync(join(elsewhere, "nothing"), join(root, "dangling"))
    symlinkSync("inside", join(root, "link-inside"))
    symlinkSync("..", join(root, "up"))
    mkdirSync(join(root, "inside"))
    mkdirSync(join(root, "folder"))
    writeFileSync(join(root, "file"), "as it was")
    writeFileSync(join(root, "protected"), "as it was", { mode: 0o444 })
    execFileSync("mkfifo", [join(root, "fifo")])
    const to = (target: string): Call => callOf(executor, target, { content: "changed" }, `to ${target}`)
    return {
      executor,
      call: (number) => callOf(executor, `some/where/file-${number}.txt`, { content: `content ${number}` }, `call ${number}`),
      effects: async (call) => {
        const found = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => path === call.target)
        return found.filter((path) => readFileSync(join(root, path), "utf8") === (call.payload as { content: string }).content).length
      },
      refusedOutside: [
        ["a linked folder that leads out", to("out/x")], ["a linked folder that leads out, deeper", to("out/a/b")], ["a link to a file outside", to("file-link")],
        ["a dangling link", to("dangling")], ["a linked folder inside", to("link-inside/x")], ["a link upwards", to("up/elsewhere/x")],
        ["a file where a folder is expected", to("file/x")], ["a folder where a file is expected", to("folder")], ["a pipe", to("fifo")],
        ["a read-only file", to("protected")]
      ],
      outside: async () => tree(base),
      dispose: async () => rmSync(base, { recursive: true, force: true })
    }
  })
}

describe("fs.write", () => {
  let base: string
  let root: string
  let elsewhere: string
  let executor: Executor
  beforeEach(() => {
    ;({ base, elsewhere, root } = folders())
    executor = fsWrite({ roots: [root] })
  })
  afterEach(() => rmSync(base, { recursive: true, force: true }))
  const call = (target: string, content: string, id = target): Call => callOf(executor, target, { content }, id)
  const write = (target: string, content: string) => Effect.runPromise(executor.perform(call(target, content)))
  const refusal = (target: string, payload: unknown = { content: "x" }) => executor.check?.({ target, payload })

  it("makes missing folders and answers with path, size and digest", async () => {
    expect(await write("a/b/c.txt", "abc")).toEqual({
      path: "a/b/c.txt", sizeBytes: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    })
    expect(readFileSync(join(root, "a/b/c.txt"), "utf8")).toBe("abc")
  })

  it("replaces a file by another one with the same mode, and leaves nothing else behind", async () => {
    writeFileSync(join(root, "run.sh"), "old")
    chmodSync(join(root, "run.sh"), 0o750)
    const inode = lstatSync(join(root, "run.sh")).ino
    await write("run.sh", "new")
    expect(tree(root)).toEqual(["run.sh 750 new"])
    expect(lstatSync(join(root, "run.sh")).ino).not.toBe(inode)
  })

  it("does not change a file outside that has the same inode", async () => {
    linkSync(join(elsewhere, "secret"), join(root, "twin"))
    await write("twin", "changed")
    expect(readFileSync(join(elsewhere, "secret"), "utf8")).toBe("secret")
    expect(readFileSync(join(root, "twin"), "utf8")).toBe("changed")
  })

  it("writes bytes that are given as base64", async () => {
    const bytes = Buffer.from([0, 255, 254, 10])
    await Effect.runPromise(executor.perform(callOf(executor, "b.bin", { content: bytes.toString("base64"), encoding: "base64" }, "b")))
    expect(readFileSync(join(root, "b.bin"))).toEqual(bytes)
  })

  it.each([
    [{ content: "not base64!", encoding: "base64" }], [{ content: "YQ", encoding: "base64" }], [{ content: "\ud800" }],
    [{ content: "x".repeat(4 * 1_048_576 + 1) }], [{ content: "é".repeat(3 * 1_048_576) }], [{ content: "x", encoding: "latin1" }]
  ])("refuses content that it could not write as it stands", (payload) => {
    expect(refusal("x", payload)).toEqual(expect.any(String))
  })

  it("takes content up to its bound", () => {
    expect(refusal("x", { content: "x".repeat(4 * 1_048_576) })).toBeUndefined()
  })

  it.each([
    ".git", ".git/config", ".GIT/hooks/pre-commit", "sub/.git/config", "sub/.git", ".aaax", ".aaax/run/kernel.json", ".aaax/kernel.db", ".AAAX/kernel.db", ".aaax/reports",
    "sub/.aaax/run/kernel.json", ".aaax/reports/.git/config", ".aaax/reports/.aaax/kernel.db"
  ])("refuses %s, which is reserved", (target) => {
    expect(refusal(target)).toMatch(/is reserved$/u)
  })

  it.each([".aaax/reports/survey.md", ".aaax/reports/deep/er.json", ".gitignore", ".github/x.yml", "aaax/run"])("takes %s", (target) => {
    expect(refusal(target)).toBeUndefined()
  })

  it("refuses the decomposed twin of a name and writes the composed one", async () => {
    expect(refusal("cafe\u0301.txt")).toMatch(/normal form C/u)
    await write("caf\u00e9.txt", "x")
    expect(readdirSync(root)).toEqual(["caf\u00e9.txt"])
  })

  it("reaches other roots by the name of their folder", async () => {
    const two = fsWrite({ roots: [root, elsewhere] })
    await Effect.runPromise(two.perform(callOf(two, "elsewhere:new.txt", { content: "x" }, "1")))
    expect(readFileSync(join(elsewhere, "new.txt"), "utf8")).toBe("x")
    expect(two.check?.({ target: "nowhere:x", payload: { content: "" } })).toMatch(/roots: root, elsewhere/u)
    expect(two.check?.({ target: "elsewhere:../root/x", payload: { content: "" } })).toMatch(/\.\. segment/u)
    expect(two.check?.({ target: "elsewhere:a:b", payload: { content: "" } })).toMatch(/colon/u)
  })

  it("is not made for roots that are relative, alike or missing", () => {
    expect(() => fsWrite({ roots: ["relative"] })).toThrow(/not an absolute path/u)
    expect(() => fsWrite({ roots: ["/a/x", "/b/x"] })).toThrow(/ends like/u)
    expect(() => fsWrite({ roots: [] })).toThrow(/at least one/u)
  })

  it("follows a link to the root itself, which the operator named", async () => {
    symlinkSync(root, join(base, "alias"))
    const aliased = fsWrite({ roots: [join(base, "alias")] })
    await Effect.runPromise(aliased.perform(callOf(aliased, "x", { content: "y" }, "1")))
    expect(readFileSync(join(root, "x"), "utf8")).toBe("y")
  })

  it("fails when the root is not there, and makes nothing", async () => {
    rmSync(root, { recursive: true })
    const exit = await Effect.runPromise(Effect.flip(executor.perform(call("x", "y"))))
    expect(exit).toEqual({ reason: "the root is not there" })
    expect(readdirSync(base)).toEqual(["elsewhere"])
  })

  it("takes back the folders that it made when the file cannot be written", async () => {
    const long = "n".repeat(251)
    mkdirSync(join(root, "there"))
    // The name is fine for the rule, but a folder of this name is in the way, below folders that are new.
    mkdirSync(join(root, "there", long))
    const failed = await Effect.runPromise(Effect.flip(executor.perform(call(`there/${long}`, "x"))))
    expect(failed.reason).toMatch(/is not a file/u)
    const stopped = Effect.runFork(executor.perform(call("new/deep/x", "x")))
    await Effect.runPromise(Fiber.interrupt(stopped))
    expect(tree(root).filter((line) => line.startsWith("new"))).toEqual([])
  })

  it("lets two calls on one path take turns: each write is whole, and the last one stays", async () => {
    const contents = Array.from({ length: 20 }, (_, number) => String(number).repeat(100_000))
    const seen: Array<unknown> = []
    await Promise.all(contents.map((content, number) =>
      Effect.runPromise(executor.perform(call("same.txt", content, `call ${number}`))).then((result) => seen.push(result))))
    expect(seen).toHaveLength(20)
    expect(contents).toContain(readFileSync(join(root, "same.txt"), "utf8"))
    expect(readFileSync(join(root, "same.txt"), "utf8")).toBe(contents.at(-1))
    expect(readdirSync(root)).toEqual(["same.txt"])
  })

  it("never lets a folder that is swapped for a link lead it outside", async () => {
    const [d, aside, link] = ["d", "aside", "link"].map((name) => join(root, name)) as [string, string, string]
    mkdirSync(d)
    symlinkSync(elsewhere, link)
    let done = false
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    // In the gap between two renames the executor may make the folder itself: out of the way with it.
    const put = (from: string): void => {
      for (;;) {
        try {
          return renameSync(from, d)
        } catch {
          rmSync(d, { recursive: true, force: true })
        }
      }
    }
    const swap = (async () => {
      while (!done) {
        renameSync(d, aside)
        put(link)
        await turn()
        renameSync(d, link)
        put(aside)
        await turn()
      }
    })()
    const outcomes = new Set<string>()
    for (let i = 0; i < 300; i++) outcomes.add((await Effect.runPromiseExit(executor.perform(call("d/escaped", "x", `${i}`))))._tag)
    done = true
    await swap
    expect(readdirSync(elsewhere)).toEqual(["secret"])
    expect(outcomes).toContain("Success")
  })

  it("removes what a crash of the same call left behind, by running again or by asking", async () => {
    // A crash before the rename, seen from outside: the hidden file of this call is there, the target is not.
    const left = (): Array<string> => readdirSync(root).filter((name) => name.endsWith(".tmp"))
    const stopped = Effect.runFork(executor.perform(call("x", "y".repeat(3_000_000))))
    for (let i = 0; i < 10_000 && left().length === 0; i++) await new Promise((resolve) => setImmediate(resolve))
    const [name] = left()
    await Effect.runPromise(Fiber.interrupt(stopped))
    expect(name).toMatch(/^\.aaax-[0-9a-f]{24}\.tmp$/u)
    for (const again of [executor.perform, executor.status!]) {
      writeFileSync(join(root, name!), "half")
      await Effect.runPromise(again(call("x", "y".repeat(3_000_000))))
      expect(left()).toEqual([])
    }
  })

  it("is not fooled by another file of the same size when it is asked", async () => {
    await write("x", "abc")
    writeFileSync(join(root, "x"), "abd")
    expect(await Effect.runPromise(executor.status!(call("x", "abc")))).toBeUndefined()
  })

  it("says in words why the file system did not let it", async () => {
    // The proc file system takes no new files, not even from root.
    const odd = fsWrite({ roots: ["/proc"] })
    const exit = await Effect.runPromiseExit(odd.perform(callOf(odd, "x", { content: "y" }, "1")))
    expect(Exit.isFailure(exit) && exit.cause.reasons[0]?._tag).toBe("Fail")
  })
})
