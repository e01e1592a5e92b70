// Asks a language model. Its tokens and their price are reserved before the call and settled by what the backend reports.
//
//   executors: {
//     "llm.chat": {
//       default: "local",
//       backends: {
//         local: { kind: "openai", baseUrl: "http://127.0.0.1:11434/v1", model: "llama3.2" },
//         cloud: { kind: "openai", baseUrl: "https://api.example.com/v1", model: "m-1", apiKey: "secret:CLOUD", price: { input: 150_000, output: 600_000 } },
//         offline: { kind: "rule", rules: [{ when: ["hello"], say: "Hello!" }, { say: "I have no model to ask." }] },
//         recorded: { kind: "replay", file: "test/answers.jsonl", record: "cloud" }
//       }
//     }
//   }
//
// The target of an action names a backend, a model that one of them has, or both (`cloud/m-1`). Asking again after a crash is harmless, but not free: it is charged again.
import { resolve } from "node:path"
import * as Schema from "effect/Schema"
import { ConfigInvalid } from "../../../protocol/errors.ts"
import { reported, type Executor } from "../../../protocol/executor.ts"
import { llmMillisDefault, llmTokensDefault } from "../../limits.ts"
import { stoppable } from "../executor.ts"
import { handleOf, type Secrets } from "../secrets.ts"
import { timeLimited } from "../time-limit.ts"
import type { Backend } from "./backend.ts"
import { ChatRequest, inputTokensMax, type Usage } from "../../../protocol/chat.ts"
import { openaiBackend } from "./openai.ts"
import { replayBackend } from "./replay.ts"
import { ruleBackend } from "./rule.ts"
import type { BackendSpec, LlmConfig } from "./config.ts"

export interface LlmOptions extends LlmConfig {
  readonly secrets: Secrets
  /** Relative files of answers start here. */
  readonly directory: string
}

const schema = Schema.toStandardSchemaV1(ChatRequest, { parseOptions: { onExcessProperty: "error" } })

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/u
/** Whether it sends what it is asked out of this machine. */
const isOutside = ({ host }: Backend): boolean => host !== null && !loopback.test(host)

const urlRefusal = (text: string): string | undefined => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return `${text} is no URL`
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return "a base URL has no credentials, no query and no fragment"
  if (url.protocol === "https:" || (url.protocol === "http:" && loopback.test(url.host))) return undefined
  return `${text} is neither https nor on this machine`
}

interface Served {
  readonly name: string
  readonly backend: Backend
  readonly spec: BackendSpec
  /** Those that may be asked, the one that is asked when none is named first. */
  readonly models: ReadonlyArray<string>
}

/** What a target names. */
interface Named extends Served {
  /** The model that is asked unless the request names another. */
  readonly model: string
}

/** Throws `ConfigInvalid`. */
const servedOf = ({ aliases = {}, backends, default: first, directory, secrets }: LlmOptions): ReadonlyMap<string, Served> => {
  const path = (name: string): string => `executors.llm.chat.backends.${name}`
  const wrong = (at: string, reason: string): never => {
    throw new ConfigInvalid({ issues: [{ file: "config", path: at, reason }] })
  }
  const make = (name: string, spec: BackendSpec): Backend => {
    switch (spec.kind) {
      case "rule":
        return ruleBackend(spec.rules)
      case "openai": {
        const refused = urlRefusal(spec.baseUrl)
        if (refused !== undefined) wrong(`${path(name)}.baseUrl`, `${refused}.`)
        if (spec.apiKey === undefined) return openaiBackend({ baseUrl: spec.baseUrl })
        const handle = handleOf(spec.apiKey)
        if (handle === undefined) return wrong(`${path(name)}.apiKey`, "a key is a handle: declare it under `secrets`, and say \"secret:NAME\" here.")
        const { hostname } = new URL(spec.baseUrl)
        const denied = secrets.refusal(handle, { host: hostname })
        if (denied !== undefined) wrong(`${path(name)}.apiKey`, `${denied}.`)
        return openaiBackend({ baseUrl: spec.baseUrl, apiKey: () => secrets.value(handle, { host: hostname }) })
      }
      case "replay": {
        const behind = spec.record === undefined ? undefined : backends[spec.record]
        if (spec.record !== undefined && (behind === undefined || behind.kind === "replay")) {
          return wrong(`${path(name)}.record`, `${spec.record} is no backend that could be recorded.`)
        }
        return replayBackend(resolve(directory, spec.file), behind === undefined ? undefined : make(spec.record ?? "", behind))
      }
    }
  }
  const modelsOf = (name: string, spec: BackendSpec): ReadonlyArray<string> => {
    if (spec.kind === "openai") return [spec.model, ...(spec.models ?? [])]
    const behind = spec.kind === "replay" && spec.record !== undefined ? backends[spec.record] : undefined
    return behind === undefined ? [name] : modelsOf(spec.kind === "replay" ? spec.record ?? "" : "", behind)
  }
  const entries = Object.entries(backends)
  if (entries.length === 0) wrong("executors.llm.chat.backends", "names no backend.")
  if (first !== undefined && !Object.hasOwn(backends, first)) wrong("executors.llm.chat.default", `${first} is none of the backends ${Object.keys(backends).join(", ")}.`)
  const served = new Map(entries.map(([name, spec]): [string, Served] => [name, { name, backend: make(name, spec), spec, models: modelsOf(name, spec) }]))
  for (const [alias, target] of Object.entries(aliases)) {
    if (find(served, target) === undefined) wrong(`executors.llm.chat.aliases.${alias}`, `${target} names no backend and no model of one.`)
  }
  return served
}

