// The backend of the OpenAI chat API, over a socket: what it sends, how it puts a stream together, and what it says of one that breaks.
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Asking } from "../../../../kernel/executor/llm/backend.ts"
import type { ChatRequest } from "../../../../protocol/chat.ts"
import { openaiBackend } from "../../../../kernel/executor/llm/openai.ts"
import { done, finished, makeProvider, said, streamed, used, type Provider } from "./provider.ts"

let provider: Provider
beforeEach(async () => {
  provider = await makeProvider()
})
afterEach(() => provider.close())

const request: ChatRequest = { messages: [{ role: "user", content: "Say hello." }] }
const asking = (more: Partial<Asking> = {}): Asking => ({
  request, model: "m-1", maxTokens: 50, key: "warrant-1", traceparent: undefined, signal: new AbortController().signal, onText: () => {}, ...more
})
const ask = (more: Partial<Asking> = {}) => openaiBackend({ baseUrl: provider.baseUrl }).ask(asking(more))
const refusal = async (answer: Promise<unknown>): Promise<{ readonly name: string; readonly message: string }> => {
  const error: unknown = await answer.then(() => undefined, (thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  return error as Error
}

describe("what is sent", () => {
  it("is a streamed chat with its model, bound and key, and the secret as a bearer", async () => {
    await openaiBackend({ baseUrl: `${provider.baseUrl}/`, apiKey: () => "key-12345678" }).ask(asking({ traceparent: "00-11111111111111111111111111111111-2222222222222222-01" }))
    expect(provider.asked).toHaveLength(1)
    const [{ body, headers, path }] = provider.asked as [Provider["asked"][number]]
    expect(path).toBe("/v1/chat/completions")
    expect(body).toEqual({ model: "m-1", messages: [{ role: "user", content: "Say hello." }], max_tokens: 50, stream: true, stream_options: { include_usage: true } })
    expect(headers).toMatchObject({ authorization: "Bearer key-12345678", "idempotency-key": "warrant-1", traceparent: "00-11111111111111111111111111111111-2222222222222222-01" })
  })

  it("says tools, their calls and their results in the API's words", async () => {
    await ask({
      request: {
        messages: [
          { role: "user", content: "What time is it?" },
          { role: "assistant", content: "", toolCalls: [{ id: "c1", name: "clock", arguments: "{}" }] },
          { role: "tool", toolCallId: "c1", content: "noon" }
        ],
        tools: [{ name: "clock", description: "tells the time" }], toolChoice: "auto", temperature: 0, stop: ["END"]
      }
    })
    expect(provider.asked[0]!.body).toMatchObject({
      messages: [
        { role: "user" },
        { role: "assistant", tool_calls: [{ id: "c1", type: "function", function: { name: "clock", arguments: "{}" } }] },
        { role: "tool", tool_call_id: "c1", content: "noon" }
      ],
      tools: [{ type: "function", function: { name: "clock", description: "tells the time", parameters: { type: "object" } } }], tool_choice: "auto", temperature: 0, stop: ["END"]
    })
  })
})

describe("an answer", () => {
  it("is put together from its parts, told as they come, with what it used", async () => {
    provider.answer = streamed(said("Hel"), ": a comment\n\n", said("lo"), finished("stop"), used(12, 3), done)
    const parts: Array<string> = []
    expect(await ask({ onText: (text) => void parts.push(text) })).toEqual({ content: "Hello", toolCalls: [], finish: "stop", model: "m-1", usage: { inputTokens: 12, outputTokens: 3 } })
    expect(parts).toEqual(["Hel", "lo"])
  })

  it("is the same however its bytes are cut", async () => {
    provider.answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
      const bytes = Buffer.from(`data: ${JSON.stringify(said("grüße 🚀"))}\r\n\r\ndata: ${JSON.stringify(finished("stop"))}\n\n${done}`)
      let at = 0
      const next = (): void => {
        if (at === bytes.length) return void response.end()
        response.write(bytes.subarray(at, ++at), next)
      }
      next()
    }
    expect(await ask()).toMatchObject({ content: "grüße 🚀", finish: "stop", usage: null })
  })

  it("has its tool calls, whose arguments come in pieces of several at once", async () => {
    const call = (index: number, more: object) => ({ choices: [{ index: 0, delta: { tool_calls: [{ index, ...more }] } }] })
    provider.answer = streamed(
      call(0, { id: "a", function: { name: "read", arguments: "" } }), call(1, { id: "b", function: { name: "write", arguments: '{"x"' } }),
      call(0, { function: { arguments: '{"path":' } }), call(0, { function: { arguments: '"a.md"}' } }), call(1, { function: { arguments: ":1}" } }),
      finished("tool_calls"), done
    )
    expect(await ask()).toMatchObject({ content: "", finish: "tool_calls", toolCalls: [{ id: "a", name: "read", arguments: '{"path":"a.md"}' }, { id: "b", name: "write", arguments: '{"x":1}' }] })
  })

  it("may come whole from a server that does not stream", async () => {
    provider.answer = (response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.end(JSON.stringify({ model: "m-1", choices: [{ message: { role: "assistant", content: "whole" }, finish_reason: "length" }], usage: { prompt_tokens: 1, completion_tokens: 2 } }))
    }
    expect(await ask()).toEqual({ content: "whole", toolCalls: [], finish: "length", model: "m-1", usage: { inputTokens: 1, outputTokens: 2 } })
    // Not every server says why it ended.
    provider.answer = (response) => void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ choices: [{ message: { role: "assistant", content: "whole" } }] }))
    expect(await ask()).toMatchObject({ content: "whole", finish: "stop" })
    provider.answer = (response) => void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ choices: [] }))
    expect((await refusal(ask())).message).toBe("the answer broke off")
  })
})

