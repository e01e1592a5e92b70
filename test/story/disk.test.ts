// A disk that is full or fails to sync: reads go on, writes say what is known of them, the kernel opens its store anew by
// itself, and afterwards nothing is lost, doubled or left without an answer.
import * as Effect from "effect/Effect"
import { execFile, execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import type { Port } from "../../protocol/port.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { makeClock } from "../../kernel/clock.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import { counted } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, replies } from "../kit/probe.ts"
import { bundleWorld } from "../torture/bundle.ts"

type Moment = Parameters<Sqlite.FaultHook>[0]
const moments: ReadonlyArray<Moment> = ["write", "commit", "committed"]
const errors: Readonly<Record<Moment, string>> = {
  write: "database or disk is full (SQLITE_FULL)",
  commit: "disk I/O error (SQLITE_IOERR_FSYNC)",
  committed: "disk I/O error (SQLITE_IOERR_FSYNC)"
}

/** A disk whose flushes can be made to fail. */
const makeDisk = () => {
  const disk = { flushes: 0, failing: undefined as Moment | undefined, from: Infinity, upTo: Infinity, failed: 0 }
  return {
    disk,
    faults: (moment: Moment): void => {
      if (moment === "write") disk.flushes++
      const isDue = moment === disk.failing && disk.flushes >= disk.from && disk.flushes < disk.upTo
      if (!isDue) return
      disk.failed++
      throw new Error(errors[moment])
    }
  }
}

const onDisk = Effect.fnUntraced(function*(options: TestOptions = {}) {
  const { disk, faults } = makeDisk()
  const time = testTime()
  const store = yield* Sqlite.make({ path: join(mkdtempSync(join(tmpdir(), "aaax-disk-")), "kernel.db"), clock: makeClock(time), faults })
  const kernel = yield* makeKernel({ policy: "default", ...options, store, time })
  return { disk, kernel, store, time }
})

const mended = Effect.fnUntraced(function*(kernel: TestKernel) {
  for (let turn = 0; turn < 10_000; turn++) {
    if (kernel.channels.store.stopped() === undefined) return
    yield* Effect.sleep(2)
  }
  return yield* Effect.die(new Error("the store was never opened anew"))
})

