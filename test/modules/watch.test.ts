import type { FileEntry, ReadingPower, System } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { decode, encode, isNews, look, type Known } from "../../modules/watch/changes.ts"
import { watch } from "../../modules/watch/index.ts"
import { makeWorld, start, until, type FakeWorld } from "../kit/port-fake.ts"

const entry = (path: string, more: Partial<FileEntry> = {}): FileEntry => ({ path, kind: "file", sizeBytes: 1, changedAt: 1, stamp: "s1", ...more })
const known = (kind: Known["kind"] = "file", stamp = "s1", digest = "d1"): Known => ({ kind, digest, stamp })

describe("a look at a folder", () => {
  it("passes over what has the stamp that it had", () => {
    expect(look(new Map([["a", known()]]), [entry("a")])).toEqual({ changed: [], removed: [], forgotten: [] })
  })

  it("finds new paths, changed stamps, changed kinds and removals, in the order of their names", () => {
    const before = new Map([["z", known()], ["b", known()], ["c", known()], ["gone", known()]])
    const seen = look(before, [entry("z", { stamp: "s2" }), entry("b", { kind: "link" }), entry("c"), entry("a")])
    expect(seen.changed.map(({ path }) => path)).toEqual(["a", "b", "z"])
    expect(seen.removed).toEqual(["gone"])
  })

  it("takes a file that git still lists but that is gone for removed, once", () => {
    const missing = [entry("a", { kind: "missing" })]
    expect(look(new Map([["a", known()]]), missing).removed).toEqual(["a"])
    expect(look(new Map([["a", known("missing")]]), missing)).toEqual({ changed: [], removed: [], forgotten: [] })
    expect(look(new Map(), missing).changed.length).toBe(1)
    expect(look(new Map([["a", known("missing")]]), []).forgotten).toEqual(["a"])
  })

  it("has news only when kind or digest differ", () => {
    expect(isNews(undefined, { kind: "file", digest: "d1" })).toBe(true)
    expect(isNews(known(), { kind: "file", digest: "d1" })).toBe(false)
    expect(isNews(known(), { kind: "file", digest: "d2" })).toBe(true)
    expect(isNews(known(), { kind: "link", digest: "d1" })).toBe(true)
  })

  it("is remembered as one text", () => {
    const memory = new Map([["a", known()], ["ü \n", known("link", "s2", "d2")]])
    expect(decode(encode(memory))).toEqual(memory)
    expect(decode(7)).toBeUndefined()
    expect(decode("[[1]]")).toBeUndefined()
  })
})

/** A folder that a test changes; a content of `null` cannot be read. */
const makeFolder = (files: Record<string, string | null>, commits: Array<string> = []) => {
  const digests: Array<string> = []
  let broken: string | undefined
  let lists = 0
  const power: ReadingPower = {
    root: "/folder",
    isGit: Effect.sync(() => commits.length > 0),
    list: Effect.suspend((): Effect.Effect<ReadonlyArray<FileEntry>, { readonly path: string; readonly reason: string }> => {
      lists += 1
      return broken === undefined
        ? Effect.succeed(Object.entries(files).map(([path, content]) => entry(path, { stamp: `stamp of ${content}`, sizeBytes: content?.length ?? 0 })))
        : Effect.fail({ path: ".", reason: broken })
    }),
    read: () => Effect.fail({ path: "", reason: "not asked for" }),
    digest: (path) =>
      Effect.suspend(() => {
        digests.push(path)
        const content = files[path]
        return content === null || content === undefined ? Effect.fail({ path, reason: "EACCES" }) : Effect.succeed(`digest of ${content}`)
      }),
    commits: (since) =>
      Effect.suspend(() => {
        const at = since === undefined ? -1 : commits.indexOf(since)
        if (since !== undefined && at < 0) return Effect.fail({ path: ".", reason: `bad revision ${since}` })
        return Effect.succeed(commits.slice(at + 1).map((hash) => ({ hash, parents: [], author: "a", email: "e", authoredAt: 1, subject: hash })))
      })
  }
  return { power, files, commits, digests, lists: () => lists, break: (reason: string | undefined) => (broken = reason) }
}
const running = (world: FakeWorld, folder: ReturnType<typeof makeFolder>) => {
  const system: System = watch({ everyMillis: 1 })
  return start(system, world.dock(system, [folder.power]))
}
const told = (world: FakeWorld): ReadonlyArray<string> =>
  world.events("repo.files").map((event) => `${event.kind} ${event.subject} ${(event.payload as { readonly digest: string }).digest}`)

