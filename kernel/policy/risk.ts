// The ancestor's table: one word for capabilities, one for modules, one for each risk of an action.
import { isRisk, type Risk, type Rule } from "../../protocol/authority.ts"

export type Answer = "allow" | "deny"
export type ActionAnswer = Answer | "escalate"

export interface RiskTable {
  readonly defaultCapability?: Answer
  /** Given, it stands for the whole of the default table: a risk that it does not name is denied. */
  readonly defaultAction?: Readonly<Partial<Record<Risk, ActionAnswer>>>
  readonly defaultModule?: Answer
}

export const defaultTable = {
  defaultCapability: "allow",
  defaultAction: { low: "allow", medium: "allow", high: "deny", irreversible: "escalate" },
  defaultModule: "allow"
} as const satisfies RiskTable

export const rule = (given: RiskTable = {}): Rule => {
  // A copy: who changes the table afterwards changes nothing here.
  const actions: Readonly<Partial<Record<Risk, ActionAnswer>>> = { ...(given.defaultAction ?? defaultTable.defaultAction) }
  const capability = given.defaultCapability ?? defaultTable.defaultCapability
  const module = given.defaultModule ?? defaultTable.defaultModule
  return {
    name: "risk",
    description: `capabilities ${capability}, modules ${module}, actions ` +
      Object.entries(actions).map(([risk, answer]) => `${risk} ${answer}`).join(", "),
    config: { capability, actions, module },
    decide: (question) => {
      switch (question.kind) {
        case "capability":
          return capability === "allow"
            ? { outcome: "allow" }
            : { outcome: "deny", reason: "Capability requests denied by default policy" }
        case "module":
          return module === "allow" ? { outcome: "allow" } : { outcome: "deny", reason: "Module loading denied by default policy" }
        case "action": {
          const { risk } = question
          const answer = isRisk(risk) && Object.hasOwn(actions, risk) ? actions[risk] : undefined
          if (answer === "allow") return { outcome: "allow" }
          return answer === "escalate"
            ? { outcome: "escalate", reason: `Risk '${risk}' requires escalation`, to: "human" }
            : { outcome: "deny", reason: `Denied for risk '${risk}'` }
        }
      }
    }
  }
}