describe.each(moments)("when the disk fails at the moment of: %s,", (moment) => {
  effect("reads go on, writes say what is known of them, and the kernel opens the store anew by itself", () =>
    Effect.gen(function*() {
      const { disk, kernel, store } = yield* onDisk()
      const port = yield* probe(kernel, "a", { provides: [{ name: "out" }] })
      yield* port.append("out", [{ payload: "before" }])
      Object.assign(disk, { failing: moment, from: 0 })
      const unknown = yield* Effect.flip(port.append("out", [{ payload: "which?" }], { key: "k" }))
      expect(unknown).toMatchObject({ _tag: "AppendUnknown", channel: "out", key: "k" })
      expect(unknown.message).toContain("Repeat it with key k.")
      expect(unknown.message).toContain(errors[moment])
      expect(yield* Effect.flip(port.append("out", [{ payload: "no" }]))).toMatchObject({ _tag: "StoreUnavailable" })
      expect(yield* Effect.flip(port.putArtifact(new Uint8Array([1])).pipe(Effect.andThen(port.append("out", [{ payload: "no" }]))))).toMatchObject({ _tag: "StoreUnavailable" })
      expect((yield* port.read("out")).events.map(({ payload }) => payload)).toEqual(["before"])
      expect((yield* port.channels).length).toBeGreaterThan(3)
      expect(kernel.status().store.stopped).toContain(errors[moment])
      disk.failing = undefined
      yield* mended(kernel)
      const [first] = yield* port.append("out", [{ payload: "which?" }], { key: "k" })
      const [again] = yield* port.append("out", [{ payload: "which?" }], { key: "k" })
      expect(again).toEqual(first)
      expect((yield* port.read("out")).events.map(({ payload }) => payload)).toEqual(["before", "which?"])
      expect(yield* store.verify).toEqual([])
      expect((yield* kernel.verifyAudit).problems).toEqual([])
    }))

  effect("a settlement is definite or told to be unknown, and its item is done once", () =>
    Effect.gen(function*() {
      const { disk, kernel } = yield* onDisk()
      const port = yield* probe(kernel, "a", { provides: [{ name: "work", form: "queue" }] })
      yield* port.append("work", [{ payload: 1 }, { payload: 2 }])
      const [one] = yield* port.take("work")
      Object.assign(disk, { failing: moment, from: 0 })
      const ack = { cursor: one!.event.cursor, epoch: one!.epoch, outcome: "ack" as const }
      expect(["AppendUnknown", "StoreUnavailable"]).toContain((yield* Effect.flip(port.settle("work", [ack])))._tag)
      disk.failing = undefined
      yield* mended(kernel)
      yield* port.settle("work", [ack])
      expect(yield* Effect.flip(port.settle("work", [ack]))).toMatchObject({ _tag: "LeaseLost" })
      const rest = yield* port.take("work", { limit: 10 })
      expect(rest.map(({ event }) => event.payload)).toEqual([2])
      expect(yield* port.backlog("work")).toBe(1)
    }))

  effect("kernel.step opens the store anew as well, also when it fails in the middle of the step", () =>
    Effect.gen(function*() {
      const { disk, kernel } = yield* onDisk({ launch: false })
      const port = yield* probe(kernel, "a")
      const [asked] = yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }])
      Object.assign(disk, { failing: moment, from: disk.flushes + 1, upTo: disk.flushes + 2 })
      yield* kernel.step
      expect(disk.failed).toBe(1)
      expect((yield* replies(port, asked!.id)).map(({ kind }) => kind)).toEqual(["capability_grant"])
      expect(kernel.status().grants).toBe(1)
      expect((yield* kernel.verifyAudit).problems).toEqual([])
    }))
})

const manifest = { provides: [{ name: "out" }, { name: "work", form: "queue" as const }] }

/** Asks for a capability, acts twice, and works off a queue; every write of the user can be repeated by its key. */
const worksOn = Effect.fnUntraced(function*(port: Port) {
  const surely = <A, E extends { readonly _tag: string }>(write: Effect.Effect<A, E>): Effect.Effect<A> =>
    Effect.catch(write, (error) =>
      error._tag === "AppendUnknown" || error._tag === "StoreUnavailable" ? Effect.andThen(Effect.sleep(5), surely(write)) : Effect.die(error))
  const ask = (channel: string, key: string, payload: unknown) => Effect.map(surely(port.append(channel, [{ payload }], { key })), ([appended]) => appended!.id)
  const grant = yield* ask(wellKnown.capabilityRequest, "grant", { resource: "x", access: "execute" })
  const { token } = (yield* awaitReply(port, grant)).payload as { token: string }
  const ids: Array<string> = []
  for (const at of [1, 2]) {
    ids.push(yield* ask(wellKnown.actionGate, `act${at}`, { action: "do", executor: "x", target: `${at}`, payload: { at }, capability: token, risk_level: "low" }))
    yield* ask("out", `out${at}`, at)
  }
  for (const id of ids) yield* awaitReply(port, id)
  yield* ask("work", "work", "item")
  const [item] = yield* surely(port.take("work", { wait: true }))
  yield* surely(port.settle("work", [{ cursor: item!.event.cursor, epoch: item!.epoch, outcome: "ack" }]))
  return { grant, ids }
})

