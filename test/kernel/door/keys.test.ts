// Systems outside with a key of their own: each request is proven, tokens are narrowed without the kernel, and a key that is
// revoked is good for nothing from that moment on.
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { attenuate, cardOf, connect, createClient, prove, type Client, type RemoteKernel } from "../../../libos/client.ts"
import { launch, type HostKernel } from "../../../kernel/host.ts"
import { nonceHeader, type EnrolledKey } from "../../../protocol/act.ts"
import type { Caveats } from "../../../protocol/authority.ts"
import { socketMethod, socketPath } from "../../../protocol/frame.ts"
import * as Open from "../../../kernel/policy/open.ts"
import { keyOf, pair, signature, type Pair } from "../../kit/act.ts"
import { counted } from "../../kit/executors.ts"
import { emptyManifest } from "../../../protocol/manifest.ts"
import { awaitReply, requestAction, tokenFor } from "../../kit/probe.ts"
import { askAt, type Told } from "../../kit/published.ts"

const note = counted("note")
let kernel: HostKernel
let url = ""
let port = 0
let operator: Client

beforeAll(async () => {
  kernel = await launch({ store: ":memory:", executors: [note.executor], channels: [{ name: "news", visibility: "public" }, { name: "secret" }], policy: [Open.rule] })
  const published = await kernel.publish("127.0.0.1", 0)
  url = published.url
  port = published.port
  operator = createClient({ url, token: published.operatorToken })
})
afterAll(() => kernel.close())

const enroll = async (name: string, pairOf: Pair = pair(), more: { readonly replace?: boolean; readonly channels?: ReadonlyArray<string> } = {}): Promise<EnrolledKey> => {
  const { audience, epoch } = await operator.keys.enroll({ name, key: { crv: "Ed25519", kty: "OKP", x: pairOf.x }, ...more })
  return keyOf(pairOf, name, epoch, audience)
}
const give = async (to: string, caveats: Caveats = {}): Promise<string> => (await operator.capabilities.issue({ to, resource: "note", access: "execute", caveats: caveats as never })).id

const nonce = async (): Promise<string> => String((await askAt(port, undefined)("GET", "/v1/status")).headers[nonceHeader])

interface Sending {
  readonly method?: string
  readonly path?: string
  readonly body?: string
  readonly proof?: Partial<Parameters<typeof prove>[1]>
  readonly audience?: string
}

/** A request with a proof that says something else than what is sent, where the test says so. */
const send = async (key: EnrolledKey, { audience, body = "", method = "GET", path = "/v1/capabilities", proof = {} }: Sending = {}): Promise<Told & { readonly again: () => Promise<Told> }> => {
  const made = await prove(audience === undefined ? key : { ...key, audience }, { method, target: path, nonce: await nonce(), body, ...proof })
  const again = (): Promise<Told> => askAt(port, undefined)(method, path, { headers: { authorization: `AAAX-Proof ${made}` }, ...(body === "" ? {} : { body }) })
  return { ...await again(), again }
}

const action = (target: string): string => JSON.stringify({ executor: "note", target, risk: "low" })

