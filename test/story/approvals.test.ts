// Approvals that humans can live with: proved in front of the kernel, by several, with other arguments, for more of the same.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { makeClock } from "../../kernel/clock.ts"
import { door } from "../../kernel/door/http.ts"
import { launch } from "../../kernel/host.ts"
import { answersAtOnceMax, warrantsWaitingMax } from "../../kernel/limits.ts"
import * as Memory from "../../kernel/store/memory.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import { makeClient, type Client } from "../../libos/http.ts"
import type { Rule } from "../../protocol/authority.ts"
import type { Executor } from "../../protocol/executor.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import type { StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { counted, held } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { withNetwork } from "../kit/network.ts"
import { awaitReply, probe, replies, requestAction, tokenFor } from "../kit/probe.ts"

const token = "t".repeat(43)

/** A kernel with an executor whose every call asks a human, a system that calls it, and what is shown on the terminal. */
const parking = Effect.fnUntraced(function*(options: TestOptions & { readonly executor?: Partial<Executor>; readonly noTerminal?: true } = {}) {
  const { executor: more, noTerminal, ...rest } = options
  const shown: Array<string> = []
  const { calls, executor } = counted("launch", { risk: "irreversible", ...more })
  const kernel = yield* makeKernel({
    executors: [executor], ...(noTerminal === true ? {} : { terminal: (line: string) => void shown.push(line) }), ...rest
  })
  const port = yield* probe(kernel, "a", { executors: ["launch"] })
  const capability = yield* tokenFor(port, "launch")
  const park = Effect.fnUntraced(function*(target = "moon", payload: unknown = { n: 1 }, risk = "low") {
    const id = yield* requestAction(port, { action: "go", executor: "launch", target, payload, capability, risk_level: risk })
    yield* awaitReply(port, id, "action_escalated")
    return id
  })
  const ask = Effect.fnUntraced(function*(target: string, payload: unknown = {}, risk = "low", action = "go") {
    const id = yield* requestAction(port, { action, executor: "launch", target, payload, capability, risk_level: risk })
    for (;;) {
      const [first] = yield* replies(port, id)
      if (first !== undefined) return { id, kind: first.kind }
      yield* Effect.orDie(port.awaitBeyond(wellKnown.kernelReplies, 0))
      yield* Effect.yieldNow
    }
  })
  return { kernel, port, calls, shown, park, ask, capability }
})

/** The same kernel from outside: as the operator, over HTTP. */
const over = (kernel: TestKernel): Effect.Effect<Client, unknown, Scope.Scope> =>
  Effect.map(door({ token, executors: kernel.executors }).open(kernel), ({ url }) => makeClient({ url, token }))

const codeIn = (line: string | undefined): string => /code (\w{4}-\w{4}) /u.exec(line ?? "")?.[1] ?? "none"

/** Every text that the store keeps. */
const everything = Effect.fnUntraced(function*(kernel: TestKernel) {
  const texts: Array<string> = []
  for (const { name } of kernel.channels.store.channels()) {
    texts.push(JSON.stringify(yield* Effect.orDie(kernel.channels.store.read(name, { after: 0, limit: 1_000 }))))
  }
  return texts.join("\n")
})

