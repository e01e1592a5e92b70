import { Effect, Exit, Fiber, HashMap, Schema } from "effect"
import { describe, expect, it } from "vitest"
import { decideAction } from "../../../kernel/authority/decide/action.ts"
import { initial, type AuthorityState, type HeldGrant } from "../../../kernel/authority/state/state.ts"
import { callRefusal, defaults, effectiveRisk, NotDone, payloadRefusal, stoppable } from "../../../kernel/executor/executor.ts"
import { makePathLock } from "../../../kernel/executor/path-lock.ts"
import { makePolicy } from "../../../kernel/guard/policy.ts"
import { digestOf } from "../../../kernel/power/digest.ts"
import type { Decision, Rule } from "../../../protocol/authority.ts"
import type { Executor } from "../../../protocol/executor.ts"
import type { StandardSchemaV1 } from "../../../protocol/standard-schema.ts"

const schema = Schema.toStandardSchemaV1(
  Schema.Struct({ to: Schema.String, lines: Schema.Array(Schema.Struct({ text: Schema.String })) }), { parseOptions: { onExcessProperty: "error" } })
const mail: Executor = { name: "mail", description: "sends mail", perform: () => Effect.succeed("sent") }

describe("an executor that says nothing of itself", () => {
  it("counts as irreversible and not to be recovered", () => {
    expect(defaults).toEqual({ risk: "irreversible", recovery: "none" })
    expect(effectiveRisk(mail, "low")).toBe("irreversible")
    expect(effectiveRisk(undefined, "low")).toBe("irreversible")
  })
})

describe("the risk of an action", () => {
  it("is the higher of what is declared and what is requested", () => {
    expect(effectiveRisk({ risk: "medium" }, "low")).toBe("medium")
    expect(effectiveRisk({ risk: "medium" }, "high")).toBe("high")
  })

  it.each(["", "none", "LOW", "constructor", "__proto__", "toString"])("is the highest for the unknown word %j", (word) => {
    expect(effectiveRisk({ risk: "low" }, word)).toBe("irreversible")
  })
})

describe("a payload", () => {
  it("is refused with path and reason", () => {
    expect(payloadRefusal(schema, { to: "a", lines: [{ text: "x" }] })).toBeUndefined()
    expect(payloadRefusal(schema, { to: "a", lines: [{ text: "x" }, { text: 5 }] })).toMatch(/^payload\.lines\[1\]\.text: .*string/u)
    expect(payloadRefusal(schema, { to: "a", lines: [], cc: "b" })).toMatch(/^payload\.cc: /u)
    expect(payloadRefusal(schema, 5)).toMatch(/^payload: /u)
  })

  it("is refused when it has members that a digest would not see", () => {
    expect(payloadRefusal(schema, Object.create({ to: "a", lines: [] }))).toMatch(/plain data/u)
    expect(payloadRefusal(schema, Object.assign(Object.create(null), { to: "a", lines: [] }))).toBeUndefined()
  })

  it("is refused by a schema that answers later", () => {
    const late: StandardSchemaV1 = { "~standard": { version: 1, vendor: "test", validate: (value) => Promise.resolve({ value }) } }
    expect(payloadRefusal(late, {})).toMatch(/at once/u)
  })
})

describe("a check before the verdict", () => {
  it("asks schema and executor, and refuses when either throws", () => {
    const payload = { to: "a", lines: [] }
    const never = (): never => {
      throw new Error("oops")
    }
    expect(callRefusal({ ...mail, payload: schema }, { target: "t", payload })).toBeUndefined()
    expect(callRefusal({ ...mail, payload: schema, check: () => "no" }, { target: "t", payload: 1 })).toMatch(/^payload: /u)
    expect(callRefusal({ ...mail, payload: schema, check: () => "no" }, { target: "t", payload })).toBe("no")
    expect(callRefusal({ ...mail, check: never }, { target: "t", payload })).toBe("the check of mail failed: oops")
    const broken: StandardSchemaV1 = { "~standard": { version: 1, vendor: "test", validate: never } }
    expect(callRefusal({ ...mail, payload: broken }, { target: "t", payload })).toBe("the check of mail failed: oops")
  })
})

