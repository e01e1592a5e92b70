// The transport of single channels at /channels/{id}, as the clients of the first Python generation speak to it: asked
// itself, with a kernel in memory behind it.
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { makeReception } from "../../../kernel/door/reception.ts"
import { transport } from "../../../kernel/door/transport.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import type { ChannelSpec } from "../../../protocol/channel.ts"
import { draftOf, genericContent, infoOf, messageOf, wireOf } from "../../../protocol/message.ts"
import type { Port } from "../../../protocol/port.ts"
import { ACLSecurity, type Role } from "../../../protocol/security.ts"
import { ask, type Told } from "../../kit/asked.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

interface WireMessages {
  readonly messages: ReadonlyArray<ReturnType<typeof wireOf>>
}

const messages = ({ body }: Told): WireMessages["messages"] => (body as WireMessages).messages
const datas = (told: Told): ReadonlyArray<unknown> => messages(told).map(({ content }) => content["data"])
const detail = ({ body }: Told): string => (body as { readonly detail: string }).detail

const world = Effect.fnUntraced(function*(extra: ReadonlyArray<ChannelSpec> = []) {
  const kernel = yield* makeKernel({
    channels: [
      { name: "news", visibility: "public", description: "What is new" }, { name: "topic", form: "topic", visibility: "public" },
      { name: "jobs", form: "queue", visibility: "public", leaseMillis: 1_000 }, { name: "inbox", delivery: "addressed", visibility: "public" },
      { name: "secret" }, ...extra
    ]
  })
  const reception = yield* makeReception({ kernel, operatorToken: "o".repeat(43), isLoopback: true })
  const surface = transport({ kernel })
  const enter = Effect.fnUntraced(function*(name: string, role: Role, channels?: ReadonlyArray<string>) {
    const { token } = yield* kernel.tokens.mint({ name, role, ...(channels === undefined ? {} : { channels }) })
    return ask(surface, yield* reception.byToken(token))
  })
  return { kernel, reception, surface, enter }
})

describe("a message", () => {
  effect("[4] keeps correlation, reply channel, recipient, metadata and its exact content on the way through the kernel", () =>
    Effect.gen(function*() {
      const { kernel } = yield* world()
      const { port } = { port: yield* probe(kernel, "w", { writes: ["news"], reads: ["news"] }) }
      const draft = {
        id: "m1", timestamp: 12.5, content: { text: "hi", more: { deep: [1, null, "ü"] } }, metadata: { retries: 2, "aaax.kind": "note" },
        correlationId: "c1", replyTo: "answers", recipientId: "ada"
      }
      yield* port.append("news", [draftOf(draft)])
      const [event] = (yield* port.read("news")).events
      expect([event!.kind, Object.keys(event!.metadata)]).toEqual(["note", ["retries", "aaax.reply_to"]])
      const message = messageOf(event!)
      expect(message).toEqual({ ...draft, senderId: "w" })
      expect(Object.isFrozen(message) && Object.isFrozen(message.content)).toBe(true)
      expect(wireOf(message)).toMatchObject({ sender_id: "w", correlation_id: "c1", reply_to: "answers", recipient_id: "ada" })
      expect(messageOf({ ...event!, kind: "file", payload: 7, metadata: {} })).toMatchObject({ content: genericContent(7), metadata: { "aaax.kind": "file" }, replyTo: null })
    }))

  effect("[6] [103] tells its channel's id, name and visibility in words, to whom may read it", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world([{ name: "named", visibility: "public", metadata: { name: "The Name", period: 5 } }])
      const reader = yield* enter("ada", "read")
      expect((yield* reader("GET", "/news/info")).body).toEqual({ id: "news", name: "news", description: "What is new", visibility: "public", period: 60 })
      expect((yield* reader("GET", "/named/info")).body).toMatchObject({ name: "The Name", period: 5 })
      expect(infoOf(kernel.channels.get("secret")!).visibility).toBe("private")
      expect((yield* (yield* enter("ben", "read", ["jobs"]))("GET", "/news/info")).status).toBe(403)
    }))
})