describe("an approval from outside the kernel's process", () => {
  effect("needs the code that only the kernel's terminal shows, from risk high up", () =>
    Effect.gen(function*() {
      const { calls, kernel, park, port, shown } = yield* parking()
      const client = yield* over(kernel)
      const id = yield* park()
      const needed = yield* Effect.flip(client.call("approve", { id, payload: {} }))
      expect(needed).toMatchObject({ _tag: "ProofNeeded", warrant: id, shown: true, passphrase: false })
      expect(shown).toHaveLength(1)
      expect(shown[0]).toMatch(/lets a do launch on moon with \{.*\} \(irreversible, digest/u)
      const code = codeIn(shown[0])
      expect(JSON.stringify(needed)).not.toContain(code)
      expect(yield* client.call("approve", { id, payload: { code: code.toLowerCase().replace("-", " ") } })).toMatchObject({ approvedBy: "operator" })
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      expect(calls).toHaveLength(1)
      const kept = yield* everything(kernel)
      expect(kept).toContain(id)
      for (const part of [code, code.replace("-", "")]) expect(kept).not.toContain(part)
    }))

  effect("takes a code for exactly what it was shown for: not for another action, other terms, other arguments, or later", () =>
    Effect.gen(function*() {
      const { kernel, park, shown } = yield* parking()
      const client = yield* over(kernel)
      const [one, two] = [yield* park("moon"), yield* park("mars")]
      const codeFor = Effect.fnUntraced(function*(id: string) {
        kernel.time.advance(10_000)
        expect((yield* Effect.flip(client.call("approve", { id, payload: {} })))._tag).toBe("ProofNeeded")
        return codeIn(shown.at(-1))
      })
      const code = yield* codeFor(one)
      expect((yield* Effect.flip(client.call("approve", { id: two, payload: { code } })))._tag).toBe("ProofNeeded")
      expect((yield* Effect.flip(client.call("approve", { id: one, payload: { code, standing: { millis: 60_000, target: "**" } } })))._tag).toBe("ProofNeeded")
      yield* client.call("edit", { id: one, payload: { payload: { n: 2 } } })
      expect((yield* Effect.flip(client.call("approve", { id: one, payload: { code } })))._tag).toBe("ProofNeeded")
      const late = yield* codeFor(two)
      kernel.time.advance(5 * 60_000 + 1)
      expect((yield* Effect.flip(client.call("approve", { id: two, payload: { code: late } })))._tag).toBe("ProofNeeded")
      expect(yield* client.call("approve", { id: two, payload: { code: yield* codeFor(two) } })).toMatchObject({ approvedBy: "operator" })
    }))

  effect("asks for no code for what would not be done: while the kernel is frozen, or to take back what cannot be", () =>
    Effect.gen(function*() {
      const { kernel, park, shown, port } = yield* parking()
      const client = yield* over(kernel)
      const id = yield* park()
      yield* client.call("freeze", { payload: { reason: "incident" } })
      expect(yield* Effect.flip(client.call("approve", { id, payload: {} }))).toMatchObject({ _tag: "WarrantConflict", reason: expect.stringContaining("frozen") })
      expect(shown).toEqual([])
      yield* Effect.ignore(client.call("thaw", { payload: {} }))
      yield* client.call("thaw", { payload: { code: codeIn(shown.at(-1)) } })
      kernel.time.advance(10_000)
      yield* Effect.ignore(client.call("approve", { id, payload: {} }))
      yield* client.call("approve", { id, payload: { code: codeIn(shown.at(-1)) } })
      yield* awaitReply(port, id, "action_completed")
      const before = shown.length
      expect(yield* Effect.flip(client.call("compensate", { id, payload: {} }))).toMatchObject({ _tag: "WarrantConflict", reason: "launch cannot take back what it did" })
      expect(shown).toHaveLength(before)
    }))

  effect("takes a code once", () =>
    Effect.gen(function*() {
      const { kernel, park, shown } = yield* parking({ quorum: { irreversible: 2 } })
      const client = yield* over(kernel)
      const id = yield* park()
      yield* Effect.flip(client.call("approve", { id, payload: {} }))
      const code = codeIn(shown[0])
      expect(yield* client.call("approve", { id, payload: { code } })).toMatchObject({ state: "escalated", approvals: [{ by: "operator" }] })
      expect((yield* Effect.flip(client.call("approve", { id, payload: { code } })))._tag).toBe("ProofNeeded")
    }))

  effect("with wrong codes again and again refuses the action, and tells its requester", () =>
    Effect.gen(function*() {
      const { calls, kernel, park, port, shown } = yield* parking()
      const client = yield* over(kernel)
      const id = yield* park()
      yield* Effect.flip(client.call("approve", { id, payload: {} }))
      for (let tries = 1; tries < 5; tries++) {
        expect((yield* Effect.flip(client.call("approve", { id, payload: { code: "0000-0000" } })))._tag).toBe("ProofNeeded")
      }
      expect(yield* Effect.flip(client.call("approve", { id, payload: { code: "0000-0000" } }))).toMatchObject({ _tag: "Denied" })
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_denied", payload: { reason: "too many wrong codes or passphrases" } })
      expect((yield* Effect.flip(client.call("approve", { id, payload: { code: codeIn(shown[0]) } })))._tag).toBe("WarrantConflict")
      expect(calls).toHaveLength(0)
    }))

  effect("with wrong codes again and again answers none of several, takes nothing back, and does nothing else that needs one", () =>
    Effect.gen(function*() {
      const { calls, kernel, park, port } = yield* parking({ executor: { compensate: () => Effect.succeed("back") } })
      const wrong = { outside: { code: "0000-0000" } }
      const tries = Effect.fnUntraced(function*<A, E>(once: Effect.Effect<A, E>) {
        for (let at = 1; at < 5; at++) expect(yield* Effect.flip(once)).toMatchObject({ _tag: "ProofNeeded" })
        return yield* Effect.exit(once)
      })
      const done = yield* park()
      yield* kernel.gate.approve(done, "ann")
      yield* awaitReply(port, done, "action_completed")
      expect(yield* tries(kernel.gate.compensate(done, "operator", "", wrong))).toMatchObject({ cause: { reasons: [{ error: { _tag: "Denied", operation: "take back" } }] } })
      expect(yield* kernel.gate.show(done)).toMatchObject({ state: "succeeded" })
      kernel.time.advance(3_600_000)
      expect(yield* tries(kernel.gate.vouch("operator", ["freeze", "the kernel"], "stops everything", wrong.outside))).toMatchObject({ cause: { reasons: [{ error: { _tag: "Denied", operation: "freeze" } }] } })
      kernel.time.advance(3_600_000)
      const ids = [yield* park("mars"), yield* park("venus")]
      const answers = yield* Effect.forEach(ids, (id) => Effect.map(kernel.gate.show(id), ({ digest }) => ({ id, digest })))
      const told = yield* tries(kernel.gate.answerAll("approved", answers, "operator", wrong))
      expect(told).toMatchObject({ value: ids.map((id) => ({ id, ok: false, reason: "there were too many wrong codes or passphrases" })) })
      for (const id of ids) expect((yield* awaitReply(port, id)).kind).toBe("action_denied")
      expect(calls).toHaveLength(1)
    }))

  effect("of a kernel without a terminal needs the passphrase, and the refusal says how to set one", () =>
    Effect.gen(function*() {
      const none = yield* parking({ noTerminal: true })
      const bare = yield* over(none.kernel)
      const refused = yield* Effect.flip(bare.call("approve", { id: yield* none.park(), payload: {} }))
      expect(refused).toMatchObject({ _tag: "ProofNeeded", shown: false, passphrase: false })
      expect(refused.message).toContain("aaax gate passphrase set")
      const { kernel, park } = yield* parking({ noTerminal: true, passphrase: "correct horse" })
      const client = yield* over(kernel)
      const id = yield* park()
      expect(yield* Effect.flip(client.call("approve", { id, payload: { code: "0000-0000" } }))).toMatchObject({ _tag: "ProofNeeded", passphrase: true })
      expect((yield* Effect.flip(client.call("approve", { id, payload: { passphrase: "battery staple" } })))._tag).toBe("ProofNeeded")
      expect(yield* client.call("approve", { id, payload: { passphrase: "correct horse" } })).toMatchObject({ approvedBy: "operator" })
    }))

  effect("below risk high, a refusal, and an answer of the host itself need no proof", () =>
    Effect.gen(function*() {
      const asking: Rule = { name: "asking", description: "asks", decide: ({ kind }) => (kind === "action" ? { outcome: "escalate", reason: "look", to: "human" } : { outcome: "allow" }) }
      const { kernel, park, shown } = yield* parking({ policy: asking, executor: { risk: "medium" } })
      const client = yield* over(kernel)
      expect(yield* client.call("approve", { id: yield* park(), payload: {} })).toMatchObject({ approvedBy: "operator" })
      const high = yield* park("moon", {}, "high")
      expect((yield* Effect.flip(client.call("approve", { id: high, payload: {} })))._tag).toBe("ProofNeeded")
      expect(yield* client.call("deny", { id: high, payload: { reason: "no" } })).toMatchObject({ state: "refused" })
      expect(yield* kernel.gate.approve(yield* park("moon", {}, "high"), "host")).toMatchObject({ approvedBy: "host" })
      expect(shown).toHaveLength(1)
    }))
})

describe("an approver", () => {
  effect("is neither the requester, nor above or below it, nor a holder in its grant's chain", () =>
    Effect.gen(function*() {
      const { kernel, park, port } = yield* parking()
      const id = yield* park()
      for (const [by, reason] of [["a", "must not be the requester"], ["a/child", "above or below"]] as const) {
        const refused = yield* Effect.flip(kernel.gate.approve(id, by))
        expect(refused).toMatchObject({ _tag: "Denied" })
        expect(refused.message).toContain(reason)
      }
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "escalated" })
      const { port: boss } = yield* kernel.dock({ manifest: { ...emptyManifest("boss"), executors: ["launch"] }, run: () => Effect.never })
      const root = yield* tokenFor(boss, "launch")
      const child = yield* kernel.grants.delegate("boss", { token: root, to: "a" })
      const delegated = yield* requestAction(port, { action: "go", executor: "launch", target: "moon", payload: {}, capability: child.id })
      yield* awaitReply(port, delegated, "action_escalated")
      expect((yield* Effect.flip(kernel.gate.approve(delegated, "boss"))).message).toContain("must not hold a grant")
      expect((yield* kernel.gate.show(delegated)).grants.map(({ holder }) => holder)).toEqual(["a", "boss"])
      yield* kernel.gate.approve(delegated, "ann")
    }))

  effect("of a quorum counts once, several start it, and one no is enough", () =>
    Effect.gen(function*() {
      const { calls, kernel, park, port } = yield* parking({ quorum: { irreversible: 3 } })
      const id = yield* park()
      expect(yield* kernel.gate.approve(id, "ann")).toMatchObject({ state: "escalated", quorum: 3, approvals: [{ by: "ann" }] })
      expect(yield* Effect.flip(kernel.gate.approve(id, "ann"))).toMatchObject({ _tag: "WarrantConflict" })
      yield* kernel.gate.approve(id, "ben")
      expect(calls).toHaveLength(0)
      yield* kernel.gate.approve(id, "cid", { reason: "fine" })
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      expect((yield* kernel.gate.show(id)).endorsements.map(({ by }) => by)).toEqual(["ann", "ben", "cid"])
      const other = yield* park()
      yield* kernel.gate.approve(other, "ann")
      yield* kernel.gate.approve(other, "ben")
      yield* kernel.gate.deny(other, "dan", "no")
      expect(yield* awaitReply(port, other)).toMatchObject({ kind: "action_denied" })
      expect(calls).toHaveLength(1)
    }))
})

