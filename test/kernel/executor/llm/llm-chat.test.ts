// `llm.chat`: which backend a target names, what a call may cost and did cost, the backends without a provider, and configs that cannot be served.
import { Effect, Exit } from "effect"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { callRefusal } from "../../../../kernel/executor/executor.ts"
import type { LlmConfig } from "../../../../kernel/executor/llm/config.ts"
import { executor } from "../../../../kernel/executor/llm/llm-chat.ts"
import type { ChatAnswer } from "../../../../protocol/chat.ts"
import { makeSecrets, noSecrets, type SecretSpec } from "../../../../kernel/executor/secrets.ts"
import { reportOf, type Call, type Report } from "../../../../protocol/executor.ts"
import { done, finished, makeProvider, said, streamed, used, type Provider } from "./provider.ts"

let provider: Provider
let directory: string
beforeEach(async () => {
  provider = await makeProvider()
  directory = mkdtempSync(join(tmpdir(), "aaax-llm-"))
})
afterEach(async () => {
  rmSync(directory, { recursive: true, force: true })
  await provider.close()
})

const serve = (config: LlmConfig, secrets: Readonly<Record<string, SecretSpec>> = {}) =>
  executor({ ...config, directory, secrets: Object.keys(secrets).length === 0 ? noSecrets : makeSecrets(secrets, directory) })
const hello = { messages: [{ role: "user", content: "hello there" }] }
const call = (target: string, payload: unknown = hello, warrant = "w-1"): Call => ({
  warrant, key: warrant, attempt: 1, principal: "a", grant: null, action: "chat", target, payload, digest: "", risk: "low"
})
const offline: LlmConfig["backends"][string] = {
  kind: "rule",
  rules: [
    { when: ["time"], role: "user", call: { name: "clock", arguments: { asked: "{input}" } } },
    { when: ["hello"], say: "Hello to you: {input}" },
    { say: "I only know greetings." }
  ]
}
const perform = async (served: ReturnType<typeof serve>, given: Call): Promise<Report & { readonly result: ChatAnswer }> =>
  reportOf(await Effect.runPromise(served.perform(given))) as Report & { readonly result: ChatAnswer } // what llm.chat reports
const reasonOf = async (served: ReturnType<typeof serve>, given: Call): Promise<string> => {
  const exit = await Effect.runPromiseExit(served.perform(given))
  const failure = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  return failure?._tag === "Fail" ? failure.error.reason : String(failure?._tag)
}
const issueOf = (config: LlmConfig, secrets: Readonly<Record<string, SecretSpec>> = {}): string => {
  try {
    serve(config, secrets)
  } catch (error) {
    return (error as Error).message
  }
  return "it was served"
}

describe("the backend of rules", () => {
  it("answers the same question with the same answer, in the words of the first rule that fits", async () => {
    const served = serve({ backends: { offline } })
    const first = await perform(served, call("offline"))
    expect(first.result).toMatchObject({ content: "Hello to you: hello there", finish: "stop", toolCalls: [] })
    expect(await perform(served, call(""))).toEqual(first)
    expect((await perform(served, call("offline", { messages: [{ role: "user", content: "what else?" }] }))).result.content).toBe("I only know greetings.")
  })

  it("answers nothing that none of its rules is for", async () => {
    const served = serve({ backends: { strict: { kind: "rule", rules: [{ when: ["hello"], say: "Hello." }] } } })
    expect(await reasonOf(served, call("strict", { messages: [{ role: "user", content: "What time is it?" }] }))).toMatch(/^no rule answers this/u)
    // Nor is anybody asked whom the config does not name, whatever was checked before.
    const exit = await Effect.runPromiseExit(served.perform(call("nobody")))
    expect(String(exit)).toContain("there is no backend nobody")
  })

  it("calls a tool that was offered, and no other", async () => {
    const served = serve({ backends: { offline } })
    const asked = { messages: [{ role: "user", content: "the time, hello?" }], tools: [{ name: "clock" }] }
    expect((await perform(served, call("offline", asked))).result).toMatchObject({ finish: "tool_calls", toolCalls: [{ name: "clock", arguments: '{"asked":"the time, hello?"}' }] })
    expect((await perform(served, call("offline", { ...asked, tools: [] }))).result).toMatchObject({ finish: "stop", toolCalls: [] })
  })

  it("puts the words of others in as they are", async () => {
    const served = serve({ backends: { offline } })
    expect((await perform(served, call("offline", { messages: [{ role: "system", content: "S" }, { role: "user", content: "hello {system} {input}" }] }))).result.content)
      .toBe("Hello to you: hello {system} {input}")
  })

  it("cuts an answer at the most tokens", async () => {
    expect((await perform(serve({ backends: { offline } }), call("offline", { ...hello, maxTokens: 2 }))).result).toMatchObject({ content: "Hello to ", finish: "length" })
  })
})

