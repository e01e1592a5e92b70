// The worker: when it answers, what it answers, and which model is asked. The number is that of the specification.
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { classify, makeTiers } from "../../../modules/worker/routing.ts"
import { isAsked, isHeard, makeMemory, promptOf, type Prompt, type Said } from "../../../modules/worker/rules.ts"
import { makeWorker, type Working } from "../../../modules/worker/work.ts"

const said = (from: string, payload: string, target = "all"): Said => ({ from, payload, target })

describe("a worker", () => {
  it("[138] answers who names it, alone, among others or by a pattern, who speaks of it, and a person", () => {
    for (const one of [
      said("B", "go on", "FAST"), said("B", "go on", "x, FAST"), said("B", "go on", "F*"), said("B", "what does fast say?"), said("USER", "anybody?")
    ]) expect(isAsked(one, "FAST"), JSON.stringify(one)).toBe(true)
    for (const text of ["fast?", "@Fast", "(fast)", "breakfast, fast", "FASTさん"]) expect(isAsked(said("B", text), "FAST"), text).toBe(true)
    for (const text of ["breakfast", "faster", "fast_path", "2fast"]) expect(isAsked(said("B", text), "FAST"), text).toBe(false)
    expect([isAsked(said("B", "shop/fast, go on"), "shop/FAST"), isAsked(said("B", "workshop/fast"), "shop/FAST")]).toEqual([true, false])
    for (const one of [said("B", "go on"), said("B", "go on", ""), said("B", "go on", "fast"), said("B", "go on", "FASTER"), said("USER", "go on", "REASON")]) {
      expect(isAsked(one, "FAST"), JSON.stringify(one)).toBe(false)
    }
  })

  it("[138] answers neither itself nor the hub, nothing that a program marks as its own, and nothing blank", () => {
    for (const one of [
      said("FAST", "FAST?", "FAST"), said("SynapseHub", "FAST", "FAST"), said("A_LITE", "FAST", "FAST"), said("A_CORE", "FAST", "FAST"),
      said("USER", "  [ACK 7] FAST"), said("USER", "[ROUTE] FAST"), said("USER", "\n[MAIN] FAST"), said("USER", " \n ", "FAST")
    ]) {
      expect(isAsked(one, "FAST"), JSON.stringify(one)).toBe(false)
      expect(isHeard(one, "FAST"), JSON.stringify(one)).toBe(false)
    }
    expect(isAsked(said("USER", "about [ACK]"), "FAST")).toBe(true)
  })

  it("remembers the last messages, each cut, and at least two", () => {
    const memory = makeMemory(0)
    for (const payload of ["one", "two", "x".repeat(300)]) memory.keep(said("B", payload))
    expect(memory.last().map(({ payload }) => payload.length)).toEqual([3, 260])
    const larger = makeMemory(3)
    for (const payload of ["one", "two", "three", "four"]) larger.keep(said("B", payload))
    expect(larger.last().map(({ payload }) => payload)).toEqual(["two", "three", "four"])
    const { user } = promptOf("FAST", said("B", "and now?"), Array.from({ length: 8 }, (_, at) => said("B", `m${at}`)))
    expect(user.split("\n").filter((line) => line.startsWith("B: "))).toEqual(["B: m2", "B: m3", "B: m4", "B: m5", "B: m6", "B: m7"])
    expect(user).toContain("and now?")
  })
})

