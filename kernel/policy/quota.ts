// Denies a system that has started too many actions within the last minute. Says nothing otherwise.
import type { Rule } from "../../protocol/authority.ts"

export interface Quota {
  /** Actions that one system may start in any 60 seconds of kernel time. 0 denies all. */
  readonly actionsPerMinute: number
}

/** The count is in the question, taken from the journal, so that history can be decided again. */
export const rule = ({ actionsPerMinute }: Quota): Rule => ({
  name: "quota",
  description: `at most ${actionsPerMinute} actions per minute and system`,
  config: { actionsPerMinute },
  decide: (question) =>
    // Written as "not below": a quota that is not a number denies.
    question.kind === "action" && !(question.recentActions < actionsPerMinute)
      ? {
          outcome: "deny",
          reason: `${question.system} has started ${question.recentActions} actions in the last minute, ${actionsPerMinute} are allowed`
        }
      : undefined
})
