// The synapse door beside what its wire promises: what a seat may touch, how pace is kept, and where the door can be opened.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { fieldsOf } from "../../../kernel/door/synapse/frame.ts"
import { nameRefusal } from "../../../kernel/door/synapse/name.ts"
import { makeBucket, makeBuckets, reserve, take } from "../../../kernel/door/synapse/pace.ts"
import { wireBytes } from "../../../kernel/door/synapse/wire-bytes.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { seatReads, seatOfSystem, systemOfSeat } from "../../../protocol/coordination.ts"
import { until } from "../../kit/channels.ts"
import { askAt } from "../../kit/published.ts"
import { withSynapse } from "../../kit/synapse.ts"

describe("a seat that came over the wire", () => {
  it("is wired to coordination and to nothing else", () =>
    withSynapse({ kernel: { channels: [{ name: "open.news", visibility: "public" }] } }, async ({ agent, kernel, run }) => {
      await agent("alpha")
      const { port } = await run(kernel.dockSeat("synapse/other"))
      expect((await run(port.channels)).map(({ name }) => name).sort()).toEqual(["coordination.requests", ...seatReads].sort())
      for (const channel of ["open.news", "aaax.action-gate", "aaax.capability-request", "aaax.journal", "coordination.epochs"]) {
        await expect(run(port.append(channel, [{ payload: {} }])), channel).rejects.toMatchObject({ _tag: "Denied" })
        await expect(run(port.read(channel)), channel).rejects.toMatchObject({ _tag: "Denied" })
      }
      for (const channel of seatReads) await expect(run(port.append(channel, [{ payload: {} }])), channel).rejects.toMatchObject({ _tag: "Denied" })
      await expect(run(port.read("coordination.requests"))).rejects.toMatchObject({ _tag: "Denied" })
    }))

  it("is answered what it asked before it was let go, and leaves behind that", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      beta.send({ sender: "beta", type: "claim", task_id: "t", paths: ["a"] })
      beta.send({ sender: "gamma", type: "heartbeat" })
      await alpha.next((frame) => frame.event === "left" && frame.agent === "beta")
      await alpha.settled()
      const told = alpha.frames.filter((frame) => frame.owner === "beta" || frame.agent === "beta").map((frame) => frame.event ?? frame.type)
      expect(told).toEqual(["joined", "claim_granted", "left"])
    }))

  it("is the guest of a token where that is docked already, and leaves it there", () =>
    withSynapse({}, async ({ kernel, run }) => {
      await run(kernel.dockGuest("bob"))
      const { leave, port } = await run(kernel.dockSeat("bob"))
      await run(port.append("coordination.requests", [{ kind: "request", payload: { verb: "who" } }]))
      await run(leave)
      expect(kernel.systems().some(({ id }) => id === "bob")).toBe(true)
    }))

  it("has a system's name that says its own, whatever that is", () => {
    for (const name of ["alpha", "a/b", "a:b", "~7e.", "..", "名前 x", "a%2fb", "~"]) expect(seatOfSystem(systemOfSeat(name)), name).toBe(name)
    expect(nameRefusal("alpha")).toBeUndefined()
    expect([nameRefusal("\u2028"), nameRefusal("")]).toEqual(["A name holds no control character, no '*' and no ','.", "A name is required."])
  })
})

