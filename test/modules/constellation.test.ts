// The default constellation on a real folder, under a real kernel in memory.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { afterEach, describe, expect, it } from "vitest"
import * as FsWrite from "../../kernel/executor/fs-write.ts"
import { makeClock } from "../../kernel/clock.ts"
import * as Memory from "../../kernel/store/memory.ts"
import type { StoreService } from "../../kernel/store/store.ts"
import { makeKernel, type HostileOptions, type TestKernel } from "../../kernel/testing.ts"
import { survey } from "../../modules/survey/index.ts"
import { watch } from "../../modules/watch/index.ts"
import { report } from "../../modules/report/index.ts"
import { defaultSystems } from "../kit/constellation.ts"
import type { Summary } from "../../modules/survey/fold.ts"
import { until } from "../kit/port-fake.ts"

const folders: Array<string> = []
const folder = (files: Readonly<Record<string, string | Buffer>>): string => {
  const path = mkdtempSync(join(tmpdir(), "aaax-constellation-"))
  folders.push(path)
  for (const [name, content] of Object.entries(files)) put(path, name, content)
  return path
}
const put = (root: string, name: string, content: string | Buffer): void => {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), content)
}
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true })
})
const git = (root: string, ...args: ReadonlyArray<string>): string =>
  execFileSync("git", ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false", ...args], { cwd: root, encoding: "utf8" })

const realTime = { wall: () => Date.now(), monotonic: () => performance.now(), advance: () => undefined, jump: () => undefined }

/** A constellation whose watcher looks often. */
const quick = (root: string) => [
  watch({ root, everyMillis: 20 }), survey({ root, workers: 2 }), report({ everyMillis: 50 })
]

const withKernel = <A>(
  root: string, body: (kernel: TestKernel) => Promise<A>,
  options: { readonly store?: StoreService; readonly hostile?: HostileOptions; readonly systems?: ReturnType<typeof defaultSystems> } = {}
): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.scoped(Effect.gen(function*() {
    const kernel = yield* makeKernel({
      directory: root, time: realTime, executors: [FsWrite.executor({ roots: [root] })], ...(options.store === undefined ? {} : { store: options.store }),
      ...(options.hostile === undefined ? {} : { hostile: options.hostile })
    })
    for (const system of options.systems ?? quick(root)) yield* kernel.dock(system, { configured: true, privileged: system.manifest.privileged })
    return yield* Effect.promise(() => body(kernel))
  })), Logger.layer([])))

const events = (kernel: TestKernel, channel: string) =>
  Effect.runPromise(kernel.channels.read("aaax", channel, { limit: 1_000 })).then((page) => page.events)
const summary = async (kernel: TestKernel): Promise<Summary | undefined> => {
  const snapshot = await Effect.runPromise(kernel.channels.store.getSnapshot("repo.survey"))
  return snapshot?.value as Summary | undefined
}
const surveyed = async (kernel: TestKernel, condition: (survey: Summary) => boolean): Promise<Summary> => {
  let found: Summary | undefined
  for (let tries = 0; tries < 3_000; tries++) {
    found = await summary(kernel)
    if (found !== undefined && found.pending === 0 && condition(found)) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`the survey never came to it: ${JSON.stringify(found)}`)
}

