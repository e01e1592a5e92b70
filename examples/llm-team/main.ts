// A team of models: two workers answer on one hub, one by tiers and one that takes what is hard, and an architect asks them. Without a
// model server they answer by rules, offline; name one to ask it: `node examples/run.mjs llm-team/main http://127.0.0.1:11434/v1 llama3.2`
import { SynapseAgent } from "aaax"
import { launch } from "aaax/kernel"
import { worker } from "aaax/modules/worker"
import { coordinator } from "aaax/modules/coordinator"
import { supervisor } from "aaax/modules/supervisor"

const rules = (say: string) => ({ kind: "rule" as const, rules: [{ say }] })

/** A backend for each tier: rules, or a model for what is more than a greeting. */
const backendsOf = (baseUrl: string | undefined, model: string) => {
  const local = { kind: "openai" as const, baseUrl: baseUrl ?? "", model }
  return {
    greeting: rules("Here."),
    small: baseUrl === undefined ? rules("I would begin with the tests.") : local,
    large: baseUrl === undefined ? rules("First the invariants, then the storage, then the proof.") : local
  }
}

export const main = async (baseUrl?: string, model = "llama3.2"): Promise<ReadonlyArray<readonly [string, string]>> => {
  const kernel = await launch({
    store: ":memory:",
    executors: { "llm.chat": { backends: backendsOf(baseUrl, model) } },
    // All workers together, for as long as this runs.
    budgets: { "team": { tokens: 20_000 } },
    modules: [
      coordinator(), supervisor(),
      worker({ id: "team/fast", tiers: { rule: "greeting", slm: "small", heavy: "large" }, replyTo: "sender", replyIntervalSeconds: 0.1 }),
      worker({ id: "team/reason", model: "large", taskClasses: ["design"], replyTo: "sender", replyIntervalSeconds: 0.1 })
    ]
  })
  const { operatorToken, url } = await kernel.publish("127.0.0.1", 0)
  try {
    const architect = await SynapseAgent.connect({ uri: `${url.replace("http", "ws")}/synapse`, name: "ARCHITECT", token: operatorToken })
    // A worker stands among the cards when it listens.
    while ((await architect.requestManifest()).manifest.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    const answers: Array<readonly [string, string]> = []
    for (const [target, question] of [
      ["team/fast", "are you there?"], ["team/fast", "how would you begin with this module?"], ["team/*", "design the storage of the event log, please"]
    ] as const) {
      const heard = architect.messages()
      await architect.chat(question, { target })
      for (let left = target === "team/*" ? 2 : 1; left > 0; left--) {
        const { value } = await heard.next()
        if (value !== undefined) answers.push([value.sender, value.payload])
      }
      await heard.return()
    }
    architect.close()
    return answers
  } finally {
    await kernel.close()
  }
}
