// Channel security as the first Python generation has it, made real: open, access lists, JSON Web Tokens. It is asked before
// every operation, of systems in-process and of guests alike.
import { Effect, Exit, Fiber } from "effect"
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWK } from "jose"
import { ACLSecurity, JWTChannelSecurity, OpenSecurity } from "aaax/security"
import { beforeAll, describe, expect, it } from "vitest"
import { makeReception } from "../../../kernel/door/reception.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import type { Port } from "../../../protocol/port.ts"
import { isRole, suffices, type ChannelSecurity, type Role } from "../../../protocol/security.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

const roles: ReadonlyArray<Role> = ["read", "write", "admin"]
const secret = "s".repeat(32)
const now = 1_750_000_000_000
const hs256 = (over: object = {}): JWTChannelSecurity =>
  new JWTChannelSecurity({ issuer: "us", audience: "them", algorithms: ["HS256"], secret, ...over })

const tag = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  const [reason] = exit.cause.reasons
  return reason?._tag === "Fail" && typeof reason.error === "object" && reason.error !== null && "_tag" in reason.error ? String(reason.error._tag) : "?"
}

/** Every operation on a channel, each with the role that it needs. */
const operations = (port: Port, channel: string): ReadonlyArray<readonly [string, Role, Effect.Effect<unknown, unknown>]> => [
  ["read", "read", port.read(channel)], ["awaitBeyond", "read", port.awaitBeyond(channel, 0)], ["backlog", "read", port.backlog(channel)],
  ["subscription", "read", port.subscription("s", channel)], ["advance", "read", port.advance("s", channel, 1)],
  ["getArtifact", "read", Effect.catchTag(port.getArtifact("0".repeat(64), { channel, cursor: 1 }), "ArtifactNotFound", () => Effect.void)],
  ["append", "write", port.append(channel, [{ payload: 1 }])], ["take", "write", port.take(channel)],
  ["settle", "write", port.settle(channel, [])], ["renew", "write", Effect.catchTag(port.renew(channel, 1, 1), "LeaseLost", () => Effect.void)],
  ["evict", "admin", port.evict(channel, { maxCount: 100 })], ["remove", "admin", port.remove(channel, ["none"])], ["clear", "admin", port.clear(channel)]
]

const allowedOf = Effect.fnUntraced(function*(port: Port, channel: string) {
  const allowed: Array<Role> = []
  for (const [name, role, operation] of operations(port, channel)) {
    const outcome = tag(yield* Effect.exit(operation))
    expect([name, ["ok", "Denied"].includes(outcome) ? "" : outcome]).toEqual([name, ""])
    if (outcome === "ok") allowed.push(role)
  }
  return [...new Set(allowed)]
})

const guarded = Effect.fnUntraced(function*(security: ChannelSecurity) {
  const kernel = yield* makeKernel({ channels: [{ name: "free", visibility: "public" }] })
  const owner = yield* probe(kernel, "owner", { provides: [{ name: "work", form: "queue", visibility: "public" }] }, {}, { securities: { work: security } })
  yield* owner.append("work", [{ payload: 1 }])
  const join = (id: string) => probe(kernel, id, {}, { channels: ["work", "free"] })
  const reception = yield* makeReception({ kernel, operatorToken: "o".repeat(43), isLoopback: true })
  return { kernel, owner, join, reception }
})

describe("roles", () => {
  it("[98] rank read below write below admin; what nobody knows is never enough", () => {
    for (const [held, asked] of roles.flatMap((a, i) => roles.map((b, j) => [[a, i], [b, j]] as const))) expect(suffices(held[0], asked[0])).toBe(held[1] >= asked[1])
    expect([suffices("boss" as Role, "read"), suffices("admin", "own" as Role), isRole("toString"), isRole("__proto__"), isRole(1)]).toEqual([false, false, false, false, false])
  })
})

