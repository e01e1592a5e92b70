import { defineModule, EffectFailed, Refused, TimedOut, type ActOptions, type Event, type ModuleContext } from "aaax"
import * as Effect from "effect/Effect"
import { makeReplies } from "aaax/effect"
import { describe, expect, it } from "vitest"
import { makeWorld, start, until } from "../kit/port-fake.ts"

type Reply = readonly [kind: string, payload: object]
type Verdict = (request: Record<string, unknown>, event: Event) => ReadonlyArray<Reply> | "silent"

/** A world in which somebody answers requests as the kernel does: every request once, in the words of the protocol. */
const makeGate = (verdict: Verdict, options: { readonly expires?: number; readonly grant?: boolean } = {}) => {
  const world = makeWorld()
  const kernel = world.port("aaax")
  const actions: Array<Event> = []
  let grants = 0
  const reply = (event: Event, [kind, payload]: Reply): Promise<unknown> =>
    Effect.runPromise(kernel.append("aaax.kernel-replies", [{ kind, payload, recipient: event.sender, correlationId: event.id }]))
  const serve = async (channel: string, handle: (event: Event) => ReadonlyArray<Reply> | "silent"): Promise<void> => {
    let after = 0
    for (;;) {
      await Effect.runPromise(kernel.awaitBeyond(channel, after))
      const page = await Effect.runPromise(kernel.read(channel, { after }))
      after = page.next
      for (const event of page.events) {
        const replies = handle(event)
        if (replies !== "silent") for (const one of replies) await reply(event, one)
      }
    }
  }
  void serve("aaax.capability-request", (event) => {
    const { resource } = event.payload as { readonly resource: string }
    grants += 1
    return options.grant === false
      ? [["capability_deny", { resource, reason: "not you" }]]
      : [["capability_grant", { resource, token: `token-${grants}`, expires: options.expires ?? Date.now() / 1000 + 60 }]]
  })
  void serve("aaax.action-gate", (event) => {
    actions.push(event)
    return verdict(event.payload as Record<string, unknown>, event)
  })
  return { world, actions, grants: () => grants }
}

const completed: Verdict = (request, event) => [
  ["action_approved", { request_id: event.id, executor: request["executor"], modified_payload: request["payload"] }],
  ["action_completed", { request_id: event.id, executor: request["executor"], result: { wrote: request["target"] } }]
]

type Context = ModuleContext<{}, {}, {}, readonly [], never, "fs.write" | "other">

const inModule = async <A>(gate: ReturnType<typeof makeGate>, body: (context: Context) => Promise<A>): Promise<A> => {
  let result: A | undefined
  const system = defineModule({
    id: "actor", executors: ["fs.write", "other"],
    run: async (context) => {
      result = await body(context)
    }
  })
  await Effect.runPromise(Effect.orDie(system.run!(gate.world.dock(system))))
  return result as A
}
const failureOf = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no failure", (error: unknown) => error)
const write: ActOptions = { target: "a.md", payload: { content: "x" } }