describe("asynchronous code as an effect", () => {
  it("fails, typed, with what it knows did not happen, and dies of anything else", async () => {
    expect(await Effect.runPromise(Effect.flip(stoppable(() => Promise.reject(new NotDone("full")))))).toEqual({ reason: "full" })
    const exit = await Effect.runPromiseExit(stoppable(() => Promise.reject(new Error("who knows"))))
    expect(Exit.isFailure(exit) && exit.cause.reasons.map((reason) => reason._tag)).toEqual(["Die"])
  })

  it("is interrupted only when the code has ended", async () => {
    const log: Array<string> = []
    const fiber = Effect.runFork(stoppable((signal) => new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        log.push("told")
        setImmediate(() => {
          log.push("ended")
          resolve(1)
        })
      })
    })))
    await Effect.runPromise(Fiber.interrupt(fiber))
    expect(log).toEqual(["told", "ended"])
  })
})

describe("a path lock", () => {
  it("lets one at a time use a path, in order, and others use other paths meanwhile", async () => {
    const lock = makePathLock()
    const log: Array<string> = []
    const use = (path: string, name: string) => lock(path, Effect.gen(function*() {
      log.push(`${name} in`)
      yield* Effect.yieldNow
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      log.push(`${name} out`)
    }))
    await Promise.all([use("a", "1"), use("a", "2"), use("b", "3"), use("a", "4")].map((effect) => Effect.runPromise(effect)))
    expect(log.filter((line) => !line.startsWith("3"))).toEqual(["1 in", "1 out", "2 in", "2 out", "4 in", "4 out"])
    expect(log.indexOf("3 in")).toBeLessThan(log.indexOf("2 in"))
  })

  it("goes on to the next when one fails, dies or is stopped", async () => {
    const lock = makePathLock()
    const waiting = Effect.runFork(lock("a", Effect.never))
    const results = [Effect.fail("no"), Effect.die("no"), Effect.succeed("yes")].map((effect) => Effect.runPromiseExit(lock("a", effect as Effect.Effect<string, string>)))
    await Effect.runPromise(Fiber.interrupt(waiting))
    expect((await Promise.all(results)).map((exit) => exit._tag)).toEqual(["Failure", "Failure", "Success"])
  })
})

describe("a payload that a rule put in place", () => {
  const held: HeldGrant = {
    uses: 0, grant: { id: "g", holder: "s", resource: "mail", access: "execute", caveats: {}, parent: null, issuedAt: 0, origin: "test", scope: {} }
  }
  const state: AuthorityState = { ...initial, grants: HashMap.make(["g", held]) }
  const says = (name: string, decision: Decision): Rule => ({ name, description: `always ${name}`, decide: () => decision })
  const redacted = { text: "***" }
  const redact = says("redact", { outcome: "allow", payload: redacted })

  it.each([["started", []], ["escalated", [says("ask", { outcome: "escalate", reason: "r", to: "human" })]]] as const)(
    "is what is digested and kept, also when the action is %s", (outcome, more) => {
      const rules = { policy: makePolicy([redact, ...more]), digestOf, executor: () => mail }
      const request = { action: "send", executor: "mail", target: "t", payload: { text: "secret" }, capability: "g", risk_level: "low" }
      const reference = { request: "r1", requestCursor: 1, channel: "aaax.action-gate", system: "s", floor: 0 }
      const first = decideAction(rules, reference, request)(state, 1)
      expect(first).toEqual({ entries: [], answer: { replacement: { digest: digestOf(redacted), payload: redacted } } })
      const { entries } = decideAction(rules, reference, request, new Set([digestOf(redacted)]))(state, 1)
      expect(entries).toMatchObject([{ warrant: {
        state: outcome, payloadArtifact: digestOf(redacted), digest: digestOf({ action: "send", executor: "mail", target: "t", payload: redacted })
      } }])
    })
})
