// The worker as a module: it answers through the gate and within its budget, and stands among the cards.
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it, vi } from "vitest"
import type { ConfigInput } from "../../../kernel/config.ts"
import { launch, type HostKernel } from "../../../kernel/host.ts"
import type { coordination } from "../../../protocol/index.ts"
import type { Coordination } from "../../../libos/coordination.ts"
import { defineModule } from "../../../libos/module.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { worker, type WorkerSettings } from "../../../modules/worker/index.ts"

const kernels: Array<HostKernel> = []
afterEach(async () => {
  for (const kernel of kernels.splice(0)) await kernel.close()
})

/** A constellation with a worker, and the seat of somebody who talks to it. */
const talking = async (settings: WorkerSettings, config: ConfigInput): Promise<{ readonly kernel: HostKernel; readonly seat: Coordination; readonly answers: (count: number) => Promise<ReadonlyArray<coordination.Chat>> }> => {
  const kernel = await launch({ store: ":memory:", ...config, modules: [coordinator()] })
  kernels.push(kernel)
  const seat = await new Promise<Coordination>((resolve, reject) => {
    kernel.dock(defineModule({
      id: "somebody", coordination: true,
      run: ({ coordination: found, signal }) => {
        resolve(found)
        return new Promise((end) => signal.addEventListener("abort", () => end(), { once: true }))
      }
    })).catch(reject)
  })
  await kernel.dock(worker({ id: "fast", replyIntervalSeconds: 0, ...settings }))
  // Its card is the last thing that it does before it listens.
  while ((await seat.manifest()).length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  const answers = async (count: number): Promise<ReadonlyArray<coordination.Chat>> => {
    for (;;) {
      const messages = (await seat.history()).messages.filter(({ from }) => from === "fast")
      if (messages.length >= count) return messages
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  return { kernel, seat, answers }
}

const rules = (say: string) => ({ kind: "rule", rules: [{ say }] }) as const

describe("the worker as a module", () => {
  it("answers who asks it, and says on its card what it can do", async () => {
    const { answers, seat } = await talking({ taskClasses: ["chat", "review"], replyTo: "sender" }, { executors: { "llm.chat": { backends: { offline: rules("I am here.") } } } })
    expect(await seat.manifest("review")).toMatchObject([{ seat: "fast", skills: ["llm.chat"], taskClasses: ["chat", "review"] }])
    await seat.send("not for it", { to: "others/*" })
    await seat.send("are you there?", { to: "f*" })
    expect(await answers(1)).toMatchObject([{ target: "somebody", payload: "I am here." }])
    const { messages } = await seat.history()
    expect(messages).toHaveLength(3)
    // What was for it does not wait in its mailbox: it was read; and it is the other's to read what it said.
    await vi.waitFor(async () => expect((await seat.receipts()).map(({ from, states }) => [from, states])).toEqual([["somebody", { fast: "read" }], ["fast", { somebody: "accepted" }]]), { timeout: 10_000, interval: 5 })
  })

  it("[141] asks the tier of what was said, each by its own backend", async () => {
    const { answers, seat } = await talking({ tiers: { rule: "quick", slm: "small", heavy: "large" } }, {
      executors: { "llm.chat": { backends: { small: rules("small"), large: rules("large"), quick: rules("quick") } } }
    })
    for (const text of ["fast?", "fast, what did we say about tests?", "fast, prove that it terminates please"]) await seat.send(text, { to: "fast" })
    expect((await answers(3)).map(({ payload }) => payload)).toEqual(["quick", "small", "large"])
  })

  it("[139] tells why it has no answer when its budget is spent, and goes on", async () => {
    const { answers, kernel, seat } = await talking({}, { executors: { "llm.chat": { backends: { offline: rules("yes") } } }, budgets: { fast: { actions: 1 } } })
    for (const text of ["fast, one?", "fast, two?"]) await seat.send(text, { to: "fast" })
    const [first, second] = await answers(2)
    expect(first?.payload).toBe("yes")
    // The reason alone.
    expect(second?.payload).toMatch(/^fast: model error -> (?!denied: ).*budget/u)
    await kernel.budgets.set("fast", { limits: { actions: 5 } })
    await seat.send("fast, three?", { to: "fast" })
    expect((await answers(3)).at(-1)?.payload).toBe("yes")
  })

  it("[139] tells what a model server failed with, and streams from one that answers", async () => {
    let isUp = false
    const asked: Array<{ readonly messages: ReadonlyArray<{ readonly content: string }>; readonly stream: boolean; readonly temperature: number }> = []
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (part: Buffer) => (body += part.toString()))
      request.on("end", () => {
        asked.push(JSON.parse(body) as (typeof asked)[number])
        if (!isUp) return response.writeHead(500).end("out of memory")
        response.writeHead(200, { "content-type": "text/event-stream" })
        for (const content of ["all", " is\n", " well"]) response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`)
        response.end(`data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\ndata: [DONE]\n\n`)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { answers, seat } = await talking({}, {
      executors: { "llm.chat": { backends: { local: { kind: "openai", baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, model: "m" } } } }
    })
    await seat.send("fast, how are you?", { to: "fast" })
    expect((await answers(1))[0]?.payload).toMatch(/^fast: model error -> (?!failed: ).*500/u)
    isUp = true
    await seat.send("fast, and now?", { to: "fast" })
    expect((await answers(2)).at(-1)?.payload).toBe("all is well")
    expect(asked.at(-1)).toMatchObject({ stream: true, temperature: 0.2 })
    expect(asked.at(-1)?.messages.at(-1)?.content).toContain("somebody: fast, how are you?")
    server.closeAllConnections()
    server.close()
  })

  it("refuses settings that make no worker", () => {
    expect(() => worker({ replyTo: "nobody" } as never)).toThrow()
    expect(() => worker({ tiers: { heavy: "x" } } as never)).toThrow()
  })
})