describe("a write", () => {
  effect("[100] of any JSON is accepted and read with its sender, wrapped as content", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const writer = yield* enter("ada", "write")
      const reader = yield* enter("ben", "read")
      const accepted = yield* writer("PUT", "/news", { temp: 21 })
      expect(accepted).toMatchObject({ status: 200, body: { status: "accepted" } })
      for (const body of ["null", "7", "\"text\"", "[1]"]) expect((yield* writer("PUT", "/news", body)).status).toBe(200)
      const read = yield* reader("GET", "/news")
      expect(datas(read)).toEqual([{ temp: 21 }, null, 7, "text", [1]])
      expect(messages(read)[0]).toMatchObject({ id: (accepted.body as { item_id: string }).item_id, sender_id: "ada", metadata: {}, reply_to: null })
    }))

  effect("[101] without a credential is told that the bearer token is missing, and a wrong one is refused in other words", () =>
    Effect.gen(function*() {
      const { reception, surface } = yield* world()
      const missing = yield* Effect.flip(reception.authenticate(undefined))
      expect(JSON.parse(String(surface.refusal(401, "Unauthorized", missing.message).body))).toEqual({ detail: "Missing Bearer token." })
      const wrong = yield* Effect.flip(reception.authenticate("Bearer x"))
      expect(JSON.parse(String(surface.refusal(401, "Unauthorized", wrong.message).body)).detail).not.toContain("Missing")
    }))

  effect("[102] outside the token's channels is refused and keeps nothing, in the same words whether or not there is such a channel", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const writer = yield* enter("ada", "write", ["jobs"])
      const refused = yield* Effect.forEach(["news", "secret", "missing"], (name) => Effect.map(writer("PUT", `/${name}`, 1), (told) => [told.status, detail(told).replace(name, "X")]))
      expect(new Set(refused.map((one) => JSON.stringify(one)))).toEqual(new Set([JSON.stringify([403, "Token does not permit 'write' on channel 'X'."])]))
      expect(kernel.channels.store.statisticsOf("news")!.head).toBe(0)
      const anywhere = yield* enter("ben", "write")
      expect([(yield* anywhere("PUT", "/secret", 1)).status, (yield* anywhere("PUT", "/missing", 1)).status, (yield* anywhere("PUT", "/aaax.journal", 1)).status]).toEqual([404, 404, 404])
    }))

  effect("[104] needs JSON, and acknowledging needs a list of ids", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const writer = yield* enter("ada", "write")
      const told = [
        yield* writer("PUT", "/news", "{"), yield* writer("PUT", "/news"), yield* writer("POST", "/jobs/acknowledge", { message_ids: "m1" }),
        yield* writer("POST", "/jobs/nack", { message_ids: { a: 1 } }), yield* writer("POST", "/jobs/nack", { message_ids: [1] }),
        yield* writer("POST", "/jobs/acknowledge", [1]), yield* writer("POST", "/jobs/acknowledge", "{")
      ]
      expect(told.map((one) => [one.status, detail(one)])).toEqual([
        [400, "Invalid JSON body."], [400, "Invalid JSON body."], [400, "'message_ids' must be a list."], [400, "'message_ids' must be a list."],
        [400, "'message_ids' must be a list of strings."], [400, "The body must be an object."], [400, "Invalid JSON body."]
      ])
      expect((yield* writer("POST", "/jobs/acknowledge", {})).body).toEqual({ status: "ok", acknowledged: 0 })
    }))

  effect("[35] [108] [W16] with `direct` keeps the given id and every field, and cannot name another sender", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const writer = yield* enter("ada", "write")
      const message = {
        id: "m1", timestamp: 100, sender_id: "ada", content: { data: 1 }, metadata: { priority: 9 }, correlation_id: "c", reply_to: "answers", recipient_id: "ben"
      }
      expect((yield* writer("PUT", "/news?direct=true", message)).body).toEqual({ status: "accepted", item_id: "m1" })
      expect(messages(yield* writer("GET", "/news"))).toEqual([message])
      const forged = yield* writer("PUT", "/news?direct=true", { ...message, id: "m2", sender_id: "boss" })
      expect([forged.status, detail(forged)]).toEqual([403, expect.stringContaining("may not write as 'boss'")])
      expect(kernel.channels.store.statisticsOf("news")!.events).toBe(1)
    }))

  effect("[108] of a message that is there already is the same write, and of another one under its id is refused", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const writer = yield* enter("ada", "write")
      const message = { id: "m1", timestamp: 1, sender_id: "ada", content: { data: 1 } }
      for (const expected of [200, 200]) expect((yield* writer("PUT", "/news?direct=1", message)).status).toBe(expected)
      expect((yield* writer("PUT", "/news?direct=1", { ...message, content: { data: 2 } })).status).toBe(409)
      expect((yield* (yield* enter("ben", "write"))("PUT", "/news?direct=1", { ...message, sender_id: "ben" })).status).toBe(409)
      expect(kernel.channels.store.statisticsOf("news")!.events).toBe(1)
    }))

  effect("of what is no message is refused with the place of the mistake", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const writer = yield* enter("ada", "write")
      for (const [message, where] of [[{ id: "a" }, "content"], [{ content: 1 }, "content"], [{ content: {}, metadata: [] }, "metadata"], [7, ""], [{ content: {}, timestamp: "x" }, "timestamp"]] as const) {
        const told = yield* writer("PUT", "/news?direct=true", message)
        expect([told.status, detail(told)]).toEqual([400, expect.stringContaining(`Invalid message at ${where}`)])
      }
      for (const word of ["perhaps", "2"]) expect((yield* writer("PUT", `/news?direct=${word}`, { id: "m9", content: {} })).status).toBe(422)
      for (const id of ["", "a b", "a/b", ".."]) expect((yield* writer("PUT", "/news?direct=true", { id, content: {} })).status).toBe(400)
    }))

  effect("goes through the provider's own code, which may discard it", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      yield* probe(kernel, "owner", { provides: [{ name: "typed", visibility: "public" }] }, {}, {
        converters: {
          typed: (sender, raw) => {
            if (raw === "bad") throw new TypeError("not a reading")
            return raw === "noise" ? null : draftOf({ content: { reading: raw as number, by: sender } })
          }
        }
      })
      const writer = yield* enter("ada", "write")
      yield* writer("PUT", "/typed", 21)
      expect((yield* writer("PUT", "/typed", "\"noise\"")).body).toEqual({ status: "accepted", item_id: "" })
      expect(detail(yield* writer("PUT", "/typed", "\"bad\""))).toContain("not a reading")
      expect(messages(yield* writer("GET", "/typed")).map(({ content, sender_id }) => [sender_id, content])).toEqual([["ada", { reading: 21, by: "ada" }]])
    }))
})

