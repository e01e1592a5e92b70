import { Effect, Exit } from "effect"
import { once } from "node:events"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import { afterEach, describe, expect, it } from "vitest"
import { addressRefusal } from "../../../kernel/executor/egress/address.ts"
import { makeEgress, type EgressRule } from "../../../kernel/executor/egress/destination.ts"
import { executor as httpFetch, type Fetched, type FetchOptions } from "../../../kernel/executor/http-fetch.ts"
import { makeSecrets } from "../../../kernel/executor/secrets.ts"
import { resultBytesInline } from "../../../kernel/limits.ts"
import type { CallPowers } from "../../../protocol/executor.ts"
import { callOf } from "../../contract/call.ts"
import { executorContract } from "../../contract/executor.ts"
import { cert } from "../../kit/certificate.ts"
import { powers } from "../../kit/powers.ts"
import { web, type Web } from "../../kit/web.ts"

const all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const
const local = (server: Web, more: Partial<EgressRule> = {}): EgressRule =>
  ({ hosts: ["127.0.0.1"], methods: all, ports: [server.port], schemes: ["http"], ...more })

executorContract("http.fetch", async () => {
  const server = await web((request, response) => {
    if (request.path === "/never") return
    if (request.path === "/away") return response.writeHead(302, { location: "http://10.0.0.1/" }).end()
    response.end(JSON.stringify(request.body))
  })
  const executor = httpFetch({ allow: [local(server)], allowPrivate: [server.host] })
  const of = (path: string, payload: unknown) => callOf(executor, `http://${server.host}${path}`, payload, path)
  return {
    executor,
    call: (number) => of(`/call-${number}`, { method: "POST", body: `body ${number}` }),
    effects: async (call) => server.asked.filter(({ method, path }) => method === "POST" && call.target.endsWith(path)).length,
    takes: (payload) => payload === undefined || payload === null,
    refusedOutside: [["a redirect to a private address", of("/away", { method: "GET" })]],
    endless: {
      call: of("/never", { method: "POST" }),
      underWay: async () => {
        while (server.asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
      },
      gone: async () => {
        for (const socket of server.connections) await once(socket, "close")
      }
    },
    outside: async () => server.asked.filter(({ method }) => method === "POST").length,
    dispose: server.close
  }
})

describe("an address", () => {
  it.each([
    "127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "168.63.129.16",
    "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::",
    "2001::7f00:1", "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "100::1", "5f00::1", "4000::1", "localhost", ""
  ])("%s is not dialled", (address) => {
    expect(addressRefusal(address)).toEqual(expect.any(String))
  })

  it.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "169.253.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])("%s is", (address) => {
    expect(addressRefusal(address)).toBeUndefined()
  })
})

