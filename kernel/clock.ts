// Kernel time = max(wall clock, high-water mark of the store + monotonic time since it was read). It never goes back,
// also not across restarts. A forward jump of the wall clock beyond the limit is held back until it is confirmed.
import { clockJumpMillis } from "./limits.ts"

export interface KernelClock {
  /** Unix milliseconds; never less than before. */
  readonly now: () => number
  /** Milliseconds from an arbitrary start; for durations only. */
  readonly monotonic: () => number
  /** The store was found to hold a time as late as this. */
  readonly raise: (highWaterMillis: number) => void
  /** A jump that is held back: what the wall says beyond kernel time, in milliseconds. */
  readonly jump: () => number | undefined
  /** Take the wall clock's word after a jump. */
  readonly confirm: () => void
}

export interface ClockSource {
  readonly wall: () => number
  readonly monotonic: () => number
}

export const systemSource: ClockSource = { wall: () => Date.now(), monotonic: () => performance.now() }

export const makeClock = (source: ClockSource = systemSource): KernelClock => {
  let anchor = source.wall()
  let anchorMonotonic = source.monotonic()
  let held = false
  const now = (): number => {
    const wall = source.wall()
    const expected = anchor + (source.monotonic() - anchorMonotonic)
    if (wall - expected > clockJumpMillis) held = true
    else if (held && wall <= expected) held = false
    if (held || wall < expected) return Math.floor(expected)
    // The wall clock is slightly ahead: follow it, so that slow drift never adds up to a jump.
    anchor = wall
    anchorMonotonic = source.monotonic()
    return Math.floor(wall)
  }
  return {
    now,
    monotonic: source.monotonic,
    raise: (highWaterMillis) => {
      const current = now()
      if (highWaterMillis <= current) return
      anchor = highWaterMillis
      anchorMonotonic = source.monotonic()
    },
    jump: () => {
      const current = now()
      return held ? source.wall() - current : undefined
    },
    confirm: () => {
      anchor = Math.max(source.wall(), now())
      anchorMonotonic = source.monotonic()
      held = false
    }
  }
}
