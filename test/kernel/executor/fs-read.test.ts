import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { hash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { executor as fsRead, type ReadOptions } from "../../../kernel/executor/fs-read.ts"
import { makeSecrets } from "../../../kernel/executor/secrets.ts"
import { resultBytesInline } from "../../../kernel/limits.ts"
import { reportOf } from "../../../protocol/executor.ts"
import { callOf } from "../../contract/call.ts"
import { executorContract } from "../../contract/executor.ts"
import { powers } from "../../kit/powers.ts"

const folders = () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-read-")))
  const root = join(base, "root")
  mkdirSync(join(root, "inside"), { recursive: true })
  mkdirSync(join(base, "elsewhere"))
  writeFileSync(join(base, "elsewhere", "other"), "not for you")
  return { base, root }
}

for (const byHandle of [true, false]) {
  executorContract("fs.read", async () => {
    const { base, root } = folders()
    const executor = fsRead({ roots: [root], byHandle })
    for (let number = 0; number < 12; number++) writeFileSync(join(root, `file-${number}`), `content ${number}`)
    symlinkSync(join(base, "elsewhere"), join(root, "out"))
    symlinkSync(join(base, "elsewhere", "other"), join(root, "file-link"))
    symlinkSync("inside", join(root, "link-inside"))
    symlinkSync("..", join(root, "up"))
    writeFileSync(join(root, "inside", "binary"), Buffer.from([0xff]))
    execFileSync("mkfifo", [join(root, "fifo")])
    const of = (target: string, payload: unknown = null) => callOf(executor, target, payload, target)
    const done = new Map<unknown, number>()
    const counting = { ...executor, perform: (call: ReturnType<typeof of>) => Effect.tap(executor.perform(call), () => Effect.sync(() => done.set(call.target, 1))) }
    return {
      executor: counting,
      call: (number) => of(`file-${number}`),
      effects: async (call) => done.get(call.target) ?? 0,
      takes: (payload) => payload === undefined || payload === null,
      refusedOutside: [
        ["a linked folder that leads out", of("out/other")], ["a link to a file outside", of("file-link")], ["a linked folder inside", of("link-inside/x")],
        ["a link upwards", of("up/elsewhere/other")], ["a folder", of("inside")], ["a pipe", of("fifo")], ["a file that is not there", of("inside/nothing")],
        ["text that is none", of("inside/binary", { encoding: "utf8" })]
      ],
      outside: async () => readdirSync(base, { recursive: true, encoding: "utf8" }).sort(),
      dispose: async () => rmSync(base, { recursive: true, force: true })
    }
  })
}

describe("fs.read", () => {
  let base: string
  let root: string
  beforeEach(() => {
    ;({ base, root } = folders())
  })
  afterEach(() => rmSync(base, { recursive: true, force: true }))
  const read = async (target: string, payload: unknown = null, options: Partial<ReadOptions> = {}, given = powers()) => {
    const executor = fsRead({ roots: [root], ...options })
    return Effect.runPromise(executor.perform(callOf(executor, target, payload, "1"), given.powers))
  }
  const failure = (target: string, payload: unknown = null, options: Partial<ReadOptions> = {}) => {
    const executor = fsRead({ roots: [root], ...options })
    return Effect.runPromise(Effect.flip(executor.perform(callOf(executor, target, payload, "1"))))
  }

  it("gives text as text and other bytes as base64, with size and digest", async () => {
    writeFileSync(join(root, "a"), "é😀")
    writeFileSync(join(root, "b"), Buffer.from([0xff, 0xfe]))
    expect(await read("a")).toEqual({ path: "a", sizeBytes: 6, offset: 0, bytes: 6, sha256: hash("sha256", "é😀"), encoding: "utf8", content: "é😀" })
    expect(await read("b")).toMatchObject({ encoding: "base64", content: "//4=" })
    expect(await read("a", { encoding: "base64" })).toMatchObject({ encoding: "base64", content: Buffer.from("é😀").toString("base64") })
    expect(await failure("b", { encoding: "utf8" })).toEqual({ reason: "it is not well-formed text; ask for base64" })
  })

  it("gives a range, and nothing beyond the end", async () => {
    writeFileSync(join(root, "a"), "0123456789")
    expect(await read("a", { offset: 2, length: 3 })).toMatchObject({ content: "234", sizeBytes: 10, offset: 2, bytes: 3 })
    expect(await read("a", { offset: 8, length: 100 })).toMatchObject({ content: "89" })
    expect(await read("a", { offset: 100 })).toMatchObject({ content: "", bytes: 0 })
  })

  it("refuses more than it reads at once, and says how to ask", async () => {
    writeFileSync(join(root, "a"), "x".repeat(101))
    expect(await failure("a", null, { bytesMax: 100 })).toEqual({ reason: "it has 101 bytes; ask for a range of at most 100 with offset and length" })
    expect(fsRead({ roots: [root], bytesMax: 100 }).check?.({ target: "a", payload: { length: 101 } })).toMatch(/at most 100 bytes/u)
    expect(await read("a", { offset: 50, length: 51 }, { bytesMax: 100 })).toMatchObject({ bytes: 51 })
  })

  it("keeps what is too large for a result as an artifact", async () => {
    const content = "y".repeat(resultBytesInline + 1)
    writeFileSync(join(root, "a"), content)
    const given = powers()
    const result = await read("a", null, {}, given)
    expect(result).toMatchObject({ artifact: "artifact-0", bytes: content.length })
    expect(result).not.toHaveProperty("content")
    expect(given.kept.map((bytes) => Buffer.from(bytes).toString())).toEqual([content])
  })

  it("labels what it reads as its root is labelled", async () => {
    writeFileSync(join(root, "a"), "x")
    expect(reportOf(await read("a", null, { labels: new Map([[root, ["secret"]]]) }))).toMatchObject({ labels: ["secret"], result: { content: "x" } })
    expect(reportOf(await read("a")).labels).toBeUndefined()
  })

  it("reads neither the kernel's own folder nor git's", () => {
    const { check } = fsRead({ roots: [root] })
    expect(check?.({ target: ".aaax/run/token", payload: null })).toBe(".aaax is reserved")
    expect(check?.({ target: "sub/.GIT/config", payload: null })).toBe(".git is reserved")
    expect(check?.({ target: ".aaax/reports/survey.md", payload: null })).toBeUndefined()
  })

  it("masks a secret, also when only a part of it is asked for, and refuses the file that it comes from", async () => {
    writeFileSync(join(root, "key"), "correct horse battery\n", { mode: 0o600 })
    writeFileSync(join(root, "copy"), `before correct horse battery after ${Buffer.from("correct horse battery").toString("hex")}`)
    const secrets = makeSecrets({ KEY: { from: "file:key" } }, root)
    expect(await failure("key", null, { secrets })).toEqual({ reason: "key holds a secret of the config" })
    expect(await read("copy", null, { secrets })).toMatchObject({ content: `before ${"*".repeat(21)} after ${"*".repeat(42)}` })
    const letters = await Promise.all(Array.from({ length: 28 }, (_, offset) => read("copy", { offset, length: 1 }, { secrets })))
    expect(letters.map((letter) => (letter as { content: string }).content).join("")).toBe(`before ${"*".repeat(21)}`)
  })
})
