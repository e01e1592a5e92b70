// Which tier of models a prompt goes to: a fixed answer, a small model, or a large one.

export const tiers = ["rule", "slm", "heavy"] as const
export type Tier = (typeof tiers)[number]

/** Characters, after white space at both ends is gone: up to here a greeting, from there on heavy work. */
const ruleLengthMax = 24
const heavyLengthMin = 240

const heavyWords: ReadonlySet<string> = new Set([
  "design", "architecture", "architect", "prove", "proof", "refactor", "analyse", "analyze", "optimise", "optimize", "derive", "algorithm",
  "strategy", "trade-off", "tradeoff", "benchmark"
])

export const classify = (prompt: string): Tier => {
  const text = prompt.trim()
  const { length } = [...text]
  if (length <= ruleLengthMax) return "rule"
  if (length >= heavyLengthMin) return "heavy"
  return (text.toLowerCase().match(/[a-z][a-z-]*/gu) ?? []).some((word) => heavyWords.has(word)) ? "heavy" : "slm"
}

/** What answers a tier, by tier; where a tier has nothing, the one of `slm` answers. Throws when that is not there. */
export const makeTiers = <A>(answering: Readonly<Partial<Record<Tier, A>>>): ((prompt: string) => { readonly tier: Tier; readonly by: A }) => {
  const { slm } = answering
  if (slm === undefined) throw new TypeError("tiers need something that answers slm, the tier that stands in for the others")
  return (prompt) => {
    const tier = classify(prompt)
    return { tier, by: answering[tier] ?? slm }
  }
}