describe("act", () => {
  it("asks for its grant once, says the request in the ancestor's words, and gives what the executor reported", async () => {
    const gate = makeGate(completed)
    const results = await inModule(gate, ({ act }) => Promise.all([act("fs.write", write), act("fs.write", { ...write, target: "b.md" })]))
    expect(results).toEqual([{ wrote: "a.md" }, { wrote: "b.md" }])
    expect(gate.grants()).toBe(1)
    expect(gate.actions[0]).toMatchObject({
      sender: "actor", kind: "action_request",
      payload: { action: "fs.write", executor: "fs.write", target: "a.md", payload: { content: "x" }, capability: "token-1", risk_level: "low" }
    })
  })

  it("asks for a new grant when the one it holds has ended", async () => {
    const gate = makeGate(completed, { expires: 1 })
    await inModule(gate, async ({ act }) => {
      await act("fs.write", write)
      await act("fs.write", write)
    })
    expect(gate.grants()).toBe(2)
  })

  it.each<[string, Reply, unknown]>([
    ["denied", ["action_denied", { request_id: "r", reason: "no" }], { _tag: "Refused", kind: "denied", reason: "no" }],
    ["expired", ["action_expired", { request_id: "r", reason: "nobody answered" }], { _tag: "Refused", kind: "expired", reason: "nobody answered" }],
    ["failed", ["action_failed", { request_id: "r", reason: "disk full" }], { _tag: "EffectFailed", outcome: "failed", reason: "disk full" }],
    ["unknown", ["action_unknown", { request_id: "r", reason: "it crashed" }], { _tag: "EffectFailed", outcome: "unknown", reason: "it crashed" }]
  ])("throws a typed failure when the action is %s", async (_, reply, expected) => {
    const gate = makeGate(() => [["action_escalated", { request_id: "r", reason: "high", escalated_to: "human" }], reply])
    const failure = await inModule(gate, ({ act }) => failureOf(act("fs.write", write)))
    expect(failure).toMatchObject(expected as object)
    expect(failure instanceof Refused || failure instanceof EffectFailed).toBe(true)
  })

  it("waits through an escalation for the receipt, or answers at once that it waits for a human", async () => {
    const gate = makeGate((request, event) => [
      ["action_escalated", { request_id: event.id, reason: "high", escalated_to: "human" }], ...(completed(request, event) as ReadonlyArray<Reply>)
    ])
    expect(await inModule(gate, ({ act }) => act("fs.write", write))).toEqual({ wrote: "a.md" })
    expect(await inModule(gate, ({ act }) => act("fs.write", { ...write, wait: "verdict" }))).toMatchObject({ outcome: "escalated" })
  })

  it("with an author's key acts once, and gives the old receipt to whoever asks again", async () => {
    const gate = makeGate(completed)
    for (const _ of [1, 2]) {
      expect(await inModule(gate, ({ act }) => act("fs.write", { ...write, key: "once", capability: "mine" }))).toEqual({ wrote: "a.md" })
    }
    expect(gate.actions.length).toBe(1)
  })

  it("gives up waiting after the time it was given", async () => {
    const gate = makeGate(() => "silent")
    expect(await inModule(gate, ({ act }) => failureOf(act("fs.write", { ...write, timeoutMillis: 10 })))).toBeInstanceOf(TimedOut)
  })

  it("is refused when its grant is refused, and asks again the next time", async () => {
    const gate = makeGate(completed, { grant: false })
    const failures = await inModule(gate, async ({ act }) => [await failureOf(act("fs.write", write)), await failureOf(act("fs.write", write))])
    expect(failures).toMatchObject([{ _tag: "Refused", reason: "not you" }, { _tag: "Refused", reason: "not you" }])
    expect(gate.grants()).toBe(2)
    expect(gate.actions.length).toBe(0)
  })

  it("in a handler acts once per event, also when the event is handled again with another token", async () => {
    const gate = makeGate(completed, { expires: 1 })
    const handled: Array<unknown> = []
    const system = defineModule({
      id: "actor", provides: [{ name: "tasks", form: "queue" }], takes: { tasks: "tasks" }, executors: ["fs.write"],
      run: ({ takes }) => takes.tasks.work(async (_, on) => {
        handled.push(await on.act("fs.write", write), await on.act("fs.write", { ...write, target: "second" }))
        if (on.attempt === 1) throw new Error("crash after acting")
      }, { backoffMillis: 1 })
    })
    const port = gate.world.dock(system)
    await Effect.runPromise(port.append("tasks", [{ payload: 1 }]))
    const running = start(system, port)
    await until(() => handled.length === 4)
    await running.stop()
    expect(handled).toEqual([{ wrote: "a.md" }, { wrote: "second" }, { wrote: "a.md" }, { wrote: "second" }])
    expect(gate.actions.map((event) => (event.payload as { readonly target: string }).target)).toEqual(["a.md", "second"])
    expect(gate.actions[0]!.parentIds).toEqual(["e1"])
  })
})

describe("ask", () => {
  it("does not miss an answer that comes before the append was acknowledged", async () => {
    const world = makeWorld()
    const port = world.port("asker")
    const answer = await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const replies = yield* makeReplies(port, "aaax.kernel-replies")
      const reply = (id: string) => world.port("aaax").append("aaax.kernel-replies", [{ payload: "early", recipient: "asker", correlationId: id }])
      const send = Effect.gen(function*() {
        const [appended] = yield* port.append("aaax.action-gate", [{}])
        yield* reply(appended!.id)
        yield* Effect.sleep(20)
        return appended!
      })
      return yield* replies.ask({ send, accept: (event) => Effect.succeed(event.payload), repeated: false, timeoutMillis: 1_000, what: "it" })
    })))
    expect(answer).toBe("early")
  })
})

describe("a drain", () => {
  it("lets a handler that acts have its receipt", async () => {
    const gate = makeGate(() => "silent")
    const handled: Array<unknown> = []
    const system = defineModule({
      id: "actor", provides: [{ name: "notes" }], reads: { notes: "notes" }, executors: ["fs.write"],
      run: ({ reads }) => reads.notes.each(async (_, on) => void handled.push(await on.act("fs.write", write)))
    })
    const port = gate.world.dock(system)
    await Effect.runPromise(port.append("notes", [{ payload: 1 }, { payload: 2 }]))
    const running = start(system, port)
    await until(() => gate.actions.length === 1)
    const release = (): void => void Effect.runPromise(gate.world.port("aaax").append("aaax.kernel-replies", [{
      kind: "action_completed", payload: { request_id: "r", executor: "fs.write", result: "late" }, recipient: "actor", correlationId: gate.actions[0]!.id
    }]))
    const drained = running.drain()
    release()
    await drained
    expect(handled).toEqual(["late"])
    await running.stop()
  })
})

describe("request", () => {
  it("gives a typed capability", async () => {
    const gate = makeGate(completed)
    expect(await inModule(gate, ({ request }) => request("channel:x", "read", { scope: { ttl: 5 }, context: { why: "test" } }))).toMatchObject({
      resource: "channel:x", access: "read", token: "token-1"
    })
    expect(gate.world.events("aaax.capability-request")[0]!.payload).toEqual({
      resource: "channel:x", access: "read", scope: { ttl: 5 }, context: { why: "test" }
    })
  })

  it("is answered for each of many at once with its own answer", async () => {
    const gate = makeGate((request, event) => [["action_completed", { request_id: event.id, executor: "x", result: request["target"] }]])
    const targets = Array.from({ length: 200 }, (_, n) => `t${n}`)
    expect(await inModule(gate, ({ act }) => Promise.all(targets.map((target) => act("fs.write", { target }))))).toEqual(targets)
  })
})