describe("a system with an enrolled key", () => {
  it("acts as itself, under its own grant, and reads its own answers", async () => {
    const key = await enroll("ada")
    const client = createClient({ url, key })
    await give("ada")
    const told = await client.act({ executor: "note", target: "a", risk: "low" }, { waitMillis: 10_000 })
    expect(told).toMatchObject({ final: true, reply: { kind: "action_completed", recipient: "ada" } })
    expect(note.calls.at(-1)).toMatchObject({ principal: "ada", target: "a" })
    const held = await client.capabilities.list()
    expect(held.length).toBeGreaterThan(0)
    expect(held.every(({ holder }) => holder === "ada")).toBe(true)
  })

  it("reaches PUBLIC channels as far as its key says, the kernel's request channels, and nothing that is the operator's", async () => {
    const key = await enroll("bea", pair(), { channels: ["new*"] })
    const client = createClient({ url, key })
    const [event] = await client.channels.append("news", { payload: 1 })
    expect((await client.events.get(event!.id)).sender).toBe("bea")
    for (const call of [() => client.channels.read("secret"), () => client.channels.read("aaax.journal"), () => client.channels.read("aaax.action-gate")]) {
      await expect(call()).rejects.toMatchObject({ _tag: "ChannelNotFound" })
    }
    for (const call of [() => client.status(), () => client.keys.list(), () => client.gate.list(), () => client.tokens.list()]) await expect(call()).rejects.toMatchObject({ _tag: "Denied" })
    const others = await give("ada")
    await expect(client.capabilities.get(others)).rejects.toMatchObject({ _tag: "GrantNotFound" })
    await expect(client.keys.tokenFor(others)).rejects.toMatchObject({ _tag: "GrantNotFound" })
  })

  it("acts under what it has now: one that was used up, or taken back, is asked for anew", async () => {
    const acted = async (client: Client): Promise<unknown> => (await client.act({ executor: "note", target: "b", risk: "low" }, { waitMillis: 10_000 })).reply
    expect(await acted(operator)).toMatchObject({ kind: "action_completed", recipient: "terminal" })
    for (const { id } of await operator.capabilities.list({ holder: "terminal", resource: "note" })) await operator.capabilities.revoke(id)
    expect(await acted(operator)).toMatchObject({ payload: { reason: expect.stringContaining("an operator took note back") } })
    for (const _ of [1, 2]) {
      await give("terminal", { usesMax: 1 })
      expect(await acted(operator)).toMatchObject({ kind: "action_completed" })
    }
    // One that covers something else is not held on to.
    await give("terminal", { targets: ["c"] })
    expect(await acted(operator)).toMatchObject({ kind: "action_denied" })
    await give("terminal")
    expect(await acted(operator)).toMatchObject({ kind: "action_completed" })
  })

  it("keeps its grants while it is away", async () => {
    const key = await enroll("away")
    const grant = await give("away")
    const remote = await connect({ url, key })
    await Effect.runPromise(remote.port.append("news", [{ payload: 1 }]))
    await remote.close()
    await operator.systems.undock("away")
    expect((await createClient({ url, key }).capabilities.get(grant)).id).toBe(grant)
  })
})