describe("a destination", () => {
  const egress = makeEgress([{ hosts: ["api.example.com", "*.open.example", "xn--mnchen-3ya.de"] }, { hosts: ["api.example.com"], methods: ["POST"], ports: [8443] }, { hosts: ["127.0.0.1", "::1", "::ffff:7f00:1", "169.254.169.254"], methods: ["GET"], schemes: ["http"], ports: [81] }])

  it.each([
    ["https://api.example.com/v1?q=1"], ["https://a.open.example/"], ["https://a.b.open.example/"], ["https://xn--mnchen-3ya.de/"]
  ])("%s is allowed", (target) => {
    expect(egress.to(target, "GET")).toMatchObject({ port: 443 })
  })

  it.each([
    ["https://api.example.com", /write https:\/\/api\.example\.com\/$/u], ["https://API.example.com/", /write https:\/\/api\.example\.com\/$/u],
    ["https://api.example.com:443/", /write /u], ["https://api.example.com/a/../b", /write https:\/\/api\.example\.com\/b$/u],
    ["https://api.example.com/%2e%2e/b", /write /u], ["https://api.example.com./", /ends with a dot/u], ["https://user@api.example.com/", /user's name/u],
    ["https://user:pass@api.example.com/", /user's name/u], ["https://:pass@api.example.com/", /name or password/u], ["https://api.example.com\\@evil.example/", /write |user/u], ["https://api.example.com/#x", /fragment/u],
    ["https://api.example.com\n/", /visible ASCII/u], [" https://api.example.com/", /visible ASCII/u], ["https://аpi.example.com/", /punycode/u],
    ["https://api。example.com/", /visible ASCII/u], ["https://ⓐpi.example.com/", /visible ASCII/u], ["ftp://api.example.com/", /not https/u],
    ["javascript:alert(1)", /not https/u], ["https://evil.example/", /not on the list/u], ["https://open.example/", /not on the list/u],
    ["https://notopen.example/", /not on the list/u], ["https://api.example.com.evil.example/", /not on the list/u], ["http://api.example.com/", /by http at port 80/u],
    ["https://api.example.com:444/", /at port 444/u], ["http://2130706433:81/", /write http:\/\/127\.0\.0\.1:81\/$/u], ["http://0x7f.1:81/", /write /u],
    ["http://0177.0.0.1:81/", /write /u], ["http://127.1:81/", /write /u], ["http://127.0.0.1:81/", /loopback/u], ["http://[::1]:81/", /loopback/u],
    ["http://[::ffff:7f00:1]:81/", /other words/u], ["http://169.254.169.254:81/latest/meta-data/", /link-local/u], ["https://", /not a URL/u]
  ])("%s is not", (target, reason) => {
    expect(egress.to(target, "GET")).toMatch(reason)
  })

  it("is any public one where config says so", () => {
    const anywhere = makeEgress([{ hosts: ["*"], schemes: ["http", "https"] }])
    expect(anywhere.to("https://any.example/", "GET")).toMatchObject({ host: "any.example" })
    expect(anywhere.to("http://127.0.0.1/", "GET")).toMatch(/loopback/u)
  })

  it("is allowed for the methods that are listed for it", () => {
    expect(egress.to("https://api.example.com:8443/", "POST")).toMatchObject({ port: 8443 })
    expect(egress.to("https://api.example.com/", "POST")).toBe("POST is not allowed for api.example.com; allowed: GET, HEAD")
  })

  it.each([["API.example.com"], ["https://api.example.com"], ["api.example.com/"], ["api.example.com:443"], ["a*.example.com"], ["münchen.de"], ["0x7f.1"], [""]])(
    "cannot be configured as %j", (host) => {
      expect(() => makeEgress([{ hosts: [host] }])).toThrow(/not a host as it is dialled/u)
    })

  it.each([["localhost:80"], ["127.0.0.1"], ["10.0.0.0/8:80"]])("cannot be excepted as %j", (address) => {
    expect(() => makeEgress([], [address])).toThrow(/ADDRESS:PORT/u)
  })
})

describe("http.fetch", () => {
  const open: Array<{ readonly close: () => Promise<void> }> = []
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
  })
  const serve = async (...args: Parameters<typeof web>): Promise<Web> => {
    const server = await web(...args)
    open.push(server)
    return server
  }
  const perform = (options: FetchOptions, target: string, payload: unknown = null, given: Partial<CallPowers> = {}) => {
    const executor = httpFetch(options)
    return Effect.runPromiseExit(executor.perform(callOf(executor, target, payload, "key-1"), powers(given).powers))
  }
  const fetched = async (...args: Parameters<typeof perform>): Promise<Fetched> => {
    const exit = await perform(...args)
    if (Exit.isFailure(exit)) throw new Error(JSON.stringify(exit.cause))
    return exit.value as Fetched
  }
  const reason = async (...args: Parameters<typeof perform>): Promise<string> => {
    const exit = await perform(...args)
    const [first] = Exit.isFailure(exit) ? exit.cause.reasons : []
    return first?._tag === "Fail" ? first.error.reason : first?._tag === "Die" ? `died: ${String(first.defect)}` : "succeeded"
  }
  const at = (server: Web, more: Partial<FetchOptions> = {}): FetchOptions => ({ allow: [local(server)], allowPrivate: [server.host], ...more })

  it("gives status, headers and text, and no cookies", async () => {
    const server = await serve((_, response) => void response.writeHead(404, { "content-type": "text/plain", "set-cookie": "a=b", "x-many": ["1", "2"] }).end("nö"))
    expect(await fetched(at(server), `http://${server.host}/x?y=1`, { headers: { accept: "text/plain" } })).toMatchObject({
      status: 404, url: `http://${server.host}/x?y=1`, redirects: 0, headers: { "content-type": "text/plain", "x-many": "1, 2" }, sizeBytes: 3, encoding: "utf8", body: "nö"
    })
    expect((await fetched(at(server), `http://${server.host}/`)).headers).not.toHaveProperty("set-cookie")
    expect(server.asked[0]).toMatchObject({ method: "GET", path: "/x?y=1", headers: { host: server.host, accept: "text/plain" } })
  })

  it("sends a body as it is, and gives bytes that are no text as base64", async () => {
    const server = await serve((_, response) => void response.end(Buffer.from([0xff, 0])))
    expect(await fetched(at(server), `http://${server.host}/`, { method: "PUT", body: "/w==", encoding: "base64" })).toMatchObject({ encoding: "base64", body: "/wA=" })
    expect(server.asked[0]).toMatchObject({ method: "PUT", headers: { "content-length": "1" } })
  })

  it("keeps what is too large for a result as an artifact", async () => {
    const server = await serve((_, response) => void response.end("x".repeat(resultBytesInline + 1)))
    const result = await fetched(at(server), `http://${server.host}/`)
    expect(result).toMatchObject({ artifact: "artifact-0", sizeBytes: resultBytesInline + 1 })
    expect(result).not.toHaveProperty("body")
  })

  it("dials the address that was checked, whatever the name means a moment later", async () => {
    const server = await serve((_, response) => void response.end("here"))
    const answers = [["127.0.0.1"], ["10.0.0.1"]]
    let asked = 0
    const options = at(server, { allow: [{ hosts: ["rebind.example"], schemes: ["http"], ports: [server.port] }], resolve: async () => answers[Math.min(asked++, 1)]! })
    expect(await fetched(options, `http://rebind.example:${server.port}/`)).toMatchObject({ body: "here" })
    expect(asked).toBe(1)
    expect(server.asked[0]?.headers.host).toBe(`rebind.example:${server.port}`)
  })

  it("dials nothing when one of a name's addresses may not be dialled", async () => {
    const server = await serve((_, response) => void response.end("here"))
    const options = at(server, { allow: [{ hosts: ["two.example"], schemes: ["http"], ports: [server.port] }], resolve: async () => ["127.0.0.1", "169.254.169.254"] })
    expect(await reason(options, `http://two.example:${server.port}/`)).toMatch(/169\.254\.169\.254 is link-local/u)
    expect(server.asked).toEqual([])
  })

  it("reaches nothing on this machine that config does not list with its port", async () => {
    const server = await serve((_, response) => void response.end("here"))
    expect(await reason({ allow: [local(server)] }, `http://${server.host}/`)).toMatch(/loopback/u)
    expect(await reason({ allow: [local(server)], allowPrivate: [`127.0.0.1:${server.port + 1}`] }, `http://${server.host}/`)).toMatch(/loopback/u)
    expect(server.asked).toEqual([])
  })

  it("believes a host over TLS only when an authority does", async () => {
    const server = await serve((_, response) => void response.end("safe"), { tls: true })
    const options: FetchOptions = {
      allow: [{ hosts: ["kernel.example", "other.example"], ports: [server.port] }], allowPrivate: [server.host], resolve: async () => ["127.0.0.1"]
    }
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0"
    try {
      expect(await reason(options, `https://kernel.example:${server.port}/`)).toMatch(/cannot be reached: (DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED)/u)
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
    }
    expect(await fetched({ ...options, ca: cert }, `https://kernel.example:${server.port}/`)).toMatchObject({ body: "safe" })
    expect(await reason({ ...options, ca: cert }, `https://other.example:${server.port}/`)).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/u)
  })

  describe("follows a redirect", () => {
    it("of what asks, and looks at each place anew", async () => {
      const server = await serve((request, response) =>
        request.path === "/a" ? void response.writeHead(302, { location: "/b" }).end() : void response.end(`${request.method} ${request.path}`))
      expect(await fetched(at(server), `http://${server.host}/a`)).toMatchObject({ body: "GET /b", redirects: 1, url: `http://${server.host}/b` })
      expect(await fetched(at(server), `http://${server.host}/a`, { method: "POST", body: "x" })).toMatchObject({ body: "GET /b" })
      expect(server.asked.map(({ body, method }) => `${method} ${body}`)).toEqual(["GET ", "GET ", "POST x", "GET "])
    })

    it.each([
      ["to a host that is not listed", "http://other.example/", /not on the list/u], ["to a private address", "http://10.0.0.1/", /not on the list|private/u],
      ["to another scheme", "file:///etc/passwd", /not https/u], ["with a user", "http://a:b@127.0.0.1/", /user/u]
    ])("never %s", async (_, location, expected) => {
      const server = await serve((_request, response) => void response.writeHead(302, { location }).end())
      expect(await reason(at(server), `http://${server.host}/`)).toMatch(expected)
      expect(await fetched(at(server), `http://${server.host}/`, { method: "POST" })).toMatchObject({ status: 302, problem: expect.stringMatching(expected) as unknown })
      expect(server.asked).toHaveLength(2)
    })

    it("never out of what the grant covers", async () => {
      const server = await serve((request, response) => void (request.path === "/a" ? response.writeHead(302, { location: "/b" }) : response).end())
      expect(await reason(at(server), `http://${server.host}/a`, null, { covers: (target) => target.endsWith("/a") })).toMatch(/out of what the grant covers/u)
      expect(server.asked).toHaveLength(1)
    })

    it("never of a change that would be repeated elsewhere", async () => {
      const server = await serve((_, response) => void response.writeHead(307, { location: "/b" }).end())
      expect(await fetched(at(server), `http://${server.host}/a`, { method: "POST", body: "x" })).toMatchObject({ status: 307, problem: "the redirect was not followed: a redirect of a POST is not followed" })
      expect(server.asked).toHaveLength(1)
    })

    it("only so often", async () => {
      const server = await serve((request, response) => void response.writeHead(302, { location: `${request.path}x` }).end())
      expect(await reason(at(server, { redirectsMax: 3 }), `http://${server.host}/`)).toMatch(/more than 3 redirects/u)
      expect(server.asked).toHaveLength(4)
    })

    it("from https to http never", async () => {
      const plain = await serve((_, response) => void response.end("here"))
      const server = await serve((_, response) => void response.writeHead(302, { location: `http://${plain.host}/` }).end(), { tls: true })
      const options: FetchOptions = { allow: [{ hosts: ["127.0.0.1"], ports: [server.port, plain.port], schemes: ["https", "http"] }], allowPrivate: [server.host, plain.host], ca: cert }
      expect(await reason(options, `https://${server.host}/`)).toMatch(/from https to http/u)
      expect(plain.asked).toEqual([])
    })

    it("to another origin without what is for the first, secrets included", async () => {
      process.env["AAAX_TEST_TOKEN"] = "canary-canary"
      try {
        const second = await serve((_, response) => void response.end("there"))
        const first = await serve((_, response) => void response.writeHead(302, { location: `http://${second.host}/` }).end())
        const secrets = makeSecrets({ T: { from: "env:AAAX_TEST_TOKEN", hosts: [first.host, second.host] } })
        const options: FetchOptions = { allow: [local(first, { ports: [first.port, second.port] })], allowPrivate: [first.host, second.host], secrets }
        expect(await fetched(options, `http://${first.host}/`, { headers: { authorization: "Bearer secret:T", "x-key": "mine", accept: "a/b" } })).toMatchObject({ body: "there", redirects: 1 })
        expect(first.asked[0]?.headers).toMatchObject({ authorization: "Bearer canary-canary", "x-key": "mine" })
        expect(second.asked[0]?.headers).toMatchObject({ accept: "a/b" })
        expect(second.asked[0]?.headers).not.toHaveProperty("authorization")
        expect(second.asked[0]?.headers).not.toHaveProperty("x-key")
      } finally {
        delete process.env["AAAX_TEST_TOKEN"]
      }
    })
  })

  describe("is given a secret", () => {
    const secrets = (hosts: ReadonlyArray<string>) => makeSecrets({ T: { from: "env:AAAX_TEST_TOKEN", hosts } })

    it("only for the hosts that it is for, and only by a name that there is", async () => {
      const server = await serve((_, response) => void response.end())
      const ask = (name: string, hosts: ReadonlyArray<string>) => reason(at(server, { secrets: secrets(hosts) }), `http://${server.host}/`, { headers: { authorization: `Bearer secret:${name}` } })
      expect(await ask("T", ["api.example.com", "127.0.0.1"])).toMatch(/the secret T is not for 127\.0\.0\.1:\d+; its `hosts` in the config: api\.example\.com, 127\.0\.0\.1/u)
      expect(await ask("U", [server.host])).toMatch(/there is no secret U; config names T/u)
      expect(await ask("T", [server.host])).toMatch(/the secret T: the variable AAAX_TEST_TOKEN is not set/u)
      expect(server.asked).toEqual([])
    })

    it("never without TLS, but on this machine", async () => {
      process.env["AAAX_TEST_TOKEN"] = "canary-canary"
      try {
        const executor = { allow: [{ hosts: ["plain.example"], schemes: ["http" as const] }], resolve: async () => ["8.8.8.8"], secrets: secrets(["plain.example"]) }
        expect(await reason(executor, "http://plain.example/", { headers: { authorization: "secret:T" } })).toBe("the secret T is not sent to 8.8.8.8 without TLS")
      } finally {
        delete process.env["AAAX_TEST_TOKEN"]
      }
    })
  })

  it.each([
    ["HOST", "x"], ["host", "x"], ["content-length", "1"], ["transfer-encoding", "chunked"], ["connection", "x"], ["cookie", "a=b"], ["proxy-authorization", "x"],
    ["x-forwarded-for", "1.1.1.1"], ["sec-fetch-site", "none"], ["a b", "x"], ["", "x"], ["x", "a\r\nhost: evil"], ["x", "a\nb"], ["x", "é"], ["x", " a"], ["x", "a\0"]
  ])("does not send the header %j: %j", async (name, value) => {
    const server = await serve((_, response) => void response.end())
    expect(httpFetch(at(server)).check?.({ target: `http://${server.host}/`, payload: { headers: { [name]: value } } })).toMatch(/^payload\.headers/u)
  })

  describe("of an answer", () => {
    const bomb = Buffer.alloc(4 * 1_048_576, "a")
    it.each([["gzip", gzipSync(bomb)], ["deflate", deflateSync(bomb)], ["br", brotliCompressSync(bomb)]])("unpacks %s as far as is allowed", async (encoding, body) => {
      const server = await serve((_, response) => void response.writeHead(200, { "content-encoding": encoding }).end(body))
      expect(await reason(at(server, { answerBytesMax: 1_000_000 }), `http://${server.host}/`)).toMatch(/its body has more than 1000000 bytes/u)
      expect((await fetched(at(server), `http://${server.host}/`)).sizeBytes).toBe(bomb.length)
      expect(await fetched(at(server, { answerBytesMax: 1_000_000 }), `http://${server.host}/`, { method: "POST" })).toMatchObject({ status: 200, problem: "its body has more than 1000000 bytes" })
    })

    it("takes no coding that it does not know, and none twice", async () => {
      const server = await serve((_, response) => void response.writeHead(200, { "content-encoding": "gzip, gzip" }).end(gzipSync(gzipSync("x"))))
      expect(await reason(at(server), `http://${server.host}/`)).toMatch(/content-encoding is not one of/u)
    })

    it("takes only so many headers", async () => {
      const server = await serve((_, response) => void response.writeHead(200, { "x-long": "x".repeat(20_000) }).end())
      expect(await reason(at(server), `http://${server.host}/`)).toMatch(/HPE_HEADER_OVERFLOW/u)
    })

    it("waits only so long, also when it comes drop by drop", async () => {
      const server = await serve((request, response) => {
        if (request.path === "/silent") return
        response.writeHead(200, { "content-length": "1000" })
        const timer = setInterval(() => response.write("x"), 5)
        response.on("close", () => clearInterval(timer))
      })
      expect(await reason(at(server, { timeoutMillis: 60 }), `http://${server.host}/silent`)).toMatch(/no answer within 60 ms/u)
      expect(await reason(at(server, { timeoutMillis: 60 }), `http://${server.host}/drops`)).toMatch(/broke off/u)
    })

    it("that never came says nothing of a change, and that nothing was asked of what only asks", async () => {
      const server = createServer((socket) => socket.on("error", () => {}).once("data", () => socket.destroy()))
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      const { port } = server.address() as AddressInfo
      const options: FetchOptions = { allow: [{ hosts: ["127.0.0.1"], methods: all, schemes: ["http"], ports: [port] }], allowPrivate: [`127.0.0.1:${port}`] }
      expect(await reason(options, `http://127.0.0.1:${port}/`)).toMatch(/broke off/u)
      expect(await reason(options, `http://127.0.0.1:${port}/`, { method: "POST" })).toMatch(/^died: Unanswered/u)
      server.close()
      await once(server, "close")
      expect(await reason(options, `http://127.0.0.1:${port}/`, { method: "POST" })).toMatch(/cannot be reached: ECONNREFUSED/u)
    })
  })

  it("declares its risk and recovery by method, and as config says", async () => {
    const { recoveryOf, risk, riskOf } = httpFetch({ allow: [
      { hosts: ["a.example"], methods: all }, { hosts: ["b.example"], methods: ["POST"], risk: { POST: "low" }, idempotencyKey: true }
    ] })
    const of = (host: string, method?: string) => ({ target: `https://${host}/`, payload: method === undefined ? null : { method } })
    expect([undefined, "HEAD", "POST", "DELETE"].map((method) => riskOf?.(of("a.example", method)))).toEqual(["medium", "medium", "high", "high"])
    expect(riskOf?.(of("b.example", "POST"))).toBe("low")
    expect([riskOf?.(of("c.example")), riskOf?.({ target: "https://a.example/", payload: 1 }), risk]).toEqual(["high", "high", "high"])
    expect([of("a.example"), of("a.example", "POST"), of("b.example", "POST")].map((call) => recoveryOf?.(call))).toEqual(["idempotent", "none", "idempotent"])
  })

  it("sends its key where the target does a request with one once", async () => {
    const server = await serve((_, response) => void response.end())
    await fetched({ allow: [local(server, { idempotencyKey: true })], allowPrivate: [server.host] }, `http://${server.host}/`, { method: "POST" })
    await fetched(at(server), `http://${server.host}/`, { method: "POST" })
    expect(server.asked.map(({ headers }) => headers["idempotency-key"])).toEqual(["key-1", undefined])
  })

  it("asks nothing when the fence has moved on", async () => {
    const server = await serve((_, response) => void response.end())
    expect(await reason(at(server), `http://${server.host}/`, { method: "POST" }, { stillHolds: Effect.fail({ reason: "moved on" }) })).toBe("moved on")
    expect(server.asked).toEqual([])
  })
})
