// The tortured process: a kernel on SQLite with an executor that is not idempotent, a client and workers. It tells its
// parent over a pipe what was acknowledged, and kills itself at the point that it was told.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { appendFileSync, readFileSync, writeSync } from "node:fs"
import type { Event } from "../../protocol/event.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import { finalReplies } from "../../protocol/warrant.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { makeClock } from "../../kernel/clock.ts"
import { policyFromConfig } from "../../kernel/guard/policy.ts"
import * as Kernel from "../../kernel/kernel.ts"
import { sha256Bytes, sha256Hex } from "../../kernel/power/digest.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import type { StoreService } from "../../kernel/store/store.ts"
import * as Result from "effect/Result"
import { type Instructions, type Told, expectation, type points } from "./terms.ts"

/** To the parent, at once: what was said before a kill was said. A pipe takes a long line in parts. */
const tell = (told: Told): void => {
  const bytes = Buffer.from(`${JSON.stringify(told)}\n`)
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(1, bytes, written)
    } catch (error) {
      // The pipe is full until the parent has read on.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

const die = (): never => {
  process.kill(process.pid, "SIGKILL")
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
}

const main = Effect.fnUntraced(function*(given: Instructions) {
  let countdown = given.countdown
  const at = (point: (typeof points)[number]): void => {
    if (given.point === point && --countdown === 0) die()
  }
  const opened = yield* Sqlite.make({ path: given.store, clock: makeClock() })
  /** The store with two of the points in front of it. */
  const store: StoreService = {
    ...opened,
    append: (channel, batch, options) => {
      if (channel === wellKnown.journal && batch.some(({ text }) => text.includes('"kind":"action.decided"'))) at("before intent")
      if (channel === wellKnown.kernelReplies && batch.some(({ text }) => text.includes('"kind":"action_completed"'))) at("receipt to reply")
      return opened.append(channel, batch, options)
    }
  }
  const policy = Result.getOrThrow(policyFromConfig(undefined))
  const kernel = yield* Kernel.make({
    id: "torture",
    name: "Torture",
    version: "0",
    directory: ".",
    store,
    clock: makeClock(),
    policy,
    executors: [{
      name: "line.append",
      description: "appends a line to a file; twice is two lines",
      risk: "low",
      recovery: "none",
      perform: (call) =>
        Effect.sync(() => {
          at("intent to effect")
          appendFileSync(given.effects, `${call.warrant}\n`)
          at("effect to receipt")
          return { appended: call.warrant }
        })
    }],
    source: () => Effect.die("loads no modules"),
    powers: { sha256: sha256Hex, sha256Bytes, readingPower: () => Effect.die("reads no files") },
    pid: process.pid
  })
  const audit = yield* kernel.verifyAudit
  tell({ told: "boot", boot: kernel.status().boot, chain: audit.ok, problems: audit.problems })

  // What nobody knows is reconciled as a human would: by looking at the file.
  for (const warrant of yield* kernel.gate.list({ state: "unknown" })) {
    const happened = readFileSync(given.effects, "utf8").split("\n").includes(warrant.id)
    yield* kernel.gate.reconcile(warrant.id, "operator", happened ? "succeeded" : "failed", "looked at the file")
    tell({ told: "unknown", warrant: warrant.id, happened })
  }
  yield* kernel.launch

  const worker = (port: Port) =>
    Effect.forever(Effect.gen(function*() {
      const taken = yield* port.take("tasks", { limit: 4, wait: true })
      for (const { epoch, event } of taken) {
        yield* port.append("facts", [{ payload: { task: event.payload }, parentIds: [event.id] }], { key: event.id })
        yield* port.settle("tasks", [{ cursor: event.cursor, epoch, outcome: "ack" }])
      }
    }))
  yield* kernel.dock({ manifest: { ...emptyManifest("desk"), provides: [{ name: "notes" }, { name: "tasks", form: "queue" }, { name: "facts" }] } })
  // Three loops of one system: a key is scoped to its sender, so competing workers share one.
  yield* kernel.dock({
    manifest: { ...emptyManifest("workers"), takes: ["tasks"], writes: ["facts"] },
    run: (port) => Effect.all([worker(port), worker(port), worker(port)], { concurrency: "unbounded", discard: true })
  })
  const client = (yield* kernel.dock({
    manifest: { ...emptyManifest("client"), reads: ["notes"], writes: ["notes", "tasks"], executors: ["line.append"] }
  })).port

  const firstReply = Effect.fnUntraced(function*(request: string, accept: (event: Event) => boolean) {
    for (let head = 0; ; ) {
      const page = yield* client.read(wellKnown.kernelReplies, { limit: 100, filter: { correlationId: request } })
      const found = page.events.find(accept)
      if (found !== undefined) return found
      head = yield* client.awaitBeyond(wellKnown.kernelReplies, Math.max(head, page.head))
    }
  })
  const isFinal = (event: Event): boolean => finalReplies.has(event.kind)
  const [ask] = yield* client.append(wellKnown.capabilityRequest, [{ payload: { resource: "line.append", access: "execute" } }])
  const granted = yield* firstReply(ask!.id, isFinal)
  const token = String((granted.payload as { readonly token?: unknown }).token)

  /** One numbered piece of work: a note, a task and an action, each repeatable under its key. */
  const piece = Effect.fnUntraced(function*(n: number) {
    const [note] = yield* client.append("notes", [{ payload: { n } }], { key: `note-${n}` })
    tell({ told: "note", n, id: note!.id })
    const [task] = yield* client.append("tasks", [{ payload: { n } }], { key: `task-${n}` })
    tell({ told: "task", n, id: task!.id })
    const expected = expectation(n)
    const [request] = yield* client.append(wellKnown.actionGate, [{
      payload: {
        action: "append", executor: "line.append", target: `line ${n}`, payload: { n },
        capability: expected === "forged" ? "forged" : token,
        risk_level: expected === "approved" || expected === "refused" ? "irreversible" : "low"
      }
    }], { key: `act-${n}` })
    tell({ told: "request", n, id: request!.id })
    if (expected === "approved" || expected === "refused") {
      const first = yield* firstReply(request!.id, () => true)
      if (first.kind === "action_escalated") {
        // Already answered before a crash: then the answer is refused here, and the reply comes all the same.
        yield* Effect.ignore(expected === "approved" ? kernel.gate.approve(request!.id, "operator") : kernel.gate.deny(request!.id, "operator", "no"))
      }
    }
    const reply = yield* firstReply(request!.id, isFinal)
    tell({ told: "reply", n, id: request!.id, kind: reply.kind })
  })

  yield* Effect.forEach(given.open, piece, { concurrency: 8, discard: true })
  if (!given.finish) {
    for (let n = given.next; ; n += 4) {
      yield* Effect.forEach([n, n + 1, n + 2, n + 3], (each) => {
        tell({ told: "begin", n: each })
        return piece(each)
      }, { concurrency: "unbounded", discard: true })
    }
  }

  // The last run: everything is completed, and then told from the store.
  for (let head = 0; (yield* kernel.channels.backlog("tasks")) > 0; ) head = yield* kernel.channels.awaitBeyond(wellKnown.settlementOf("tasks"), head)
  const all = Effect.fnUntraced(function*(channel: string) {
    const events: Array<Event> = []
    for (let after = 0; ; ) {
      const page = yield* kernel.channels.read("aaax", channel, { after, limit: 1_000 })
      events.push(...page.events)
      if (page.events.length === 0) return events
      after = page.next
    }
  })
  const journal = yield* all(wellKnown.journal)
  const started = new Set<string>()
  for (const event of journal) {
    const payload = event.payload as { readonly warrant?: { readonly state?: string } | string }
    if (event.kind === "warrant.started" && event.correlationId !== null) started.add(event.correlationId)
    if (event.kind === "action.decided" && typeof payload.warrant === "object" && payload.warrant.state === "started") started.add(event.correlationId ?? "")
  }
  const replies = new Map<string, Array<string>>()
  for (const event of yield* all(wellKnown.kernelReplies)) {
    if (event.correlationId !== null) replies.set(event.correlationId, [...(replies.get(event.correlationId) ?? []), event.kind])
  }
  const verified = yield* kernel.verifyAudit
  tell({
    told: "end",
    chain: verified.ok,
    notes: (yield* all("notes")).map(({ id }) => id),
    tasks: (yield* all("tasks")).map(({ id }) => id),
    facts: (yield* all("facts")).map(({ parentIds }) => parentIds[0] ?? ""),
    started: [...started],
    replies: [...replies],
    unknown: (yield* kernel.gate.list({ state: "unknown" })).map(({ id }) => id),
    problems: yield* store.verify
  })
  yield* kernel.drainAll(5_000)
})

const instructions = JSON.parse(process.argv[2] ?? "{}") as Instructions
const fiber = Effect.runFork(Effect.scoped(main(instructions)))
const exit = await Effect.runPromise(Fiber.await(fiber))
if (exit._tag === "Failure") {
  writeSync(2, `${JSON.stringify(exit.cause, null, 1)}\n`)
  process.exit(1)
}
process.exit(0)