describe("a proof", () => {
  it("is for one request: this method, path, query and body, this kernel, and once", async () => {
    const key = await enroll("cleo")
    await give("cleo")
    expect((await send(key)).status).toBe(200)
    const body = action("once")
    const before = note.calls.length
    const sent = await send(key, { method: "POST", path: "/v1/actions?wait=5000", body })
    expect(sent.status).toBe(200)
    expect(await sent.again()).toMatchObject({ status: 401, body: { detail: expect.stringContaining("taken before") } })
    const wrong: ReadonlyArray<readonly [string, Sending]> = [
      ["another body", { method: "POST", path: "/v1/actions", body, proof: { body: action("other") } }],
      ["another method", { proof: { method: "POST" } }],
      ["another path", { proof: { target: "/v1/actions" } }],
      ["another path", { method: "POST", path: "/v1/actions?wait=1", body, proof: { target: "/v1/actions" } }],
      ["another kernel", { audience: "aaax:other:1" }],
      ["nonce", { proof: { nonce: "n" } }],
      ["behind", { proof: { at: Date.now() - 61_000 } }],
      ["ahead", { proof: { at: Date.now() + 61_000 } }],
      ["another capability token", { method: "POST", path: "/v1/actions", body, proof: { token: "eyJ.x" } }]
    ]
    for (const [says, sending] of wrong) expect(await send(key, sending), says).toMatchObject({ status: 401, body: { detail: expect.stringContaining(says) } })
    expect(note.calls.length).toBe(before + 1)
  })

  it("of another key, or of nobody's, is refused in the words that everybody gets", async () => {
    const key = await enroll("dora")
    const stranger = pair()
    const said = new Set<string>()
    for (const one of [{ ...key, d: stranger.d, x: stranger.x }, { ...key, system: "nobody" }, { ...key, system: "ada" }]) {
      const { body, status } = await send(one)
      expect(status).toBe(401)
      said.add(body.detail)
    }
    const good = await prove(key, { method: "GET", target: "/v1/capabilities", nonce: await nonce() })
    const signed = good.slice(0, good.lastIndexOf("."))
    for (const proof of [`${signed}.${signature(signed, stranger)}`, `${good}=`, `${good} `.replace(".", " ."), "x", "a.b.c", "x".repeat(9_000)]) {
      const { body, status } = await askAt(port, undefined)("GET", "/v1/capabilities", { headers: { authorization: `AAAX-Proof ${proof}` } })
      expect(status).toBe(401)
      said.add(body.detail)
    }
    expect(said.size).toBe(1)
  })

  it("is asked for again on a connection that is open: nothing of it is remembered", async () => {
    const key = await enroll("ella")
    const sent = await send(key)
    const statuses = await Promise.all([sent.again(), sent.again()])
    expect([sent.status, ...statuses.map(({ status }) => status)]).toEqual([200, 401, 401])
  })

  it("of a kernel that was started before is good for nothing: its nonce is another one", async () => {
    const key = await enroll("flo")
    const other = await launch({ store: ":memory:" })
    try {
      const { port: there } = await other.publish("127.0.0.1", 0)
      expect((await askAt(there, undefined)("GET", "/v1/status")).headers[nonceHeader]).not.toBe(await nonce())
      const foreign = String((await askAt(there, undefined)("GET", "/v1/status")).headers[nonceHeader])
      expect((await send(key, { proof: { nonce: foreign } })).status).toBe(401)
    } finally {
      await other.close()
    }
  })

  it("is made anew by a client whose nonce has passed", async () => {
    const key = await enroll("gil")
    let first = true
    const stale: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (!first) return response
      first = false
      return new Response(null, { status: 401, headers: { [nonceHeader]: "stale" } })
    }
    expect(await createClient({ url, key, fetch: stale }).capabilities.list()).toEqual([])
  })
})

describe("a token for a grant", () => {
  it("is narrowed offline, used with proof by whom it names, and counted by the kernel", async () => {
    const [ann, bob] = [await enroll("ann"), await enroll("bob")]
    const grant = await give("ann", { targets: ["docs/**"] })
    const { token } = await createClient({ url, key: ann }).keys.tokenFor(grant, { ttlSeconds: 600 })
    const narrow = await attenuate(token, { to: cardOf(bob), caveats: { usesMax: 1, targets: ["docs/a"] }, key: ann })
    const client = createClient({ url, key: bob })
    const act = (target: string, capability = narrow) => client.act({ executor: "note", target, risk: "low", capability }, { waitMillis: 10_000 })
    expect(await act("docs/b")).toMatchObject({ reply: { kind: "action_denied", payload: { reason: expect.stringContaining("targets") } } })
    expect(await act("docs/a")).toMatchObject({ reply: { kind: "action_completed" } })
    expect(await act("docs/a")).toMatchObject({ reply: { kind: "action_denied", payload: { reason: expect.stringContaining("usesMax") } } })
    expect(await act("docs/a", token)).toMatchObject({ reply: { kind: "action_denied", payload: { reason: expect.stringContaining("another system") } } })
    // What was met is a grant like any other: it is listed, and ended.
    expect((await operator.capabilities.list({ holder: "bob" })).map(({ offline, parent }) => [offline, parent])).toEqual([[grant, grant]])
    // It has a token already, and gets no other one of the kernel.
    const [met] = await operator.capabilities.list({ holder: "bob" })
    await expect(client.keys.tokenFor(met!.id)).rejects.toMatchObject({ _tag: "Denied", message: expect.stringContaining("delegated by a token") })
    await operator.capabilities.revoke(grant)
    expect(await act("docs/a", await attenuate(token, { to: cardOf(bob), caveats: {}, key: ann }))).toMatchObject({ reply: { kind: "action_denied" } })
  })

  it("is not made by the library when no kernel would take it", async () => {
    const key = await enroll("ida")
    let { token } = await createClient({ url, key }).keys.tokenFor(await give("ida"))
    for (let at = 0; at < 4; at++) token = await attenuate(token, { to: cardOf(key), caveats: {}, key })
    await expect(attenuate(token, { to: cardOf(key), caveats: {}, key })).rejects.toThrow(RangeError)
  })
})