describe("the backend that replays", () => {
  it("answers what was recorded, without asking anybody, and says how to record the rest", async () => {
    provider.answer = streamed(said("recorded"), finished("stop"), used(3, 1), done)
    const cloud: LlmConfig["backends"][string] = { kind: "openai", baseUrl: provider.baseUrl, model: "m-1" }
    const file = "answers.jsonl"
    const recording = serve({ backends: { tape: { kind: "replay", file, record: "cloud" }, cloud } })
    const first = await perform(recording, call("tape"))
    expect(first.result.content).toBe("recorded")
    expect(statSync(join(directory, file)).mode & 0o077).toBe(0)
    const replaying = serve({ backends: { tape: { kind: "replay", file }, cloud } })
    expect((await perform(recording, call("tape", hello, "w-2"))).result).toEqual(first.result)
    expect(provider.asked).toHaveLength(1)
    // Of another model it is another question.
    expect(await reasonOf(replaying, call("tape"))).toMatch(/has no answer for the request [0-9a-f]{16}; record one/u)
    expect(readFileSync(join(directory, file), "utf8").trim().split("\n")).toHaveLength(1)
  })

  it("says which line of its file is none", async () => {
    writeFileSync(join(directory, "broken.jsonl"), "\n{}\n")
    expect(await reasonOf(serve({ backends: { tape: { kind: "replay", file: "broken.jsonl" } } }), call("tape"))).toMatch(/line 2, is no recorded answer/u)
    for (const line of ["null", "1", "[]", '{"request":1,"answer":{"content":""}}', '{"request":"x"}', '{"request":"x","answer":{"content":1}}', "{"]) {
      writeFileSync(join(directory, "odd.jsonl"), `${line}\n`)
      expect(await reasonOf(serve({ backends: { tape: { kind: "replay", file: "odd.jsonl" } } }), call("tape")), line).toMatch(/line 1, is no recorded answer/u)
    }
  })
})

describe("what a call costs", () => {
  const priced = (): LlmConfig => ({
    backends: { cloud: { kind: "openai", baseUrl: provider.baseUrl, model: "m-1", maxTokens: 1_000, price: { input: 1_000_000, output: 2_000_000 } } }
  })

  it("is at most what its words and its answer may be, and in the end what the backend says", async () => {
    const served = serve(priced())
    const most = served.cost!({ target: "cloud", payload: hello })
    provider.answer = streamed(said("x"), finished("stop"), used(9, 4), done)
    const { spent } = await perform(served, call("cloud"))
    expect(spent).toEqual({ tokens: 13, microdollars: 9 + 8 })
    expect(most.tokens).toBeGreaterThan(1_000)
    expect(most.microdollars).toBe(2_000 + (most.tokens! - 1_000))
    expect(served.cost!({ target: "cloud", payload: { ...hello, maxTokens: 10 } }).tokens).toBe(most.tokens! - 990)
  })

  it("is left to what was reserved when the backend does not say", async () => {
    provider.answer = streamed(said("x"), finished("stop"), done)
    expect(await perform(serve(priced()), call("cloud"))).not.toHaveProperty("spent")
  })
})