describe("the default constellation", () => {
  it("surveys a folder with everything that folders have, and reports it through the gate", async () => {
    const root = folder({
      "src/a.ts": "import { b } from \"./b.ts\"\n// TODO: more\nexport const a = b\n",
      "src/b.ts": "export const b = 1\n",
      "latin.txt": Buffer.from([0x63, 0x61, 0x66, 0xe9]),
      "image.png": Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0]),
      "large.bin": Buffer.alloc(50 * 1_048_576, 65),
      "empty.md": ""
    })
    symlinkSync("src/a.ts", join(root, "link"))
    git(root, "init", "-q")
    git(root, "add", "src")
    git(root, "commit", "-qm", "First")
    await withKernel(root, async (kernel) => {
      const found = await surveyed(kernel, ({ files }) => files === 7)
      expect(found.kinds).toEqual({ binary: 1, link: 1, "not-utf8": 1, text: 3, "too-large": 1 })
      expect(found.languages).toEqual([
        { language: "TypeScript", files: 2, lines: 4, sizeBytes: 79 }, { language: "Markdown", files: 1, lines: 0, sizeBytes: 0 }
      ])
      expect(found.marks).toEqual({ todo: 1, fixme: 0, list: [{ path: "src/a.ts", line: 2, mark: "TODO", text: "more" }] })
      expect(Object.keys(found)[0]).toBe("files")
      await until(() => existsSync(join(root, ".aaax/reports/survey.json")))
      expect(JSON.parse(readFileSync(join(root, ".aaax/reports/survey.json"), "utf8"))).toMatchObject({ files: 7 })
      expect(readFileSync(join(root, ".aaax/reports/survey.md"), "utf8")).toMatch(/^# Survey\n\n7 files, 4 lines/u)
      expect((await events(kernel, "repo.commits")).map((event) => (event.payload as { readonly subject: string }).subject)).toEqual(["First"])
    }, { systems: defaultSystems({ root, workers: 2 }) })
  })

  it("tells only what changed: changes, removals, and files that come back", async () => {
    const root = folder({ "a.md": "one\n", "b.md": "two\n" })
    await withKernel(root, async (kernel) => {
      await surveyed(kernel, ({ files }) => files === 2)
      put(root, "a.md", "one\nmore\n")
      await surveyed(kernel, ({ lines }) => lines === 3)
      unlinkSync(join(root, "b.md"))
      await surveyed(kernel, ({ files }) => files === 1)
      put(root, "b.md", "two\n")
      await surveyed(kernel, ({ files }) => files === 2)
      expect((await events(kernel, "repo.files")).map((event) => `${event.kind} ${event.subject}`)).toEqual([
        "file a.md", "file b.md", "file a.md", "file.removed b.md", "file b.md"
      ])
      // The content that came back was surveyed once.
      expect((await events(kernel, "repo.tasks")).length).toBe(3)
    })
  })

  it("ends at A when a file changes from A to B and back", async () => {
    const root = folder({ "a.md": "A\n" })
    await withKernel(root, async (kernel) => {
      await surveyed(kernel, ({ lines }) => lines === 1)
      for (const [content, lines] of [["B\nB\n", 2], ["A\n", 1], ["B\nB\n", 2], ["A\n", 1]] as const) {
        put(root, "a.md", content)
        await surveyed(kernel, (found) => found.lines === lines)
      }
      const facts = await events(kernel, "repo.facts")
      const tasks = await events(kernel, "repo.tasks")
      expect(tasks.length).toBe(2)
      expect(facts.map(({ parentIds }) => parentIds)).toEqual(tasks.map(({ id }) => [id]))
    })
  })

  it("says nothing twice after a restart, and goes on with what changed meanwhile", async () => {
    const root = folder({ "a.md": "one\n", "b.md": "two\n" })
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "First")
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const store = yield* Memory.make({ clock: makeClock(realTime) })
      yield* Effect.promise(() => withKernel(root, (kernel) => surveyed(kernel, ({ files }) => files === 2), { store }))
      put(root, "c.md", "three\n")
      yield* Effect.promise(() => withKernel(root, async (kernel) => {
        await surveyed(kernel, ({ files }) => files === 3)
        expect((await events(kernel, "repo.files")).map((event) => event.subject)).toEqual(["a.md", "b.md", "c.md"])
        expect((await events(kernel, "repo.commits")).length).toBe(1)
        expect((await events(kernel, "repo.facts")).length).toBe(3)
      }, { store }))
    })))
  })

  it("asks again for a content that was not there when its task was done", async () => {
    const root = folder({ "a.md": "not what was told\n" })
    const content = "what was told\nand more\n"
    const digest = createHash("sha256").update(content).digest("hex")
    await Effect.runPromise(Effect.provide(Effect.scoped(Effect.gen(function*() {
      const kernel = yield* makeKernel({ directory: root, time: realTime, channels: [{ name: "repo.files" }] })
      yield* kernel.dock(survey({ root, workers: 2 }), { configured: true })
      yield* kernel.channels.append("test", "repo.files", [{ kind: "file", payload: { path: "a.md", kind: "file", digest, sizeBytes: content.length, changedAt: 1 } }])
      const facts = async (kind: string) => (await events(kernel, "repo.facts")).filter((event) => event.kind === kind)
      // The first task gives up; the second one, which has another key, finds what it looks for.
      yield* Effect.promise(async () => {
        while ((await facts("superseded")).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
        put(root, "a.md", content)
        const found = await surveyed(kernel, ({ files }) => files === 1)
        expect(found.lines).toBe(2)
        expect((await events(kernel, "repo.tasks")).length).toBe(2)
      })
    })), Logger.layer([])))
  })

  it("plans one task for a content that comes back before its task was done", async () => {
    const root = folder({})
    await Effect.runPromise(Effect.provide(Effect.scoped(Effect.gen(function*() {
      const kernel = yield* makeKernel({ directory: root, time: realTime, channels: [{ name: "repo.files" }] })
      yield* kernel.dock(survey({ root, workers: 0 }), { configured: true })
      const tell = (path: string, digest: string) =>
        kernel.channels.append("test", "repo.files", [{ kind: "file", payload: { path, kind: "file", digest, sizeBytes: 1, changedAt: 1 } }])
      for (const digest of ["A", "B", "A"]) yield* tell("a.md", digest)
      yield* tell("b.md", "C")
      yield* kernel.channels.awaitBeyond("repo.tasks", 2)
      // It goes on without having been started again.
      yield* tell("c.md", "D")
      yield* kernel.channels.awaitBeyond("repo.tasks", 3)
      const tasks = yield* Effect.promise(() => events(kernel, "repo.tasks"))
      expect(tasks.map(({ payload }) => (payload as { readonly digest: string }).digest).sort()).toEqual(["A", "B", "C", "D"])
      expect(kernel.systems().map(({ restarts }) => restarts)).toEqual([0])
    })), Logger.layer([])))
  })

  it("comes to the same on a store that fails as a replicated log does", async () => {
    const root = folder(Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`f${n}.md`, `${"line\n".repeat(n + 1)}`])))
    await withKernel(root, async (kernel) => {
      const found = await surveyed(kernel, ({ files }) => files === 60)
      expect(found.lines).toBe(60 * 61 / 2)
      put(root, "f0.md", "changed\nchanged\n")
      await surveyed(kernel, ({ lines }) => lines === 60 * 61 / 2 + 1)
      expect((await events(kernel, "repo.files")).length).toBe(61)
      expect((await events(kernel, "repo.facts")).length).toBe(61)
      await until(() => existsSync(join(root, ".aaax/reports/survey.json")))
    }, { hostile: { seed: 7 } })
  })

  it("surveys a folder of 5,000 files completely", async () => {
    const root = folder(Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`d${n % 50}/f${n}.ts`, `export const n = ${n}\n`])))
    await withKernel(root, async (kernel) => {
      const begun = performance.now()
      const found = await surveyed(kernel, ({ files }) => files === 5_000)
      console.log(`5,000 files in ${Math.round(performance.now() - begun)} ms`)
      expect(found.lines).toBe(5_000)
      expect(found.languages).toMatchObject([{ language: "TypeScript", files: 5_000 }])
    })
  })
})