describe("a connection with a key", () => {
  it("answers a challenge, asks for authority and acts through its port, and ends with the key", async () => {
    const key = await enroll("jo")
    const remote = await connect({ url, key })
    expect(remote.system).toBe("jo")
    await give("jo")
    const events = await Effect.runPromise(remote.port.append("news", [{ payload: "hi" }]))
    expect(events).toHaveLength(1)
    await operator.keys.revoke("jo")
    await expect(Effect.runPromise(remote.port.append("news", [{ payload: "more" }]))).rejects.toBeDefined()
    expect(await remote.closed).toMatch(/credential|key/u)
    await expect(connect({ url, key })).rejects.toMatchObject({ _tag: "KernelUnreachable" })
    await expect(createClient({ url, key }).capabilities.list()).rejects.toMatchObject({ _tag: "Unauthenticated" })
    expect((await operator.capabilities.list({ holder: "jo" }))).toEqual([])
  })

  it("is closed when the answer is for another challenge, another request, or of another system", async () => {
    const [key, other] = [await enroll("kim"), await enroll("lea")]
    const meet = (answer: (nonce: string) => Promise<string>, name = "kim"): Promise<number | string> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${url.replace("http", "ws")}${socketPath}`)
        socket.on("open", () => socket.send(JSON.stringify({ frame: "hello", versions: [1], key: name })))
        socket.on("message", (data: Buffer) => {
          const frame = JSON.parse(data.toString())
          if (frame.frame === "challenge") void answer(frame.nonce).then((proof) => socket.send(JSON.stringify({ frame: "prove", proof })))
          else {
            resolve(frame.frame)
            socket.close()
          }
        })
        socket.on("close", (code) => resolve(code))
      })
    const proofOf = (by: EnrolledKey, nonce: string, more: object = {}) => prove(by, { method: socketMethod, target: socketPath, nonce, ...more })
    expect(await meet((given) => proofOf(key, given))).toBe("welcome")
    expect(await meet(() => proofOf(key, "another"))).toBe(4401)
    expect(await meet(async () => proofOf(key, await nonce()))).toBe(4401)
    expect(await meet((given) => proofOf(key, given, { method: "GET" }))).toBe(4401)
    expect(await meet((given) => proofOf(key, given, { at: Date.now() - 70_000 }))).toBe(4401)
    expect(await meet((given) => proofOf(other, given))).toBe(4401)
    expect(await meet((given) => proofOf({ ...other, system: "kim" }, given))).toBe(4401)
    expect(await meet(() => Promise.resolve("x"))).toBe(4401)
  })
})

describe("a system that is docked from elsewhere", () => {
  it("asks for what is of high risk with a key, and not with a bearer token", async () => {
    const risky = async (id: string, remote: RemoteKernel) => {
      const { port: own } = await remote.dock({ manifest: emptyManifest(id), run: () => Effect.never })
      const token = await Effect.runPromise(tokenFor(own, "note"))
      const kinds: Array<string> = []
      for (const risk_level of ["medium", "high"]) {
        const request = await Effect.runPromise(requestAction(own, { action: "x", executor: "note", target: "x", capability: token, risk_level }))
        kinds.push((await Effect.runPromise(awaitReply(own, request))).kind)
      }
      await remote.close()
      return kinds
    }
    const { token } = await operator.tokens.mint({ name: "pia", role: "admin", docks: true })
    expect(await risky("pia/one", await connect({ url, token }))).toEqual(["action_completed", "action_denied"])
    await operator.keys.enroll({ name: "pia", key: { crv: "Ed25519", kty: "OKP", x: pair().x } })
    const bearer = await connect({ url, token })
    await expect(bearer.dock({ manifest: emptyManifest("pia"), run: () => Effect.never })).rejects.toMatchObject({ _tag: "Denied", reason: expect.stringContaining("a key is enrolled") })
    await bearer.close()
    const own = pair()
    const { audience, epoch } = await operator.keys.enroll({ name: "quin", key: { crv: "Ed25519", kty: "OKP", x: own.x }, role: "admin", docks: true })
    expect(await risky("quin/one", await connect({ url, key: keyOf(own, "quin", epoch, audience) }))).toEqual(["action_completed", "action_completed"])
  })
})

describe("enrolling", () => {
  it("takes public keys that are strong, under names that are nobody's, once", async () => {
    const { x } = pair()
    const refused = async (request: object): Promise<string> => operator.keys.enroll(request as never).then(() => "taken", (error: { readonly _tag: string }) => error._tag)
    const good = { crv: "Ed25519", kty: "OKP", x }
    expect(await refused({ name: "mo", key: { ...good, x: "A".repeat(43) } })).toBe("InvalidPayload")
    expect(await refused({ name: "mo", key: { ...good, crv: "P-256" } })).toBe("InvalidPayload")
    expect(await refused({ name: "mo", key: { ...good, d: x } })).toBe("InvalidPayload")
    for (const name of ["operator", "terminal", "aaax", "aaax.x"]) expect(await refused({ name, key: good }), name).toBe("Denied")
    expect(await refused({ name: "mo", key: good })).toBe("taken")
    expect(await refused({ name: "mo", key: good })).toBe("EnrolmentExists")
    expect((await operator.keys.get("mo")).x).toBe(x)
    await expect(operator.keys.revoke("nobody")).rejects.toMatchObject({ _tag: "EnrolmentNotFound" })
  })

  it("anew under a name ends what was signed with the key before, and connections of that", async () => {
    const own = pair()
    const key = await enroll("nia", own)
    const grant = await give("nia")
    const { token } = await createClient({ url, key }).keys.tokenFor(grant)
    const remote = await connect({ url, key })
    const anew = await enroll("nia", own, { replace: true })
    expect(anew.epoch).toBeGreaterThan(key.epoch)
    expect(await remote.closed).toMatch(/credential|key/u)
    const told = await createClient({ url, key: anew }).act({ executor: "note", target: "x", risk: "low", capability: token }, { waitMillis: 10_000 })
    expect(told).toMatchObject({ reply: { kind: "action_denied", payload: { reason: expect.stringContaining("nia") } } })
    expect((await createClient({ url, key: anew }).capabilities.get(grant)).id).toBe(grant)
  })

  it("lets the kernel change its own key: what it signed before is good once more, and then no longer", async () => {
    const key = await enroll("oz")
    const client = createClient({ url, key })
    const { token } = await client.keys.tokenFor(await give("oz"))
    const kind = async () => (await client.act({ executor: "note", target: "x", risk: "low", capability: token }, { waitMillis: 10_000 })).reply?.kind
    expect(await kind()).toBe("action_completed")
    expect((await operator.call("rotateKey")).keys).toHaveLength(2)
    expect(await kind()).toBe("action_completed")
    await operator.call("rotateKey")
    expect(await kind()).toBe("action_denied")
    const { token: newer } = await client.keys.tokenFor((await client.capabilities.list())[0]!.id)
    expect(newer.split(".")[0]).not.toBe(token.split(".")[0])
  })
})