describe("an action that is edited before it is approved", () => {
  const schema: StandardSchemaV1 = { "~standard": { version: 1, vendor: "test", validate: (value) => (typeof (value as { n?: unknown }).n === "number" ? { value } : { issues: [{ message: "n must be a number" }] }) } }
  const forbids: Rule = {
    name: "thirteen", description: "forbids 13",
    decide: (question) => question.kind === "action" && (question.payload as { n?: number }).n === 13 ? { outcome: "deny", reason: "unlucky" } : undefined
  }
  const asks: Rule = { name: "asks", description: "asks", decide: ({ kind }) => (kind === "action" ? { outcome: "escalate", reason: "look", to: "human" } : { outcome: "allow" }) }

  effect("waits under a new digest, runs with the new arguments alone, and the journal says who put them there", () =>
    Effect.gen(function*() {
      const { calls, kernel, park, port } = yield* parking({ executor: { payload: schema }, quorum: { irreversible: 2 } })
      const id = yield* park()
      const before = yield* kernel.gate.show(id)
      yield* kernel.gate.approve(id, "ann")
      const edited = yield* kernel.gate.edit(id, "ann", { n: 7 }, { reason: "smaller", digest: before.digest })
      expect(edited).toMatchObject({ state: "escalated", payload: { n: 7 }, editedBy: "ann", approvals: [] })
      expect(edited.digest).not.toBe(before.digest)
      expect((yield* Effect.flip(kernel.gate.approve(id, "ben", { digest: before.digest })))._tag).toBe("WarrantConflict")
      yield* kernel.gate.approve(id, "ann", { digest: edited.digest })
      yield* kernel.gate.approve(id, "ben", { digest: edited.digest })
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed", payload: { result: { echoed: { n: 7 } } } })
      expect(calls).toMatchObject([{ payload: { n: 7 }, digest: edited.digest }])
      expect((yield* replies(port, id)).find(({ kind }) => kind === "action_approved")?.payload).toMatchObject({ modified_payload: { n: 7 } })
      expect(yield* kernel.gate.show(id)).toMatchObject({ edits: [{ by: "ann", reason: "smaller", from: before.digest, digest: edited.digest }], payload: { n: 7 } })
      expect((yield* kernel.verifyAudit).problems).toEqual([])
    }))

  effect("passes the executor's schema and policy again, and a denial still wins", () =>
    Effect.gen(function*() {
      const { kernel, park } = yield* parking({ executor: { payload: schema }, policy: [asks, forbids] })
      const id = yield* park()
      const { digest } = yield* kernel.gate.show(id)
      expect((yield* Effect.flip(kernel.gate.edit(id, "ann", { n: 13 }))).message).toContain("unlucky")
      expect((yield* Effect.flip(kernel.gate.edit(id, "ann", { n: "x" }))).message).toContain("n must be a number")
      expect((yield* Effect.flip(kernel.gate.edit(id, "a", { n: 2 }))).message).toContain("must not be the requester")
      expect((yield* Effect.flip(kernel.gate.edit(id, "ann", { n: Number.NaN })))._tag).toBe("InvalidPayload")
      expect(yield* kernel.gate.show(id)).toMatchObject({ digest, state: "escalated", payload: { n: 1 } })
    }))
})

