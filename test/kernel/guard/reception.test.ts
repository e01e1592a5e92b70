// The reception: whose credential it is, what its holder may reach, and how it ends. Guests are docked systems like any
// other, seen through their credential.
import { Effect, Exit, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import { isGuestName } from "../../../kernel/guard/tokens.ts"
import { isPublic } from "../../../kernel/guard/wiring.ts"
import { guestsMax } from "../../../kernel/limits.ts"
import { makeReception } from "../../../kernel/door/reception.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, type TestKernel } from "../../../kernel/testing.ts"
import { channelOf, type Channel, type Visibility } from "../../../protocol/channel.ts"
import { emptyManifest } from "../../../protocol/manifest.ts"
import { ACLSecurity, OpenSecurity, type ChannelSecurity, type Role } from "../../../protocol/security.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

const operatorToken = "o".repeat(43)

const tag = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  const [reason] = exit.cause.reasons
  return reason?._tag === "Fail" && typeof reason.error === "object" && reason.error !== null && "_tag" in reason.error ? String(reason.error._tag) : "?"
}

const world = Effect.fnUntraced(function*(security?: ChannelSecurity) {
  const kernel = yield* makeKernel({
    channels: [
      { name: "news", visibility: "public" }, { name: "jobs", form: "queue", visibility: "public" }, { name: "repo.files" },
      { name: "inbox", delivery: "addressed", visibility: "public" }
    ]
  })
  const reception = yield* makeReception({ kernel, operatorToken, isLoopback: true, ...(security === undefined ? {} : { security }) })
  const mint = (name: string, role: Role, channels?: ReadonlyArray<string>, ttlSeconds = 3600) =>
    kernel.tokens.mint({ name, role, ttlSeconds, ...(channels === undefined ? {} : { channels }) })
  const enter = Effect.fnUntraced(function*(name: string, role: Role, channels?: ReadonlyArray<string>) {
    const { token } = yield* mint(name, role, channels)
    return yield* reception.byToken(token)
  })
  return { kernel, reception, mint, enter }
})

const docked = (kernel: TestKernel): ReadonlyArray<string> => kernel.systems().map(({ id }) => id)

describe("what is PUBLIC", () => {
  it("is never the kernel's own, whatever its visibility says", () => {
    const channel = (name: string, visibility: Visibility) => channelOf({ name, visibility }, "x")
    expect([channel("a", "public"), channel("a", "private"), channel("aaax", "public"), channel("aaax.journal", "public"), undefined].map(isPublic)).toEqual([
      true, false, false, false, false
    ])
  })
})

