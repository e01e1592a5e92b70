// Proofs that were taken, for as long as their time would be right. A kernel that starts anew remembers none of them, and
// needs not to: it takes only proofs with a nonce of its own.
import { proofMillisMax } from "../../../protocol/act.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { proofsMax, proofsOfSystemMax } from "../../limits.ts"

export interface Proofs {
  /** Remembers it, or says why it is not taken. */
  readonly take: (system: SystemId, jti: string, now: number) => string | undefined
  readonly size: () => number
}

/** A proof from a clock that is ahead by all that is allowed is right for twice as long. */
const keptMillis = 2 * proofMillisMax

export const makeProofs = (limits: { readonly ofSystem: number; readonly all: number } = { ofSystem: proofsOfSystemMax, all: proofsMax }): Proofs => {
  /** By system: jti, and when it may be forgotten, oldest first. */
  const taken = new Map<SystemId, Map<string, number>>()
  let size = 0

  const sweep = (of: Map<string, number>, now: number): void => {
    for (const [jti, until] of of) {
      if (until >= now) return
      of.delete(jti)
      size--
    }
  }
  const sweepAll = (now: number): void => {
    for (const [system, of] of taken) {
      sweep(of, now)
      if (of.size === 0) taken.delete(system)
    }
  }
  return {
    take: (system, jti, now) => {
      let mine = taken.get(system)
      if (mine === undefined) taken.set(system, mine = new Map())
      sweep(mine, now)
      if (mine.has(jti)) return "the proof was taken before"
      if (size >= limits.all) sweepAll(now)
      // Forgetting one would let it be taken twice.
      if (mine.size >= limits.ofSystem || size >= limits.all) return "more proofs came within two minutes than are remembered; wait a little"
      taken.set(system, mine)
      mine.set(jti, now + keptMillis)
      size++
      return undefined
    },
    size: () => size
  }
}
