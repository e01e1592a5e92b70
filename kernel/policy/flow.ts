// Denies or escalates by where an action comes from: what follows from a stranger's words must not send out what is secret.
import type { Rule } from "../../protocol/authority.ts"
import { compileGlob } from "../../protocol/glob.ts"

export interface Flow {
  /** Globs over labels (`untrusted.*`); for each of them the action must carry a label that matches. None: every action. */
  readonly when: ReadonlyArray<string>
  /** Only executors that send data out of this machine. */
  readonly external?: boolean
  /** Globs over executors of which one must match; default: all. */
  readonly executors?: ReadonlyArray<string>
  readonly answer: "deny" | "escalate"
  /** Whom an escalation asks; default: a human. */
  readonly to?: string
}

const inWords = ({ answer, executors, external, when }: Flow): string =>
  `${when.join(" and ") || "anything"}${external === true ? " sent out" : ""}${executors === undefined ? "" : ` to ${executors.join(", ")}`}: ${answer}`

/** The first that denies, else the first that escalates; says nothing when none concerns the action. */
export const rule = (flows: ReadonlyArray<Flow>): Rule => {
  const kept = flows.map((flow) => ({ ...flow, labels: flow.when.map(compileGlob), names: flow.executors?.map(compileGlob) }))
  const ordered = [...kept.filter(({ answer }) => answer === "deny"), ...kept.filter(({ answer }) => answer === "escalate")]
  return {
    name: "flow",
    description: flows.map(inWords).join("; "),
    config: flows.map(({ answer, executors, external, to, when }) => ({
      when: [...when], answer, ...(external === undefined ? {} : { external }), ...(executors === undefined ? {} : { executors: [...executors] }), ...(to === undefined ? {} : { to })
    })),
    decide: (question) => {
      if (question.kind !== "action") return undefined
      const { executor, external = false, labels = [] } = question
      const flow = ordered.find((one) =>
        (one.external !== true || external) && (one.names === undefined || one.names.some((test) => test(executor))) &&
        one.labels.every((test) => labels.some((label) => test(label))))
      if (flow === undefined) return undefined
      const carried = labels.filter((label) => flow.labels.some((test) => test(label)))
      const reason = `It follows from ${carried.join(", ") || "anything"}${external ? ` and ${executor} sends data out` : ""}`
      return flow.answer === "deny"
        ? { outcome: "deny", reason: `${reason}; a human can take a label away: declassify` }
        : { outcome: "escalate", reason, to: flow.to ?? "human" }
    }
  }
}
