// Failures on their way from a kernel through the door to whoever called: each arrives as what it was.
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { codeOf, codes } from "../../../bin/exit-code.ts"
import * as Http from "../../../kernel/door/http.ts"
import { makeClient } from "../../../libos/http.ts"
import * as errors from "../../../protocol/errors.ts"
import { type Failure, statusOf } from "../../../protocol/problem.ts"
import { makeFakeKernel } from "../../kit/kernel-fake.ts"

const token = "t".repeat(43)

/** One of each: complete, or it does not compile. */
const samples: { readonly [Tag in Failure["_tag"]]: Extract<Failure, { readonly _tag: Tag }> } = {
  Denied: new errors.Denied({ system: "s", operation: "o", target: "t", reason: "r", how: "h" }),
  Unauthenticated: new errors.Unauthenticated({ reason: "r", how: "h" }),
  InvalidPayload: new errors.InvalidPayload({ what: "body", path: "a[0]", reason: "r" }),
  TooLarge: new errors.TooLarge({ what: "It", size: 2, sizeMax: 1, unit: "bytes" }),
  ChannelNotFound: new errors.ChannelNotFound({ channel: "c", nearest: "d" }),
  ChannelExists: new errors.ChannelExists({ channel: "c", owner: "o" }),
  SystemExists: new errors.SystemExists({ system: "s" }),
  SystemNotFound: new errors.SystemNotFound({ system: "s" }),
  EventNotFound: new errors.EventNotFound({ event: "e" }),
  EventExists: new errors.EventExists({ event: "e" }),
  HeadConflict: new errors.HeadConflict({ channel: "c", expectedHead: 1, head: 2 }),
  IdempotencyConflict: new errors.IdempotencyConflict({ channel: "c", key: "k" }),
  AppendUnknown: new errors.AppendUnknown({ channel: "c", reason: "r" }),
  StoreUnavailable: new errors.StoreUnavailable({ reason: "r" }),
  StoreLocked: new errors.StoreLocked({ path: "p", pid: 1 }),
  StoreFormat: new errors.StoreFormat({ path: "p", found: 2, supported: 1 }),
  StoreCorrupt: new errors.StoreCorrupt({ where: "w", reason: "r" }),
  EvidenceMismatch: new errors.EvidenceMismatch({ found: "f", how: "h" }),
  Gap: new errors.Gap({ channel: "c", after: 1, floor: 2 }),
  LeaseLost: new errors.LeaseLost({ channel: "c", cursor: 1, epoch: 2, newestEpoch: null }),
  WrongDelivery: new errors.WrongDelivery({ channel: "c", delivery: "latest", operation: "take", instead: "read" }),
  Overloaded: new errors.Overloaded({ what: "w", limit: 1, unit: "u", retryAfterMillis: 1 }),
  SnapshotNotFound: new errors.SnapshotNotFound({ name: "n" }),
  SubscriptionNotFound: new errors.SubscriptionNotFound({ subscription: "s" }),
  SubscriptionExists: new errors.SubscriptionExists({ subscription: "s", reason: "it is of another channel" }),
  SnapshotConflict: new errors.SnapshotConflict({ name: "n", expectedRevision: 1, revision: 2 }),
  ArtifactNotFound: new errors.ArtifactNotFound({ digest: "d" }),
  Undocked: new errors.Undocked({ system: "s", reason: "r" }),
  DockRefused: new errors.DockRefused({ system: "s", reason: "r" }),
  ModuleRejected: new errors.ModuleRejected({ module: "m", reason: "r" }),
  ConfigInvalid: new errors.ConfigInvalid({ issues: [{ file: "f", path: "p", reason: "r" }] }),
  GrantNotFound: new errors.GrantNotFound({ grant: "g" }),
  BudgetNotFound: new errors.BudgetNotFound({ budget: "system:a", nearest: "system:b" }),
  WarrantNotFound: new errors.WarrantNotFound({ warrant: "w" }),
  TokenNotFound: new errors.TokenNotFound({ token: "t" }),
  EnrolmentNotFound: new errors.EnrolmentNotFound({ system: "s" }),
  EnrolmentExists: new errors.EnrolmentExists({ system: "s" }),
  WarrantConflict: new errors.WarrantConflict({ warrant: "w", reason: "r" }),
  StandingNotFound: new errors.StandingNotFound({ standing: "s" }),
  ProofNeeded: new errors.ProofNeeded({ warrant: "w", reason: "r", shown: true, passphrase: false, how: "h" }),
  Refused: new errors.Refused({ request: "r", kind: "unavailable", reason: "r" }),
  EffectFailed: new errors.EffectFailed({ request: "r", outcome: "unknown", reason: "r" }),
  TimedOut: new errors.TimedOut({ what: "It", millis: 1 })
}

/** What a client gets when the kernel fails with this. */
const across = (failure: Failure): Promise<{ readonly _tag: string; readonly message: string }> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const kernel = yield* makeFakeKernel()
    // Whatever a kernel fails with, the door is to tell it.
    const failing = { ...kernel, gate: { ...kernel.gate, show: () => Effect.fail(failure as errors.WarrantNotFound) } }
    const { url } = yield* Http.door({ token, executors: () => [] }).open(failing)
    return yield* Effect.flip(makeClient({ url, token }).call("warrant", { id: "x" }))
  })))

describe("a failure", () => {
  const named = Object.entries(errors).flatMap(([name, exported]) => ("prototype" in exported && exported.prototype instanceof Error ? [name] : []))

  it("has a status, whichever class it is of", () => {
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter((name) => statusOf(name) === undefined)).toEqual([])
    expect(Object.keys(samples).sort()).toEqual([...named].sort())
  })

  it.each(Object.values(samples).map((sample) => [sample._tag, sample] as const))("%s crosses the door as what it was", async (_, sample) => {
    const got = await across(sample)
    expect(got).toBeInstanceOf(sample.constructor)
    expect(got.message).toBe(sample.message)
    expect(JSON.parse(JSON.stringify(got))).toEqual(JSON.parse(JSON.stringify(sample)))
    expect(codeOf(got)).not.toBe(codes.internal)
  })

  it("of an answer that comes too late, or to nothing, has the exit code for it", async () => {
    expect(codeOf(await across(samples.WarrantConflict))).toBe(codes.conflict)
    expect(codeOf(await across(samples.WarrantNotFound))).toBe(codes.notFound)
  })
})
