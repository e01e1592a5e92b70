// Llm: a system whose work is done by language models. What it does, it asks the gate for; what it may read and write, its
// wiring says. Docked for framework `llm`, also spelled `lllm`, with the settings that a package or a config gives.
import { converse, defineModule, EffectFailed, InvalidPayload, Refused, Schema, type Handling, type Received, type System } from "aaax"
import { filled, taskOf } from "./prompt.ts"
import { LlmSettings, type Agent } from "./settings.ts"
import { builtIn, type AgentTactic, type Team } from "./tactics.ts"
import { toolsOf } from "./tools.ts"

export type { Agent, LlmSettings, Tool } from "./settings.ts"
export type { Task } from "./prompt.ts"
export type { AgentTactic, Team } from "./tactics.ts"

export interface LlmOptions extends LlmSettings {
  /** Tactics of one's own by name, from a TypeScript config. */
  readonly tactics?: Readonly<Record<string, AgentTactic>>
}

const assistant: Agent = { name: "assistant" }
const decode = Schema.decodeUnknownSync(LlmSettings, { onExcessProperty: "error" })

/** What went wrong with a task that nobody has to try again: the model or a rule said no, or it came to nothing. */
const failureOf = (thrown: unknown): { readonly error: { readonly kind: string; readonly reason: string } } | undefined => {
  if (thrown instanceof Refused) return { error: { kind: thrown.kind, reason: thrown.reason } }
  if (thrown instanceof EffectFailed) return { error: { kind: thrown.outcome, reason: thrown.reason } }
  return thrown instanceof InvalidPayload ? { error: { kind: "invalid", reason: thrown.message } } : undefined
}

/** Throws a sentence about settings that say nothing that could be docked. */
export const llm = ({ tactics = {}, ...given }: LlmOptions): System => {
  const settings = decode(given)
  const { agents = [assistant], id, model, roundsMax, tactic: name = "chat", variables = {} } = settings
  const known = { ...builtIn, ...tactics }
  const tactic = Object.hasOwn(known, name) ? known[name] : undefined
  if (tactic === undefined) throw new TypeError(`there is no tactic ${name}; there are ${Object.keys(known).join(", ")}`)
  if (agents.length === 0) throw new TypeError("it has no agent")
  const byName = new Map(agents.map((agent) => [agent.name, agent]))
  if (byName.size !== agents.length) throw new TypeError("two agents have one name")
  const stem = id.replaceAll("/", ".")
  const follows = settings.follows ?? []

  return defineModule({
    id,
    description: settings.description ?? `answers tasks on ${stem}.tasks by ${name}`,
    provides: [{ name: `${stem}.tasks`, form: "queue" }, { name: `${stem}.results` }],
    takes: { tasks: `${stem}.tasks` },
    reads: Object.fromEntries([...new Set([...follows, ...(settings.reads ?? [])])].map((channel) => [channel, channel])),
    writes: { results: `${stem}.results`, ...Object.fromEntries((settings.writes ?? []).map((channel) => [channel, channel])) },
    executors: [...new Set(["llm.chat", ...(settings.executors ?? []), ...(settings.tools ?? []).map(({ executor }) => executor)])],
    run: async ({ log, port, reads, takes, writes }) => {
      const handle = async (event: Received<unknown>, on: Handling): Promise<void> => {
        const task = taskOf(event.payload)
        const words = { ...variables, ...task.variables }
        const tools = toolsOf(settings, port, on, event.id)
        const team: Team = {
          ...on,
          agents: agents.map((agent) => agent.name),
          prompts: settings.prompts ?? {},
          converse: (who, input) => {
            const agent = byName.get(who)
            if (agent === undefined) throw new InvalidPayload({ what: "tactic", path: "agent", reason: `there is no agent ${who}` })
            const asked = agent.model ?? model
            return converse(on, {
              messages: [{ role: "user", content: input }], tools, signal: on.signal,
              ...(agent.system === undefined ? {} : { system: filled(agent.system, words) }),
              ...(asked === undefined ? {} : { model: asked }),
              ...(agent.temperature === undefined ? {} : { temperature: agent.temperature }),
              ...(agent.maxTokens === undefined ? {} : { maxTokens: agent.maxTokens }),
              ...(roundsMax === undefined ? {} : { roundsMax })
            })
          }
        }
        let result: unknown
        try {
          result = await tactic(task, team)
        } catch (thrown) {
          result = failureOf(thrown)
          if (result === undefined) throw thrown
          log.warn(`the task ${event.id} came to nothing`, { result })
        }
        await on.append(writes.results, result ?? null, { correlationId: event.id, recipient: event.sender })
      }
      await Promise.all([takes.tasks.work(handle), ...follows.map((channel) => reads[channel]!.each(handle))])
    }
  })
}

export default llm
