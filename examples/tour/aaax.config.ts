// The constellation of the tour: two agents, one program, and a rule that knows whose business is whose.
import { defineConfig } from "aaax/kernel"
import { rule as granted } from "aaax/policy/granted"
import { helper, janitor } from "./agents.ts"

/** `rm -r scratch/NAME`, and nothing that only looks like it. */
const isScratch = (payload: unknown): boolean => /^\{"args":\["-r","scratch\/\w[\w.-]*"\]\}$/u.test(JSON.stringify(payload))

export default defineConfig({
  id: "tour",
  executors: { "process.run": { programs: ["rm"] } },
  policy: {
    name: "scratch",
    description: "agents remove what is in scratch/; all else as granted",
    decide: (question) =>
      question.kind === "action" && question.target === "rm" && isScratch(question.payload) ? { outcome: "allow" } : granted.decide(question)
  },
  modules: [janitor, helper]
})