describe.each(moments)("whichever flush fails at the moment of: %s,", (moment) => {
  effect("no verdict is lost or doubled, every effect happens once and has its receipt, and the chain verifies", () =>
    Effect.gen(function*() {
      const total = yield* Effect.scoped(Effect.gen(function*() {
        const { disk, kernel } = yield* onDisk({ executors: [counted("x").executor] })
        const port = yield* probe(kernel, "a", manifest)
        const before = disk.flushes
        yield* worksOn(port)
        return disk.flushes - before
      }))
      expect(total).toBeGreaterThan(8)
      yield* Effect.forEach(Array.from({ length: total }, (_, at) => at), (at) => Effect.scoped(Effect.gen(function*() {
        const { calls, executor } = counted("x")
        const { disk, kernel, store } = yield* onDisk({ executors: [executor] })
        const port = yield* probe(kernel, "a", manifest)
        Object.assign(disk, { failing: moment, from: disk.flushes + 1 + at, upTo: disk.flushes + 2 + at + (at % 2) })
        const { grant, ids } = yield* worksOn(port)
        expect(disk.failed, `flush ${at}`).toBeGreaterThan(0)
        yield* mended(kernel)
        expect(calls.map(({ target }) => target).sort(), `flush ${at}`).toEqual(["1", "2"])
        expect((yield* replies(port, grant)).map(({ kind }) => kind)).toEqual(["capability_grant"])
        for (const id of ids) expect((yield* replies(port, id)).map(({ kind }) => kind), `flush ${at}`).toEqual(["action_approved", "action_completed"])
        const entries = (yield* kernel.audit(0, 1_000)).filter(({ correlationId }) => correlationId !== null).map(({ correlationId, kind }) => `${kind} ${correlationId}`)
        expect(entries.length).toBe(new Set(entries).size)
        expect((yield* port.read("out")).events.map(({ payload }) => payload)).toEqual([1, 2])
        expect(yield* port.backlog("work")).toBe(0)
        expect((yield* kernel.verifyAudit).problems).toEqual([])
        expect(yield* store.verify).toEqual([])
      })), { concurrency: 8, discard: true })
    }), 120_000)
})

describe("a disk that stays bad for long", () => {
  effect("costs no request its answer", () =>
    Effect.gen(function*() {
      const { disk, kernel, time } = yield* onDisk()
      const port = yield* probe(kernel, "a")
      Object.assign(disk, { failing: "commit", from: disk.flushes + 2 })
      const [asked] = yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }])
      // Longer than the kernel's own lease, many times over.
      for (let lease = 0; lease < 12; lease++) {
        time.advance(301_000)
        yield* Effect.sleep(120)
      }
      expect((yield* replies(port, asked!.id))).toEqual([])
      disk.failing = undefined
      expect(yield* awaitReply(port, asked!.id)).toMatchObject({ kind: "capability_grant" })
      expect((yield* kernel.audit(0, 1_000)).filter(({ correlationId }) => correlationId === asked!.id)).toHaveLength(1)
    }), 30_000)
})

const why = (): string | undefined => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "it needs root on Linux"
  try {
    execFileSync("unshare", ["-m", "true"], { stdio: "ignore" })
    return undefined
  } catch {
    return "it needs a mount namespace of its own"
  }
}
const reason = why()

describe("a file system of four megabytes", () => {
  it.skipIf(reason !== undefined)(`that is full lets reads go on, and writes again once there is room${reason === undefined ? "" : ` (skipped: ${reason})`}`, async () => {
    const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
    const world = await bundleWorld(path("../../node_modules/.cache/aaax/disk-test"), path("./fixture/disk.ts"))
    const mount = mkdtempSync(join(tmpdir(), "aaax-tmpfs-"))
    mkdirSync(join(mount, "small"))
    const script = "mount -t tmpfs -o size=4m none \"$1\" && exec \"$2\" \"$3\" \"$1\""
    const { stdout } = await promisify(execFile)("unshare", ["-m", "sh", "-c", script, "sh", join(mount, "small"), process.execPath, world], { timeout: 60_000 })
    const told = JSON.parse(stdout)
    expect(told).toMatchObject({ first: "AppendUnknown", second: "StoreUnavailable", resolved: true, audit: [], store: [] })
    expect(told.kept).toBeGreaterThan(10)
    expect(told.readable).toBe(told.kept)
    expect(told.events).toEqual(Array.from({ length: told.kept + 1 }, (_, at) => at))
  }, 90_000)
})
