// Ours, when a config names no policy: what the operator docked may do what it declared; what cannot be undone asks a human.
import { isRisk, riskAtMost, type Rule } from "../../protocol/authority.ts"

/** It never says no to what another rule may allow: what it does not know, it leaves to the others, and silence is deny. */
export const rule: Rule = {
  name: "granted",
  description: "deny by default; declared capabilities are granted, high and irreversible actions ask a human",
  decide: (question) => {
    switch (question.kind) {
      case "capability":
        return question.declared ? { outcome: "allow", reason: "declared by a manifest that config docked" } : undefined
      case "module":
        return question.configured ? { outcome: "allow", reason: "named by config" } : undefined
      case "action": {
        const { risk } = question
        if (!isRisk(risk)) return { outcome: "deny", reason: `Denied for risk '${risk}'` }
        return riskAtMost(risk, "medium")
          ? { outcome: "allow" }
          : { outcome: "escalate", reason: `Risk '${risk}' requires escalation`, to: "human" }
      }
    }
  }
}