describe("a standing approval", () => {
  const terms = { millis: 600_000, target: "moon/**" }

  effect("first says what it would have matched, then answers more of the same and nothing else", () =>
    Effect.gen(function*() {
      const { ask, calls, kernel, park } = yield* parking()
      for (const target of ["moon/1", "moon/2", "mars/1"]) yield* kernel.gate.deny(yield* park(target), "ann", "no")
      const id = yield* park("moon/3")
      const preview = yield* kernel.gate.preview(id, terms)
      expect(preview).toMatchObject({ looked: 4, matched: 3, newly: 3, standing: { system: "a", executor: "launch", action: "go", target: "moon/**", riskMax: "irreversible" } })
      expect(kernel.gate.standing()).toEqual([])
      yield* kernel.gate.approve(id, "ann", { standing: terms })
      expect(kernel.gate.standing()).toMatchObject([{ id: `standing:${id}`, by: "ann", uses: 0 }])
      const passed = yield* ask("moon/4")
      expect(passed.kind).toBe("action_approved")
      expect(yield* kernel.gate.show(passed.id)).toMatchObject({ rule: `standing:${id}`, standing: `standing:${id}` })
      expect((yield* ask("mars/2")).kind).toBe("action_escalated")
      expect((yield* ask("moon/4", {}, "low", "other")).kind).toBe("action_escalated")
      expect((yield* ask("moon/../mars")).kind).toBe("action_escalated")
      expect(kernel.gate.standing()).toMatchObject([{ uses: 1 }])
      yield* kernel.step
      expect(calls).toHaveLength(2)
    }))

  effect("without a glob is for the very action, its target and its arguments, whatever they hold", () =>
    Effect.gen(function*() {
      const { ask, kernel, park } = yield* parking()
      yield* kernel.gate.approve(yield* park("moon/*"), "ann", { standing: { millis: 60_000 } })
      expect((yield* ask("moon/1", { n: 1 })).kind).toBe("action_escalated")
      expect((yield* ask("moon/*", { n: 2 })).kind).toBe("action_escalated")
      expect((yield* ask("moon/*", { n: 1 })).kind).toBe("action_approved")
      // Named, the target is allowed with whatever arguments.
      yield* kernel.gate.approve(yield* park("mars"), "ann", { standing: { millis: 60_000, target: "mars" } })
      expect((yield* ask("mars", { n: 3 })).kind).toBe("action_approved")
      expect(yield* Effect.flip(kernel.gate.approve(yield* park("venus"), "ann", { standing: { millis: 60_000, target: "moon/**" } }))).toMatchObject({ _tag: "WarrantConflict" })
    }))

  effect("ends after its uses, its time, when it is revoked, and with its system", () =>
    Effect.gen(function*() {
      const { ask, kernel, park } = yield* parking()
      yield* kernel.gate.approve(yield* park("moon/0"), "ann", { standing: { ...terms, uses: 1 } })
      expect((yield* ask("moon/1")).kind).toBe("action_approved")
      expect((yield* ask("moon/2")).kind).toBe("action_escalated")
      yield* kernel.gate.approve(yield* park("moon/0"), "ann", { standing: terms })
      kernel.time.advance(terms.millis)
      expect((yield* ask("moon/3")).kind).toBe("action_escalated")
      const last = yield* park("moon/0")
      yield* kernel.gate.approve(last, "ann", { standing: terms })
      expect((yield* ask("moon/4")).kind).toBe("action_approved")
      yield* kernel.gate.revokeStanding(`standing:${last}`, "ben")
      expect((yield* ask("moon/5")).kind).toBe("action_escalated")
      expect((yield* Effect.flip(kernel.gate.revokeStanding(`standing:${last}`, "ben")))._tag).toBe("StandingNotFound")
      yield* kernel.gate.approve(yield* park("moon/0"), "ann", { standing: terms })
      yield* kernel.revoke("a")
      expect(kernel.gate.standing()).toEqual([])
    }))

  effect("lifts no denial, and stands in for no second approver", () =>
    Effect.gen(function*() {
      let isForbidden = false
      const rules: ReadonlyArray<Rule> = [
        { name: "asks", description: "asks", decide: ({ kind }) => (kind === "action" ? { outcome: "escalate", reason: "look", to: "human" } : { outcome: "allow" }) },
        { name: "invariant", description: "denies", decide: ({ kind }) => (kind === "action" && isForbidden ? { outcome: "deny", reason: "never" } : undefined) }
      ]
      const { ask, kernel, park } = yield* parking({ policy: rules })
      yield* kernel.gate.approve(yield* park("moon/0"), "ann", { standing: terms })
      expect((yield* ask("moon/1")).kind).toBe("action_approved")
      isForbidden = true
      expect((yield* ask("moon/2")).kind).toBe("action_denied")
      const both = yield* parking({ quorum: { irreversible: 2 } })
      const id = yield* both.park("moon/0")
      expect((yield* Effect.flip(both.kernel.gate.preview(id, terms))).message).toContain("2 approvers")
      expect((yield* Effect.flip(both.kernel.gate.approve(id, "ann", { standing: terms })))._tag).toBe("Denied")
      // And none is given with what does not wait.
      yield* both.kernel.gate.deny(id, "ann", "no")
      expect(yield* Effect.flip(both.kernel.gate.preview(id, terms))).toMatchObject({ _tag: "WarrantConflict", reason: "it does not wait for an answer: it is refused" })
    }))
})