describe("the port of the synapse wire", () => {
  it("lets so many requests of one connection wait, and another one when one of them has its answer", () =>
    withSynapse({}, async ({ agent }) => {
      const [alpha, beta] = [await agent("alpha"), await agent("beta")]
      for (let at = 0; at < 18; at++) await alpha.ask("claim", { task_id: `t${at}`, mutex: true }, "claim_granted")
      for (let at = 0; at < 16; at++) beta.say("claim", { task_id: `t${at}`, mutex: true, wait: true })
      expect(await beta.ask("claim", { task_id: "t16", mutex: true, wait: true }, "claim_denied")).toMatchObject({ reason_code: "QUOTA_EXCEEDED", payload: "At most 16 requests of one connection may wait." })
      await alpha.ask("release", { task_id: "t3" }, "release_granted")
      expect(await beta.next(({ owner, type }) => type === "claim_granted" && owner === "beta")).toMatchObject({ task_id: "t3" })
      beta.say("claim", { task_id: "t16", mutex: true, wait: true })
      await beta.settled()
      await alpha.ask("release", { task_id: "t16" }, "release_granted")
      expect(await beta.next(({ owner, task_id, type }) => type === "claim_granted" && owner === "beta" && task_id === "t16")).toBeDefined()
      expect(await beta.ask("claim", { task_id: "t17", mutex: true }, "claim_denied")).toMatchObject({ reason_code: "LEASE_LIVE" })
    }))

  it("lets so many requests of one connection be under way, however many it sends at once", () =>
    withSynapse({}, async ({ agent, hub, kernel, run }) => {
      const [alpha, beta] = [await agent("alpha"), await agent("beta")]
      await run(kernel.undock("coordinator"))
      // One that takes its time.
      await run(kernel.dock({ manifest: coordinator().manifest, run: () => Effect.never }))
      for (let at = 0; at < 600; at++) alpha.say("ask", { ask: { verb: "why", worktree: "", path: "x" } })
      await until(() => hub().underWay() >= 64)
      for (let at = 0; at < 10; at++) {
        beta.send("no frame")
        await beta.next(({ reason_code }) => reason_code === "MALFORMED")
      }
      expect(hub().underWay()).toBe(64)
    }))

  it("lets nobody act beside a name that is another system's there", () =>
    withSynapse({}, async ({ agent, connect, mint }) => {
      await agent("bob")
      const client = await connect({ headers: { authorization: `Bearer ${await mint({ name: "bob", role: "write" })}` } })
      client.send({ sender: "bob", type: "heartbeat", beside: true })
      expect(await client.next((frame) => frame.type !== "welcome")).toMatchObject({ type: "name_conflict", payload: "Name 'bob' is already online from another session. Use a unique --name." })
    }))

  it("counts what it refuses, and answers no more of what cannot be read than it would of heartbeats", () =>
    withSynapse({}, async ({ agent, hub }) => {
      const alpha = await agent("alpha")
      const { counts } = hub()
      expect(await alpha.ask("claim", { task_id: "t", paths: "src" }, "claim_denied")).toMatchObject({ reason_code: "INVALID" })
      expect(await alpha.ask("claim", { task_id: " " }, "claim_denied")).toMatchObject({ reason_code: "TASK_ID_REQUIRED" })
      expect(counts.denied).toBe(2)
      expect(await alpha.ask("ask", { ask: { verb: "release", task: "x" } }, "answer")).toMatchObject({ payload: "Task 'x' is not currently claimed.", answer: { code: "NOT_CLAIMED" } })
      expect([...counts.refusals]).toEqual([["INVALID", 1], ["TASK_ID_REQUIRED", 1], ["NOT_CLAIMED", 1]])
      for (let at = 0; at < 200; at++) alpha.send("no frame")
      await alpha.next(({ reason_code }) => reason_code === "RATE_LIMITED")
      await alpha.settled()
      const malformed = alpha.frames.filter(({ reason_code }) => reason_code === "MALFORMED").length
      expect(malformed).toBeLessThan(200)
      expect([counts.refusals.get("MALFORMED"), (counts.refusals.get("RATE_LIMITED") ?? 0) + malformed]).toEqual([malformed, 200])
    }))

  it("takes nobody any more once it is closed", async () => {
    const hub = await withSynapse({}, async ({ agent, hub: opened }) => {
      await agent("alpha")
      return opened()
    })
    let said = ""
    hub.upgrade({ open: true, tokens: [] } as never)({ headers: {}, socket: {} } as never, { end: (text: string) => void (said += text) } as never, Buffer.alloc(0))
    expect(said).toMatch(/^HTTP\/1\.1 503 /u)
    expect(hub.connections()).toBe(0)
  })

  it("says to who asks without upgrading what it speaks", () =>
    withSynapse({}, async ({ port }) => {
      expect(await askAt(port, undefined)("GET", "/")).toMatchObject({ status: 426 })
    }))
})

describe("a frame", () => {
  it("is bytes with the length that a client reads", () => {
    for (const [length, head] of [[0, 2], [125, 2], [126, 4], [65_535, 4], [65_536, 10]] as const) {
      const bytes = wireBytes("x".repeat(length))
      expect(bytes.length).toBe(head + length)
      expect(bytes[0]).toBe(0x81)
      const told = head === 2 ? bytes[1] : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
      expect(told).toBe(length)
    }
  })

  it("may nest 64 levels and no more", () => {
    const nested = (levels: number): string => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`
    expect(fieldsOf(nested(64))).toBeTypeOf("object")
    expect(fieldsOf(nested(65))).toContain("64 levels")
  })

  it("may hold whole characters in two halves, in names and values beside anything else, and no half alone", () => {
    const pair = "\\ud83e\\udd80"
    const fields = `{"n":1,"z":null,"t":true,"l":[0,"${pair}"],"o":{"${pair}":""}}`
    expect(fieldsOf(fields)).toEqual({ n: 1, z: null, t: true, l: [0, "\u{1f980}"], o: { "\u{1f980}": "" } })
    for (const half of ["\\ud83e", "\\udd80", "\\udd80\\ud83e"]) for (const text of [`{"a":"${half}"}`, `{"a":[1,["${half}"]]}`, `{"a":{"${half}":1}}`]) expect(fieldsOf(text), text).toContain("half of a surrogate pair")
  })
})

describe("pace", () => {
  it("gives so many at once and so many a second", () => {
    const bucket = makeBucket(2, 0)
    expect([take(bucket, 1, 2, 0), take(bucket, 1, 2, 0), take(bucket, 1, 2, 0)]).toEqual([true, true, false])
    expect(take(bucket, 1, 2, 999)).toBe(false)
    expect(take(bucket, 1, 2, 1_000)).toBe(true)
    expect([take(bucket, 1, 2, 100_000), take(bucket, 1, 2, 100_000), take(bucket, 1, 2, 100_000)]).toEqual([true, true, false])
  })

  it("says how long to wait for what is taken on account", () => {
    const bucket = makeBucket(2, 0)
    expect([reserve(bucket, 1, 2, 0), reserve(bucket, 1, 2, 0), reserve(bucket, 1, 2, 0), reserve(bucket, 1, 2, 0)]).toEqual([0, 0, 1_000, 2_000])
  })

  it("is kept for who comes back, under its name or another, and is another address's own", () => {
    const buckets = makeBuckets(0.001, 5)
    const first = buckets.enter("here", "alpha", 0)
    first.level = 1
    buckets.leave("here", "alpha", first, 0)
    expect(buckets.enter("there", "alpha", 0).level).toBe(5)
    expect(buckets.enter("here", "beta", 0)).toBe(first)
    expect(buckets.enter("here", "gamma", 0).level).toBe(5)
    const second = buckets.enter("here", "delta", 0)
    second.level = 0
    buckets.leave("here", "delta", second, 0)
    buckets.leave("here", "beta", first, 0)
    expect(buckets.enter("here", "beta", 0)).toBe(first)
    expect(buckets.ofCredential("bob")).toBe(buckets.ofCredential("bob"))
  })
})

