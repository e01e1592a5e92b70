// Coordination as modules have it: against a kernel in memory with the coordinator in it.
import { BaseSystem, CoordinationRefused, defineModule, type coordination, type Coordination, type HeldClaim, type ModuleContext } from "aaax"
import { defineSystem, makeCoordination as coordinationEffect } from "aaax/effect"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import builder from "../../examples/coordination-module.ts"
import { makeKernel } from "../../kernel/testing.ts"
import { coordinator } from "../../modules/coordinator/index.ts"
import { connect } from "../../libos/remote.ts"
import { makeCoordination, type World } from "../kit/coordination.ts"
import { withNetwork } from "../kit/network.ts"

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect)

let scope: Scope.Closeable
let world: World
beforeEach(async () => {
  scope = Scope.makeUnsafe()
  world = await run(Scope.provide(makeCoordination(), scope))
})
afterEach(() => run(Scope.close(scope, Exit.void)))

type Context = ModuleContext<{}, {}, {}, readonly [], never, never, true>
/** A module that takes part, and what it was given. */
const seat = async (id: string): Promise<Coordination & { readonly context: Context; readonly stop: () => Promise<unknown> }> => {
  const context = await new Promise<Context>((resolve, reject) => {
    run(world.kernel.dock(defineModule({
      id, coordination: true,
      run: (given) => {
        resolve(given)
        return new Promise((end) => given.signal.addEventListener("abort", () => end(), { once: true }))
      }
    }), { configured: true })).catch(reject)
  })
  return { ...context.coordination, context, stop: () => run(world.kernel.undock(id)) }
}
const refusal = (code: coordination.RefusalCode) => expect.objectContaining({ _tag: "CoordinationRefused", code })
const aborted = (signal: AbortSignal): Promise<unknown> => new Promise((resolve) => {
  if (signal.aborted) resolve(signal.reason)
  else signal.addEventListener("abort", () => resolve(signal.reason), { once: true })
})
const pass = async (millis: number): Promise<void> => {
  world.kernel.time.advance(millis)
  await run(world.kernel.step)
}
/** The oldest of what comes. */
const first = async <T>(all: AsyncGenerator<T>): Promise<T> => {
  const { value } = await all.next()
  return value as T
}

