// The process that the matrix kills: a kernel on SQLite that goes through every way of a warrant, one after the other, and
// counts the points at which it could die: before and behind each append and each artifact, around and within each call of
// an executor. Everything that it asks for is keyed, so its next life goes on where this one ended.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { appendFileSync, readFileSync, writeSync } from "node:fs"
import { reported, type Call, type Executor } from "../../../protocol/executor.ts"
import { emptyManifest } from "../../../protocol/manifest.ts"
import type { Port } from "../../../protocol/port.ts"
import { finalReplies } from "../../../protocol/warrant.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeClock } from "../../../kernel/clock.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { cases, type Case, type Instructions, type Outcome } from "./terms.ts"

const given = JSON.parse(process.argv[2] ?? "{}") as Instructions // what the matrix hands over
const names: Array<string> = []

const point = (name: string): void => {
  names.push(name)
  if (names.length !== given.dieAt) return
  process.kill(process.pid, "SIGKILL")
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
}

const around = <A, E>(name: string, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    point(`before ${name}`)
    return Effect.tap(work, () => Effect.sync(() => point(`behind ${name}`)))
  })

const lines = (file: string): ReadonlyArray<string> => readFileSync(file, "utf8").split("\n").filter((line) => line !== "")
const happened = (warrant: string): boolean => lines(given.effects).some((line) => line.endsWith(` ${warrant}`))
const cost = () => ({ tokens: 10 })

const called = ({ attempt, warrant }: Call, executor: string): void => {
  point(`before ${executor}`)
  appendFileSync(given.calls, `${executor} ${attempt} ${warrant}\n`)
  point(`within ${executor}`)
}
const effect = (call: Call, executor: string): string => {
  called(call, executor)
  // What a human put in place of the requester's arguments is what is to be done.
  const { edited = false, name = "" } = call.payload as { readonly edited?: boolean; readonly name?: string } // what is asked for below
  appendFileSync(given.effects, `${executor}${name.startsWith("edited") && !edited ? "-unedited" : ""} ${call.warrant}\n`)
  point(`behind ${executor}`)
  return call.warrant
}

const executor = (name: string, more: Partial<Executor> = {}): Executor => ({
  name, description: "writes a line", risk: "low", recovery: "none",
  perform: (call) => Effect.sync(() => effect(call, name)),
  ...more
})

const executors: ReadonlyArray<Executor> = [
  executor("twin", { recovery: "idempotent", cost, perform: (call) => Effect.sync(() => reported({ result: effect(call, "twin"), spent: { tokens: 7 } })) }),
  executor("ledger", { recovery: "queryable", cost, status: (call) => Effect.sync(() => (happened(call.warrant) ? call.warrant : undefined)) }),
  executor("line", { cost }),
  executor("dear", { cost: () => ({ tokens: 2_000_000 }) }),
  executor("undoable", {
    compensate: (call, { original }) => Effect.sync(() => {
      point("before taking back")
      appendFileSync(given.effects, `undone-${original.warrant} ${call.warrant}\n`)
      point("behind taking back")
      return null
    })
  }),
  executor("final", { risk: "irreversible" }),
  executor("fails", { perform: (call) => Effect.suspend(() => (called(call, "fails"), Effect.fail({ reason: "it would not" }))) }),
  executor("breaks", { perform: (call) => Effect.sync(() => effect(call, "breaks")).pipe(Effect.andThen(Effect.die(new Error("broken")))) }),
  executor("waits", { perform: (call) => Effect.sync(() => void effect(call, "waits")).pipe(Effect.andThen(Effect.sync(() => void (isWaiting = true))), Effect.andThen(Effect.never)) })
]

/** A call of `waits` goes on until its capability is revoked. */
let isWaiting = false