describe("several answers at once", () => {
  effect("are bound each to its own digest, and one code is for exactly this list", () =>
    Effect.gen(function*() {
      const { calls, kernel, park, port, shown } = yield* parking()
      const client = yield* over(kernel)
      const ids = [yield* park("moon"), yield* park("mars"), yield* park("venus")]
      const named = yield* Effect.forEach(ids, (id) => Effect.map(kernel.gate.show(id), ({ digest }) => ({ id, digest })))
      const answers = [named[0]!, { ...named[1]!, digest: "0".repeat(64) }, named[2]!]
      yield* Effect.flip(client.call("answerAll", { payload: { outcome: "approved", answers } }))
      const code = codeIn(shown.at(-1))
      expect((yield* Effect.flip(client.call("answerAll", { payload: { outcome: "approved", answers: named, code } })))._tag).toBe("ProofNeeded")
      const told = yield* client.call("answerAll", { payload: { outcome: "approved", answers, code } })
      expect(told.map(({ ok }) => ok)).toEqual([true, false, true])
      yield* awaitReply(port, ids[0]!)
      yield* awaitReply(port, ids[2]!)
      expect(calls.map(({ target }) => target).sort()).toEqual(["moon", "venus"])
      expect(yield* client.call("answerAll", { payload: { outcome: "refused", answers: [named[1]!] } })).toMatchObject([{ ok: true, state: "refused" }])
      expect((yield* Effect.flip(client.call("answerAll", { payload: { outcome: "refused", answers: [] } })))._tag).toBe("InvalidPayload")
      for (const wrong of [[named[0]!, named[0]!], Array.from({ length: answersAtOnceMax + 1 }, (_, at) => ({ id: `w${at}`, digest: "0".repeat(64) }))]) {
        expect(yield* Effect.flip(kernel.gate.answerAll("refused", wrong, "ann"))).toMatchObject({ _tag: "InvalidPayload", what: "answers" })
      }
    }))
})

