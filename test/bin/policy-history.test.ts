// The journal decided again with another policy: what is told, what cannot be told, and that it is read page by page.
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect } from "vitest"
import { givenPolicy } from "../../bin/policy/given.ts"
import { redecide } from "../../bin/policy/history.ts"
import type { Ask, Desk } from "../../bin/sssn/desk.ts"
import { policyOfDocument, type PolicyDocument } from "../../kernel/guard/policy-document.ts"
import { makeCedarEngine } from "../../kernel/power/cedar-engine.ts"
import { makeKernel, type TestKernel } from "../../kernel/testing.ts"
import type { Row } from "../../protocol/route/row.ts"
import { routes } from "../../protocol/routes.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { counted } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, requestAction, requestCapability, tokenFor } from "../kit/probe.ts"

/** What the kernel's door would answer. */
const deskOf = (kernel: TestKernel): Desk & { readonly pages: Array<number> } => {
  const pages: Array<number> = []
  const answer = (route: Row, { id = "", query = {} }: Ask = {}): Effect.Effect<unknown, unknown> => {
    const { after, limit } = query as { after: number; limit: number }
    if (route === routes.audit) return Effect.tap(kernel.audit(after, limit), (page) => Effect.sync(() => void pages.push(page.length)))
    if (route === routes.channel) return Effect.map(kernel.views, (views) => views.find(({ name }) => name === id))
    return kernel.channels.store.read(id, { after, limit })
  }
  return { url: "", pages, ask: <A>(route: Row, ask?: Ask) => Effect.runPromise(answer(route, ask)) as Promise<A>, bytes: () => Promise.reject(new Error("none")) }
}

const noCedar = () => Effect.die("no Cedar")
const again = (kernel: TestKernel, document: PolicyDocument, since: number | null = null) =>
  Effect.gen(function*() {
    const policy = yield* policyOfDocument(document, "test", "", noCedar)
    const desk = deskOf(kernel)
    const progress: Array<number> = []
    const told = yield* Effect.promise(() => redecide(desk, policy, { head: kernel.status().journalHead, since, onProgress: (entries) => progress.push(entries) }))
    return { told, pages: desk.pages, progress }
  })

const world = Effect.gen(function*() {
  const { executor } = counted("count")
  const kernel = yield* makeKernel({ executors: [executor], policy: "default" })
  const systems = yield* Effect.forEach(["a", "b"], (id) => probe(kernel, id, { executors: ["count"] }))
  const act = Effect.fnUntraced(function*(at: number, more: Readonly<Record<string, unknown>>) {
    const port = systems[at]!
    const id = yield* requestAction(port, { action: "x", executor: "count", target: "t", payload: {}, capability: yield* tokenFor(port, "count"), risk_level: "low", ...more })
    return yield* awaitReply(port, id, more["risk_level"] === "irreversible" ? "action_escalated" : undefined)
  })
  return { kernel, systems, act }
})

