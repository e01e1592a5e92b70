// Allows everything. For experiments on one's own machine: the banner says so.
import type { Rule } from "../../protocol/authority.ts"

export const rule: Rule = {
  name: "open",
  description: "everything is allowed",
  decide: () => ({ outcome: "allow" })
}