describe("a shared read", () => {
  effect("[7] [8] [9] [12] gives each guest everything in order, at its own durable cursor, at most as many as it asks for", () =>
    Effect.gen(function*() {
      const { enter, kernel, reception } = yield* world()
      const writer = yield* enter("w", "write")
      for (let n = 1; n <= 12; n++) yield* writer("PUT", "/news", n)
      const ada = yield* enter("ada", "read")
      expect(datas(yield* ada("GET", "/news"))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      expect(datas(yield* ada("GET", "/news?limit=1"))).toEqual([11])
      expect(datas(yield* (yield* enter("ben", "read"))("GET", "/news?limit=2"))).toEqual([1, 2])
      // Another surface over the same kernel: the cursor is not its memory.
      const { token } = yield* kernel.tokens.mint({ name: "ada", role: "read" })
      const again = ask(transport({ kernel }), yield* reception.byToken(token))
      expect(datas(yield* again("GET", "/news"))).toEqual([12])
      expect(datas(yield* again("GET", "/news"))).toEqual([])
    }))

  effect("[9] gives no event twice to reads of one guest that come at once", () =>
    Effect.gen(function*() {
      const { enter, kernel, reception, surface } = yield* world()
      const writer = yield* enter("w", "write")
      for (let n = 1; n <= 20; n++) yield* writer("PUT", "/news", n)
      const { token } = yield* kernel.tokens.mint({ name: "ada", role: "read" })
      const guest = yield* reception.byToken(token)
      // A store that takes its time: others come in between.
      const read: Port["read"] = (channel, options) => Effect.andThen(Effect.yieldNow, guest.port.read(channel, options))
      const ada = ask(surface, { ...guest, port: { ...guest.port, read } })
      const told = yield* Effect.forEach(Array.from({ length: 8 }), () => ada("GET", "/news?limit=3"), { concurrency: "unbounded" })
      expect(told.flatMap(datas).sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
    }))

  effect("[10] [11] goes on behind a message, and refuses one that it does not know instead of starting over", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const writer = yield* enter("w", "write")
      const ids: Array<string> = []
      for (let n = 1; n <= 4; n++) ids.push(((yield* writer("PUT", "/news", n)).body as { item_id: string }).item_id)
      yield* writer("PUT", "/topic?direct=true", { id: "elsewhere", content: {} })
      const ada = yield* enter("ada", "read")
      expect(datas(yield* ada("GET", `/news?after=${ids[1]}&limit=1`))).toEqual([3])
      expect(datas(yield* ada("GET", "/news"))).toEqual([4])
      for (const after of ["unknown", "elsewhere", "", "a%20b"]) {
        const told = yield* ada("GET", `/news?after=${after}`)
        expect([after, told.status, detail(told)]).toEqual([after, 400, expect.stringContaining("query.after")])
      }
    }))

  effect("[13] [14] [15] [W3] passes over what others hold, never sees what is acknowledged, and gets what is given back", () =>
    Effect.gen(function*() {
      const { enter, kernel, reception } = yield* world()
      const writer = yield* enter("w", "write")
      for (let n = 1; n <= 4; n++) yield* writer("PUT", "/news", n)
      const worker = yield* enter("worker", "write")
      const claimed = messages(yield* worker("GET", "/news?exclusive=true&limit=2"))
      const ada = yield* enter("ada", "read")
      expect(datas(yield* ada("GET", "/news"))).toEqual([3, 4])
      yield* worker("POST", "/news/acknowledge", { message_ids: [claimed[0]!.id] })
      yield* worker("POST", "/news/nack", { message_ids: [claimed[1]!.id] })
      expect(datas(yield* ada("GET", "/news"))).toEqual([2])
      expect(datas(yield* ada("GET", "/news"))).toEqual([])
      // One that starts over while something is held loses nothing of it.
      yield* writer("PUT", "/news", 5)
      yield* worker("GET", "/news?exclusive=true&limit=9")
      const { token } = yield* kernel.tokens.mint({ name: "ben", role: "read" })
      const ben = yield* reception.byToken(token)
      expect(datas(yield* ask(transport({ kernel }), ben)("GET", "/news"))).toEqual([])
      kernel.time.advance(400_000)
      expect([...datas(yield* ask(transport({ kernel }), ben)("GET", "/news"))].sort()).toEqual([2, 3, 4, 5])
    }))

  effect("[28] [W1] goes on with the survivors after an eviction", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const writer = yield* enter("w", "write")
      for (let n = 1; n <= 6; n++) yield* writer("PUT", "/news", n)
      const ada = yield* enter("ada", "read")
      expect(datas(yield* ada("GET", "/news?limit=2"))).toEqual([1, 2])
      yield* kernel.channels.evict("news", { maxCount: 2 })
      expect(datas(yield* ada("GET", "/news"))).toEqual([5, 6])
    }))

  effect("[69] [70] of a mailbox gives a guest its own mail and everybody's", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const writer = yield* enter("w", "write")
      for (const [data, recipient] of [[1, "ada"], [2, "ben"], [3, null]] as const) {
        yield* writer("PUT", "/inbox?direct=true", { content: { data }, recipient_id: recipient })
      }
      expect(datas(yield* (yield* enter("ada", "read"))("GET", "/inbox"))).toEqual([1, 3])
      expect((yield* (yield* enter("ben", "write"))("GET", "/inbox?exclusive=true")).status).toBe(409)
    }))
})