const main = Effect.fnUntraced(function*() {
  const time = testTime()
  const opened = yield* Sqlite.make({ path: given.store, clock: makeClock(time) })
  const store: StoreService = {
    ...opened,
    append: (channel, batch, options) => around(`append to ${channel}`, opened.append(channel, batch, options)),
    putArtifact: (bytes, mediaType) => around("artifact", opened.putArtifact(bytes, mediaType))
  }
  const kernel = yield* makeKernel({ store, time, executors, launch: false })
  const reconciled: Array<Outcome["reconciled"][number]> = []
  /** What nobody knows is looked up, as a human would. */
  const reconcile = Effect.gen(function*() {
    for (const { id, recovery } of yield* kernel.gate.list({ state: "unknown" })) {
      yield* kernel.gate.reconcile(id, "operator", happened(id) ? "succeeded" : "failed", "looked it up")
      reconciled.push({ id, recovery })
    }
  })
  /** Does what is pending. Whatever waits to be revoked under way is revoked, also when a death left it to another life. */
  const step = Effect.gen(function*() {
    const stepping = yield* Effect.forkChild(kernel.step, { startImmediately: true })
    while (stepping.pollUnsafe() === undefined) {
      if (isWaiting) {
        isWaiting = false
        for (const { id } of kernel.grants.list({ resource: "waits" })) yield* Effect.ignore(kernel.grants.revoke(id))
      }
      yield* Effect.sleep(1)
    }
    return yield* Fiber.join(stepping)
  })
  yield* step
  yield* reconcile

  const dock = (id: string) =>
    Effect.map(kernel.dock({ manifest: { ...emptyManifest(id), executors: executors.map(({ name }) => name) } }), ({ port }) => port)
  const client = yield* dock("client")
  const doomed = yield* dock("doomed")
  yield* kernel.budgets.set("client", { limits: { tokens: 1_000_000 } }, "operator")

  const replyTo = Effect.fnUntraced(function*(port: Port, request: string, accept: (kind: string) => boolean) {
    for (;;) {
      const page = yield* port.read(wellKnown.kernelReplies, { limit: 100, filter: { correlationId: request } })
      const found = page.events.find(({ kind }) => accept(kind))
      if (found !== undefined) return found
      yield* step
    }
  })
  const isFinal = (kind: string): boolean => finalReplies.has(kind)

  const grantOf = Effect.fnUntraced(function*(port: Port, executor: string, key: string) {
    const [asked] = yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: executor, access: "execute", scope: { for: key } } }], { key })
    const reply = yield* replyTo(port, asked!.id, isFinal)
    return String((reply.payload as { readonly token?: unknown }).token)
  })
  const requests: Record<string, string> = {}
  const act = Effect.fnUntraced(function*({ executor, name }: Case, port: Port, token: string) {
    const [asked] = yield* port.append(wellKnown.actionGate, [{
      // What was approved for a while is this action, on any target.
      payload: { action: name === "more of the same" ? "approved for a while" : name, executor, target: name, payload: { name }, capability: token, risk_level: "low" }
    }], { key: `act ${name}` })
    requests[name] = asked!.id
    return asked!.id
  })
  /** Answers what waits; what was answered in an earlier life, or has ended otherwise, is refused here and ends as it ends. */
  const answer = (word: Effect.Effect<unknown, unknown>): Effect.Effect<void> => Effect.ignore(word)

  /** A grant for one use, the same in every life. */
  const single = Effect.gen(function*() {
    const known = kernel.grants.list({ holder: "client", resource: "line" }).find(({ caveats }) => caveats.usesMax === 1)
    return (known ?? (yield* kernel.grants.issue("operator", { to: "client", resource: "line", access: "execute", caveats: { usesMax: 1 } }))).id
  })

  for (const one of cases) {
    const port = one.name.startsWith("revoked") ? doomed : client
    const token = one.name === "without a capability" ? "forged"
      : one.name === "the last use" || one.name === "one use too many" ? yield* single
      : yield* grantOf(port, one.executor, `grant ${one.name}`)
    if (one.name === "revoked before") yield* answer(kernel.grants.revoke(token))
    const id = yield* act(one, port, token)
    if (one.executor === "final") {
      yield* replyTo(port, id, () => true)
      if (one.name === "approved") yield* answer(kernel.gate.approve(id, "operator"))
      if (one.name.startsWith("edited")) {
        yield* answer(kernel.gate.edit(id, "operator", { name: one.name, edited: true }))
        yield* answer(kernel.gate.approve(id, "operator"))
      }
      if (one.name === "approved for a while") yield* answer(kernel.gate.approve(id, "operator", { standing: { millis: 3_600_000 * 24, target: "*" } }))
      if (one.name === "refused") yield* answer(kernel.gate.deny(id, "operator", "no"))
      // Not again in a later life: it would end what waits by then.
      if (one.name === "expired" && (yield* kernel.gate.show(id)).state === "escalated") time.advance(16 * 60_000)
    }
    yield* replyTo(port, id, isFinal)
    yield* reconcile
    if (one.name === "taken back") {
      yield* answer(kernel.gate.compensate(id, "operator", "it was a mistake"))
      yield* step
      yield* reconcile
    }
    yield* step
  }

  const replies = new Map<string, Array<string>>()
  const starts = new Map<string, number>()
  for (const port of [client, doomed]) {
    const page = yield* port.read(wellKnown.kernelReplies, { limit: 1_000 })
    for (const { correlationId, kind } of page.events) if (correlationId !== null) replies.set(correlationId, [...(replies.get(correlationId) ?? []), kind])
  }
  for (const event of yield* kernel.audit(0, 1_000)) {
    const { warrant } = event.payload as { readonly warrant?: { readonly state?: string } } // an entry of the journal
    if (event.kind === "warrant.started" || (event.kind === "action.decided" && warrant?.state === "started")) {
      const id = event.correlationId ?? ""
      starts.set(id, (starts.get(id) ?? 0) + 1)
    }
  }
  const warrants: Array<Outcome["warrants"][number]> = []
  for (const id of Object.values(requests)) {
    const { recovery, state } = yield* kernel.gate.show(id)
    warrants.push({ id, state, recovery, starts: starts.get(id) ?? 0 })
  }
  const audit = yield* kernel.verifyAudit
  const outcome: Outcome = {
    points: names.length, names, requests,
    reserved: kernel.budgets.list().flatMap(({ reserved }) => Object.values(reserved)).reduce((sum, amount) => sum + amount, 0),
    warrants, replies: [...replies], reconciled, chain: audit.ok, problems: [...audit.problems, ...(yield* opened.verify)]
  }
  writeSync(1, `${JSON.stringify(outcome)}\n`)
})

const exit = await Effect.runPromise(Fiber.await(Effect.runFork(Effect.scoped(main()))))
if (exit._tag === "Failure") {
  writeSync(2, `${JSON.stringify(exit.cause, null, 1)}\n`)
  process.exit(1)
}
process.exit(0)