describe("access lists", () => {
  it("[88] [91] [92] give read, write which implies it, or admin which implies both, by list, by grant or by making a token", () => {
    const lists = new ACLSecurity({ read: ["r"], write: ["w"], admin: ["a"] })
    const granted = new ACLSecurity()
    granted.grant("r", "read")
    granted.grant("w", "WRITE")
    expect(granted.generateToken("a", "admin")).toBe("a")
    const held = (security: ACLSecurity, id: string): ReadonlyArray<boolean> => roles.map((role) => security.allows({ id }, "any", role))
    for (const security of [lists, granted]) {
      expect([held(security, "r"), held(security, "w"), held(security, "a"), held(security, "x")]).toEqual([
        [true, false, false], [true, true, false], [true, true, true], [false, false, false]
      ])
    }
    granted.grant("a", "read")
    expect(held(granted, "a")).toEqual([true, true, true])
  })

  it("[89] lose everything of an id that is revoked", () => {
    const security = new ACLSecurity({ admin: ["a"] })
    security.revoke("a")
    security.revoke("unknown")
    expect(roles.map((role) => security.allows({ id: "a" }, "any", role))).toEqual([false, false, false])
  })

  it("[90] take no role that there is not", () => {
    const security = new ACLSecurity()
    for (const role of ["boss", "", "toString", null]) expect(() => security.grant("a", role as Role)).toThrow(RangeError)
  })

  effect("[W15] [W17] [94] are asked before every operation of a system in-process, settling and host operations included", () =>
    Effect.gen(function*() {
      const acl = new ACLSecurity({ read: ["r"], write: ["w"], admin: ["a"] })
      const { join } = yield* guarded(acl)
      for (const [id, expected] of [["r", ["read"]], ["w", ["read", "write"]], ["a", ["read", "write", "admin"]], ["x", []]] as const) {
        expect([id, yield* allowedOf(yield* join(id), "work")]).toEqual([id, expected])
      }
    }))

  effect("[W15] [94] are asked before every operation of a guest, too, whose token says only who it is and at most what it may", () =>
    Effect.gen(function*() {
      const acl = new ACLSecurity({ read: ["r"], write: ["w"], admin: ["a"] })
      const { kernel, reception } = yield* guarded(acl)
      const enter = Effect.fnUntraced(function*(name: string, role: Role) {
        const { token } = yield* kernel.tokens.mint({ name, role })
        return (yield* reception.byToken(token)).port
      })
      for (const [id, role, expected] of [
        ["r", "admin", ["read"]], ["w", "admin", ["read", "write"]], ["a", "admin", ["read", "write", "admin"]], ["x", "admin", []],
        ["a", "write", ["read", "write"]], ["a", "read", ["read"]]
      ] as const) expect([id, role, yield* allowedOf(yield* enter(id, role), "work")]).toEqual([id, role, expected])
    }))

  effect("[40] [88] refuse with the name of the system and what it lacks, and nothing leaks", () =>
    Effect.gen(function*() {
      const { join } = yield* guarded(new ACLSecurity())
      const refusal = yield* Effect.flip((yield* join("x")).read("work"))
      expect(refusal._tag).toBe("Denied")
      expect(refusal.message).toBe("x may not read work: the channel's security (acl) does not allow it. Ask its owner for the role 'read'.")
    }))

  effect("[89] count from the next call on", () =>
    Effect.gen(function*() {
      const acl = new ACLSecurity()
      const { join } = yield* guarded(acl)
      const port = yield* join("x")
      const outcomes: Array<string> = []
      for (const change of [() => {}, () => acl.grant("x", "read"), () => acl.revoke("x")]) {
        change()
        outcomes.push(tag(yield* Effect.exit(port.read("work"))))
      }
      expect(outcomes).toEqual(["Denied", "ok", "Denied"])
    }))

  effect("guard the snapshots that name the channel", () =>
    Effect.gen(function*() {
      const { kernel } = yield* guarded(new ACLSecurity({ read: ["r"], write: ["w"] }))
      const join = (id: string) => probe(kernel, id, { snapshots: ["s", "other"] })
      const [r, w, x] = [yield* join("r"), yield* join("w"), yield* join("x")]
      yield* w.putSnapshot({ name: "s", value: 1, channel: "work" })
      expect((yield* r.getSnapshot("s")).value).toBe(1)
      expect((yield* Effect.flip(x.getSnapshot("s")))._tag).toBe("SnapshotNotFound")
      for (const port of [r, x]) expect(tag(yield* Effect.exit(port.putSnapshot({ name: "s", value: 2, channel: "work" })))).toBe("Denied")
      yield* x.putSnapshot({ name: "other", value: 1, channel: "free" })
    }))

  effect("[89] take back what somebody gets who lost its role while it waited", () =>
    Effect.gen(function*() {
      const acl = new ACLSecurity({ write: ["in", "guest"] })
      const { join, kernel, owner, reception } = yield* guarded(acl)
      const inProcess = yield* join("in")
      yield* inProcess.take("work")
      const { token } = yield* kernel.tokens.mint({ name: "guest", role: "write" })
      const ports = [inProcess, (yield* reception.byToken(token)).port]
      const waiting = yield* Effect.forEach(ports, (port) => Effect.forkChild(Effect.exit(port.take("work", { wait: true })), { startImmediately: true }))
      acl.revoke("in")
      acl.revoke("guest")
      yield* owner.append("work", [{ payload: 2 }, { payload: 3 }])
      expect((yield* Effect.forEach(waiting, Fiber.join)).map(tag)).toEqual(["Denied", "Denied"])
      expect((yield* owner.take("work", { limit: 9 })).map(({ event }) => event.payload).sort()).toEqual([2, 3])
    }))

  effect("guard the dead letters of a queue, and leave its provider and other channels alone", () =>
    Effect.gen(function*() {
      const { join, kernel, owner, reception } = yield* guarded(new ACLSecurity())
      expect(yield* allowedOf(owner, "work")).toEqual(["read", "write", "admin"])
      yield* (yield* join("x")).append("free", [{ payload: 1 }])
      const { token } = yield* kernel.tokens.mint({ name: "g", role: "admin" })
      const { channels, refusal } = yield* reception.byToken(token)
      expect([refusal("work.dead", "read")?._tag, refusal("free", "admin")]).toEqual(["Denied", undefined])
      expect(channels().map(({ name }) => name)).toEqual(["free"])
    }))

  effect("stay closed when their provider is gone, also after a restart, until it is back", () =>
    Effect.gen(function*() {
      const { kernel } = yield* guarded(new ACLSecurity({ read: ["x"] }))
      const { store } = kernel.channels
      yield* kernel.undock("owner")
      expect(tag(yield* Effect.exit((yield* probe(kernel, "y", { reads: ["work"] })).read("work")))).toBe("Denied")
      const again = yield* makeKernel({ store })
      const port = yield* probe(again, "x", { reads: ["work", "work.dead"] })
      expect([tag(yield* Effect.exit(port.read("work"))), tag(yield* Effect.exit(port.read("work.dead")))]).toEqual(["Denied", "Denied"])
      yield* probe(again, "owner", { provides: [{ name: "work", form: "queue", visibility: "public" }] }, {}, { securities: { work: new ACLSecurity({ read: ["x"] }) } })
      expect(tag(yield* Effect.exit(port.read("work")))).toBe("ok")
    }))
})