describe("a claim", () => {
  effect("[106] [W20] is refused with 409 where the channel is read the other way, and nothing else happens", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const writer = yield* enter("ada", "write")
      yield* writer("PUT", "/jobs", 1)
      const told = [yield* writer("GET", "/jobs"), yield* writer("GET", "/topic?exclusive=true"), yield* writer("GET", "/inbox?exclusive=true")]
      expect(told.map(({ status }) => status)).toEqual([409, 409, 409])
      expect(detail(told[0]!)).toContain("exclusive=true")
      expect(datas(yield* writer("GET", "/jobs?exclusive=true"))).toEqual([1])
    }))

  effect("[107] is ended by the ids of the caller's own messages, and counted", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const writer = yield* enter("w", "write")
      for (let n = 1; n <= 4; n++) yield* writer("PUT", "/jobs", n)
      const ada = yield* enter("ada", "write")
      const ben = yield* enter("ben", "write")
      const ids = messages(yield* ada("GET", "/jobs?exclusive=true&limit=3")).map(({ id }) => id)
      expect(datas(yield* ben("GET", "/jobs?exclusive=true"))).toEqual([4])
      expect((yield* ada("POST", "/jobs/acknowledge", { message_ids: [ids[0], ids[0], "unknown"] })).body).toEqual({ status: "ok", acknowledged: 1 })
      expect((yield* ada("POST", "/jobs/nack", { message_ids: [ids[1]] })).body).toEqual({ status: "ok", nacked: 1 })
      expect(datas(yield* ben("GET", "/jobs?exclusive=true"))).toEqual([2])
    }))

  effect("[21] [23] [W4] of another guest, or one that is over, is left alone by acknowledging and giving back", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const writer = yield* enter("w", "write")
      yield* writer("PUT", "/jobs", 1)
      const ada = yield* enter("ada", "write")
      const ben = yield* enter("ben", "write")
      const [message] = messages(yield* ada("GET", "/jobs?exclusive=true"))
      expect((yield* ben("POST", "/jobs/acknowledge", { message_ids: [message!.id] })).body).toEqual({ status: "ok", acknowledged: 0 })
      expect((yield* ben("POST", "/jobs/nack", { message_ids: [message!.id] })).body).toEqual({ status: "ok", nacked: 0 })
      kernel.time.advance(2_000)
      expect(datas(yield* ben("GET", "/jobs?exclusive=true"))).toEqual([1])
      expect((yield* ada("POST", "/jobs/acknowledge", { message_ids: [message!.id] })).body).toEqual({ status: "ok", acknowledged: 0 })
      expect((yield* ben("POST", "/jobs/acknowledge", { message_ids: [message!.id] })).body).toEqual({ status: "ok", acknowledged: 1 })
    }))

  effect("[109] [W15] needs the role write, and so does ending one", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      yield* kernel.channels.append("test", "jobs", [{ payload: 1 }])
      const reader = yield* enter("ada", "read")
      const told = [
        yield* reader("GET", "/jobs?exclusive=true"), yield* reader("GET", "/news?exclusive=true"), yield* reader("POST", "/jobs/acknowledge", { message_ids: [] }),
        yield* reader("POST", "/jobs/nack", { message_ids: [] }), yield* reader("PUT", "/news", 1)
      ]
      expect(told.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403])
      expect(yield* kernel.channels.backlog("jobs")).toBe(1)
    }))

  effect("[105] [109] is asked of the channel's access lists, as every other operation is, and the refusal names the system", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world()
      const acl = new ACLSecurity({ read: ["ada"], write: ["ben"] })
      const owner = yield* probe(kernel, "owner", { provides: [{ name: "guarded", form: "queue", visibility: "public" }] }, {}, { securities: { guarded: acl } })
      yield* owner.append("guarded", [{ payload: 1 }])
      const ada = yield* enter("ada", "admin")
      const ben = yield* enter("ben", "admin")
      const stranger = yield* enter("cleo", "admin")
      const [message] = messages(yield* ben("GET", "/guarded?exclusive=true"))
      for (const [method, target, body] of [["GET", "/guarded?exclusive=true", undefined], ["PUT", "/guarded", 1], ["POST", "/guarded/acknowledge", { message_ids: [message!.id] }], ["POST", "/guarded/nack", { message_ids: [message!.id] }]] as const) {
        expect([target, (yield* ada(method, target, body)).status]).toEqual([target, 403])
        const refused = yield* stranger(method, target, body)
        expect([refused.status, detail(refused)]).toEqual([403, expect.stringContaining("cleo")])
      }
      expect([(yield* ada("GET", "/guarded/info")).status, (yield* stranger("GET", "/guarded/info")).status]).toEqual([200, 403])
      acl.revoke("ben")
      expect((yield* ben("POST", "/guarded/acknowledge", { message_ids: [message!.id] })).status).toBe(403)
      acl.grant("ben", "write")
      expect((yield* ben("POST", "/guarded/acknowledge", { message_ids: [message!.id] })).body).toEqual({ status: "ok", acknowledged: 1 })
    }))

  effect("[W14] is bounded: by a limit that is capped, and by how much one guest may hold", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const ada = yield* enter("ada", "write")
      for (const limit of ["0", "-1", "1.5", "x", "1e3", ""]) expect([limit, (yield* ada("GET", `/news?limit=${limit}`)).status]).toEqual([limit, 422])
      expect((yield* ada("GET", "/news?exclusive=perhaps")).status).toBe(422)
      expect((yield* ada("GET", "/news?limit=100000000")).status).toBe(200)
      const ids = Array.from({ length: 1_001 }, (_, n) => `m${n}`)
      expect((yield* ada("POST", "/jobs/acknowledge", { message_ids: ids })).status).toBe(400)
    }))
})