const find = (served: ReadonlyMap<string, Served>, target: string): Named | undefined => {
  const whole = served.get(target)
  if (whole !== undefined) return { ...whole, model: whole.models[0] ?? "" }
  for (const one of served.values()) {
    const model = target.startsWith(`${one.name}/`) ? target.slice(one.name.length + 1) : target
    if (one.models.includes(model)) return { ...one, model }
  }
  return undefined
}

const microdollars = ({ price }: BackendSpec, { inputTokens, outputTokens }: Usage): number =>
  price === undefined ? 0 : Math.ceil((inputTokens * price.input + outputTokens * price.output) / 1_000_000)

/** Throws `ConfigInvalid` for a config that cannot be served. */
export const executor = (options: LlmOptions): Executor => {
  const served = servedOf(options)
  const first = options.default ?? served.keys().next().value ?? ""
  const named = (target: string): Named | undefined => {
    const given = target === "" || target === "default" ? first : target
    return find(served, Object.hasOwn(options.aliases ?? {}, given) ? options.aliases?.[given] ?? "" : given)
  }
  const tokensOf = (spec: BackendSpec, request: ChatRequest): number => request.maxTokens ?? spec.maxTokens ?? llmTokensDefault
  // The payload was held against the schema before anybody asks.
  const requestOf = (payload: unknown): ChatRequest => payload as ChatRequest

  return {
    name: "llm.chat",
    description: `asks a language model: ${[...served.keys()].join(", ")}`,
    risk: [...served.values()].some(({ backend }) => isOutside(backend)) ? "medium" : "low",
    riskOf: ({ target }) => {
      const { backend } = named(target) ?? {}
      return backend === undefined || isOutside(backend) ? "medium" : "low"
    },
    recovery: "idempotent",
    timeoutMillis: Math.max(...[...served.values()].map(({ spec }) => spec.timeoutMillis ?? llmMillisDefault)),
    external: [...served.values()].some(({ backend }) => isOutside(backend)),
    payload: schema,
    // One backend that is down says nothing of the others.
    circuitOf: ({ target }) => named(target)?.name ?? "",
    check: ({ payload, target }) => {
      const found = named(target)
      if (found === undefined) return `there is no backend and no model ${target}; config names ${[...served.values()].map(({ models, name }) => `${name} (${models.join(", ")})`).join(", ")}`
      const { models, name, spec } = found
      const request = requestOf(payload)
      if (request.model !== undefined && !models.includes(request.model)) return `the backend ${name} has no model ${request.model}; it may be ${models.join(", ")}`
      const most = spec.maxTokens ?? llmTokensDefault
      return request.maxTokens !== undefined && request.maxTokens > most ? `maxTokens may be at most ${most} here` : undefined
    },
    cost: ({ payload, target }) => {
      const found = named(target)
      if (found === undefined) return {}
      const request = requestOf(payload)
      const most: Usage = { inputTokens: inputTokensMax(request), outputTokens: tokensOf(found.spec, request) }
      return { tokens: most.inputTokens + most.outputTokens, microdollars: microdollars(found.spec, most) }
    },
    perform: (call, powers) =>
      stoppable(async (signal) => {
        const found = named(call.target)
        if (found === undefined) throw new Error(`there is no backend ${call.target}`)
        const { backend, model, spec } = found
        const request = requestOf(call.payload)
        const answer = await timeLimited(signal, spec.timeoutMillis ?? llmMillisDefault, (ended) => backend.ask({
          request, model: request.model ?? model, maxTokens: tokensOf(spec, request), key: call.key, traceparent: call.traceparent, signal: ended,
          onText: (text) => powers?.progress?.({ text })
        }))
        const { usage } = answer
        return reported({
          result: answer,
          ...(usage === null ? {} : { spent: { tokens: usage.inputTokens + usage.outputTokens, microdollars: microdollars(spec, usage) } })
        })
      })
  }
}