describe("a module that takes part", () => {
  it("is wired to what a seat reads and writes, and one that does not is not", () => {
    const manifest = defineModule({ id: "m", coordination: true, reads: { own: "x" } }).manifest
    expect(manifest.reads).toEqual(["x", "coordination.replies", "coordination.ledger", "coordination.talk", "coordination.presence"])
    expect(manifest.writes).toEqual(["coordination.requests"])
    expect(defineModule({ id: "m" }).manifest).toMatchObject({ reads: [], writes: [] })
  })

  it("is not docked where nobody coordinates", async () => {
    const alone = await run(Scope.provide(makeKernel({}), scope))
    await expect(run(alone.dock(defineModule({ id: "m", coordination: true })))).rejects.toMatchObject({ _tag: "DockRefused", reason: expect.stringContaining("coordination.") })
    // @ts-expect-error -- one that does not take part has nothing to take part with
    defineModule({ id: "m", run: ({ coordination }) => void coordination.leave() })
  })

  it("claims, updates, saves a point to resume from, hands on and releases", async () => {
    const [a, b] = [await seat("a"), await seat("b")]
    const held = await a.claim("t", { worktree: "w", paths: ["src"], note: "mine" })
    expect(held.claim).toMatchObject({ task: "t", owner: "a", status: "claimed", paths: ["src"], version: 0 })
    expect(await held.update({ status: "working", dataRef: "pr/1" })).toMatchObject({ status: "working", dataRef: "pr/1", version: 1 })
    await held.checkpoint("half")
    expect(held.checkpointed).toBe("half")
    await expect(b.claim("t2", { worktree: "w", paths: ["src/x.ts"] })).rejects.toEqual(refusal("SCOPE_CONFLICT"))
    await b.presence()
    const moved = await held.handoff("b", "go on")
    expect(moved).toMatchObject({ owner: "b", checkpoint: "half", paths: ["src"] })
    expect(held.signal.aborted).toBe(true)
    await expect(held.update({ note: "x" })).rejects.toMatchObject({ name: "AbortError" })
    await expect(a.release("t")).rejects.toEqual(refusal("NOT_OWNER"))
    await b.release("t", { epoch: moved.epoch, receipt: { tests: 3 } })
    expect((await a.state()).items).toEqual([])
  })

  it("holds a claim for as long as it works on it, and renews it meanwhile", async () => {
    const a = await seat("a")
    let seen: HeldClaim
    {
      await using held = await a.claim("t", { mutex: true, ttlSeconds: 30 })
      seen = held
      const { epoch, expiresAt } = held.claim
      await pass(20_000)
      const renewed = await held.renew()
      expect(renewed.expiresAt).toBe(expiresAt + 20_000)
      expect(renewed.epoch).toBeGreaterThan(epoch)
      await held.update({ note: "under the new epoch" })
    }
    expect(seen.signal.aborted).toBe(true)
    expect((await a.state()).items).toEqual([])
  })

  it("is told that it lost a claim, by the coordinator or by a refusal", async () => {
    const a = await seat("a")
    const held = await a.claim("t", { mutex: true, ttlSeconds: 30 })
    held.let()
    const reason = aborted(held.signal)
    await pass(31_000)
    expect(await reason).toBeInstanceOf(CoordinationRefused)
    await expect(held.update({ note: "late" })).rejects.toEqual(refusal("EPOCH_STALE"))
    const b = await seat("b")
    const theirs = await b.claim("t", { mutex: true })
    const mine = await a.claim("u", { mutex: true })
    await a.release("u")
    await expect(mine.checkpoint("x")).rejects.toEqual(refusal("TASK_NOT_FOUND"))
    expect(mine.signal.reason).toBeInstanceOf(CoordinationRefused)
    expect(theirs.signal.aborted).toBe(false)
  })

  it("takes no other lease for a renewal of its own", async () => {
    const a = await seat("a")
    const held = await a.claim("t", { mutex: true, ttlSeconds: 30 })
    // Released behind its back, by another hand of the same seat.
    await a.release("t")
    await expect(held.renew()).rejects.toEqual(refusal("EPOCH_STALE"))
    expect(held.signal.aborted).toBe(true)
    expect((await a.state()).items).toEqual([])
  })

  it("stays in line, is granted when it is its turn, and can give its place up", async () => {
    const [a, b, c] = [await seat("a"), await seat("b"), await seat("c")]
    const held = await a.claim("t", { mutex: true })
    const stop = new AbortController()
    const givenUp = b.claim("t", { mutex: true, wait: true, signal: stop.signal })
    // What it asks behind an answer is asked behind the claim, too.
    for (let turns = 0; turns < 2; turns++) await b.presence()
    const waiting = c.claim("t", { mutex: true, wait: true })
    for (let turns = 0; turns < 2; turns++) await c.presence()
    stop.abort(new Error("enough"))
    await expect(givenUp).rejects.toThrow("enough")
    await held.release()
    const granted = await waiting
    expect(granted.claim.owner).toBe("c")
    // Whoever gave up was never granted it.
    expect((await run(world.events("coordination.ledger"))).filter(({ kind }) => kind === "claimed").map(({ payload }) => (payload as { readonly claim: { readonly owner: string } }).claim.owner)).toEqual(["a", "c"])
    await granted.release()
  })

  it("is told when a task is free", async () => {
    const [a, b] = [await seat("a"), await seat("b")]
    await b.free("t")
    const held = await a.claim("t", { mutex: true })
    const told = first(await b.notices())
    const free = b.free("t")
    await b.wait("t")
    await held.release()
    await free
    expect(await told).toEqual({ notice: "free", task: "t" })
  })

  it("declares, changes and reads the plan", async () => {
    const a = await seat("a")
    await a.plan.declare("base", "Base")
    expect(await a.plan.declare("top", "Top", { dependsOn: ["base"] })).toMatchObject({ dependsOn: ["base"], version: expect.any(Number) })
    expect(await a.plan.ready()).toEqual(["base"])
    await a.progress("base", "began")
    const { version } = await a.plan.update("base", { status: "done" })
    await expect(a.plan.update("base", { status: "open", expectedVersion: version - 1 })).rejects.toEqual(refusal("VERSION_CONFLICT"))
    expect(await a.plan.board()).toMatchObject({ items: [{ task: "base", status: "done" }, { task: "top" }], ready: ["top"], progress: [{ text: "began", kind: "note", author: "a" }] })
    await expect(a.plan.declare("base", "Base", { dependsOn: ["top"] })).rejects.toEqual(refusal("DEPENDENCY_CYCLE"))
  })

  it("sends, receives each message once, acknowledges it when it is done with it, and tells the sender", async () => {
    const [a, b] = [await seat("a"), await seat("b")]
    const told = first(await a.notices())
    expect(await a.send("early", { to: "b", receipt: true })).toMatchObject({ message: 1, waiting: ["b"] })
    expect((await b.inbox({ peek: true })).messages.map(({ payload }) => payload)).toEqual(["early"])
    const messages = b.messages()
    expect((await first(messages)).payload).toBe("early")
    const next = first(messages)
    expect(await told).toMatchObject({ notice: "receipt", receipt: { message: 1, states: { b: "delivered" } } })
    await a.send("late", { to: "b" })
    expect((await next).payload).toBe("late")
    expect(await a.receipts()).toMatchObject([{ message: 1, states: { b: "handled" } }, { message: 2, states: { b: "delivered" } }])
    expect(await b.acknowledge(2)).toBe("handled")
    await messages.return()
    expect((await a.history(1)).messages).toMatchObject([{ payload: "late" }])
    expect((await a.resume(1)).messages).toMatchObject([{ message: 2 }])
  })

  it("is told why no messages come, and ends only where it was told to", async () => {
    const [a, stop] = [await seat("a"), new AbortController()]
    const all = Array.from({ length: 17 }, () => a.messages({ signal: stop.signal }).next())
    await expect(Promise.race(all)).rejects.toEqual(refusal("QUOTA_EXCEEDED"))
    stop.abort()
    expect((await Promise.allSettled(all)).filter(({ status }) => status === "rejected").length).toBe(1)
    expect(await Promise.allSettled(all)).toContainEqual({ status: "fulfilled", value: { done: true, value: undefined } })
  })

  it("stops waiting for messages when it is told to", async () => {
    const stop = new AbortController()
    const a = await seat("a")
    const waiting = first(a.messages({ signal: stop.signal }))
    stop.abort()
    expect(await waiting).toBeUndefined()
  })

  it("leaves a message that comes when nobody waits any more to whoever asks next", async () => {
    const [a, b] = [await seat("a"), await seat("b")]
    const stop = new AbortController()
    const waiting = a.inbox({ waitMillis: 60_000, signal: stop.signal })
    // What it asks behind an answer is asked behind the inbox, too.
    for (let turns = 0; turns < 2; turns++) await a.presence()
    stop.abort(new Error("enough"))
    await expect(waiting).rejects.toThrow()
    await a.presence()
    await b.send("hi", { to: "a" })
    expect(await a.inbox()).toMatchObject({ messages: [{ payload: "hi" }] })
  })

  it("says what it can do and offers, and is asked who may change what", async () => {
    const a = await seat("a")
    expect(await a.advertise({ description: "reviews", taskClasses: ["review"] })).toMatchObject({ seat: "a", taskClasses: ["review"] })
    await a.offer("gpu", "one", { capacity: 2 })
    expect(await a.manifest("review")).toMatchObject([{ seat: "a" }])
    expect(await a.manifest("cooking")).toEqual([])
    expect(await a.state()).toMatchObject({ offers: [{ kind: "gpu", capacity: 2 }], seats: [{ seat: "a", online: true }] })
    await a.claim("t", { worktree: "w", paths: ["src"] })
    expect(await a.check("w", ["src/a.ts", "docs/b.md"])).toMatchObject({ allowed: false, paths: [{ verdict: "mine", task: "t" }, { verdict: "free" }] })
    expect(await a.why("w", "src/a.ts")).toMatchObject([{ task: "t", owner: "a" }])
    const claims: Array<string> = []
    for await (const { task } of a.claims()) claims.push(task)
    expect(claims).toEqual(["t"])
    await a.leave()
    expect(await (await seat("b")).presence()).toMatchObject([{ seat: "b", online: true }])
  })

  it("keeps nothing alive that has ended: its claim runs out", async () => {
    const a = await seat("a")
    const { signal } = await a.claim("t", { mutex: true, ttlSeconds: 30 })
    await a.stop()
    await pass(31_000)
    const b = await seat("b")
    expect((await b.claim("t", { mutex: true })).claim.owner).toBe("b")
    expect(signal.aborted).toBe(false)
  })

  it("works as the page of the working agreement shows it", async () => {
    const a = await seat("a")
    await a.plan.declare("part", "A part")
    await run(world.kernel.dock(builder))
    await a.send("part", { to: "builder" })
    const { value } = await a.messages().next()
    expect(value).toMatchObject({ from: "builder", payload: "part is done" })
    expect(await a.plan.board()).toMatchObject({ items: [{ task: "part", status: "done" }], progress: [{ author: "builder", text: "part was built" }] })
    expect((await a.state()).items).toEqual([])
  })

  it("speaks to whichever coordinator is there", async () => {
    const a = await seat("a")
    const held = await a.claim("t", { mutex: true })
    await run(world.kernel.undock("coordinator"))
    const pending = held.update({ note: "meanwhile" })
    await run(world.kernel.dock(coordinator()))
    expect(await pending).toMatchObject({ note: "meanwhile" })
  })
})

