// Hostile mode: what a replicated log does to its writers. Acknowledgements are late, and some appends fail although
// they were kept, fail and are not kept, or fail and are kept later. The chance is seeded, so that a run can be repeated.
import { AppendUnknown } from "../../protocol/errors.ts"
import type { Appended } from "../../protocol/event.ts"
import type { ChannelId } from "../../protocol/names.ts"

export interface HostileOptions {
  readonly seed: number
  /** Chance that an append is kept although it fails; default 0.02. */
  readonly failedKept?: number
  /** Chance that an append fails and is not kept; default 0.02. */
  readonly failedLost?: number
  /** Chance that an append fails and is kept after others that came later; default 0.02. */
  readonly failedLate?: number
  /** Longest delay of an acknowledgement; default 2. */
  readonly latencyMillisMax?: number
}

export interface Hostile {
  /**
   * Runs `land` now, later or never, and answers what the writer gets to see. Appends land in the order of their
   * arrival, but for those that are kept late.
   */
  readonly append: (
    channel: ChannelId, key: string | undefined, land: () => ReadonlyArray<Appended>,
    answer: (outcome: { readonly appended: ReadonlyArray<Appended> } | { readonly failure: unknown }) => void
  ) => void
  /** Appends that were not acknowledged and are still to land. */
  readonly late: () => number
  /** Lands what is late, and ends. */
  readonly close: () => void
}

/** Mulberry32: small, seeded, and good enough to choose faults. */
const makeRandom = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Late appends land at the latest after so long, also when nothing else is appended. */
const lateMillisMax = 20

export const makeHostile = (options: HostileOptions): Hostile => {
  const random = makeRandom(options.seed)
  const kept = options.failedKept ?? 0.02
  const lost = kept + (options.failedLost ?? 0.02)
  const late = lost + (options.failedLate ?? 0.02)
  const latencyMillisMax = options.latencyMillisMax ?? 2
  const timers = new Set<NodeJS.Timeout>()
  const waiting = new Set<{ left: number; readonly land: () => void }>()

  const after = (millis: number, run: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      run()
    }, millis)
    timers.add(timer)
  }

  const landLate = (item: { readonly land: () => void; left: number }): void => {
    if (waiting.delete(item)) item.land()
  }

  const append: Hostile["append"] = (channel, key, land, answer) => {
    const fate = random()
    const latency = random() * latencyMillisMax
    const unknown = (reason: string): unknown => new AppendUnknown({ channel, reason, ...(key === undefined ? {} : { key }) })
    if (fate >= kept && fate < lost) return after(latency, () => answer({ failure: unknown("no acknowledgement came") }))
    if (fate >= lost && fate < late) {
      const item = {
        left: 1 + Math.floor(random() * 3),
        land: (): void => {
          try {
            land()
          } catch {
            // Key and head were checked again on landing: a duplicate or a stale one is dropped without a word.
          }
        }
      }
      waiting.add(item)
      after(lateMillisMax, () => landLate(item))
      return after(latency, () => answer({ failure: unknown("the acknowledgement timed out") }))
    }
    let outcome: Parameters<typeof answer>[0]
    try {
      outcome = { appended: land() }
    } catch (failure) {
      return after(latency, () => answer({ failure }))
    }
    for (const item of waiting) if (--item.left <= 0) landLate(item)
    if (fate < kept) outcome = { failure: unknown("the acknowledgement was lost") }
    after(latency, () => answer(outcome))
  }

  return {
    append,
    late: () => waiting.size,
    close: () => {
      for (const timer of timers) clearTimeout(timer)
      for (const item of waiting) landLate(item)
    }
  }
}
