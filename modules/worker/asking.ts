// Asks a model for a worker: through `llm.chat`, the one backend that it was given, or that of the tier of what was said.
import { chat, EffectFailed, Refused, type Acting } from "aaax"
import { makeTiers, type Tier } from "./routing.ts"
import type { Prompt, Said } from "./rules.ts"

/** Targets of `llm.chat`: a backend, a model of one, or both. */
export interface Models {
  /** Without `tiers`: all is asked of it; absent: of the default. */
  readonly model?: string
  readonly tiers?: Readonly<Partial<Record<Tier, string>>>
}

const temperature = 0.2

/** Throws when the tiers have nothing to fall back to. What it is then given is the model's answer, or rejects with why there is none. */
export const makeAsk = (on: Acting, { model, tiers }: Models): ((prompt: Prompt, said: Said) => Promise<string>) => {
  const tiered = tiers === undefined ? undefined : makeTiers(tiers)
  return async ({ system, user }, said) => {
    const target = tiered === undefined ? model : tiered(said.payload).by
    try {
      const answer = await chat(on, { temperature, messages: [{ role: "system", content: system }, { role: "user", content: user }] }, target === undefined ? {} : { model: target })
      return answer.content
    } catch (error) {
      // Others are told why in a sentence, without the id of the action.
      if (error instanceof Refused || error instanceof EffectFailed) throw new Error(error.reason, { cause: error })
      throw error
    }
  }
}
