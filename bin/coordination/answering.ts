// The models of a worker that runs on its own: a kernel in memory with nothing but `llm.chat` in it, so that they are asked as
// they are in a constellation.
import { defineModule, type Acting } from "../../libos/index.ts"
import { launch } from "../../kernel/host.ts"
import type { ConfigInput } from "../../kernel/config.ts"
import { makeAsk, ruleAnswer, type Prompt, type Said } from "aaax/modules/worker"
import { UsageError } from "../failure.ts"
import { modelServer } from "./models.ts"

export const providers = ["ollama", "openai", "rule", "tiered"] as const
export type Provider = (typeof providers)[number]

export interface AnsweringOptions {
  readonly provider: string
  readonly model: string
  readonly heavyModel?: string
  readonly baseUrl?: string
  /** Variable of the environment that holds the key. */
  readonly apiKeyEnv: string
}

export interface Answering {
  readonly ask: (prompt: Prompt, said: Said) => Promise<string>
  readonly close: () => Promise<void>
}

const openaiUrl = "https://api.openai.com/v1"
const requestMillis = 60_000

const isProvider = (text: string): text is Provider => providers.some((one) => one === text)

/** The kernel's config, and which backend is asked for what. */
const configOf = ({ apiKeyEnv, baseUrl, heavyModel, model, provider }: AnsweringOptions): { readonly config: ConfigInput; readonly models: Parameters<typeof makeAsk>[1] } => {
  if (!isProvider(provider)) throw new UsageError({ reason: `Unsupported provider '${provider}'. Use openai, ollama, rule, or tiered.` })
  const rule = { kind: "rule", rules: [{ say: ruleAnswer }] } as const
  if (provider === "rule") return { config: { executors: { "llm.chat": { backends: { rule } } } }, models: {} }
  const url = baseUrl ?? (provider === "openai" ? openaiUrl : `${modelServer()}/v1`)
  const { hostname } = URL.canParse(url) ? new URL(url) : { hostname: "" }
  const hasKey = (process.env[apiKeyEnv] ?? "") !== ""
  const backend = (asked: string) => ({
    kind: "openai" as const, baseUrl: url, model: asked, timeoutMillis: requestMillis, ...(hasKey ? { apiKey: "secret:WORKER" } : {})
  })
  const secrets = hasKey ? { secrets: { WORKER: { from: `env:${apiKeyEnv}`, hosts: [hostname] } } } : {}
  const backends = provider === "tiered" ? { slm: backend(model), heavy: backend(heavyModel ?? model), rule } : { slm: backend(model) }
  return {
    config: { ...secrets, executors: { "llm.chat": { default: "slm", backends } } },
    models: provider === "tiered" ? { tiers: { rule: "rule", slm: "slm", heavy: "heavy" } } : {}
  }
}

/** Rejects with `UsageError` for a provider that is none, and with `ConfigInvalid` for an address that may not be asked. */
export const openAnswering = async (options: AnsweringOptions): Promise<Answering> => {
  const { config, models } = configOf(options)
  const kernel = await launch({ store: ":memory:", ...config })
  try {
    const acting = await new Promise<Acting>((resolve, reject) => {
      kernel.dock(defineModule({
        id: "worker", executors: ["llm.chat"],
        run: ({ act, signal }) => {
          resolve({ act })
          return new Promise((end) => signal.addEventListener("abort", () => end(), { once: true }))
        }
      })).catch(reject)
    })
    return { ask: makeAsk(acting, models), close: () => kernel.close() }
  } catch (error) {
    await kernel.close()
    throw error
  }
}
