// What the guards refuse in words of their own: names and keys that are enrolled, tokens that are made, proofs that are remembered, schemas and policies that are registered.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { readProof } from "../../../kernel/guard/act/proof.ts"
import { makeProofs } from "../../../kernel/guard/act/proofs.ts"
import { keyIn } from "../../../kernel/guard/act/chain.ts"
import { partsOf } from "../../../kernel/guard/canonical-token.ts"
import { JWTChannelSecurity, type JWTSecurityOptions } from "../../../kernel/guard/jwt-security.ts"
import { isPassphraseHash } from "../../../kernel/guard/passphrase.ts"
import { policyFromConfig } from "../../../kernel/guard/policy.ts"
import { rulesOfDocument } from "../../../kernel/guard/policy-document.ts"
import { isStandardSchema, makeSchemas } from "../../../kernel/guard/schemas.ts"
import { newSigningKey } from "../../../kernel/guard/tokens.ts"
import { cedarTextMax, revokedTokensMax, rootSecondsMax, schemasCarriedMax, schemasNamedMax } from "../../../kernel/limits.ts"
import { actCrypto } from "../../../kernel/power/act-crypto.ts"
import { tokenSecondsMax } from "../../../protocol/token.ts"
import { actTypes } from "../../../protocol/act.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import { compact, jwkOf, pair } from "../../kit/act.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

describe("enrolling", () => {
  effect("takes no name, key, role or channels that are none", () =>
    Effect.gen(function*() {
      const { edge } = yield* makeKernel()
      const good = { name: "ada", key: jwkOf(pair()) }
      const paths: ReadonlyArray<readonly [object, string]> = [
        [{ name: 1 }, "name"], [{ name: "a b" }, "name"], [{ key: null }, "key"], [{ key: { ...good.key, x: "short" } }, "key"], [{ key: { ...good.key, d: good.key.x } }, "key"],
        [{ role: "boss" }, "role"], [{ channels: "news" }, "channels"], [{ channels: [] }, "channels"], [{ channels: Array.from({ length: 33 }, () => "x") }, "channels"],
        [{ channels: ["news", "a/b"] }, "channels[1]"], [{ channels: [1] }, "channels[0]"]
      ]
      for (const [wrong, path] of paths) {
        expect([wrong, yield* Effect.flip(edge.enrol({ ...good, ...wrong } as never))]).toMatchObject([wrong, { _tag: "InvalidPayload", what: "enrolment", path }])
      }
      expect(edge.list()).toEqual([])
      expect((yield* edge.enrol({ ...good, channels: Array.from({ length: 32 }, () => "x") })).system).toBe("ada")
    }))

  effect("takes no name of the kernel's, and none that a system of the constellation has", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      yield* probe(kernel, "module")
      for (const name of ["operator", "aaax", "test", "module"]) {
        expect([name, (yield* Effect.flip(kernel.edge.enrol({ name, key: jwkOf(pair()) })))._tag]).toEqual([name, "Denied"])
      }
    }))

  effect("needs a key of the kernel's that can sign", () =>
    Effect.gen(function*() {
      const { edge } = yield* makeKernel({ capabilityKey: () => Effect.succeed({ kty: "OKP", crv: "Ed25519" } as never) })
      expect(yield* Effect.flip(edge.enrol({ name: "ada", key: jwkOf(pair()) }))).toMatchObject({ _tag: "StoreUnavailable", reason: expect.stringContaining("not an Ed25519 key") })
      expect(edge.list()).toEqual([])
    }))
})