describe("before the verdict", () => {
  it("a backend, a model or a bound that is not there is refused, and what there is is named", () => {
    const served = serve({ default: "cloud", backends: { offline, cloud: { kind: "openai", baseUrl: provider.baseUrl, model: "m-1", models: ["m-2"], maxTokens: 100 } } })
    const refused = (target: string, payload: unknown) => callRefusal(served, { target, payload })
    expect(refused("nowhere", hello)).toBe("there is no backend and no model nowhere; config names offline (offline), cloud (m-1, m-2)")
    expect(refused("", { ...hello, model: "m-2" })).toBeUndefined()
    expect(refused("", { ...hello, model: "m-3" })).toBe("the backend cloud has no model m-3; it may be m-1, m-2")
    expect(refused("cloud", { ...hello, maxTokens: 101 })).toBe("maxTokens may be at most 100 here")
    expect(refused("cloud", { messages: [] })).toMatch(/messages/u)
    expect(refused("cloud", { ...hello, apiKey: "x" })).toMatch(/apiKey/u)
  })

  it("a target may be a model, a backend's model, or another name for one", async () => {
    const served = serve({ aliases: { "gpt-4o": "cloud/m-2", small: "offline" }, backends: { offline, cloud: { kind: "openai", baseUrl: provider.baseUrl, model: "m-1", models: ["m-2"] } } })
    for (const target of ["m-2", "cloud/m-2", "gpt-4o", "cloud"]) await perform(served, call(target))
    expect(provider.asked.map(({ body }) => body["model"])).toEqual(["m-2", "m-2", "m-2", "m-1"])
    expect((await perform(served, call("small"))).result.content).toMatch(/^Hello/u)
    expect(callRefusal(served, { target: "__proto__", payload: hello })).toMatch(/^there is no backend and no model __proto__/u)
    expect(issueOf({ aliases: { x: "nowhere" }, backends: { offline } })).toMatch(/nowhere names no backend/u)
  })

  it("a backend that is down is left alone for itself, whatever it is called by", () => {
    const served = serve({ aliases: { small: "offline" }, default: "offline", backends: { offline, near: { kind: "openai", baseUrl: provider.baseUrl, model: "m", models: ["m-2"] } } })
    expect(["", "small", "offline", "near", "m-2", "near/m", "nowhere"].map((target) => served.circuitOf!({ target, payload: hello }))).toEqual(["offline", "offline", "offline", "near", "near", "near", ""])
  })

  it("what leaves the machine is riskier than what does not", () => {
    const served = serve({ backends: { offline, near: { kind: "openai", baseUrl: provider.baseUrl, model: "m" }, far: { kind: "openai", baseUrl: "https://api.example.com/v1", model: "m" } } })
    expect(["offline", "near", "far", "nowhere"].map((target) => served.riskOf!({ target, payload: hello }))).toEqual(["low", "low", "medium", "medium"])
    expect([served.risk, served.external]).toEqual(["medium", true])
    expect(serve({ backends: { offline } })).toMatchObject({ risk: "low", external: false })
  })
})

describe("a key", () => {
  it("is a handle that is bound to the host, and is sent to no other", async () => {
    writeFileSync(join(directory, "key"), "sk-canary-123456\n", { mode: 0o600 })
    const cloud: LlmConfig["backends"][string] = { kind: "openai", baseUrl: provider.baseUrl, model: "m", apiKey: "secret:CLOUD" }
    const secret = { from: "file:./key", hosts: ["127.0.0.1"] }
    await perform(serve({ backends: { cloud } }, { CLOUD: secret }), call("cloud"))
    expect(provider.asked[0]!.headers.authorization).toBe("Bearer sk-canary-123456")
    expect(issueOf({ backends: { cloud } }, { CLOUD: { ...secret, hosts: ["api.example.com"] } })).toMatch(/is not for 127\.0\.0\.1/u)
    expect(issueOf({ backends: { cloud } })).toMatch(/there is no secret CLOUD/u)
    expect(issueOf({ backends: { cloud: { ...cloud, apiKey: "sk-plain-123456" } } })).toMatch(/a key is a handle/u)
  })
})

describe("a config that cannot be served", () => {
  it.each([
    ["no backend", { backends: {} }, /names no backend/u],
    ["a default that is none", { default: "x", backends: { offline } }, /x is none of the backends offline/u],
    ["plain http to another machine", { backends: { far: { kind: "openai", baseUrl: "http://api.example.com/v1", model: "m" } } }, /neither https nor on this machine/u],
    ["a password in a URL", { backends: { far: { kind: "openai", baseUrl: "https://:p@api.example.com/v1", model: "m" } } }, /has no credentials/u],
    ["a query in a URL", { backends: { far: { kind: "openai", baseUrl: "https://api.example.com/v1?key=x", model: "m" } } }, /has no credentials, no query/u],
    ["a fragment in a URL", { backends: { far: { kind: "openai", baseUrl: "https://api.example.com/v1#x", model: "m" } } }, /no fragment/u],
    ["no URL", { backends: { far: { kind: "openai", baseUrl: "api.example.com", model: "m" } } }, /is no URL/u],
    ["credentials in a URL", { backends: { far: { kind: "openai", baseUrl: "https://u:p@api.example.com/v1", model: "m" } } }, /has no credentials/u],
    ["a tape of a tape", { backends: { a: { kind: "replay", file: "f", record: "a" } } }, /no backend that could be recorded/u]
  ] as const)("is refused: %s", (_, config, message) => {
    expect(issueOf(config as LlmConfig)).toMatch(message)
  })
})