describe("a worker at work", () => {
  const make = (given: Partial<Working> = {}) => {
    const told: Array<readonly [string, string]> = []
    const asked: Array<Prompt> = []
    const stop = new AbortController()
    let clock = 0
    const paused: Array<number> = []
    const worker = makeWorker({
      name: "FAST", contextMax: 8, replyTo: "all", intervalMillis: 700, signal: stop.signal,
      ask: async (prompt) => {
        asked.push(prompt)
        return `answer\n ${asked.length}`
      },
      say: async (target, text) => told.push([target, text]),
      now: () => clock,
      pause: async (millis) => {
        paused.push(millis)
        clock += millis
      },
      ...given
    })
    return { worker, told, asked, stop, paused }
  }

  it("[140] answers one after the other, never faster than its interval, to everybody or to who asked", async () => {
    const { paused, told, worker } = make()
    for (const from of ["B", "C", "D"]) worker.hear(said(from, "FAST?"))
    await worker.idle()
    expect(told).toEqual([["all", "answer 1"], ["all", "answer 2"], ["all", "answer 3"]])
    expect(paused).toEqual([700, 700])
    const direct = make({ replyTo: "sender" })
    direct.worker.hear(said("B", "FAST?"))
    await direct.worker.idle()
    expect(direct.told).toEqual([["B", "answer 1"]])
  })

  it("[139] tells the channel what its model failed with, and goes on", async () => {
    let times = 0
    const { told, worker } = make({
      ask: async () => {
        if (times++ === 0) throw new Error("HTTP 500")
        return "x".repeat(2_000)
      }
    })
    worker.hear(said("B", "FAST?"))
    worker.hear(said("B", "FAST, again?"))
    await worker.idle()
    expect(told).toEqual([["all", "FAST: model error -> HTTP 500"], ["all", "x".repeat(420)]])
  })

  it("hears what it is not asked, and says nothing when its model says nothing or it was stopped", async () => {
    const { asked, stop, told, worker } = make({ ask: async () => " \n" })
    worker.hear(said("B", "just so you know"))
    worker.hear(said("B", "FAST?"))
    await worker.idle()
    stop.abort()
    worker.hear(said("B", "FAST?"))
    await worker.idle()
    expect([told, asked]).toEqual([[], []])
  })

  it("gives up the oldest of too many that wait", async () => {
    const waiting: Array<() => void> = []
    const { told, worker } = make({ intervalMillis: 0, ask: (prompt) => new Promise((resolve) => waiting.push(() => resolve(prompt.user.split("\n").at(-3) ?? ""))) })
    for (let n = 0; n < 70; n++) worker.hear(said("B", `FAST ${n}`))
    const idle = worker.idle()
    while (told.length < 65) {
      await Promise.resolve()
      waiting.shift()?.()
    }
    await idle
    expect(told.slice(0, 2)).toEqual([["all", "FAST 0"], ["all", "FAST 6"]])
    expect(told.at(-1)).toEqual(["all", "FAST 69"])
  })
})

describe("the tier of a prompt", () => {
  it("[141] is a rule's up to 24 characters, a large model's from 240 on and for certain words, else a small model's", () => {
    expect(classify(` ${"x".repeat(24)}\n`)).toBe("rule")
    expect(classify("é😀".repeat(12))).toBe("rule")
    expect(classify("x".repeat(25))).toBe("slm")
    expect(classify("x".repeat(239))).toBe("slm")
    expect(classify("x".repeat(240))).toBe("heavy")
    const words = "design architecture architect prove proof refactor analyse analyze optimise optimize derive algorithm strategy trade-off tradeoff benchmark".split(" ")
    for (const word of words) expect(classify(`please tell me about ${word.toUpperCase()}, thank you`), word).toBe("heavy")
    expect(classify("please tell me about designs, thank you")).toBe("slm")
  })

  it("[141] falls back to the small model where nothing else answers, which has to be there", () => {
    const by = makeTiers({ slm: "small", heavy: "large" })
    expect(by("hi")).toEqual({ tier: "rule", by: "small" })
    expect(by("prove that this terminates, please")).toEqual({ tier: "heavy", by: "large" })
    expect(() => makeTiers({ rule: "r", heavy: "large" })).toThrow(TypeError)
  })

  it("[141] of the committed prompts is what is written beside them", () => {
    const prompts = JSON.parse(readFileSync(new URL("../../../bench/prompts/routing.json", import.meta.url), "utf8")) as ReadonlyArray<{ readonly prompt: string; readonly tier: string }>
    expect(prompts).toHaveLength(15)
    for (const { prompt, tier } of prompts) expect(classify(prompt), prompt).toBe(tier)
  })
})