describe("an answer to the requester", () => {
  effect("says unavailable where asking again later may help, and not that it was denied", () =>
    Effect.gen(function*() {
      const { ask, kernel, port } = yield* parking()
      const ghost = yield* requestAction(port, { action: "x", executor: "ghost", target: "t", capability: yield* tokenFor(yield* probe(kernel, "b", { executors: ["ghost"] }), "ghost") })
      expect((yield* awaitReply(port, ghost)).kind).toBe("action_denied") // another's capability: that is no
      const ids = yield* Effect.forEach(Array.from({ length: warrantsWaitingMax }, (_, n) => n), (n) => ask(`t${n}`))
      expect(new Set(ids.map(({ kind }) => kind))).toEqual(new Set(["action_escalated"]))
      const more = yield* ask("one-more")
      expect(more.kind).toBe("action_unavailable")
      yield* kernel.gate.deny(ids[0]!.id, "ann", "no")
      expect((yield* ask("again")).kind).toBe("action_escalated")
    }))
})

describe("the inbox", () => {
  effect("shows what is riskiest first, then what waits longest, then what nobody knows", () =>
    Effect.gen(function*() {
      const asks: Rule = { name: "asks", description: "asks", decide: ({ kind }) => (kind === "action" ? { outcome: "escalate", reason: "look", to: "human" } : { outcome: "allow" }) }
      const { kernel, park } = yield* parking({ policy: asks, executor: { risk: "low" } })
      const order: Array<string> = []
      for (const risk of ["low", "high", "irreversible", "high"]) {
        order.push(yield* park("t", {}, risk))
        kernel.time.advance(1_000)
      }
      expect((yield* kernel.gate.list()).map(({ id }) => id)).toEqual([order[2], order[1], order[3], order[0]])
      expect(yield* kernel.gate.list({ system: "nobody" })).toEqual([])
    }))
})