describe("a path", () => {
  effect("[W19] means the channel of exactly that name, whatever characters it has", () =>
    Effect.gen(function*() {
      const { enter, kernel } = yield* world([{ name: "{x}", visibility: "public" }, { name: "*", visibility: "public" }, { name: "info", visibility: "public" }, { name: "a?b#c", visibility: "public" }])
      const ada = yield* enter("ada", "write")
      for (const name of ["{x}", "*", "info", "a?b#c"]) expect((yield* ada("PUT", `/${encodeURIComponent(name)}`, name)).status).toBe(400)
      for (const name of ["{x}", "*", "info", "a?b#c"]) expect((yield* ada("PUT", `/${encodeURIComponent(name)}`, JSON.stringify(name))).status).toBe(200)
      yield* ada("PUT", "/news", "\"n\"")
      expect(["{x}", "*", "info", "a?b#c", "news"].map((name) => kernel.channels.store.statisticsOf(name)!.events)).toEqual([1, 1, 1, 1, 1])
      expect(datas(yield* ada("GET", "/%7Bx%7D"))).toEqual(["{x}"])
    }))

  effect("that is none, or has no such method, says so", () =>
    Effect.gen(function*() {
      const { enter } = yield* world()
      const ada = yield* enter("ada", "admin")
      for (const [method, target, status] of [
        ["GET", "/", 404], ["GET", "/news/other", 404], ["GET", "/news/info/more", 404], ["POST", "/news", 405], ["DELETE", "/news", 405],
        ["HEAD", "/news", 405], ["HEAD", "/news/info", 200],
        ["GET", "/news/acknowledge", 405], ["PUT", "/news/info", 405], ["GET", "/news/nack", 405]
      ] as const) expect([target, (yield* ada(method, target)).status]).toEqual([target, status])
    }))
})