describe("a token for a grant", () => {
  effect("is made for whole seconds, for a grant that there is, in the hands of who asks, whose key is enrolled", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const { edge, grants } = kernel
      yield* probe(kernel, "module")
      yield* edge.enrol({ name: "ada", key: jwkOf(pair()) })
      const { id } = yield* grants.issue("operator", { to: "ada", resource: "note", access: "execute" })
      const unenrolled = yield* grants.issue("operator", { to: "module", resource: "note", access: "execute" })
      for (const seconds of [0, -1, 1.5, rootSecondsMax + 1, Number.NaN]) {
        expect([seconds, yield* Effect.flip(edge.mint(id, seconds))]).toMatchObject([seconds, { _tag: "InvalidPayload", path: "ttlSeconds" }])
      }
      expect(yield* Effect.flip(edge.mint("grant:none"))).toMatchObject({ _tag: "GrantNotFound", grant: "grant:none" })
      expect(yield* Effect.flip(edge.mint(id, 60, "ben"))).toMatchObject({ _tag: "GrantNotFound", grant: id })
      expect(yield* Effect.flip(edge.mint(unenrolled.id, 60))).toMatchObject({ _tag: "EnrolmentNotFound", system: "module" })
      expect((yield* edge.mint(id, rootSecondsMax, "ada")).grant).toBe(id)
    }))

  effect("is not signed with another key than the journal names", () =>
    Effect.gen(function*() {
      const keys = [yield* Effect.promise(newSigningKey), yield* Effect.promise(newSigningKey)]
      let asked = 0
      const { edge, grants } = yield* makeKernel({ capabilityKey: () => Effect.sync(() => keys[Math.min(asked++, 1)]!) })
      yield* edge.enrol({ name: "ada", key: jwkOf(pair()) })
      const { id } = yield* grants.issue("operator", { to: "ada", resource: "note", access: "execute" })
      expect(yield* Effect.flip(edge.mint(id))).toMatchObject({ _tag: "StoreUnavailable", reason: expect.stringContaining("not the one that the journal names") })
    }))
})

describe("proofs", () => {
  it("are taken once, and no more of them than are remembered, of one system and of all", () => {
    const proofs = makeProofs({ ofSystem: 2, all: 3 })
    expect([proofs.take("ada", "1", 0), proofs.take("ada", "1", 0), proofs.take("ada", "2", 0)]).toEqual([undefined, "the proof was taken before", undefined])
    expect(proofs.take("ada", "3", 0)).toMatch(/^more proofs came/u)
    expect(proofs.take("ben", "1", 0)).toBeUndefined()
    expect(proofs.take("cy", "1", 0)).toMatch(/^more proofs came/u)
    // What may be forgotten makes room, and can be too old only.
    expect([proofs.take("cy", "1", 1e9), proofs.size()]).toEqual([undefined, 1])
  })

  it("of a key that was revoked while the body came are not taken", async () => {
    const own = pair()
    const view = { system: "ada", kid: own.kid, x: own.x, role: "write" as const, channels: null, docks: false, epoch: 1, enrolledAt: 0 }
    let enrolled: typeof view | undefined = view
    const context = { audience: "aaax:k:1", crypto: actCrypto, enrolled: () => enrolled, now: () => 1_000_000, proofs: makeProofs() }
    const request = { method: "POST", target: "/v1/x", nonce: "n" }
    const claims = { sub: "ada", aud: context.audience, nonce: "n", iat: 1_000, jti: "j".repeat(16), htm: "POST", htu: "/v1/x", bh: actCrypto.sha256("") }
    const read = (header: object = {}, more: object = {}, audience: string | null = context.audience) =>
      readProof(compact({ alg: "EdDSA", typ: actTypes.proof, jwk: jwkOf(own), ...header }, { ...claims, ...more }, own), request, { ...context, audience } as never)
    const proof = read()
    if ("refused" in proof) throw new Error(proof.refused)
    const take = (body = claims.bh) => proof.take(body)
    enrolled = { ...view, epoch: 2 }
    expect(take()).toBe("the key was revoked")
    enrolled = undefined
    expect(take()).toBe("the key was revoked")
    enrolled = view
    expect([take(actCrypto.sha256("other")), take(), take()]).toEqual(["the proof is for another body", undefined, "the proof was taken before"])
    // Of a kernel that has no name at the edge nothing is good.
    expect(read({}, {}, null)).toEqual({ refused: "the proof is for another kernel" })
    for (const [more, refused] of [[{ aud: "aaax:k:2" }, "another kernel"], [{ nonce: "m" }, "nonce"], [{ htm: "GET" }, "another method"], [{ htu: "/v1/y" }, "another path"]] as const) {
      expect(read({}, more), refused).toEqual({ refused: expect.stringContaining(refused) })
    }
    for (const more of [{ iat: "now" }, { jti: "short" }, { bh: "short" }, { ath: "short" }, { sub: 1 }, { nonce: 1 }, { extra: 1 }, { sub: undefined }]) {
      expect(read({}, more), JSON.stringify(more)).toEqual({ refused: "" })
    }
  })
})