describe("an approver's token", () => {
  effect("answers under its own name, for as long as it is good; no other token of a guest does", () =>
    Effect.promise(() => withNetwork({ v1: true, executors: [counted("launch", { risk: "irreversible" }).executor], passphrase: "correct horse", quorum: { irreversible: 2 } }, async ({ kernel, mint, operatorToken, run, url }) => {
      const port = await run(probe(kernel, "a", { executors: ["launch"] }))
      const id = await run(Effect.gen(function*() {
        const asked = yield* requestAction(port, { action: "go", executor: "launch", target: "moon", payload: {}, capability: yield* tokenFor(port, "launch") })
        yield* awaitReply(port, asked, "action_escalated")
        return asked
      }))
      const as = (credential: string): Client => makeClient({ url, token: credential })
      const passphrase = "correct horse"
      const ben = as(await mint({ name: "ben", role: "read", approves: true }))
      const cid = as(await mint({ name: "cid", role: "admin" }))
      const requester = as(await mint({ name: "a/b", role: "read", approves: true }))
      const attempts: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        cid.call("approve", { id, payload: { passphrase } }), cid.call("gate"), requester.call("approve", { id, payload: { passphrase } }), ben.call("audit")
      ]
      for (const attempt of attempts) {
        expect((await run(Effect.flip(attempt)))._tag).toBe("Denied")
      }
      expect((await run(Effect.flip(ben.call("approve", { id, payload: {} }))))._tag).toBe("ProofNeeded")
      expect(await run(ben.call("approve", { id, payload: { passphrase } }))).toMatchObject({ state: "escalated", approvals: [{ by: "ben" }] })
      await run(kernel.tokens.revoke("ben"))
      expect((await run(Effect.flip(ben.call("gate"))))._tag).toBe("Unauthenticated")
      expect(await run(as(operatorToken).call("approve", { id, payload: { passphrase } }))).toMatchObject({ approvals: [{ by: "ben" }, { by: "operator" }] })
      // Whoever can read the operator's token makes no approvers with it.
      expect((await run(Effect.flip(as(operatorToken).call("mintToken", { payload: { name: "eve", role: "read", approves: true } }))))._tag).toBe("ProofNeeded")
      expect(kernel.tokens.list().map(({ name }) => name)).not.toContain("eve")
    })))
})

describe("an answer of the host's own code", () => {
  effect("is a function: yes, no, something else, or nothing yet", () =>
    Effect.promise(async () => {
      const calls: Array<unknown> = []
      const executor: Executor = { name: "launch", description: "", risk: "irreversible", recovery: "none", perform: ({ payload }) => Effect.sync(() => calls.push(payload)) }
      const kernel = await launch({ store: ":memory:", executors: [executor] })
      try {
        const { port } = await Effect.runPromise(kernel.effect.dock({ manifest: { ...emptyManifest("a"), executors: ["launch"] }, run: () => Effect.never }))
        const capability = await Effect.runPromise(tokenFor(port, "launch"))
        const stop = kernel.gate.answer("guard", ({ target, payload }) => {
          if (target === "yes") return { outcome: "approved", reason: "fine" }
          if (target === "edit") return { outcome: "edited", payload: { was: payload } }
          if (target === "broken") throw new Error("on purpose")
          return target === "no" ? { outcome: "refused", reason: "not here" } : undefined
        })
        const ask = (target: string) => Effect.runPromise(requestAction(port, { action: "go", executor: "launch", target, payload: 1, capability }))
        const open = [await ask("later"), await ask("broken")]
        const reply = async (target: string) => Effect.runPromise(awaitReply(port, await ask(target)))
        expect((await reply("yes")).kind).toBe("action_completed")
        expect(await reply("no")).toMatchObject({ kind: "action_denied", payload: { reason: "not here" } })
        expect((await reply("edit")).kind).toBe("action_completed")
        expect(calls).toEqual([1, { was: 1 }])
        expect((await kernel.gate.list({ state: "escalated" })).map(({ id }) => id).sort()).toEqual(open.sort())
        stop()
      } finally {
        await kernel.close()
      }
    }))
})