describe("a security that is an author's own", () => {
  for (const [what, allows] of [
    ["throws", () => { throw new Error("no") }], ["answers a promise", () => Promise.resolve(true)], ["answers a text", () => "yes"], ["answers nothing", () => undefined]
  ] as const) {
    effect(`refuses when it ${what}`, () =>
      Effect.gen(function*() {
        const { join } = yield* guarded({ name: "own", allows: allows as unknown as ChannelSecurity["allows"] })
        expect(tag(yield* Effect.exit((yield* join("x")).read("work")))).toBe("Denied")
      }))
  }

  effect("cannot say that a token is the operator's or the kernel's, and a token that it knows is good for its channels alone", () =>
    Effect.gen(function*() {
      const own: ChannelSecurity = {
        name: "own", allows: () => true, authenticate: (token) => Promise.resolve({ id: token, role: "admin" })
      }
      const { reception } = yield* guarded(own)
      for (const name of ["operator", "terminal", "aaax", "test", "aaax.x", "", "a b"]) expect(tag(yield* Effect.exit(reception.byToken(name)))).toBe("Unauthenticated")
      const { allows, channels, port } = yield* reception.byToken("ada")
      expect(channels().map(({ name }) => name)).toEqual(["work", "work.dead"])
      expect([tag(yield* Effect.exit(port.read("work"))), tag(yield* Effect.exit(port.read("free"))), allows("anything", "read")?._tag]).toEqual(["ok", "ChannelNotFound", "Denied"])
    }))
})