describe("a JSON Web Token", () => {
  const hs: JWTSecurityOptions = { issuer: "us", audience: "them", algorithms: ["HS256"], secret: "s".repeat(32) }
  const jwks = { keys: [] }
  const make = (more: object) => () => new JWTChannelSecurity({ ...hs, ...more })

  it.each<readonly [string, object, RegExp]>([
    ["an issuer", { issuer: "" }, /issuer/u], ["an issuer that is a text", { issuer: 1 }, /issuer/u], ["an audience", { audience: "" }, /audience/u], ["an audience that is a text", { audience: ["x"] }, /audience/u],
    ["an algorithm", { algorithms: [] }, /none is not offered/u], ["an algorithm that is good", { algorithms: ["none"] }, /none is not offered/u],
    ["one kind of key", { algorithms: ["HS256", "EdDSA"] }, /HS256 stands alone/u], ["a secret for HS256", { secret: undefined }, /HS256 needs one/u],
    ["no secret for EdDSA", { algorithms: ["EdDSA"], jwks }, /is for HS256 alone/u], ["public keys for EdDSA", { algorithms: ["EdDSA"], secret: undefined }, /need public keys/u],
    ["no public keys beside a secret", { jwks }, /HS256 has a `secret`/u], ["no signing key beside a secret", { signingKey: { kty: "OKP" } }, /HS256 has a `secret`/u],
    ["a secret that is long enough", { secret: "s".repeat(31) }, /at least 32 bytes/u]
  ])("needs %s", (_, more, why) => {
    expect(make(more)).toThrow(why)
  })

  it("is made for a system, with a role, for a while and some channels, by who can sign", async () => {
    const security = new JWTChannelSecurity(hs)
    await expect(security.generateToken("a b", "read")).rejects.toThrow(/is not a system id/u)
    await expect(security.generateToken("ada", "boss" as never)).rejects.toThrow(/Unknown role/u)
    for (const expiresInSeconds of [0, -1, tokenSecondsMax + 1, Number.NaN]) await expect(security.generateToken("ada", "read", { expiresInSeconds })).rejects.toThrow(/A token lives up to/u)
    for (const channels of ["news", [1], Array.from({ length: 33 }, () => "x")]) await expect(security.generateToken("ada", "read", { channels } as never)).rejects.toThrow(/at most 32 channels/u)
    const open = new JWTChannelSecurity({ issuer: "us", audience: "them", jwks })
    await expect(open.generateToken("ada", "read")).rejects.toThrow(/no signing key here/u)
    expect(() => security.rotate(jwks)).toThrow(/HS256 has a `secret`/u)
    expect(open.rotate(jwks)).toBeUndefined()
    expect((await security.authenticate(await security.generateToken("ada", "read", { expiresInSeconds: tokenSecondsMax, channels: Array.from({ length: 32 }, () => "x") })))?.id).toBe("ada")
  })

  it("that was revoked is never forgotten: there are at most so many", () => {
    const security = new JWTChannelSecurity({ ...hs, revoked: Array.from({ length: revokedTokensMax - 1 }, (_, at) => `t${at}`) })
    security.revoke("ada")
    expect(() => security.revoke("ben")).toThrow(/are revoked; change the key instead/u)
  })

  it("has an object for a header, and one for its claims", () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const mark = Buffer.alloc(64).toString("base64url")
    expect(partsOf(`${part({ alg: "EdDSA" })}.${part({ sub: "ada" })}.${mark}`)).toEqual({ header: { alg: "EdDSA" }, claims: { sub: "ada" } })
    for (const wrong of [null, [], "text", 1]) {
      expect([partsOf(`${part(wrong)}.${part({})}.${mark}`), partsOf(`${part({})}.${part(wrong)}.${mark}`)], JSON.stringify(wrong)).toEqual([undefined, undefined])
    }
  })
})

describe("a key", () => {
  it("is an Ed25519 one, whole, and nothing beside it", () => {
    const good = jwkOf(pair())
    expect(keyIn(good)).toBe(good.x)
    for (const wrong of [null, [], "key", { ...good, kty: "EC" }, { ...good, crv: "X25519" }, { ...good, x: 1 }, { ...good, x: `${good.x}A` }, { ...good, kid: "k" }, { crv: good.crv, x: good.x, kid: "k" }]) {
      expect(keyIn(wrong), JSON.stringify(wrong)).toBeUndefined()
    }
  })
})

