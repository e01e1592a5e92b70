// A kernel that goes down: whoever is asked ends behind those who ask.
import { defineModule } from "aaax"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { inTurns } from "../../../kernel/dock/constellation.ts"
import { launch } from "../../../kernel/host.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import type { ChannelSpec } from "../../../protocol/channel.ts"
import { emptyManifest } from "../../../protocol/manifest.ts"

/** So long that a test which waits for it never ends in its own time. */
const timeoutMillis = 3_600_000

describe("systems that end", () => {
  const one = (id: string, asks: ReadonlyArray<string> = [], provides: ReadonlyArray<ChannelSpec> = [{ name: `${id}.work`, form: "queue" }]) => ({
    id, system: { manifest: { ...emptyManifest(id), provides } }, wiring: new Map([...asks, `${id}.work`].map((name) => [name, { read: false, append: true, take: false, admin: false }]))
  })
  const turns = (...systems: ReadonlyArray<ReturnType<typeof one>>): ReadonlyArray<ReadonlyArray<string>> => inTurns(systems).map((turn) => turn.map(({ id }) => id))

  it("do so behind those who write into their queues", () => {
    expect(turns(one("coordinator"), one("ann", ["coordinator.work"]), one("bob"))).toEqual([["ann", "bob"], ["coordinator"]])
    expect(turns(one("c"), one("b", ["c.work"]), one("a", ["b.work"]))).toEqual([["a"], ["b"], ["c"]])
  })

  it("do so together when nobody asks, when they only listen, or when they ask each other", () => {
    expect(turns(one("a"), one("b"))).toEqual([["a", "b"]])
    expect(turns(one("log", [], [{ name: "log.work", form: "log" }]), one("b", ["log.work"]))).toEqual([["log", "b"]])
    expect(turns(one("a", ["b.work"]), one("b", ["a.work"]), one("c", ["a.work"]))).toEqual([["c"], ["a", "b"]])
    expect(turns()).toEqual([])
  })
})

describe("a kernel that is closed", () => {
  it("lets modules give back what they hold, and keeps that they did", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aaax-stopping-"))
    try {
      const store = join(folder, "kernel.db")
      const first = await launch({ store, directory: folder, modules: [coordinator()] })
      const said: Array<string> = []
      await Promise.all(["ann", "bob"].map((id) => new Promise<void>((begun, failed) => {
        first.dock(defineModule({
          id, coordination: true,
          run: async ({ coordination, signal }) => {
            await using claim = await coordination.claim(`task of ${id}`, { paths: [id], worktree: "w" })
            begun()
            await new Promise<void>((end) => signal.addEventListener("abort", () => end(), { once: true }))
            await claim.update({ status: "done" })
            await coordination.progress(claim.task, "last words")
            said.push(id)
          }
        })).catch(failed)
      })))
      await first.close({ timeoutMillis })
      expect(said.sort()).toEqual(["ann", "bob"])
      const second = await launch({ store, directory: folder, modules: [coordinator()] })
      const state = await new Promise<{ readonly claims: number; readonly notes: ReadonlyArray<string> }>((tell, failed) => {
        second.dock(defineModule({
          id: "eve", coordination: true,
          run: async ({ coordination }) => {
            const [{ items }, { progress }] = [await coordination.ask({ verb: "state" }), await coordination.plan.board()]
            tell({ claims: items.length, notes: progress.map(({ author }) => author).sort() })
          }
        })).catch(failed)
      })
      expect(state).toEqual({ claims: 0, notes: ["ann", "bob"] })
      await second.close({ timeoutMillis })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
