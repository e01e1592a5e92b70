// Tokens of the kernel: who gets one, what makes it good, how it ends, and where its key lies.
import { Effect, Exit } from "effect"
import * as HashMap from "effect/HashMap"
import * as Scope from "effect/Scope"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { importJWK, SignJWT } from "jose"
import { afterAll, describe, expect, it } from "vitest"
import { freeze, thaw } from "../../../kernel/authority/state/frozen.ts"
import { initial, type AuthorityState } from "../../../kernel/authority/state/state.ts"
import { step } from "../../../kernel/authority/state/step.ts"
import { launch } from "../../../kernel/host.ts"
import { tokenKeyFile } from "../../../kernel/power/token-key.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeClock } from "../../../kernel/clock.ts"
import type { TokenView } from "../../../protocol/token.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

const folder = mkdtempSync(join(tmpdir(), "aaax-tokens-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a token", () => {
  effect("says who holds it, with which role, on which channels, for a day unless it is said otherwise", () =>
    Effect.gen(function*() {
      const { channels, time, tokens } = yield* makeKernel()
      const minted = yield* tokens.mint({ name: "project/ada", role: "write", channels: ["news", "job*"] })
      expect(minted.expiresAt - minted.mintedAt).toBe(24 * 3600 * 1000)
      expect(yield* tokens.verify(minted.token)).toEqual({
        id: "project/ada", role: "write", channels: ["news", "job*"], docks: false, expiresAt: minted.expiresAt, tokenId: minted.jti
      })
      const { token: _, ...view } = minted
      expect(tokens.list()).toEqual([view])
      time.advance(24 * 3600 * 1000)
      expect([yield* tokens.verify(minted.token), tokens.list(), channels.clock.now() >= minted.expiresAt]).toEqual([undefined, [], true])
    }))

  effect("is for no name of the kernel, and for none that a system of the constellation has", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      yield* probe(kernel, "module")
      for (const name of ["operator", "terminal", "aaax", "aaax.journal", "aaax/x", "test", "module", "synapse/ada"]) {
        expect([name, (yield* Effect.flip(kernel.tokens.mint({ name, role: "read" })))._tag]).toEqual([name, "Denied"])
      }
      for (const request of [
        { name: 1, role: "read" }, { name: "a", role: "read", channels: "news" }, { name: "a", role: "read", channels: { length: 1 } }, { name: "", role: "read" }, { name: "a b", role: "read" }, { name: "a", role: "boss" }, { name: "a", role: "read", ttlSeconds: 0 },
        { name: "a", role: "read", ttlSeconds: 1e12 }, { name: "a", role: "read", channels: [] }, { name: "a", role: "read", channels: ["a/b"] },
        { name: "a", role: "read", channels: Array.from({ length: 33 }, () => "x") }
      ] as const) expect([request, (yield* Effect.flip(kernel.tokens.mint(request as never)))._tag]).toEqual([request, "InvalidPayload"])
      expect(kernel.tokens.list()).toEqual([])
    }))

  effect("is revoked by its id, or with all others of its name; what is revoked does not come back", () =>
    Effect.gen(function*() {
      const { tokens } = yield* makeKernel()
      const [one, two, other] = [
        yield* tokens.mint({ name: "ada", role: "read" }), yield* tokens.mint({ name: "ada", role: "write" }), yield* tokens.mint({ name: "ben", role: "read" })
      ]
      expect((yield* tokens.revoke(one.jti)).map(({ jti }) => jti)).toEqual([one.jti])
      expect([yield* tokens.verify(one.token), (yield* tokens.verify(two.token))?.id]).toEqual([undefined, "ada"])
      expect((yield* tokens.revoke("ada")).map(({ jti }) => jti)).toEqual([two.jti])
      expect([yield* tokens.verify(two.token), (yield* tokens.verify(other.token))?.id]).toEqual([undefined, "ben"])
      expect((yield* Effect.flip(tokens.revoke("ada")))._tag).toBe("TokenNotFound")
    }))

  effect("and its revocation survive a restart: both are in the journal, the secret is not", () =>
    Effect.gen(function*() {
      const clock = makeClock()
      const store = yield* Memory.make({ clock })
      const key = tokenKeyFile(join(folder, "restart.jwk"))
      const boot = Effect.fnUntraced(function*() {
        const scope = yield* Scope.make()
        const kernel = yield* Scope.provide(makeKernel({ store, tokenKey: key }), scope)
        return { kernel, scope }
      })
      const first = yield* boot()
      const kept = yield* first.kernel.tokens.mint({ name: "ada", role: "read" })
      const gone = yield* first.kernel.tokens.mint({ name: "ben", role: "read" })
      yield* first.kernel.tokens.revoke("ben")
      yield* first.kernel.drainAll(1_000)
      yield* Scope.close(first.scope, Exit.void)
      const second = yield* boot()
      expect([(yield* second.kernel.tokens.verify(kept.token))?.id, yield* second.kernel.tokens.verify(gone.token)]).toEqual(["ada", undefined])
      const journal = yield* second.kernel.audit(0, 1_000)
      expect(journal.filter(({ kind }) => kind.startsWith("token.")).map(({ kind }) => kind)).toEqual(["token.minted", "token.minted", "token.revoked"])
      const [, , secret = "?"] = kept.token.split(".")
      expect(JSON.stringify(journal)).not.toContain(secret)
      yield* Scope.close(second.scope, Exit.void)
    }))

  effect("of another kernel, or signed with its own key by somebody else, is none", () =>
    Effect.gen(function*() {
      const one = yield* makeKernel()
      const two = yield* makeKernel()
      const minted = yield* one.tokens.mint({ name: "ada", role: "read" })
      expect(yield* two.tokens.verify(minted.token)).toBeUndefined()
      // The id is known, the rest is forged.
      const own = yield* two.tokens.mint({ name: "ada", role: "read" })
      const [header = "", claims = "", signature = ""] = own.token.split(".")
      const [, , foreign = ""] = minted.token.split(".")
      const better = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(claims, "base64url").toString()) as object, role: "admin" })).toString("base64url")
      for (const token of [`${header}.${claims}.${foreign}`, `${header}.${better}.${signature}`, `${own.token}=`, ` ${own.token}`, `${header}.${claims}.`]) {
        expect(yield* two.tokens.verify(token)).toBeUndefined()
      }
      expect((yield* two.tokens.verify(own.token))?.role).toBe("read")
    }))

  effect("must be of the kernel's own type, issuer and audience, whoever signs it", () =>
    Effect.gen(function*() {
      const file = join(folder, "typed.jwk")
      const kernel = yield* makeKernel({ tokenKey: tokenKeyFile(file) })
      const { jti, token } = yield* kernel.tokens.mint({ name: "ada", role: "read" })
      const [head = ""] = token.split(".")
      const { kid } = JSON.parse(Buffer.from(head, "base64url").toString()) as { kid: string }
      const key = yield* Effect.promise(() => importJWK(JSON.parse(readFileSync(file, "utf8")) as object, "EdDSA"))
      const exp = Math.ceil(kernel.channels.clock.now() / 1_000) + 60
      const sign = (claims: object, header: object) =>
        Effect.promise(() => new SignJWT({ iss: "test", aud: "test", sub: "ada", jti, exp, ...claims }).setProtectedHeader({ alg: "EdDSA", typ: "aaax+jwt", kid, ...header }).sign(key))
      expect((yield* kernel.tokens.verify(yield* sign({}, {})))?.id).toBe("ada")
      for (const [claims, header] of [
        [{}, { typ: "JWT" }], [{}, { kid: "other" }], [{ iss: "other" }, {}], [{ aud: "other" }, {}], [{ sub: "boss" }, {}], [{ exp: undefined }, {}], [{ exp: 1 }, {}],
        [{ jti: "unknown" }, {}], [{ jti: undefined }, {}]
      ] as const) expect([claims, header, yield* kernel.tokens.verify(yield* sign(claims, header))]).toEqual([claims, header, undefined])
    }))
})