describe("an answer that does not come", () => {
  it("is none when the backend refuses, and its words are kept short", async () => {
    provider.answer = (response) => void response.writeHead(429, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: `slow down ${"x".repeat(5_000)}` } }))
    const error = await refusal(ask())
    expect(error.name).toBe("NotDone")
    expect(error.message).toMatch(/^the backend answered 429: slow down/u)
    expect(error.message.length).toBeLessThan(600)
  })

  it.each([
    ["application/json", '{"error":"model \'llama3\' not found"}', ": model 'llama3' not found"],
    ["application/json", '{"object":"error","message":"too long"}', ": too long"],
    ["application/json", '{"detail":"Unauthorized"}', ": Unauthorized"],
    ["text/plain; charset=utf-8", "model runner has stopped\n", ": model runner has stopped"],
    ["text/html", "<h1>Bad gateway</h1>", ""]
  ])("is told in the words of a server that says it as %s %s", async (type, body, said) => {
    provider.answer = (response) => void response.writeHead(500, { "content-type": type }).end(body)
    expect(await refusal(ask())).toMatchObject({ name: "NotDone", message: `the backend answered 500${said}` })
  })

  it("says that the connection was closed when that is what happened", async () => {
    provider.answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(`data: ${JSON.stringify(said("half"))}\n\n`, () => response.destroy())
    }
    const error = await refusal(ask())
    expect(error).toMatchObject({ message: "the backend closed the connection in the middle of its answer" })
    expect(error.name).not.toBe("NotDone")
  })

  it("is none when nobody listens", async () => {
    const { baseUrl } = provider
    await provider.close()
    expect(await refusal(openaiBackend({ baseUrl }).ask(asking()))).toMatchObject({ name: "NotDone", message: expect.stringContaining("cannot be reached: ECONNREFUSED") })
  })

  it("is never followed elsewhere", async () => {
    provider.answer = (response) => void response.writeHead(307, { location: "http://127.0.0.1:1/v1/chat/completions" }).end()
    await refusal(ask())
    expect(provider.asked).toHaveLength(1)
  })

  it.each([
    ["breaks off in the middle", streamed(said("half"))],
    ["is no JSON", streamed("data: {broken\n\n")],
    ["ends in an error", streamed(said("half"), { error: { message: "overloaded" } })]
  ])("leaves open what became of it when it %s", async (_, answer) => {
    provider.answer = answer
    expect((await refusal(ask())).name).not.toBe("NotDone")
  })

  it("stops when the call is stopped", async () => {
    const stop = new AbortController()
    let closed: () => void = () => {}
    const gone = new Promise<void>((resolve) => (closed = resolve))
    provider.answer = (response) => {
      response.on("close", closed)
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(`data: ${JSON.stringify(said("on and "))}\n\n`)
    }
    const answer = refusal(ask({ signal: stop.signal, onText: () => stop.abort() }))
    await gone
    expect((await answer).name).toBe("AbortError")
  })
})
