// Denies an action whose target is outside the globs that are given for its executor. Says nothing otherwise.
import type { Rule } from "../../protocol/authority.ts"
import { compileGlob } from "../../protocol/glob.ts"

/** Executor -> globs of which one must match the target (`docs/**`). An executor that is not named is not limited here. */
export type Scope = Readonly<Record<string, ReadonlyArray<string>>>

export const rule = (scope: Scope): Rule => {
  const limits = new Map(Object.entries(scope).map(([executor, globs]) => [executor, { globs: [...globs], tests: globs.map(compileGlob) }]))
  const config = Object.fromEntries([...limits].map(([executor, { globs }]) => [executor, globs]))
  return {
    name: "scope",
    description: [...limits].map(([executor, { globs }]) => `${executor} only on ${globs.join(", ") || "nothing"}`).join("; "),
    config,
    decide: (question) => {
      if (question.kind !== "action") return undefined
      const limit = limits.get(question.executor)
      if (limit === undefined || limit.tests.some((test) => test(question.target))) return undefined
      return {
        outcome: "deny",
        reason: `${question.executor} is limited to ${limit.globs.join(", ") || "nothing"}`
      }
    }
  }
}