describe("the fold of tokens", () => {
  const token = (jti: string, expiresAt: number): TokenView => ({ jti, name: "a", role: "read", channels: null, docks: false, mintedAt: 0, expiresAt })
  const minted = (state: AuthorityState, at: number, one: TokenView): AuthorityState =>
    step(state, { cursor: state.cursor + 1, hash: "h", entry: { kind: "token.minted", at, token: one } })

  it("lets go of those that have expired when the next is minted, and survives a snapshot of either layout", () => {
    const state = minted(minted(minted(initial, 1, token("one", 10)), 2, token("two", 100)), 10, token("three", 100))
    expect([...HashMap.keys(state.tokens)].sort()).toEqual(["three", "two"])
    expect([...HashMap.keys(thaw(freeze(state)).tokens)].sort()).toEqual(["three", "two"])
    const { tokens: _, ...older } = freeze(state)
    expect(HashMap.size(thaw(older).tokens)).toBe(0)
  })
})

describe("the key of tokens", () => {
  const read = (file: string): Promise<string> =>
    Effect.runPromise(Effect.match(tokenKeyFile(file), { onSuccess: (key) => key.crv ?? "", onFailure: (failure) => failure.message }))

  it("is made at the first use, for its owner alone, whole, and once however many come at once", async () => {
    const file = join(folder, "new", "token-key.jwk")
    const keys = await Promise.all([0, 1, 2].map(() => Effect.runPromise(tokenKeyFile(file))))
    expect(new Set(keys.map(({ d }) => d)).size).toBe(1)
    expect([statSync(file).mode & 0o777, statSync(join(folder, "new")).mode & 0o777, readdirSync(join(folder, "new"))]).toEqual([0o600, 0o700, ["token-key.jwk"]])
  })

  it("is not used when others can read it, when it is a link, or when it is no key", async () => {
    const file = join(folder, "shown.jwk")
    expect(await read(file)).toBe("Ed25519")
    for (const mode of [0o640, 0o604, 0o620, 0o666]) {
      chmodSync(file, mode)
      expect(await read(file)).toContain("can be read by others")
    }
    chmodSync(file, 0o600)
    expect(await read(file)).toBe("Ed25519")
    symlinkSync(file, join(folder, "link.jwk"))
    expect(await read(join(folder, "link.jwk"))).toContain("cannot be opened")
    mkdirSync(join(folder, "folder.jwk"))
    expect(await read(join(folder, "folder.jwk"))).toContain("is not a file")
    for (const text of ["", "{}", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"a\"}"]) {
      writeFileSync(join(folder, "bad.jwk"), text, { mode: 0o600 })
      expect(await read(join(folder, "bad.jwk"))).toContain("holds no")
    }
  })

  it("lies beside the store and not in it, and nowhere when the store is in memory", async () => {
    const directory = mkdtempSync(join(folder, "kernel-"))
    const kernel = await launch({ directory, store: "data/kernel.db" })
    const { token } = await kernel.tokens.mint({ name: "ada", role: "read" })
    await kernel.close()
    expect(readdirSync(join(directory, "data")).filter((name) => name.endsWith(".jwk"))).toEqual(["token-key.jwk"])
    const again = await launch({ directory, store: "data/kernel.db" })
    expect((await Effect.runPromise(again.effect.tokens.verify(token)))?.id).toBe("ada")
    chmodSync(join(directory, "data/token-key.jwk"), 0o644)
    await again.close()
    const third = await launch({ directory, store: "data/kernel.db" })
    await expect(third.tokens.mint({ name: "ben", role: "read" })).rejects.toMatchObject({ _tag: "StoreUnavailable" })
    expect(await Effect.runPromise(third.effect.tokens.verify(token))).toBeUndefined()
    await expect(third.publish("127.0.0.1", 0)).rejects.toMatchObject({ _tag: "ConfigInvalid", message: expect.stringContaining("can be read by others") })
    await third.close()
    const nowhere = mkdtempSync(join(folder, "memory-"))
    const memory = await launch({ directory: nowhere, store: ":memory:" })
    await memory.tokens.mint({ name: "ada", role: "read" })
    await memory.close()
    expect(readdirSync(nowhere)).toEqual([])
  })
})
