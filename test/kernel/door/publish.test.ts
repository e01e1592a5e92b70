// Publishing: where a kernel can be reached, by whom, and what is refused before anything is open.
import { createServer } from "node:http"
import { Agent, get } from "node:https"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { Effect } from "effect"
import { AAAXConfig, AAAXKernel } from "../../../kernel/ancestor.ts"
import { decodeConfig } from "../../../kernel/config.ts"
import * as Http from "../../../kernel/door/http.ts"
import { publicationOf, publishedPort } from "../../../kernel/door/publication.ts"
import { launch, type HostOptions } from "../../../kernel/host.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import { cert, key } from "../../kit/certificate.ts"
import { askAt } from "../../kit/published.ts"

const folder = mkdtempSync(join(tmpdir(), "aaax-publish-"))
writeFileSync(join(folder, "cert.pem"), cert)
writeFileSync(join(folder, "key.pem"), key)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const refusedBy = async (network: NonNullable<HostOptions["network"]>): Promise<{ readonly path: string; readonly reason: string }> => {
  const error: unknown = await launch({ store: ":memory:", directory: folder, network: { publish: true, port: 0, ...network } }).then(
    async (kernel) => {
      await kernel.close()
      return undefined
    },
    (failure: unknown) => failure
  )
  expect(error, JSON.stringify(network)).toMatchObject({ _tag: "ConfigInvalid" })
  return (error as { readonly issues: ReadonlyArray<{ readonly path: string; readonly reason: string }> }).issues[0]! // as was just seen
}

describe("a kernel that is not published", () => {
  it("opens nothing by itself, and its operator's listener lets in nobody else", async () => {
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const { port, published, url } = yield* Http.door({ token: "operator-token", executors: () => [] }).open(kernel)
      expect([published, url]).toEqual([undefined, `http://127.0.0.1:${port}`])
      const { token } = yield* kernel.tokens.mint({ name: "ada", role: "admin" })
      const [operator, ada] = [askAt(port, "operator-token"), askAt(port, token)]
      expect((yield* Effect.promise(() => operator("GET", "/v1/status"))).status).toBe(200)
      expect(yield* Effect.promise(() => ada("GET", "/v1/channels"))).toMatchObject({ status: 401, body: { detail: expect.stringContaining("--publish") } })
      for (const path of ["/sssn/channels", "/channels/x"]) expect((yield* Effect.promise(() => operator("GET", path))).status, path).toBe(404)
    })))
  })
})

describe("a published kernel", () => {
  it("is where it was told to be, once, and gone when it closes", async () => {
    const kernel = await launch({ store: ":memory:" })
    const [one, two] = await Promise.all([kernel.publish("127.0.0.1", 0), kernel.publish("127.0.0.1", 0)])
    expect(two).toEqual(one)
    expect(one.url).toBe(`http://127.0.0.1:${one.port}`)
    const ask = askAt(one.port, one.operatorToken)
    expect((await ask("GET", "/v1/status")).status).toBe(200)
    expect((await ask("GET", "/sssn/channels")).status).toBe(200)
    await kernel.close()
    await expect(ask("GET", "/v1/status")).rejects.toThrow(/ECONNREFUSED|socket hang up|ECONNRESET/u)
  })

  it("takes the next port when the usual one is taken, but never in place of one that was named", async () => {
    const taken = createServer()
    // Whether this test or another program holds it makes no difference.
    await new Promise<void>((resolve) => taken.on("error", () => resolve()).listen(publishedPort, "127.0.0.1", () => resolve()))
    const kernel = await launch({ store: ":memory:", network: { publish: true } })
    const { port } = await kernel.publish()
    expect(port).toBeGreaterThan(publishedPort)
    expect(await refusedBy({ port })).toMatchObject({ path: "port", reason: expect.stringMatching(/is taken by another program/u) })
    const other = await launch({ store: ":memory:" })
    await expect(other.publish("127.0.0.1", port)).rejects.toMatchObject({ _tag: "ConfigInvalid" })
    // What was wrong with one address does not stand in the way of another.
    expect((await other.publish("127.0.0.1", 0)).port).not.toBe(port)
    await Promise.all([kernel.close(), other.close(), new Promise((resolve) => taken.close(resolve))])
  })

  it("is the ancestor's umbrella system, too", async () => {
    const config = await Effect.runPromise(decodeConfig({ store: ":memory:", channels: [{ name: "shown", visibility: "public" }] }, "config"))
    const kernel = new AAAXKernel(new AAAXConfig(config, folder))
    const running = kernel.publish("127.0.0.1", 0)
    const at = await kernel.published()
    expect((await askAt(at.port, at.operatorToken)("GET", "/v1/channels/shown")).status).toBe(200)
    await kernel.stop()
    await running
  })
})

describe("an address that other machines reach", () => {
  it("is refused without TLS, with the remedy; and open security always", async () => {
    expect(await refusedBy({ host: "0.0.0.0" })).toMatchObject({ path: "host", reason: expect.stringMatching(/network\.tls.*network\.behindProxy/u) })
    expect(await refusedBy({ host: "192.0.2.1" })).toMatchObject({ path: "host" })
    expect(await refusedBy({ host: "::" })).toMatchObject({ path: "host" })
    expect(await refusedBy({ host: "0.0.0.0", behindProxy: true })).toMatchObject({ path: "hosts" })
    expect(await refusedBy({ host: "0.0.0.0", behindProxy: true, hosts: ["kernel.example"], security: "open" })).toMatchObject({ path: "network.security" })
    expect(await refusedBy({ behindProxy: true, security: "open" })).toMatchObject({ path: "network.security" })
    expect(await refusedBy({ tls: { cert: "nothing.pem", key: "key.pem" } })).toMatchObject({ path: "tls.cert" })
  })

  it("serves behind a proxy under the names that it was given", async () => {
    const kernel = await launch({ store: ":memory:", network: { publish: true, port: 0, host: "0.0.0.0", behindProxy: true, hosts: ["kernel.example"] } })
    const at = await kernel.publish()
    const ask = askAt(at.port, at.operatorToken)
    expect((await ask("GET", "/v1/status", { headers: { host: "kernel.example", origin: "https://kernel.example" } })).status).toBe(200)
    expect((await ask("GET", "/v1/status", { headers: { host: "other.example" } })).status).toBe(403)
    await kernel.close()
  })

  it("serves under TLS, and the operator's clients of this machine without", async () => {
    const config = await Effect.runPromise(decodeConfig({ network: { port: 0, hosts: ["kernel.example"], tls: { cert: "cert.pem", key: "key.pem" } } }, "config"))
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const publication = yield* publicationOf(config.network, folder)
      const { port, published, url } = yield* Http.door({ token: "operator-token", executors: () => [], publication }).open(kernel)
      expect(published?.url).toBe(`https://127.0.0.1:${published?.port}`)
      expect(url).toBe(`http://127.0.0.1:${port}`)
      expect((yield* Effect.promise(() => askAt(port, "operator-token")("GET", "/v1/status"))).status).toBe(200)
      const status = yield* Effect.promise(() => new Promise((resolve, reject) => {
        const agent = new Agent({ ca: cert })
        get(`https://127.0.0.1:${published?.port}/v1/status`, { agent, headers: { host: "kernel.example", authorization: "Bearer operator-token" } }, (response) => {
          response.resume().on("end", () => resolve(response.statusCode))
        }).on("error", reject)
      }))
      expect(status).toBe(200)
    })))
  })
})