describe("a call that an earlier boot started", () => {
  effect("whose executor is not there is shown as unknown and may be reconciled; the more careful word on recovery counts", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      const slow = held("launch", { risk: "irreversible", recovery: "idempotent" })
      const other = held("other", { risk: "irreversible", recovery: "idempotent" })
      const first = yield* Scope.make()
      yield* Scope.provide(Effect.gen(function*() {
        const kernel = yield* makeKernel({ store, time, executors: [slow.executor, other.executor] })
        const port = yield* probe(kernel, "a", { executors: ["launch", "other"] })
        for (const [name, begun] of [["launch", slow.begun], ["other", other.begun]] as const) {
          const id = yield* requestAction(port, { action: "go", executor: name, target: "moon", payload: {}, capability: yield* tokenFor(port, name) })
          yield* awaitReply(port, id, "action_escalated")
          yield* kernel.gate.approve(id, "ann")
          yield* begun
        }
      }), first)
      yield* Scope.close(first, Exit.void)
      // What was harmless to repeat is not any more.
      const now = counted("other", { risk: "irreversible", recovery: "none" })
      const kernel = yield* makeKernel({ store, time, executors: [now.executor] })
      expect(kernel.status()).toMatchObject({ unknown: 2, waiting: 0 })
      const unknown = yield* kernel.gate.list({ state: "unknown" })
      expect(unknown.map(({ executor }) => executor).sort()).toEqual(["launch", "other"])
      expect(now.calls).toHaveLength(0)
      const lost = unknown.find(({ executor }) => executor === "launch")!
      expect(lost.reason).toContain("nobody serves launch")
      expect((yield* Effect.flip(kernel.gate.reconcile(lost.id, "a/b", "failed", "mine")))._tag).toBe("Denied")
      expect(yield* kernel.gate.reconcile(lost.id, "ann", "failed", "looked")).toMatchObject({ state: "failed" })
      expect(kernel.status()).toMatchObject({ unknown: 1 })
    }))
})

describe("why", () => {
  const because = Effect.fnUntraced(function*(port: Port, parents: ReadonlyArray<string>, capability: string, target: string) {
    const [asked] = yield* port.append(wellKnown.actionGate, [{
      kind: "action_request", parentIds: parents, payload: { action: "w", executor: "launch", target, payload: {}, capability, risk_level: "medium" }
    }])
    yield* awaitReply(port, asked!.id)
    return asked!.id
  })

  effect("a path is as it is: the last that touched it, its grant and approval, and what had led to it", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("launch", { risk: "medium" })
      const kernel = yield* makeKernel({ executors: [executor], channels: [{ name: "news", visibility: "public" }] })
      const port = yield* probe(kernel, "a", { executors: ["launch"], provides: [{ name: "notes" }] })
      const capability = yield* tokenFor(port, "launch")
      const [note] = yield* port.append("notes", [{ kind: "idea", payload: "write it" }])
      yield* because(port, [], capability, "docs/a.md")
      const last = yield* because(port, [note!.id], capability, "docs/a.md")
      yield* because(port, [], capability, "docs/b.md")
      expect(calls).toHaveLength(3)
      const why = yield* kernel.gate.why("docs/a.md")
      expect(why).toMatchObject({ as: "path", warrant: last, cut: false })
      expect(why.because.map(({ depth, id, is }) => [depth, is, id])).toEqual([[0, "warrant", last], [0, "request", last], [1, "event", note!.id]])
      expect(why.because[0]).toMatchObject({ by: "a", what: "launch on docs/a.md" })
      expect(why.because[0]!.detail).toContain(`grant ${capability}`)
      // Below a folder that is a root of the executor.
      expect((yield* kernel.gate.why("/home/you/docs/b.md")).because[0]).toMatchObject({ what: "launch on docs/b.md" })
      expect((yield* kernel.gate.why("docs/c.md")).because).toEqual([])
      const event = yield* kernel.gate.why(note!.id)
      expect(event).toMatchObject({ as: "event", effects: [{ id: last, is: "warrant" }] })
      const [reply] = yield* replies(port, last)
      expect((yield* kernel.gate.why(reply!.id)).because.map(({ id }) => id)).toEqual([reply!.id, last, last, note!.id])
    }))
})
