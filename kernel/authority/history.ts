// History that can be decided again: the questions that policy was asked, from what the journal keeps of them and from the
// bodies of the requests, which the journal only holds digests of.
import type { Question, Verdict } from "../../protocol/authority.ts"
import type { Warrant } from "../../protocol/warrant.ts"
import type { ActionDecided, CapabilityDecided, Entry } from "./entry.ts"

/** An entry that policy was asked for. */
export type Decided = ActionDecided | CapabilityDecided

export const isDecided = (entry: Entry): entry is Decided => entry.kind === "action.decided" || entry.kind === "capability.decided"

/** Why there is no question: policy was not asked, or the body of the request is gone, or is another one. */
export type Lacking = "unasked" | "erased" | "altered"

const field = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? (body as Readonly<Record<string, unknown>>)[name] : undefined // an object, as is seen first

/** What policy was asked then. `body`: the payload of the request; undefined when it is not kept any more. */
export const questionOf = (entry: Decided, body: unknown, digestOf: (value: unknown) => string): Question | Lacking => {
  if (entry.asked === undefined) return "unasked"
  if (entry.kind === "capability.decided") {
    const { access, asked, resource, system } = entry
    if (asked["context"] === undefined && body === undefined) return "erased"
    const context = asked["context"] ?? field(body, "context") ?? {}
    // What was kept is what of a question was left when these were taken out.
    return { ...asked, kind: "capability", system, resource, access, context } as Question
  }
  if (body === undefined) return "erased"
  const { action, digest, executor, payloadArtifact, system, target } = entry.warrant
  const payload = field(body, "payload") ?? null
  if (payloadArtifact === null && digestOf({ action, executor, target, payload }) !== digest) return "altered"
  return { ...entry.asked, kind: "action", system, action, executor, target, payload, now: entry.at } as Question
}

const outcomeOf = ({ standing, state }: Warrant): Verdict["outcome"] =>
  standing !== undefined || state === "escalated" ? "escalate" : state === "denied" ? "deny" : "allow"

/** What policy said then. */
export const saidOf = (entry: Decided): { readonly outcome: Verdict["outcome"]; readonly rule: string; readonly reason: string; readonly version: string } => {
  if (entry.kind === "capability.decided") {
    return { outcome: entry.said ?? (entry.outcome === "granted" ? "allow" : "deny"), rule: entry.rule, reason: entry.reason, version: entry.policy ?? "" }
  }
  const { policy, reason, rule } = entry.warrant
  return { outcome: entry.said ?? outcomeOf(entry.warrant), rule, reason, version: policy ?? "" }
}