describe("a module in another process", () => {
  it("takes part over its connection, with a token for the channels of coordination", () => withNetwork({}, async ({ kernel, mint, url }) => {
    await run(kernel.dock(coordinator()))
    const token = await mint({ name: "far", role: "write", docks: true, channels: ["coordination.*"] })
    const remote = await connect({ url, token })
    try {
      const told = await new Promise<unknown>((resolve, reject) => {
        remote.dock(defineModule({
          id: "far", coordination: true,
          run: async ({ coordination, signal }) => {
            const held = await coordination.claim("t", { worktree: "w", paths: ["src"] })
            const again = await coordination.claim("u", { worktree: "w", paths: ["src/a"] }).then(() => "granted", (error: unknown) => error)
            await held.release()
            resolve([coordination.seat, held.claim.holder, again, await coordination.release("t").catch((error: unknown) => error)])
            await new Promise<void>((end) => signal.addEventListener("abort", () => end(), { once: true }))
          }
        })).catch(reject)
      })
      expect(told).toEqual(["far", "far", "granted", refusal("NOT_CLAIMED")])
    } finally {
      await remote.close()
    }
  }))
})

describe("a system that is a class", () => {
  it("takes part under its own id", async () => {
    class Worker extends BaseSystem {
      override setup(): void {
        this.coordinate()
      }
      claimed: string | undefined
      override async step(): Promise<void> {
        if (this.claimed !== undefined) return
        const held = await this.coordination.claim("t", { mutex: true })
        expect(this.coordination).toBe(this.coordination)
        this.claimed = held.claim.owner
        this.stop()
      }
    }
    const worker = new Worker({ id: "team/worker" })
    await run(world.kernel.dock(worker))
    await worker.run()
    expect(worker.claimed).toBe("team/worker")
  })
})

describe("a system in Effect", () => {
  it("asks as it is, and gets the refusal as its failure", async () => {
    const reads = ["coordination.replies"]
    const writes = ["coordination.requests"]
    const outcome = await new Promise((resolve, reject) => {
      run(world.kernel.dock(defineSystem({ id: "e", reads, writes }, (port) => Effect.scoped(Effect.gen(function*() {
        const seat = yield* coordinationEffect(port)
        const { claim } = yield* seat.ask({ verb: "claim", task: "t", mutex: true })
        const refused = yield* Effect.flip(seat.ask({ verb: "release", task: "u" }))
        resolve([seat.seat, claim.owner, refused])
      }))))).catch(reject)
    })
    expect(outcome).toEqual(["e", "e", refusal("NOT_CLAIMED")])
  })
})
