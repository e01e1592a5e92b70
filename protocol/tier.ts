// Isolation tiers: where the code of a module runs, and whose it is. The manifest asks, the config and its policy decide.

/** From the weakest to the strongest. */
export const tiers = ["in-process", "worker", "process", "jail"] as const
export type Tier = (typeof tiers)[number]

/**
 * Whose code it is: `first`, a path inside the project that the config or its operator names; `signed`, by a publisher whom
 * the config trusts; `third`, everything else.
 */
export const trusts = ["first", "signed", "third"] as const
export type Trust = (typeof trusts)[number]

/** The weakest tier that code may run in. */
export const floors: Readonly<Record<Trust, Tier>> = { first: "in-process", signed: "process", third: "jail" }

export const isWeaker = (one: Tier, than: Tier): boolean => tiers.indexOf(one) < tiers.indexOf(than)

/** How a module runs. */
export interface Isolation {
  readonly tier: Tier
  readonly trust: Trust
  /** Below the floor of its trust, because the config allows it. */
  readonly weak: boolean
}
