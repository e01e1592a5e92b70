// The tier of a module, as a pure decision over whose code it is, what was asked for and what there is here.
import { floors, isWeaker, tiers, type Isolation, type Tier, type Trust } from "../../protocol/tier.ts"

export interface TierQuestion {
  readonly trust: Trust
  readonly asked: Tier | undefined
  /** Why a tier cannot be had here; nothing: it can. */
  readonly unavailable: (tier: Tier) => string | undefined
  readonly allowWeak: boolean
}

const remedy: Readonly<Record<Tier, string>> = {
  "in-process": "",
  worker: "",
  process: "install AAAX as it is released, whose child process is built",
  jail: "install bubblewrap (apt install bubblewrap) where it may make user namespaces, and see: aaax doctor --isolation"
}

/** The tier, or the sentence that refuses it and says what would be allowed. */
export const decideTier = ({ allowWeak, asked, trust, unavailable }: TierQuestion): Isolation | string => {
  const floor = floors[trust]
  const strongest = [...tiers].reverse().find((tier) => unavailable(tier) === undefined) ?? "in-process"
  const tier = asked ?? (trust === "first" ? "in-process" : strongest)
  const missing = unavailable(tier)
  if (missing !== undefined) return `tier '${tier}' is not available here: ${missing}; ${remedy[tier]}`
  if (!isWeaker(tier, floor)) return { tier, trust, weak: false }
  if (allowWeak) return { tier, trust, weak: true }
  const whose = trust === "third" ? "third-party code (not a file of this project, and signed by nobody whom the config trusts)" : "code of another publisher"
  const why = unavailable(floor)
  return why === undefined
    ? `it is ${whose}, which runs in tier '${floor}' or a stronger one, not in '${tier}'. Ask for tier '${floor}', or set isolation.allowWeakIsolation in the config`
    : `it is ${whose}, which needs tier '${floor}', and that is not available here: ${why}. To mend it: ${remedy[floor]}. Or take the risk: isolation.allowWeakIsolation in the config`
}