describe("watch", () => {
  it("tells everything the first time, later only what changed, and a path that comes back again", async () => {
    const world = makeWorld()
    const folder = makeFolder({ a: "1", b: "2" })
    const watching = running(world, folder)
    await until(() => told(world).length === 2)
    folder.files["a"] = "3"
    await until(() => told(world).length === 3)
    delete folder.files["b"]
    await until(() => told(world).length === 4)
    folder.files["b"] = "2"
    await until(() => told(world).length === 5)
    expect(told(world)).toEqual([
      "file a digest of 1", "file b digest of 2", "file a digest of 3", "file.removed b digest of 2", "file b digest of 2"
    ])
    await watching.stop()
  })

  it("says nothing twice after a crash, whether or not its snapshot was kept", async () => {
    for (const keepsSnapshot of [true, false]) {
      const world = makeWorld()
      const folder = makeFolder({ a: "1", b: "2" }, ["c1", "c2"])
      const first = running(world, folder)
      await until(() => told(world).length === 2 && world.snapshots.has("repo.watch"))
      await first.stop()
      if (!keepsSnapshot) world.snapshots.clear()
      folder.files["c"] = "3"
      folder.commits.push("c3")
      const second = running(world, folder)
      await until(() => told(world).length >= 3)
      await second.stop()
      expect(told(world)).toEqual(["file a digest of 1", "file b digest of 2", "file c digest of 3"])
      expect(world.events("repo.commits").map((event) => event.subject)).toEqual(["c1", "c2", "c3"])
    }
  })

  it("keeps one event for an append of which it does not know whether it was kept", async () => {
    const world = makeWorld()
    const { AppendUnknown } = await import("aaax")
    let failures = 0
    world.failAppend = (channel) => (failures++ < 4 ? { error: new AppendUnknown({ channel, reason: "test" }), kept: failures % 2 === 1 } : undefined)
    const watching = running(world, makeFolder({ a: "1" }, ["c1"]))
    await until(() => told(world).length > 0)
    await watching.stop()
    expect(told(world).length).toBe(1)
    expect(world.events("repo.commits").length).toBe(1)
  })

  it("looks no closer at files whose stamp did not change", async () => {
    const world = makeWorld()
    const folder = makeFolder({ a: "1", b: "2" })
    const watching = running(world, folder)
    await until(() => told(world).length === 2)
    folder.files["b"] = "3"
    await until(() => told(world).length === 3)
    await watching.stop()
    expect(folder.digests).toEqual(["a", "b", "b"])
  })

  it("records a file that cannot be read, and tells it when it can", async () => {
    const world = makeWorld()
    const folder = makeFolder({ a: null })
    const watching = running(world, folder)
    await until(() => told(world).length === 1)
    folder.files["a"] = "1"
    await until(() => told(world).length === 2)
    expect(world.events("repo.files").map((event) => event.payload)).toMatchObject([
      { path: "a", kind: "unreadable", digest: "unreadable", reason: "EACCES" }, { path: "a", kind: "file", digest: "digest of 1" }
    ])
    await watching.stop()
  })

  it("waits for a folder that cannot be listed now", async () => {
    const world = makeWorld()
    const folder = makeFolder({ a: "1" })
    folder.break("ENOENT")
    const watching = running(world, folder)
    await until(() => folder.lists() >= 3)
    expect(told(world)).toEqual([])
    folder.break(undefined)
    await until(() => told(world).length === 1)
    await watching.stop()
  })

  it("tells each commit once, also when history was rewritten", async () => {
    const world = makeWorld()
    const folder = makeFolder({}, ["c1", "c2"])
    const watching = running(world, folder)
    await until(() => world.events("repo.commits").length === 2)
    folder.commits.splice(1, 1, "c2-amended", "c3")
    await until(() => world.events("repo.commits").length === 4)
    await watching.stop()
    expect(world.events("repo.commits").map((event) => event.subject)).toEqual(["c1", "c2", "c2-amended", "c3"])
  })

  it("does not believe what others append to its channels", async () => {
    const world = makeWorld()
    const folder = makeFolder({ a: "1" })
    const first = running(world, folder)
    await until(() => told(world).length === 1)
    await first.stop()
    await Effect.runPromise(world.port("stranger").append("repo.files", [{
      kind: "file.removed", subject: "a", payload: { path: "a", kind: "file", digest: "x", sizeBytes: 0, changedAt: 0 }
    }]))
    const second = running(world, folder)
    folder.files["b"] = "2"
    await until(() => told(world).some((line) => line.startsWith("file b")))
    await second.stop()
    expect(told(world)).toEqual(["file a digest of 1", "file.removed a x", "file b digest of 2"])
  })
})
