// A claim in the hand of its holder, with a coordinator that answers what a test says and timers that a test moves.
import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { holding, type AskFor, type HeldClaim } from "../../../libos/coordination/held.ts"
import { CoordinationRefused } from "../../../libos/coordination/refused.ts"
import type { Ask, Claim } from "../../../protocol/coordination.ts"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const start = 1_750_000_000_000
/** A lease of 30 seconds. */
const claimAt = (at: number, epoch: number): Claim => ({
  task: "t", owner: "a", holder: "a", note: "", status: "claimed", dataRef: "", worktree: "", paths: ["src"], claimedAt: at, expiresAt: at + 30_000, epoch, version: 0, checkpoint: ""
})
const hold = (answer: (ask: Ask) => unknown): { readonly held: HeldClaim; readonly asked: Array<Ask>; readonly expired: (epoch: number) => void; readonly end: () => void; readonly ends: () => number } => {
  const asked: Array<Ask> = []
  let ends = 0
  const ask = (async (one: Ask) => {
    asked.push(one)
    const result = await answer(one)
    return { result, at: Date.now() }
  }) as AskFor // answers what each test says
  const own = holding(ask, { verb: "claim", task: "t", paths: ["src"], ttlSeconds: 30, key: "once", wait: true }, { result: { claim: claimAt(start, 1), renewed: false }, at: start }, () => ends++)
  return { ...own, asked, ends: () => ends }
}
const refusal = new CoordinationRefused({ code: "UNAVAILABLE", reason: "not now" })

it("is renewed when a third of its time is over, with the scope it was asked for and without its key, under growing epochs", async () => {
  vi.setSystemTime(start)
  let epoch = 1
  const { asked, held } = hold(() => ({ claim: claimAt(Date.now(), ++epoch), renewed: true }))
  await vi.advanceTimersByTimeAsync(9_999)
  expect(asked).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(asked).toEqual([{ verb: "claim", task: "t", paths: ["src"], ttlSeconds: 30, note: "" }])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked.length).toBe(7)
  expect(held.epoch).toBe(8)
  expect(held.signal.aborted).toBe(false)
})

it("is tried again while it cannot be renewed, and lost when its time is over", async () => {
  vi.setSystemTime(start)
  const { asked, ends, held } = hold(() => Promise.reject(refusal))
  await vi.advanceTimersByTimeAsync(29_999)
  // Sooner each time, and not ever sooner.
  expect(asked.length).toBeGreaterThan(2)
  expect(asked.length).toBeLessThan(60)
  expect(held.signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(held.signal.reason).toMatchObject({ _tag: "CoordinationRefused", code: "EPOCH_STALE" })
  expect(ends()).toBe(1)
  const before = asked.length
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked.length).toBe(before)
  await expect(held.checkpoint("late")).rejects.toBe(held.signal.reason)
  expect(asked.length).toBe(before)
})

it("is held for as long as it was granted for, also when that is longer than a timer goes", async () => {
  vi.setSystemTime(start)
  const days = 24 * 3_600_000
  const claim = { ...claimAt(start, 1), expiresAt: start + 30 * days }
  const own = holding((async () => Promise.reject(refusal)) as AskFor, { verb: "claim", task: "t" }, { result: { claim, renewed: false }, at: start }, () => undefined)
  await vi.advanceTimersByTimeAsync(days)
  expect(own.held.signal.aborted).toBe(false)
  own.end()
})

it("is renewed no longer when it was let go, or when its system has ended", async () => {
  vi.setSystemTime(start)
  const one = hold(() => ({ claim: claimAt(Date.now(), 2), renewed: true }))
  const two = hold(() => ({ claim: claimAt(Date.now(), 2), renewed: true }))
  one.held.let()
  two.end()
  await vi.advanceTimersByTimeAsync(29_999)
  expect([...one.asked, ...two.asked]).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(one.held.signal.aborted).toBe(true)
})

it("gives a lease back that was granted anew instead of renewed", async () => {
  vi.setSystemTime(start)
  const { asked, held } = hold((ask) => (ask.verb === "claim" ? { claim: claimAt(Date.now(), 9), renewed: false } : { task: "t", owner: "a" }))
  await expect(held.renew()).rejects.toMatchObject({ code: "EPOCH_STALE" })
  expect(asked.at(-1)).toEqual({ verb: "release", task: "t", epoch: 9 })
  expect(held.signal.aborted).toBe(true)
})

it("is not lost by the end of an older lease", () => {
  vi.setSystemTime(start)
  const { expired, held } = hold(() => undefined)
  expired(0)
  expect(held.signal.aborted).toBe(false)
  expired(1)
  expect(held.signal.aborted).toBe(true)
})

it("does one thing after the other: what follows a renewal is asked under its epoch", async () => {
  vi.setSystemTime(start)
  let renewed: (value: unknown) => void = () => undefined
  const { asked, held } = hold((ask) => (ask.verb === "claim" ? new Promise((resolve) => (renewed = resolve)) : { claim: { ...claimAt(start, 2), note: "x" } }))
  const both = [held.renew(), held.update({ note: "x" })]
  await vi.advanceTimersByTimeAsync(0)
  expect(asked.length).toBe(1)
  renewed({ claim: claimAt(start, 2), renewed: true })
  await Promise.all(both)
  expect(asked[1]).toEqual({ verb: "update", task: "t", note: "x", epoch: 2 })
})
