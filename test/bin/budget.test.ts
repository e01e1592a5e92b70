// Budgets and taking back from the command line, over HTTP, against a kernel in this process; and budgets of a config.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { launch } from "../../kernel/host.ts"
import { decodeConfig } from "../../kernel/config.ts"
import type { BudgetView } from "../../protocol/budget.ts"
import { defineExecutor, NotDone } from "../../libos/executor.ts"
import { reported } from "../../protocol/executor.ts"
import { aaax, type Told } from "../kit/command.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../kit/probe.ts"
import { runIn, type Running } from "../kit/running.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-budget-"))
const back: Array<unknown> = []
/** As an author writes one. */
let attempts = 0
const translate = defineExecutor({
  name: "translate", risk: "low", recovery: "none", labels: ["untrusted.web"], external: true,
  cost: ({ payload }) => ({ tokens: (payload as { readonly text: string }).text.length }),
  perform: ({ payload }) => {
    const { text } = payload as { readonly text: string }
    if (text === "no") throw new NotDone({ reason: "not this", spent: { tokens: 0 } })
    return reported({ result: { text }, spent: { tokens: 3 }, undo: { length: text.length } })
  },
  compensate: (_, { original, undo }) => {
    if (++attempts === 1) throw new NotDone({ reason: "not yet" })
    back.push([original.payload, undo])
    return "gone"
  }
})
let running: Running
const cli = (...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--dir", directory)
const budget = async (...args: ReadonlyArray<string>): Promise<BudgetView> => JSON.parse((await cli("budget", ...args, "--json")).stdout) as BudgetView

beforeAll(async () => {
  running = await runIn(directory, { executors: [translate] })
})
afterAll(async () => {
  await running.stop()
  rmSync(directory, { recursive: true, force: true })
})

describe("aaax budget", () => {
  it("sets, shows, lists and clears budgets, and says what is wrong", async () => {
    expect((await cli("budget")).stdout).toContain("nothing is limited")
    expect(await budget("set", "team/*", "--tokens", "100", "--per", "1d")).toMatchObject({ account: "system:team/*", limits: { tokens: 100 }, perMillis: 86_400_000 })
    expect(await budget("set", "team/*", "--concurrency", "2")).toMatchObject({ limits: { tokens: 100, concurrency: 2 }, perMillis: 86_400_000 })
    const listed = (await cli("budget", "ls")).stdout
    expect(listed).toMatch(/ACCOUNT +UNIT +LIMIT +SPENT +RESERVED +LEFT +DEBT/u)
    expect(listed).toMatch(/system:team\/\* +tokens +100 +0 +0 +100 +0/u)
    expect(await budget("show", "system:team/*")).toMatchObject({ origin: "operator", remaining: { tokens: 100, concurrency: 2 } })
    expect((await cli("budget", "clear", "team/*")).code).toBe(0)
    expect((await cli("budget", "show", "team/*")).code).toBe(3)
    expect((await cli("budget", "clear", "team/*")).code).toBe(3)
    for (const wrong of [["set", "*"], ["set", "*", "--tokens", "-1"], ["set", "*", "--per", "soon", "--tokens", "1"], ["set", "grant:x", "--tokens", "1"]]) {
      expect((await cli("budget", ...wrong)).code, wrong.join(" ")).toBe(2)
    }
  })

  it("counts what an executor of one's own declares and reports, and its effect is taken back", async () => {
    await budget("set", "*", "--tokens", "10")
    const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect)
    const port = await run(probe(running.kernel, "a", { executors: ["translate"] }))
    const capability = await run(tokenFor(port, "translate"))
    const act = (text: string) => run(Effect.flatMap(
      requestAction(port, { action: "do", executor: "translate", target: "t", payload: { text }, capability, risk_level: "low" }), (id) => awaitReply(port, id)))
    const done = await act("seven77")
    expect(done).toMatchObject({ kind: "action_completed", labels: ["untrusted.web"] })
    expect(await budget("show", "*")).toMatchObject({ spent: { tokens: 3 } })
    expect((await act("no")).kind).toBe("action_failed")
    expect(await budget("show", "*")).toMatchObject({ spent: { tokens: 3 } })
    expect(await act("eight888")).toMatchObject({ kind: "action_denied", payload: { reason: expect.stringContaining("limit 10, spent 3, reserved 0, asked 8; ask the operator for more: aaax budget set '*' --tokens N") } })
    const id = done.correlationId ?? ""
    // Its first attempt fails, and says so.
    const failed = await cli("gate", "compensate", id)
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("not yet") })
    expect((await cli("gate", "compensate", id, "--reason", "a mistake")).stdout).toMatch(new RegExp(`takes back ${id}: succeeded\n$`, "u"))
    await run(awaitReply(port, id, "action_compensated"))
    expect(back).toEqual([[{ text: "seven77" }, { length: 7 }]])
    expect((await cli("gate", "show", id)).stdout).toContain("compensated")
    expect((await cli("gate", "compensate", id)).code).toBe(5)
    expect((await cli("gate", "compensate", "01993b2e-0000-7000-8000-000000000000")).code).toBe(3)
  })
})

describe("budgets of a config", () => {
  it("hold from the start, follow the config, and give way to what the operator set", async () => {
    const store = join(directory, "config.db")
    const first = await launch({ directory, store, budgets: { "*": { tokens: 5, per: "1h" }, gone: { actions: 1 } } })
    expect(first.budgets.list().map(({ account, limits, origin, perMillis }) => [account, limits, origin, perMillis])).toEqual([
      ["system:*", { tokens: 5 }, "config", 3_600_000], ["system:gone", { actions: 1 }, "config", null]
    ])
    await first.budgets.set("mine", { limits: { actions: 9 } }, "ada")
    await first.close()
    const second = await launch({ directory, store, budgets: { "*": { tokens: 6, per: "1h" }, mine: { actions: 1 } } })
    expect(second.budgets.list().map(({ account, limits }) => [account, limits])).toEqual([["system:*", { tokens: 6 }], ["system:mine", { actions: 9 }]])
    await second.close()
  })

  it("say what is wrong with them", async () => {
    for (const [budgets, path] of [[{ "*": { tokens: -1 } }, "budgets.*.tokens"], [{ "*": { coffees: 1 } }, "budgets.*.coffees"], [{ "*": { per: "soon" } }, "budgets.*.per"]] as const) {
      const failure = await Effect.runPromise(Effect.flip(decodeConfig({ budgets }, "config")))
      expect(failure.issues[0]).toMatchObject({ path })
    }
  })
})