describe("a hash of a passphrase", () => {
  const parts = ["scrypt", "16384", "8", "1", "s".repeat(22), "h".repeat(43)]
  const instead = (at: number, text: string) => parts.with(at, text).join("$")

  it("costs neither too little nor too much", () => {
    expect(isPassphraseHash(parts.join("$"))).toBe(true)
    for (const text of [
      instead(0, "bcrypt"), instead(1, "8192"), instead(1, "2097152"), instead(1, "16385"), instead(2, "7"), instead(2, "17"), instead(3, "0"), instead(3, "5"), instead(4, "s"), instead(5, "h"), "", "correct horse"
    ]) expect(isPassphraseHash(text), text).toBe(false)
  })
})

describe("schemas", () => {
  const own = (at: number) => ({ name: `c${at}`, schema: null, metadata: { jsonSchema: { type: "object", title: String(at) } } })

  it("are standard ones only with something that validates", () => {
    const validate = () => ({ value: 1 })
    const callable = Object.assign(() => undefined, { "~standard": { version: 1, vendor: "x", validate } })
    expect([isStandardSchema({ "~standard": { version: 1, vendor: "x", validate } }), isStandardSchema(callable)]).toEqual([true, true])
    for (const wrong of [null, 1, "x", undefined, {}, { "~standard": null }, { "~standard": "x" }, { "~standard": validate }, { "~standard": {} }, { "~standard": { validate: 1 } }, { "~standard": Object.assign(validate, { validate }) }]) {
      expect(isStandardSchema(wrong), String(JSON.stringify(wrong))).toBe(false)
    }
  })

  it("by name are at most so many, and so are those that channels carry", async () => {
    const standard = { "~standard": { version: 1, vendor: "x", validate: (value: unknown) => ({ value }) } }
    const many = Object.fromEntries(Array.from({ length: schemasNamedMax + 1 }, (_, at) => [`s${at}`, standard]))
    await expect(Effect.runPromise(makeSchemas(many))).rejects.toMatchObject({ _tag: "InvalidPayload", reason: expect.stringContaining(`at most ${schemasNamedMax}`) })
    const { s0: _, ...most } = many
    expect(await Effect.runPromise(makeSchemas(most))).toBeDefined()
    const schemas = await Effect.runPromise(makeSchemas())
    const of = (at: number) => Effect.runPromise(schemas.of(own(at) as never))
    for (let at = 0; at < schemasCarriedMax; at++) await of(at)
    await expect(of(schemasCarriedMax)).rejects.toMatchObject({ _tag: "InvalidPayload", reason: expect.stringContaining(`carry ${schemasCarriedMax} different schemas`) })
    // One that is there already is no other one.
    expect(await of(0)).toBeDefined()
  })
})

describe("a policy", () => {
  it("is refused for what is wrong beside its Cedar files, too", async () => {
    const cedar = { policies: [{ name: "p.cedar", text: "permit(principal, action, resource);" }], schema: { name: "s", text: "x" } }
    let made = 0
    const makeCedar = () => Effect.sync(() => {
      made++
      return { name: "cedar", description: "d", decide: () => undefined }
    })
    const refused = (document: object) => Effect.runPromise(Effect.flip(rulesOfDocument(document as never, "f", "", makeCedar as never)))
    expect(await refused({ cedar, hours: { from: "noon" } })).toMatchObject({ _tag: "ConfigInvalid" })
    expect(await refused({ cedar: { ...cedar, policies: 1 } })).toMatchObject({ _tag: "ConfigInvalid", issues: [{ path: "cedar.policies" }] })
    expect(await refused({ cedar: { ...cedar, policies: [{ name: "p", text: "x".repeat(cedarTextMax) }] } })).toMatchObject({ _tag: "ConfigInvalid" })
    expect(made).toBe(0)
    expect((await Effect.runPromise(rulesOfDocument({ cedar }, "f", "", makeCedar as never))).map(({ name }) => name)).toEqual(["cedar"])
  })

  it("is of rules, each with a name, a description and a decision", () => {
    const rule = { name: "r", description: "d", decide: () => undefined }
    expect(Result.isSuccess(policyFromConfig([rule]))).toBe(true)
    for (const more of [{ name: 1 }, { description: 1 }, { decide: "deny" }, { decide: undefined }]) {
      expect(policyFromConfig([rule, { ...rule, ...more }]), JSON.stringify(more)).toMatchObject({ failure: { issues: [{ path: "policy[1]" }] } })
    }
    for (const wrong of [[null], [1], ["default"], 1, "open", true]) expect(Result.isFailure(policyFromConfig(wrong)), JSON.stringify(wrong)).toBe(true)
  })
})