describe("a policy that is tried on the journal", () => {
  effect("says by system what it would newly deny, escalate and allow", () =>
    Effect.gen(function*() {
      const { act, kernel } = yield* world
      yield* act(0, { risk_level: "low" })
      yield* act(0, { risk_level: "medium" })
      yield* act(1, { risk_level: "high" })
      yield* act(1, { risk_level: "irreversible" })
      yield* act(1, { risk_level: "low", capability: null })
      const { told } = yield* again(kernel, { defaultAction: { low: "allow", medium: "escalate", high: "allow", irreversible: "deny" } })
      // Each also asked for a capability before each action.
      expect(told.systems).toEqual([
        { system: "a", decided: 4, same: 3, denied: 0, escalated: 1, allowed: 0, erased: 0, unasked: 0 },
        { system: "b", decided: 6, same: 3, denied: 1, escalated: 0, allowed: 1, erased: 0, unasked: 1 }
      ])
      expect(told.changes.map(({ now, system, was, what }) => [system, what, was, now])).toEqual([
        ["b", "count t", "escalate", "deny"], ["b", "count t", "deny", "allow"], ["a", "count t", "allow", "escalate"]
      ])
      expect((yield* again(kernel, "default")).told.systems.every(({ decided, same, unasked }) => decided === same + unasked)).toBe(true)
    }))

  effect("puts the same question again: counters, contexts and what config had declared", () =>
    Effect.gen(function*() {
      const { act, kernel, systems } = yield* world
      for (let n = 0; n < 3; n++) yield* act(0, {})
      yield* requestCapability(systems[1]!, { resource: "other", access: "read", context: { why: "a" } })
      const { told } = yield* again(kernel, { quota: { actionsPerMinute: 2 } })
      const [a, b] = told.systems
      expect(a).toMatchObject({ decided: 6, denied: 1 })
      // `granted` gives what a manifest declared, and nothing else.
      expect(b).toMatchObject({ decided: 1, denied: 1 })
    }))

  effect("says what cannot be decided again, because its body was erased", () =>
    Effect.gen(function*() {
      const { act, kernel } = yield* world
      for (let n = 0; n < 4; n++) yield* act(0, {})
      yield* kernel.step
      yield* kernel.channels.evict(wellKnown.actionGate, { maxCount: 1 })
      const { told } = yield* again(kernel, { defaultAction: { low: "deny" } })
      expect(told.systems).toMatchObject([{ system: "a", decided: 8, erased: 3, denied: 1 }])
    }))

  effect("looks at what is not older than it is told, and at one page at a time", () =>
    Effect.gen(function*() {
      const { act, kernel } = yield* world
      for (let n = 0; n < 150; n++) yield* act(0, {})
      kernel.time.advance(3_600_000)
      yield* act(1, {})
      const all = yield* again(kernel, "default")
      expect(all.told.systems.map(({ decided }) => decided)).toEqual([300, 2])
      expect(all.pages.length).toBeGreaterThan(1)
      expect(Math.max(...all.pages)).toBe(250)
      expect(all.progress.at(-1)).toBe(all.told.entries)
      const { told } = yield* again(kernel, "default", kernel.time.wall() - 1_000)
      expect(told.systems).toMatchObject([{ system: "b", decided: 2, same: 2 }])
      expect(told.entries).toBeLessThan(20)
    }))
})

describe("a policy that is named on the command line", () => {
  const directory = mkdtempSync(join(tmpdir(), "aaax-given-"))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const write = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const given = (name: string, flags = {}) => Effect.flatMap(makeCedarEngine, ({ make }) => givenPolicy(name, flags, make))

  effect("is a table, rules as code, a config that has one or none, or a word", () =>
    Effect.gen(function*() {
      expect(yield* given(write("rules.toml", "default_capability = \"deny\"\n[quota]\nactions_per_minute = 3\n"))).toMatchObject({ document: { quota: { actions_per_minute: 3 } } })
      expect(yield* given(write("aaax.toml", "id = \"x\"\npolicy = \"rules.toml\"\n"))).toMatchObject({ document: { default_capability: "deny" } })
      expect(yield* given(write("none.json", "{\"id\":\"x\"}"))).toMatchObject({ document: "granted" })
      expect(yield* given(write("code.mjs", "export default [{ name: \"mine\", description: \"says no\", decide: () => ({ outcome: \"deny\", reason: \"no\" }) }]"))).toMatchObject({
        document: null, policy: { description: "mine: says no" }
      })
      expect(yield* given("default")).toMatchObject({ document: "default" })
      expect(yield* given("aaax/policy/default.cedar")).toMatchObject({ policy: { description: expect.stringContaining("4 policies of aaax/policy/default.cedar") } })
    }))

  effect("is refused with the place of each mistake", () =>
    Effect.gen(function*() {
      expect((yield* Effect.flip(given(write("bad.toml", "[quota]\nactions_per_minut = 3\n")))).message).toMatch(/bad\.toml: policy\.quota\.actions_per_minut: .*Did you mean actions_per_minute\?/u)
      const cedar = write("bad.cedar", "permit (principal, action == AAAX::Action::\"act\", resource)\nwhen { context.riks < 1 };")
      expect((yield* Effect.flip(given(cedar)))._tag).toBe("UsageError")
      expect((yield* Effect.flip(given(cedar, { schema: "aaax/policy/default.cedarschema" }))).message).toMatch(/bad\.cedar:2:8: .*did you mean `risk`/u)
      expect((yield* Effect.flip(given(join(directory, "missing.toml"))))._tag).toBe("NotFound")
    }))
})