describe("a guest", () => {
  effect("reaches every PUBLIC channel, also one that is created later, and its name is stamped on what it writes", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const { port, system } = yield* enter("ada", "write")
      yield* port.append("news", [{ payload: 1 }])
      yield* probe(kernel, "later", { provides: [{ name: "fresh", visibility: "public" }] })
      yield* port.append("fresh", [{ payload: 2 }])
      expect(system).toBe("ada")
      expect((yield* kernel.channels.read("test", "fresh")).events.map(({ payload, sender }) => [sender, payload])).toEqual([["ada", 2]])
    }))

  effect("finds no private channel, none of the kernel's, and cannot tell them from missing ones", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const { channels, port, refusal } = yield* enter("ada", "admin")
      for (const name of ["repo.files", "aaax.journal", "aaax.kernel-replies", "aaax.settlement.jobs", "missing"]) {
        const failure = yield* Effect.flip(port.read(name))
        expect([failure._tag, failure.message]).toEqual(["ChannelNotFound", `Channel not found: ${name}.`])
        expect(refusal(name, "read")).toEqual(failure)
        expect(tag(yield* Effect.exit(port.append(name, [{ payload: 1 }])))).toBe("ChannelNotFound")
        expect(tag(yield* Effect.exit(port.take(name)))).toBe("ChannelNotFound")
      }
      expect(channels().map(({ name }) => name)).toEqual(["inbox", "jobs", "jobs.dead", "news"])
      expect((yield* port.channels).map(({ name }) => name).sort()).toEqual(["inbox", "jobs", "jobs.dead", "news"])
    }))

  effect("does what its role says, on every call", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      yield* kernel.channels.append("test", "jobs", [{ payload: 1 }, { payload: 2 }])
      const calls = (port: typeof reader) => ({
        read: port.read("news"), awaitBeyond: Effect.timeoutOption(port.awaitBeyond("jobs", 0), 5_000), backlog: port.backlog("jobs"),
        subscription: port.subscription("s", "news"), advance: port.advance("s", "news", 0),
        append: port.append("news", [{ payload: 1 }]), take: port.take("jobs"),
        settle: port.settle("jobs", []), renew: port.renew("jobs", 1, 1),
        putArtifact: port.putArtifact(new Uint8Array(1)), putSnapshot: port.putSnapshot({ name: "x", value: 1 }),
        evict: port.evict("news", { maxCount: 5 }), clear: port.clear("news"), remove: port.remove("news", ["x"])
      })
      const { port: reader } = yield* enter("ada", "read")
      const { port: writer } = yield* enter("ben", "write")
      const { port: admin } = yield* enter("cleo", "admin")
      const denied = Effect.fnUntraced(function*(port: typeof reader) {
        const refused: Array<string> = []
        for (const [name, call] of Object.entries(calls(port))) if (tag(yield* Effect.exit(call as Effect.Effect<unknown, unknown>)) === "Denied") refused.push(name)
        return refused
      })
      const host = ["evict", "clear", "remove"]
      expect(yield* denied(reader)).toEqual(["append", "take", "settle", "renew", "putArtifact", "putSnapshot", ...host])
      expect(yield* denied(writer)).toEqual(host)
      expect(yield* denied(admin)).toEqual([])
    }))

  effect("sees only the channels that its token names, and none beside them", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const { allows, channels, port } = yield* enter("ada", "write", ["job*"])
      expect(channels().map(({ name }) => name)).toEqual(["jobs", "jobs.dead"])
      expect(tag(yield* Effect.exit(port.read("news")))).toBe("ChannelNotFound")
      // What a token says of a name does not depend on what is there.
      expect(allows("news", "read")?.reason).toBe(allows("nothing.here", "read")?.reason)
      expect(allows("jobs", "write")).toBeUndefined()
    }))

  effect("is one system with every token of its name, and each token keeps its own role", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const reader = yield* enter("ada", "read")
      const writer = yield* enter("ada", "write")
      yield* writer.port.append("inbox", [{ payload: "for ada", recipient: "ada" }, { payload: "for ben", recipient: "ben" }])
      expect((yield* reader.port.read("inbox")).events.map(({ payload }) => payload)).toEqual(["for ada"])
      expect(tag(yield* Effect.exit(reader.port.append("inbox", [{ payload: 1 }])))).toBe("Denied")
      expect(docked(kernel).filter((id) => id === "ada")).toEqual(["ada"])
    }))

  effect("creates PUBLIC channels as admin, which belong to the kernel's host", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const admin = yield* enter("ada", "admin", ["mine.*"])
      const created = yield* admin.create({ name: "mine.log", visibility: "private" })
      expect([created.visibility, created.owner]).toEqual(["public", "test"])
      yield* admin.port.append("mine.log", [{ payload: 1 }])
      expect(tag(yield* Effect.exit(admin.create({ name: "mine.log" })))).toBe("ChannelExists")
      expect(tag(yield* Effect.exit(admin.create({ name: "other" })))).toBe("Denied")
      expect(tag(yield* Effect.exit((yield* enter("ben", "write")).create({ name: "mine.b" })))).toBe("Denied")
      const all = yield* enter("cleo", "admin")
      expect(tag(yield* Effect.exit(all.create({ name: "repo.files" })))).toBe("ChannelExists")
      expect(tag(yield* Effect.exit(all.create({ name: "aaax.mine" })))).toBe("ChannelExists")
      expect(kernel.channels.get("repo.files")?.visibility).toBe("private")
    }))

  effect("creates a channel once, however many want to at the same time", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make({ clock: makeClock() })
      const slow = { ...memory, putChannel: (channel: Channel) => Effect.andThen(Effect.yieldNow, memory.putChannel(channel)) }
      const kernel = yield* makeKernel({ store: slow })
      const reception = yield* makeReception({ kernel, operatorToken, isLoopback: true })
      const { create } = yield* reception.byToken(operatorToken)
      const made = yield* Effect.forEach([1, 2, 3], (n) => Effect.exit(create({ name: "once", description: `${n}` })), { concurrency: "unbounded" })
      expect(made.map(tag).sort()).toEqual(["ChannelExists", "ChannelExists", "ok"])
    }))

  effect("leaves when its last token is gone, and what it waits for ends", () =>
    Effect.gen(function*() {
      const { kernel, mint, reception } = yield* world()
      const one = yield* mint("ada", "write")
      const { ended, port } = yield* reception.byToken(one.token)
      yield* port.channels
      const waiting = yield* Effect.forkChild(port.awaitBeyond("news", 0), { startImmediately: true })
      const taking = yield* Effect.forkChild(port.take("jobs", { wait: true }), { startImmediately: true })
      expect(docked(kernel)).toContain("ada")
      yield* kernel.tokens.revoke(one.jti)
      expect((yield* Effect.flip(Fiber.join(waiting))).message).toContain("its token was revoked")
      expect((yield* Effect.flip(Fiber.join(taking)))._tag).toBe("Undocked")
      expect(ended()).toBe("its token was revoked")
      expect(tag(yield* Effect.exit(port.read("news")))).toBe("Undocked")
      expect(tag(yield* Effect.exit(reception.byToken(one.token)))).toBe("Unauthenticated")
      expect(docked(kernel)).not.toContain("ada")
    }))

  effect("keeps nothing when its token expires while it is connected", () =>
    Effect.gen(function*() {
      const { kernel, mint, reception } = yield* world()
      const { token } = yield* mint("ada", "write", undefined, 60)
      const { port, refusal } = yield* reception.byToken(token)
      yield* port.append("news", [{ payload: 1 }])
      kernel.time.advance(59_000)
      yield* port.append("news", [{ payload: 2 }])
      kernel.time.advance(1_000)
      expect(tag(yield* Effect.exit(port.append("news", [{ payload: 3 }])))).toBe("Undocked")
      expect(refusal("news", "read")?._tag).toBe("Denied")
      const others: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        port.channels, port.event("x"), port.getSnapshot("x"), port.putSnapshot({ name: "x", value: 1 }), port.putArtifact(new Uint8Array(1))
      ]
      expect(yield* Effect.forEach(others, (call) => Effect.map(Effect.exit(call), tag))).toEqual(others.map(() => "Undocked"))
      expect(tag(yield* Effect.exit(reception.byToken(token)))).toBe("Unauthenticated")
    }))

  effect("acts again after it was undocked, and not after it was revoked as a system", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const { port } = yield* enter("ada", "write")
      yield* port.append("news", [{ payload: 1 }])
      yield* kernel.undock("ada")
      yield* port.append("news", [{ payload: 2 }])
      yield* kernel.revoke("ada")
      expect(tag(yield* Effect.exit(port.append("news", [{ payload: 3 }])))).toBe("Undocked")
    }))

  effect("gives its name back to a system of the constellation, and gets it no more", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const { port } = yield* enter("ada", "write")
      yield* port.append("news", [{ payload: 1 }])
      yield* probe(kernel, "ada", { writes: ["news"] })
      expect(tag(yield* Effect.exit(port.append("news", [{ payload: 2 }])))).toBe("Undocked")
      expect(kernel.systems().find(({ id }) => id === "ada")?.framework).toBe("esm")
    }))

  effect("sees the snapshots of the channels that it sees, and public ones, and overwrites no other", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const owner = yield* probe(kernel, "owner", { snapshots: ["secret", "told", "shown"], reads: ["repo.files", "news"] })
      yield* owner.putSnapshot({ name: "secret", value: 1 })
      yield* owner.putSnapshot({ name: "told", value: 2, channel: "news" })
      yield* owner.putSnapshot({ name: "shown", value: 3, visibility: "public" })
      const { port } = yield* enter("ada", "write")
      expect((yield* Effect.flip(port.getSnapshot("secret")))._tag).toBe("SnapshotNotFound")
      expect((yield* port.getSnapshot("told")).value).toBe(2)
      expect((yield* port.getSnapshot("shown")).value).toBe(3)
      expect(tag(yield* Effect.exit(port.putSnapshot({ name: "secret", value: 0 })))).toBe("Denied")
      expect(tag(yield* Effect.exit(port.putSnapshot({ name: "mine", value: 0, channel: "repo.files" })))).toBe("Denied")
      yield* port.putSnapshot({ name: "mine", value: 7 })
      expect((yield* port.getSnapshot("mine")).value).toBe(7)
    }))

  effect("docks a system of its own only with a token for that, under its name, with what the token reaches", () =>
    Effect.gen(function*() {
      const { enter, kernel, reception } = yield* world()
      const manifest = (over: object) => ({ ...emptyManifest("far"), ...over })
      expect((yield* enter("far", "admin")).docking(manifest({}))?.reason).toContain("not for docking")
      const { token } = yield* kernel.tokens.mint({ name: "far", role: "write", docks: true, channels: ["news", "repo.*"] })
      const { docking } = yield* reception.byToken(token)
      expect(docking(manifest({ reads: ["repo.files"], writes: ["news"] }))).toBeUndefined()
      expect(docking(manifest({ id: "far/one" }))).toBeUndefined()
      for (const refused of [
        { id: "farther" }, { id: "near" }, { privileged: true }, { powers: [{ power: "read", root: "." }] }, { reads: ["jobs"] },
        { provides: [{ name: "news" }] }, { takes: ["jobs"] }, { snapshots: ["x"] }
      ]) expect([refused, docking(manifest(refused))?._tag]).toEqual([refused, "Denied"])
      expect((yield* reception.byToken(operatorToken)).docking(manifest({ id: "any", privileged: true }))).toBeUndefined()
    }))
})

