// The security of the network, given with one argument: as a word, as data, or as an object, in a config or to `launch`.
import { Effect, Result } from "effect"
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose"
import { afterAll, describe, expect, it } from "vitest"
import { decodeConfig, type ConfigInput } from "../../../kernel/config.ts"
import { publicationOf } from "../../../kernel/door/publication.ts"
import { launch } from "../../../kernel/host.ts"
import { ACLSecurity, OpenSecurity, type ChannelSecurity } from "../../../protocol/security.ts"

const folder = mkdtempSync(join(tmpdir(), "aaax-security-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const securityOf = async (config: ConfigInput): Promise<ChannelSecurity | undefined> => {
  const { network } = await Effect.runPromise(decodeConfig(config, "config"))
  return (await Effect.runPromise(publicationOf(network, folder))).security
}

const sign = async (kid: string): Promise<{ readonly token: string; readonly jwk: object }> => {
  const { privateKey, publicKey } = await generateKeyPair("EdDSA", { crv: "Ed25519" })
  const signed = (key: CryptoKey) =>
    new SignJWT({ role: "read" }).setProtectedHeader({ alg: "EdDSA", kid }).setIssuer("us").setAudience("them").setSubject("ada").setExpirationTime("1h").sign(key)
  return { token: await signed(privateKey), jwk: { ...await exportJWK(publicKey), kid } }
}

describe("the security of the network", () => {
  it("is nothing by default: tokens of the kernel alone", async () => {
    expect(await securityOf({})).toBeUndefined()
  })

  it("is named by a word, by access lists, or is an object of the host's", async () => {
    expect(await securityOf({ network: { security: "open" } })).toBeInstanceOf(OpenSecurity)
    expect(await securityOf({ security: "open" })).toBeInstanceOf(OpenSecurity)
    const own = new ACLSecurity({ read: ["ada"] })
    expect(await securityOf({ security: own })).toBe(own)
    const acl = await securityOf({ network: { security: { acl: { write: ["ada"] } } } })
    expect([acl?.allows({ id: "ada" }, "any", "read"), acl?.allows({ id: "ben" }, "any", "read")]).toEqual([true, false])
  })

  it("said twice is a mistake, and so is one that is none", async () => {
    for (const config of [{ security: "open", network: { security: "open" } }, { security: "opne" }, { security: { jwt: {} } }]) {
      expect(Result.isFailure(await Effect.runPromise(Effect.result(decodeConfig(config, "config"))))).toBe(true)
    }
  })

  it("reads the keys of an issuer from a file, and again when the file changes", async () => {
    const file = join(folder, "keys.json")
    const [one, two] = [await sign("one"), await sign("two")]
    writeFileSync(file, JSON.stringify({ keys: [one.jwk] }))
    const jwt = await securityOf({ security: { jwt: { issuer: "us", audience: "them", jwks: "keys.json" } } })
    const who = async (token: string): Promise<string | undefined> => (await jwt?.authenticate?.(token, Date.now()))?.id
    expect([await who(one.token), await who(two.token)]).toEqual(["ada", undefined])
    writeFileSync(file, JSON.stringify({ keys: [two.jwk] }))
    utimesSync(file, 1, 1)
    expect([await who(one.token), await who(two.token)]).toEqual([undefined, "ada"])
    rmSync(file)
    expect(await who(two.token)).toBeUndefined()
  })

  it("takes a shared secret from the environment, and says which variable is missing", async () => {
    const security = { jwt: { issuer: "us", audience: "them", algorithms: ["HS256"], secretEnv: "AAAX_TEST_SECRET" } } as const
    await expect(securityOf({ security })).rejects.toMatchObject({ _tag: "ConfigInvalid", message: expect.stringContaining("AAAX_TEST_SECRET") })
    process.env["AAAX_TEST_SECRET"] = "s".repeat(32)
    try {
      expect((await securityOf({ security }))?.name).toBe("jwt")
    } finally {
      delete process.env["AAAX_TEST_SECRET"]
    }
  })

  it("[W18] that takes a name for a credential is not published where others than this machine may reach it", async () => {
    const kernel = await launch({ store: ":memory:", security: "open", network: { host: "0.0.0.0", behindProxy: true, hosts: ["a.example"], port: 0 } })
    try {
      await expect(kernel.publish()).rejects.toMatchObject({ _tag: "ConfigInvalid", message: expect.stringContaining("network.security") })
      await expect(kernel.publish("127.0.0.1", 0)).rejects.toMatchObject({ _tag: "ConfigInvalid" })
    } finally {
      await kernel.close()
    }
  })
})
