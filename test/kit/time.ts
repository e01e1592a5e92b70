// Kernel time that a test moves by hand: a clock, and timers that ring when it is moved past them.
import { makeClock, type KernelClock } from "../../kernel/clock.ts"

export interface ManualTime {
  readonly clock: KernelClock
  readonly timer: (millis: number, ring: () => void) => () => void
  /** Moves the wall clock and the monotonic one, and rings what is due. */
  readonly advance: (millis: number) => void
  /** Timers that are set. */
  readonly timers: () => number
}

export const makeManualTime = (start = 1_800_000_000_000): ManualTime => {
  let passed = 0
  const set = new Set<{ readonly at: number; readonly ring: () => void }>()
  return {
    clock: makeClock({ wall: () => start + passed, monotonic: () => passed }),
    timer: (millis, ring) => {
      const timer = { at: passed + millis, ring }
      set.add(timer)
      return () => void set.delete(timer)
    },
    advance: (millis) => {
      passed += millis
      for (const timer of Array.from(set).sort((a, b) => a.at - b.at)) {
        if (timer.at <= passed && set.delete(timer)) timer.ring()
      }
    },
    timers: () => set.size
  }
}
