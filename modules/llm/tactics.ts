// Tactics: who of the agents is asked what, and what their answers come to.
import type { Conversation, Handling } from "aaax"
import type { Task } from "./prompt.ts"

/** What a tactic does its work with: everything that a handler has, and the agents. */
export interface Team extends Handling {
  /** In the order of the settings. */
  readonly agents: ReadonlyArray<string>
  /** Texts by name. */
  readonly prompts: Readonly<Record<string, string>>
  /** Asks one agent, with the tools that there are, until it calls none. */
  readonly converse: (agent: string, input: string) => Promise<Conversation>
}

/** Given a task, answers. Doing anything goes through the team, and so through the gate. */
export type AgentTactic = (task: Task, team: Team) => Promise<unknown> | unknown

interface Step {
  readonly agent: string
  readonly content: string
  readonly rounds: number
}

const step = (agent: string, { content, rounds }: Conversation): Step => ({ agent, content, rounds })

/** The first agent answers. */
const chat: AgentTactic = async ({ input }, { agents: [first = ""], converse }) => {
  const conversation = await converse(first, input)
  return { output: conversation.content, agent: first, rounds: conversation.rounds, usage: conversation.usage, messages: conversation.messages }
}

/** Agents in order, each given what the one before it said. */
const pipeline: AgentTactic = async ({ input }, { agents, converse }) => {
  const steps: Array<Step> = []
  let said = input
  for (const agent of agents) {
    const conversation = await converse(agent, said)
    said = conversation.content
    steps.push(step(agent, conversation))
  }
  return { output: said, steps }
}

export const builtIn: Readonly<Record<string, AgentTactic>> = { chat, pipeline }