describe("a JSON Web Token", () => {
  let keys: { readonly EdDSA: { readonly signingKey: JWK; readonly open: JWK }; readonly ES256: { readonly signingKey: JWK; readonly open: JWK } }
  beforeAll(async () => {
    const pair = async (algorithm: "EdDSA" | "ES256", kid: string) => {
      const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true, ...(algorithm === "EdDSA" ? { crv: "Ed25519" } : {}) })
      return { signingKey: { ...await exportJWK(privateKey), kid }, open: { ...await exportJWK(publicKey), kid } }
    }
    keys = { EdDSA: await pair("EdDSA", "ed"), ES256: await pair("ES256", "es") }
  })
  const asymmetric = (algorithm: "EdDSA" | "ES256", over: object = {}): JWTChannelSecurity => {
    const { open, signingKey } = keys[algorithm]
    return new JWTChannelSecurity({ issuer: "us", audience: "them", algorithms: [algorithm], jwks: { keys: [open] }, signingKey, ...over })
  }
  const raw = (claims: Record<string, unknown>, key: Uint8Array = new TextEncoder().encode(secret)) =>
    new SignJWT({ iss: "us", aud: "them", sub: "ada", role: "read", exp: now / 1_000 + 60, ...claims }).setProtectedHeader({ alg: "HS256" }).sign(key)

  it("[93] that was made here names its holder; garbage names nobody", async () => {
    for (const security of [hs256(), asymmetric("EdDSA"), asymmetric("ES256")]) {
      const principal = await security.authenticate(await security.generateToken("ada", "write", { now }), now)
      expect(principal).toMatchObject({ id: "ada", role: "write", expiresAt: now + 24 * 3600 * 1000 })
      for (const garbage of ["", "x", "a.b.c", "..", "e30.e30.e30", "x".repeat(10_000)]) expect(await security.authenticate(garbage, now)).toBeUndefined()
    }
  })

  it("[95] [96] allows what its role says on the channels that it names, or on all when it names none", async () => {
    const security = asymmetric("EdDSA")
    const scoped = await security.generateToken("ada", "write", { channels: ["news", "job*"], now })
    const who = (channel: string, role: string) => security.authorizeFromToken(scoped, channel, role as Role, now)
    expect([await who("news", "read"), await who("jobs", "write"), await who("other", "read"), await who("news", "admin"), await who("news", "own")]).toEqual([
      "ada", "ada", undefined, undefined, undefined
    ])
    const everywhere = await security.generateToken("ada", "admin", { now })
    expect(await security.authorizeFromToken(everywhere, "anything", "admin", now)).toBe("ada")
    expect(await security.authorizeFromToken(await security.generateToken("ada", "read", { channels: [], now }), "news", "read", now)).toBeUndefined()
  })

  it("[97] [99] is nothing when it has expired, has no expiry, is not valid yet, or names another issuer, another audience or no subject", async () => {
    const security = hs256()
    expect(await security.authenticate(await raw({}), now)).toMatchObject({ id: "ada" })
    expect(await security.authenticate(await raw({}), now + 60_000)).toBeUndefined()
    for (const claims of [
      { exp: undefined }, { iss: undefined }, { iss: "they" }, { aud: undefined }, { aud: "others" }, { sub: undefined }, { sub: "a b" }, { sub: "" },
      { nbf: now / 1_000 + 10 }, { channels: "news" }, { channels: [1] }, { exp: "soon" }
    ]) expect([claims, await security.authenticate(await raw(claims), now)]).toEqual([claims, undefined])
  })

  it("[98] with a role that nobody knows says who it is and is enough for nothing, and is not made here", async () => {
    const security = hs256()
    for (const role of ["boss", "ADMIN", 7, null, undefined]) {
      const token = await raw({ role })
      expect((await security.authenticate(token, now))?.id).toBe("ada")
      expect(await security.authorizeFromToken(token, "news", "read", now)).toBeUndefined()
    }
    await expect(security.generateToken("ada", "boss" as Role)).rejects.toThrow(RangeError)
  })

  it("[99] [W17] cannot choose how it is checked: no algorithm, another one, or a key that it brings along", async () => {
    const { EdDSA, ES256 } = keys
    const security = asymmetric("EdDSA")
    const claims = { iss: "us", aud: "them", sub: "ada", role: "admin", exp: now / 1_000 + 60 }
    const { importJWK } = await import("jose")
    const publicBytes = new TextEncoder().encode(JSON.stringify(EdDSA.open))
    const forged = [
      new UnsecuredJWT(claims).encode(),
      await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "ed" }).sign(publicBytes),
      await new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "es" }).sign(await importJWK(ES256.signingKey, "ES256")),
      await new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", kid: "ed", jwk: EdDSA.open }).sign(await importJWK(EdDSA.signingKey, "EdDSA")),
      await new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", kid: "other" }).sign(await importJWK(EdDSA.signingKey, "EdDSA"))
    ]
    for (const token of forged) expect(await security.authenticate(token, now)).toBeUndefined()
    // The key is there, for another verifier: its algorithm is not accepted here.
    security.rotate({ keys: [EdDSA.open, ES256.open] })
    expect(await security.authenticate(forged[2]!, now)).toBeUndefined()
    expect((await asymmetric("ES256").authenticate(forged[2]!, now))?.id).toBe("ada")
    const good = await new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", kid: "ed" }).sign(await importJWK(EdDSA.signingKey, "EdDSA"))
    expect((await security.authenticate(good, now))?.id).toBe("ada")
    const [header = "", body = "", signature = ""] = good.split(".")
    const other = Buffer.from(JSON.stringify({ ...claims, sub: "boss" })).toString("base64url")
    expect(await security.authenticate(`${header}.${other}.${signature}`, now)).toBeUndefined()
    expect(await security.authenticate(`${header}.${body}.`, now)).toBeUndefined()
  })

  it("[99] has one spelling: stray characters, padding and spare bits make it another text and no token", async () => {
    const security = hs256()
    const token = await security.generateToken("ada", "read", { now })
    const [header = "", body = "", signature = ""] = token.split(".")
    // 32 bytes are 43 characters with two spare bits at the end.
    const last = signature.at(-1)!
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    const spare = `${signature.slice(0, -1)}${alphabet[alphabet.indexOf(last) + 1]}`
    for (const respelled of [
      `${token} `, ` ${token}`, `${token}=`, `${header}.${body}.${signature}==`, `${header}.${body} .${signature}`, `${header}.${body}\n.${signature}`,
      `${header}.${body}.${spare}`, `${header}.${body}.${signature}.`, `${token}\u0000`
    ]) expect([respelled, await security.authenticate(respelled, now)]).toEqual([respelled, undefined])
  })

  it("[99] [W17] is revoked by its id or by its subject, from the next call on", async () => {
    const security = hs256({ revoked: ["ben"] })
    const [one, two] = [await security.generateToken("ada", "read", { now }), await security.generateToken("ada", "read", { now })]
    const held = await security.authenticate(one, now)
    expect(await security.authenticate(await security.generateToken("ben", "read", { now }), now)).toBeUndefined()
    security.revoke(held!.tokenId!)
    expect([security.allows(held!, "news", "read"), security.isGood(held!)]).toEqual([false, false])
    expect([await security.authenticate(one, now), (await security.authenticate(two, now))?.id]).toEqual([undefined, "ada"])
    security.revoke("ada")
    expect(await security.authenticate(two, now)).toBeUndefined()
  })

  it("[W17] outlives the rotation of its key as long as both keys are known, told apart by their ids", async () => {
    const next = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true })
    const nextKeys = { signingKey: { ...await exportJWK(next.privateKey), kid: "next" }, open: { ...await exportJWK(next.publicKey), kid: "next" } }
    const verifier = asymmetric("EdDSA")
    const before = await verifier.generateToken("ada", "read", { now })
    const after = await asymmetric("EdDSA", { signingKey: nextKeys.signingKey }).generateToken("ben", "read", { now })
    const who = async (): Promise<ReadonlyArray<string | undefined>> => [(await verifier.authenticate(before, now))?.id, (await verifier.authenticate(after, now))?.id]
    expect(await who()).toEqual(["ada", undefined])
    verifier.rotate({ keys: [keys.EdDSA.open, nextKeys.open] })
    expect(await who()).toEqual(["ada", "ben"])
    verifier.rotate({ keys: [nextKeys.open] })
    expect(await who()).toEqual([undefined, "ben"])
  })

  it("needs a configuration that leaves nothing unchecked", () => {
    const base = { issuer: "us", audience: "them" }
    const { open } = keys.EdDSA
    for (const options of [
      { ...base }, { ...base, algorithms: [] }, { ...base, algorithms: ["none"], jwks: { keys: [open] } }, { ...base, algorithms: ["RS256"], jwks: { keys: [open] } },
      { ...base, algorithms: ["HS256"] }, { ...base, algorithms: ["HS256"], secret: "short" }, { ...base, algorithms: ["HS256", "EdDSA"], secret, jwks: { keys: [open] } }, { ...base, algorithms: ["HS256", "EdDSA"], secret },
      { ...base, algorithms: ["HS256"], secret, jwks: { keys: [open] } }, { ...base, secret, jwks: { keys: [open] } },
      { audience: "them", jwks: { keys: [open] } }, { issuer: "us", jwks: { keys: [open] } }, { ...base, issuer: "", jwks: { keys: [open] } },
      { ...base, jwks: "http://keys.example/jwks.json" }, { ...base, jwks: "keys.json" }
    ]) expect(() => new JWTChannelSecurity(options as never), JSON.stringify(options)).toThrow(/JWTChannelSecurity/u)
  })

  effect("[94] [W17] is asked for in-process as well: a system without one does what the lists of the channel say, and only that", () =>
    Effect.gen(function*() {
      const { join, owner } = yield* guarded(hs256({ systems: { write: ["w"] } }))
      expect(yield* allowedOf(yield* join("w"), "work")).toEqual(["read", "write"])
      expect(yield* allowedOf(yield* join("x"), "work")).toEqual([])
      expect(yield* allowedOf(owner, "work")).toEqual(["read", "write", "admin"])
    }))

  effect("[95] [W15] [W18] lets a guest in to the channels of its issuer, where its role counts for every operation; a token of the kernel does not", () =>
    Effect.gen(function*() {
      const jwt = hs256()
      const { kernel, reception } = yield* guarded(jwt)
      const enter = Effect.fnUntraced(function*(role: Role) {
        const token = yield* Effect.promise(() => jwt.generateToken(`guest-${role}`, role, { now: kernel.channels.clock.now() }))
        return yield* reception.byToken(token)
      })
      for (const [role, expected] of [["read", ["read"]], ["write", ["read", "write"]], ["admin", ["read", "write", "admin"]]] as const) {
        const { port } = yield* enter(role)
        expect([role, yield* allowedOf(port, "work")]).toEqual([role, expected])
        expect(tag(yield* Effect.exit(port.read("free")))).toBe("ChannelNotFound")
      }
      const { token } = yield* kernel.tokens.mint({ name: "ours", role: "admin" })
      expect(yield* allowedOf((yield* reception.byToken(token)).port, "work")).toEqual([])
    }))

  effect("[97] [W17] expires and is revoked also for those who are connected, by kernel time", () =>
    Effect.gen(function*() {
      const jwt = hs256()
      const { kernel, reception } = yield* guarded(jwt)
      const at = kernel.channels.clock.now()
      const short = yield* reception.byToken(yield* Effect.promise(() => jwt.generateToken("short", "read", { now: at, expiresInSeconds: 60 })))
      const long = yield* reception.byToken(yield* Effect.promise(() => jwt.generateToken("long", "read", { now: at })))
      const outcomes = Effect.fnUntraced(function*() {
        return [tag(yield* Effect.exit(short.port.read("work"))), tag(yield* Effect.exit(long.port.read("work")))]
      })
      expect(yield* outcomes()).toEqual(["ok", "ok"])
      kernel.time.advance(60_000)
      expect(yield* outcomes()).toEqual(["Undocked", "ok"])
      jwt.revoke("long")
      expect(yield* outcomes()).toEqual(["Undocked", "Undocked"])
    }))
})

describe("the default", () => {
  effect("[W18] lets nobody in without a token, and an id is none", () =>
    Effect.gen(function*() {
      const { reception } = yield* guarded(new ACLSecurity({ admin: ["ada"] }))
      expect(tag(yield* Effect.exit(reception.byToken("ada")))).toBe("Unauthenticated")
      expect(new OpenSecurity().loopbackOnly).toBe(true)
    }))
})
