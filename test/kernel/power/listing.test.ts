// A listing that is cut short by its bound, and folders that become links while they are looked through.
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import type * as Fs from "node:fs"
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type * as Limits from "../../../kernel/limits.ts"

const entriesMax = 8
/** What happens once, when the file system is asked for this path: what a test does behind the kernel's back. */
const meanwhile = vi.hoisted(() => ({ opened: new Map<string, () => void>(), looked: new Map<string, () => void>() }))
vi.mock("../../../kernel/limits.ts", async (importOriginal) => ({ ...(await importOriginal<typeof Limits>()), listEntriesMax: 8 }))
vi.mock("node:fs", async (importOriginal) => {
  const fs = await importOriginal<typeof Fs>()
  const once = (of: Map<string, () => void>, path: unknown): void => {
    const act = of.get(String(path))
    of.delete(String(path))
    act?.()
  }
  return {
    ...fs,
    opendirSync: (path: string, options: object) => {
      const dir = fs.opendirSync(path, options)
      once(meanwhile.opened, path)
      return dir
    },
    lstatSync: (path: string, options: object) => {
      const stats = fs.lstatSync(path, options)
      once(meanwhile.looked, path)
      return stats
    }
  }
})
const { look, walk } = await import("../../../kernel/power/listing.ts")
const { openConfined } = await import("../../../kernel/power/confined-open.ts")
const { readingPower } = await import("../../../kernel/power/reading.ts")

const signal = new AbortController().signal
let base = ""
let root = ""
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-listing-")))
  root = join(base, "root")
  mkdirSync(root)
})
afterEach(() => rmSync(base, { recursive: true, force: true }))
const put = (path: string): void => {
  mkdirSync(join(root, path, ".."), { recursive: true })
  writeFileSync(join(root, path), path)
}
const git = (...args: ReadonlyArray<string>): void => void execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b.c", ...args], { cwd: root, stdio: "ignore", env: { PATH: process.env["PATH"], HOME: base } })
const paths = (entries: ReadonlyArray<{ readonly path: string }>): ReadonlyArray<string> => entries.map(({ path }) => path).sort()

describe("a listing", () => {
  it("holds no more entries than there may be, of a folder, of git's, and of folders not looked into yet", async () => {
    const names = Array.from({ length: entriesMax }, (_, at) => `f${at}`)
    for (const name of names) put(name)
    expect(paths(await walk(root, signal))).toEqual(names)
    expect(paths(await look(root, names, new Set(), signal))).toEqual(names)
    await expect(look(root, [...names, "more"], new Set(), signal)).rejects.toThrow(`it holds more than ${entriesMax} entries`)
    put("more")
    await expect(walk(root, signal)).rejects.toThrow(`it holds more than ${entriesMax} entries`)
    rmSync(root, { recursive: true })
    for (const name of [...names, "more"]) mkdirSync(join(root, name), { recursive: true })
    await expect(walk(root, signal)).rejects.toThrow(`it holds more than ${entriesMax} entries`)
  })

  it("of a work tree is refused beyond its bound, and when git cannot say what there is", async () => {
    git("init", "-q")
    for (let at = 0; at < entriesMax; at++) put(`f${at}`)
    const list = async () => Effect.runPromise(Effect.flatMap(readingPower(root), (power) => power.list))
    expect(await list()).toHaveLength(entriesMax)
    put("more")
    await expect(list()).rejects.toMatchObject({ reason: `it holds more than ${entriesMax} entries` })
    rmSync(join(root, "more"))
    git("add", "-A")
    writeFileSync(join(root, ".git/index"), "no index")
    await expect(list()).rejects.toMatchObject({ path: root, reason: expect.stringContaining("index") })
  })

  it("does not follow a folder that has become a link since it was seen", async () => {
    put("a/b/c")
    mkdirSync(join(base, "outside"))
    writeFileSync(join(base, "outside/secret"), "")
    meanwhile.looked.set(join(root, "a/b"), () => {
      renameSync(join(root, "a/b"), join(base, "moved"))
      symlinkSync(join(base, "outside"), join(root, "a/b"))
    })
    expect(paths(await walk(root, signal))).toEqual(["a/b"])
    rmSync(join(root, "a"), { recursive: true })
    put("a/b/c")
    // Also when it is a folder above.
    meanwhile.looked.set(join(root, "a/b"), () => {
      renameSync(join(root, "a"), join(base, "gone"))
      mkdirSync(join(base, "outside/b"))
      writeFileSync(join(base, "outside/b/secret"), "")
      symlinkSync(join(base, "outside"), join(root, "a"))
    })
    expect(JSON.stringify(await walk(root, signal))).not.toContain("secret")
  })
})

describe("a file that is opened", () => {
  it("is the one that was looked at", () => {
    put("a")
    meanwhile.looked.set(join(root, "a"), () => {
      writeFileSync(join(root, "other"), "another")
      renameSync(join(root, "other"), join(root, "a"))
    })
    expect(openConfined(root, "a")).toBe("it changed while it was opened")
  })
})
