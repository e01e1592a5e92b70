// The operator's HTTP door and its client, over a real socket in front of a kernel that only remembers.
import { Deferred, Effect, Fiber, Stream } from "effect"
import type { Scope } from "effect"
import { request } from "node:http"
import { describe, expect, it } from "vitest"
import { httpBodyBytesMax } from "../../../kernel/limits.ts"
import * as Http from "../../../kernel/door/http.ts"
import { type Client, makeClient } from "../../../libos/http.ts"
import { type FakeKernel, gateView, makeFakeKernel } from "../../kit/kernel-fake.ts"

const token = "t".repeat(43)

interface Around {
  readonly kernel: FakeKernel
  readonly client: Client
  readonly url: string
}

const around = <A, E>(
  body: (around: Around) => Effect.Effect<A, E, Scope.Scope>, options?: Parameters<typeof makeFakeKernel>[0]
): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const kernel = yield* makeFakeKernel(options)
    const { url } = yield* Http.door({ token, executors: () => ["fs.write", "process.run"] }).open(kernel)
    return yield* body({ kernel, url, client: makeClient({ url, token }) })
  })))

interface Raw {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

/** A request as nobody's client would send it. */
const raw = (url: string, path: string, options: { headers?: Record<string, string>; method?: string; body?: string } = {}): Effect.Effect<Raw> =>
  Effect.callback((resume) => {
    const sent = request(url + path, { method: options.method ?? "GET", headers: options.headers ?? {} }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (part: string) => (body += part)).on("end", () => {
        resume(Effect.succeed({ status: response.statusCode ?? 0, body, headers: response.headers }))
      })
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(options.body)
  })
const bearer = { authorization: `Bearer ${token}` }

describe("a request to the door", () => {
  it("without the token, or with another one, is refused", () =>
    around(Effect.fnUntraced(function*({ url }) {
      expect((yield* raw(url, "/v1/status")).status).toBe(401)
      expect((yield* raw(url, "/v1/status", { headers: { authorization: "Bearer nonsense" } })).status).toBe(401)
      expect((yield* raw(url, "/v1/status", { headers: bearer })).status).toBe(200)
    })))

  it("under another host name is refused, as a page that rebinds its name would send it", () =>
    around(Effect.fnUntraced(function*({ url }) {
      expect((yield* raw(url, "/v1/status", { headers: { ...bearer, host: "evil.example" } })).status).toBe(403)
      expect((yield* raw(url, "/v1/status", { headers: { ...bearer, host: `localhost:${new URL(url).port}` } })).status).toBe(200)
    })))

  it("from a page of another origin is refused", () =>
    around(Effect.fnUntraced(function*({ url }) {
      expect((yield* raw(url, "/v1/status", { headers: { ...bearer, origin: "https://evil.example" } })).status).toBe(403)
      expect((yield* raw(url, "/v1/status", { headers: { ...bearer, origin: url } })).status).toBe(200)
    })))

  it("that is too large is refused, whether it says its size or not", () =>
    around(Effect.fnUntraced(function*({ url, kernel }) {
      const body = JSON.stringify({ events: [{ payload: "x".repeat(httpBodyBytesMax) }] })
      const path = "/v1/channels/other/events"
      expect((yield* raw(url, path, { method: "POST", headers: { ...bearer, "transfer-encoding": "chunked" }, body })).status).toBe(413)
      expect((yield* raw(url, path, { method: "POST", headers: { ...bearer, "content-length": String(body.length) } })).status).toBe(413)
      expect(kernel.channels.store.statisticsOf("other")?.head).toBe(0)
    })))

  it("with keys or a query that the table does not know is refused, with the place", () =>
    around(Effect.fnUntraced(function*({ url }) {
      const answer = yield* raw(url, "/v1/channels/other/events", { method: "POST", headers: bearer, body: JSON.stringify({ events: [{ sender: "me" }] }) })
      expect(answer.status).toBe(400)
      expect(answer.headers["content-type"]).toContain("application/problem+json")
      expect(JSON.parse(answer.body)).toMatchObject({ code: "InvalidPayload", status: 400, fields: { path: "events[0].sender" } })
      expect((yield* raw(url, "/v1/channels?x=1", { headers: bearer })).status).toBe(400)
      expect((yield* raw(url, "/v1/channels/other/events", { method: "POST", headers: bearer, body: "{" })).status).toBe(400)
    })))

  it("for a path or a verb that is not in the table finds nothing", () =>
    around(Effect.fnUntraced(function*({ url }) {
      expect((yield* raw(url, "/v1/nothing", { headers: bearer })).status).toBe(404)
      expect((yield* raw(url, "/v1/systems/echo:explode", { method: "POST", headers: bearer })).status).toBe(404)
      expect((yield* raw(url, "/", { headers: bearer })).status).toBe(404)
    })))

  it("for its health needs no token and learns nothing", () =>
    around(Effect.fnUntraced(function*({ url }) {
      expect(yield* raw(url, "/healthz")).toMatchObject({ status: 200, body: "ok\n" })
    })))
})

describe("the operator", () => {
  it("sees status, systems, channels and modules", () =>
    around(Effect.fnUntraced(function*({ client }) {
      expect((yield* client.call("status")).pid).toBe(process.pid)
      expect((yield* client.call("systems")).map(({ id }) => id)).toEqual(["operator", "terminal"])
      expect((yield* client.call("channels")).map(({ name }) => name)).toContain("repo.files")
      expect((yield* client.call("modules"))[0]?.id).toBe("echo")
      expect((yield* client.call("doctor")).audit.ok).toBe(true)
    })))

  it("appends under its own name, repeatably with a key, and reads it again", () =>
    around(Effect.fnUntraced(function*({ client }) {
      const payload = { events: [{ kind: "note", payload: { a: [1, "ü"] } }], key: "k1" }
      const first = yield* client.call("append", { id: "other", payload })
      expect(yield* client.call("append", { id: "other", payload })).toEqual(first)
      const page = yield* client.call("read", { id: "other", query: { kind: "note" } })
      expect(page.events).toMatchObject([{ sender: "operator", kind: "note", payload: { a: [1, "ü"] } }])
    })))

  it("cannot append to the kernel's own channels", () =>
    around(Effect.fnUntraced(function*({ client }) {
      const error = yield* Effect.flip(client.call("append", { id: "aaax.action-gate", payload: { events: [{}] } }))
      expect(error).toMatchObject({ _tag: "Denied", system: "operator" })
    })))

  it("is told the nearest name of what is not there", () =>
    around(Effect.fnUntraced(function*({ client }) {
      expect(yield* Effect.flip(client.call("read", { id: "repo.file" }))).toMatchObject({ _tag: "ChannelNotFound", nearest: "repo.files" })
      expect(yield* Effect.flip(client.call("pause", { id: "terminol" }))).toMatchObject({ _tag: "SystemNotFound", nearest: "terminal" })
      expect((yield* Effect.flip(client.call("snapshot", { id: "no" })))._tag).toBe("SnapshotNotFound")
    })))

  it("waits for an event that is not there yet", () =>
    around(Effect.fnUntraced(function*({ client }) {
      const waiting = yield* Effect.forkChild(client.call("read", { id: "other", query: { after: 0, wait: 20_000 } }), { startImmediately: true })
      yield* client.call("append", { id: "other", payload: { events: [{ payload: "late" }] } })
      expect((yield* Fiber.join(waiting)).events.map(({ payload }) => payload)).toEqual(["late"])
    })))

  it("gets an empty page when nothing comes", () =>
    around(Effect.fnUntraced(function*({ client }) {
      expect((yield* client.call("read", { id: "other", query: { after: 0, wait: 20 } })).events).toEqual([])
    })))

  it("pauses, resumes, drains, revokes and undocks, by ids with a slash too", () =>
    around(Effect.fnUntraced(function*({ client, kernel }) {
      yield* kernel.dock({ manifest: { ...(yield* client.call("systems"))[0]!, id: "team/echo" } as never }) // the fake reads the id only
      for (const verb of ["pause", "resume", "drain", "revoke", "undock"] as const) yield* client.call(verb, { id: "team/echo" })
      expect(kernel.asked).toEqual(["pause team/echo", "resume team/echo", "drain team/echo", "revoke team/echo", "undock team/echo"])
    })))

  it("answers the gate, and only for the digest that was shown", () =>
    around(Effect.fnUntraced(function*({ client, kernel }) {
      kernel.gateRequests.set("r1", gateView("r1"))
      expect((yield* client.call("warrant", { id: "r1" })).payload).toEqual({ argv: ["hi"] })
      const other = yield* Effect.flip(client.call("approve", { id: "r1", payload: { digest: "other" } }))
      expect(other._tag).toBe("Denied")
      expect(yield* client.call("approve", { id: "r1", payload: {} })).toMatchObject({ state: "succeeded", approvedBy: "operator" })
    })))

  it("confirms a jump of the clock, and is told when there was none", () =>
    around(Effect.fnUntraced(function*({ kernel }) {
      for (const [jump, millis] of [[3_600_000, 3_600_000], [undefined, null]] as const) {
        const { url } = yield* Http.door({ token, executors: () => [] }).open({ ...kernel, confirmClock: Effect.succeed(jump) })
        expect(yield* makeClient({ url, token }).call("confirmClock")).toEqual({ millis })
      }
    })))

  it("takes the kernel down", () =>
    around(Effect.fnUntraced(function*({ client, kernel }) {
      yield* client.call("down")
      yield* kernel.awaitDown
    })))
})

describe("an action from the terminal", () => {
  it("asks for its capability first and answers with the receipt", () =>
    around(Effect.fnUntraced(function*({ client, kernel }) {
      const progress = yield* client.call("act", { query: { wait: 10_000 }, payload: { executor: "fs.write", target: "x", payload: { text: "hi" } } })
      expect(progress).toMatchObject({ final: true, reply: { kind: "action_completed", recipient: "terminal" } })
      const [request] = (yield* kernel.channels.store.read("aaax.action-gate", { after: 0, limit: 10 })).events
      expect(request).toMatchObject({ id: progress.request, sender: "terminal", payload: { capability: "token", executor: "fs.write", payload: { text: "hi" } } })
    }), { verdict: () => ({ kind: "action_completed", payload: { result: 1 } }) }))

  it("with an executor that nobody serves is refused, with those that are", () =>
    around(Effect.fnUntraced(function*({ client, kernel }) {
      const error = yield* Effect.flip(client.call("act", { payload: { executor: "fs.wrte", target: "x" } }))
      expect(error).toMatchObject({ _tag: "Denied", reason: "Unknown executor: fs.wrte; did you mean fs.write?", allowed: "fs.write, process.run" })
      expect(kernel.channels.store.statisticsOf("aaax.action-gate")?.head).toBe(0)
    })))

  it("that is parked goes on when somebody else approves it", () =>
    around(Effect.fnUntraced(function*({ client }) {
      const parked = yield* client.call("act", { query: { wait: 10_000 }, payload: { executor: "process.run", target: "echo" } })
      expect(parked).toMatchObject({ final: false, reply: { kind: "action_escalated" } })
      const waiting = yield* Effect.forkChild(
        client.call("action", { id: parked.request, query: { after: parked.reply!.cursor, wait: 20_000 } }), { startImmediately: true })
      yield* client.call("approve", { id: parked.request, payload: {} })
      expect(yield* Fiber.join(waiting)).toMatchObject({ final: true, reply: { kind: "action_completed" } })
    })))
})

describe("a tail", () => {
  const append = (client: Client, channel: string, payload: string, kind = "note") =>
    client.call("append", { id: channel, payload: { events: [{ kind, payload }] } })

  it("merges the channels that match in the order of time, and ends", () =>
    around(Effect.fnUntraced(function*({ client }) {
      for (const [channel, text] of [["repo.files", "a"], ["repo.facts", "b"], ["other", "-"], ["repo.files", "c"]] as const) {
        yield* append(client, channel, text)
        yield* Effect.sleep(2) // so that no two events have one time
      }
      const events = yield* Stream.runCollect(client.tail({ pattern: "repo.*" }))
      expect(events.map(({ payload }) => payload)).toEqual(["a", "b", "c"])
    })))

  it("narrows by kind and by cursor, and to the newest", () =>
    around(Effect.fnUntraced(function*({ client }) {
      for (let n = 1; n <= 5; n++) yield* append(client, "repo.files", String(n), n % 2 === 0 ? "even" : "odd")
      const payloads = (query: Parameters<Client["tail"]>[0]) =>
        Effect.map(Stream.runCollect(client.tail(query)), (events) => events.map(({ payload }) => payload))
      expect(yield* payloads({ pattern: "repo.files", kind: "even" })).toEqual(["2", "4"])
      expect(yield* payloads({ pattern: "repo.files", after: 3 })).toEqual(["4", "5"])
      expect(yield* payloads({ pattern: "repo.files", last: 2 })).toEqual(["4", "5"])
    })))

  it("goes on with what happens, in channels that are opened later too", () =>
    around(Effect.fnUntraced(function*({ client, kernel }) {
      yield* append(client, "repo.files", "before")
      const seen = yield* Deferred.make<void>()
      const following = yield* Effect.forkChild(
        client.tail({ pattern: "repo.*", follow: "true" }).pipe(
          Stream.tap(() => Deferred.succeed(seen, undefined)), Stream.take(3), Stream.runCollect))
      yield* Deferred.await(seen)
      const [channel] = kernel.channels.store.channels()
      yield* kernel.channels.store.putChannel({ ...channel!, name: "repo.new" })
      yield* append(client, "repo.new", "new")
      yield* append(client, "repo.files", "after")
      expect((yield* Fiber.join(following)).map(({ payload }) => payload)).toEqual(["before", "new", "after"])
    })))

  it("passes more than a page of each channel, each in its order", () =>
    around(Effect.fnUntraced(function*({ client }) {
      for (const channel of ["repo.files", "repo.facts"]) {
        yield* client.call("append", { id: channel, payload: { events: Array.from({ length: 350 }, (_, n) => ({ payload: n })) } })
      }
      const events = yield* Stream.runCollect(client.tail({ pattern: "repo.*", after: 0 }))
      for (const channel of ["repo.files", "repo.facts"]) {
        expect(events.filter((event) => event.channel === channel).map(({ payload }) => payload)).toEqual(Array.from({ length: 350 }, (_, n) => n))
      }
    })))
})

describe("the client", () => {
  it("says when nobody answers", () =>
    Effect.runPromise(Effect.gen(function*() {
      const error = yield* Effect.flip(makeClient({ url: "http://127.0.0.1:9", token }).call("status"))
      expect(error._tag).toBe("KernelUnreachable")
    })))

  it("is told that another token is not good", () =>
    around(Effect.fnUntraced(function*({ url }) {
      expect((yield* Effect.flip(makeClient({ url, token: "x" }).call("status")))._tag).toBe("Unauthenticated")
    })))
})