describe("many guests", () => {
  effect("are bounded: the one that was quiet for the longest time leaves, unless it waits, and comes back when it acts", () =>
    Effect.gen(function*() {
      const { kernel, reception } = yield* world(new OpenSecurity())
      const guest = (n: number) => Effect.map(reception.byToken(`g${n}`), ({ port }) => port)
      const waiting = yield* Effect.forkChild(Effect.exit((yield* guest(0)).awaitBeyond("news", 0)), { startImmediately: true })
      for (let n = 1; n < guestsMax - 1; n++) yield* (yield* guest(n)).channels
      yield* (yield* guest(1)).channels
      yield* (yield* guest(guestsMax)).channels
      const here = docked(kernel)
      expect([here.length, ...[0, 1, 2, guestsMax].map((n) => here.includes(`g${n}`)), here.includes("operator")]).toEqual([guestsMax, true, true, false, true, true])
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* (yield* guest(2)).channels
      expect(docked(kernel)).toContain("g2")
    }))
})

describe("a credential", () => {
  effect("is taken as bearer, or as the password of Basic, and in no other way", () =>
    Effect.gen(function*() {
      const { mint, reception } = yield* world()
      const { token } = yield* mint("ada", "read")
      const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`
      for (const good of [`Bearer ${token}`, `bearer ${token}`, basic(`ada:${token}`), basic(`:${token}`)]) {
        expect((yield* reception.authenticate(good)).system).toBe("ada")
      }
      for (const absent of [undefined, "", token, `Digest ${token}`, "Basic !!!", basic(token)]) {
        expect((yield* Effect.flip(reception.authenticate(absent))).reason).toBe("Missing Bearer token.")
      }
    }))

  effect("that is wrong is refused in the same words, whatever is wrong with it", () =>
    Effect.gen(function*() {
      const { kernel, mint, reception } = yield* world()
      const { token } = yield* mint("ada", "read", undefined, 60)
      const revoked = yield* mint("ben", "read")
      yield* kernel.tokens.revoke("ben")
      kernel.time.advance(61_000)
      const told = new Set<string>()
      for (const wrong of ["x", "", token, `${token}x`, revoked.token, `${operatorToken}o`, operatorToken.slice(1), "a.b.c", "y".repeat(5_000), "operator"]) {
        told.add((yield* Effect.flip(reception.byToken(wrong))).message)
      }
      expect(told.size).toBe(1)
    }))

  effect("of the operator opens every PUBLIC channel as admin, and is nobody else's name", () =>
    Effect.gen(function*() {
      const acl = new ACLSecurity()
      const { kernel, reception } = yield* world()
      yield* probe(kernel, "owner", { provides: [{ name: "guarded", visibility: "public" }] }, {}, { securities: { guarded: acl } })
      const { isOperator, port, refusal } = yield* reception.byToken(operatorToken)
      expect([isOperator, refusal("guarded", "admin"), refusal("repo.files", "read")?._tag]).toEqual([true, undefined, "ChannelNotFound"])
      yield* port.append("guarded", [{ payload: 1 }])
      expect(docked(kernel)).toContain("operator")
      for (const name of ["operator", "terminal", "aaax", "aaax.x", "aaax/x", "test", "", "a b"]) expect([name, isGuestName(name, "test")]).toEqual([name, false])
      expect(isGuestName("project/agent", "test")).toBe(true)
    }))
})

describe("the open security", () => {
  effect("[87] takes a name for a credential, and allows everything on PUBLIC channels", () =>
    Effect.gen(function*() {
      const open = new OpenSecurity()
      expect([open.generateToken("ada"), (yield* Effect.promise(() => open.authenticate("ada")))?.id]).toEqual(["ada", "ada"])
      const { kernel, reception } = yield* world(open)
      const { channels, create, port, system } = yield* reception.byToken("ada")
      yield* create({ name: "mine" })
      yield* port.append("mine", [{ payload: 1 }])
      expect([system, channels().map(({ name }) => name)]).toEqual(["ada", ["inbox", "jobs", "jobs.dead", "mine", "news"]])
      for (const name of ["operator", "terminal", "aaax", "test", "a b"]) expect(tag(yield* Effect.exit(reception.byToken(name)))).toBe("Unauthenticated")
      yield* probe(kernel, "module", {})
      const taken = yield* reception.byToken("module")
      expect(tag(yield* Effect.exit(taken.port.read("news")))).toBe("Undocked")
    }))

  effect("[W18] is refused where others than this machine can reach the listener", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const failure = yield* Effect.flip(makeReception({ kernel, operatorToken, security: new OpenSecurity(), isLoopback: false }))
      expect([failure._tag, failure.issues[0]?.path]).toEqual(["ConfigInvalid", "network.security"])
    }))
})
