// The constellation of the tour: two agents, one program, and a rule that knows whose business is whose.
import { defineConfig } from "aaax/kernel"
import { rule as granted } from "aaax/policy/granted"
import { helper, janitor } from "./agents.ts"

/** `rm -r drafts/NAME`, and nothing that only looks like it. */
const isDraft = (payload: unknown): boolean => /^\{"args":\["-r","drafts\/\w[\w.-]*"\]\}$/u.test(JSON.stringify(payload))

export default defineConfig({
  id: "tour",
  executors: { "process.run": { programs: ["rm"] } },
  policy: {
    name: "drafts",
    description: "agents remove what is in drafts/; all else as granted",
    decide: (question) =>
      question.kind === "action" && question.target === "rm" && isDraft(question.payload) ? { outcome: "allow" } : granted.decide(question)
  },
  modules: [janitor, helper]
})
