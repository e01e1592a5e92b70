// The ancestor's two names for policy, over ours: three questions, answered with its five fields.
import * as Result from "effect/Result"
import type { Access, Policy, Question, Verdict } from "../../protocol/authority.ts"
import type { Manifest } from "../../protocol/manifest.ts"
import type { SystemId } from "../../protocol/names.ts"
import { policyFromConfig } from "./policy.ts"

export interface PolicyAnswer {
  readonly allowed: boolean
  readonly reason: string
  readonly escalate: boolean
  readonly escalateTo: string | null
  readonly modifiedPayload: unknown
}

const answerOf = (verdict: Verdict): PolicyAnswer => ({
  allowed: verdict.outcome === "allow",
  reason: verdict.reason ?? "",
  escalate: verdict.outcome === "escalate",
  escalateTo: verdict.outcome === "escalate" ? verdict.to : null,
  modifiedPayload: verdict.outcome === "deny" ? null : (verdict.payload ?? null)
})

/** A policy that can be asked with plain arguments. It is a `Policy` itself: give it to a kernel as it is. */
export class PolicyEngine implements Policy {
  readonly version: string
  readonly description: string
  readonly ask: (question: Question) => Verdict

  constructor(policy: Policy) {
    this.version = policy.version
    this.description = policy.description
    this.ask = policy.ask
  }

  /** "default", a rule table, rules, or nothing for ours. Throws `ConfigInvalid`, with every mistake in it. */
  static fromConfig(config?: unknown): PolicyEngine {
    return new PolicyEngine(Result.getOrThrowWith(policyFromConfig(config), (issue) => issue))
  }

  evaluateCapability(
    system: SystemId, resource: string, access: Access, context: Readonly<Record<string, unknown>> = {}, declared = false
  ): PolicyAnswer {
    return answerOf(this.ask({ kind: "capability", system, resource, access, context, declared }))
  }

  evaluateAction(
    action: Omit<Extract<Question, { readonly kind: "action" }>, "kind" | "recentActions"> & { readonly recentActions?: number }
  ): PolicyAnswer {
    return answerOf(this.ask({ recentActions: 0, ...action, kind: "action" }))
  }

  evaluateModule(manifest: Pick<Manifest, "id" | "framework" | "executors" | "reads" | "writes" | "privileged">, configured = false): PolicyAnswer {
    return answerOf(this.ask({
      kind: "module",
      module: manifest.id,
      framework: manifest.framework,
      executors: manifest.executors,
      channels: [...manifest.reads, ...manifest.writes],
      privileged: manifest.privileged,
      configured
    }))
  }
}

/** The ancestor's default rules, or the given table of them. */
export class DefaultRulePolicy extends PolicyEngine {
  constructor(rules: unknown = "default") {
    super(PolicyEngine.fromConfig(rules))
  }
}
