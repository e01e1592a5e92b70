// Which events retention may evict: a pure decision over marks. Cursors may have holes, so "the newest thousand" is not
// a subtraction: now and then we note how many events there had been in all when the head was where.
import type { Cursor } from "../../protocol/names.ts"

export interface Mark {
  /** Events that the channel had been given in all, evicted ones included. */
  readonly total: number
  readonly cursor: Cursor
}

export interface Retained {
  /** Events that were evicted so far, as far as `total` counts them. */
  readonly evicted: number
  /** Oldest first. */
  readonly marks: ReadonlyArray<Mark>
}

export const nothingRetained: Retained = { evicted: 0, marks: [] }

/** So many events over the count before anything is evicted: eviction is paid once for many events. */
export const slackOf = (count: number): number => Math.max(1, Math.min(1_000, Math.ceil(count / 10)))

const spacingOf = (count: number): number => Math.max(1, Math.ceil(slackOf(count) / 4), Math.ceil(count / 1_024))

/** Notes where the head is, when it is far enough from where it was noted last. */
export const note = (state: Retained, kept: number, head: Cursor, count: number): Retained => {
  const total = state.evicted + kept
  const last = state.marks[state.marks.length - 1]
  if (last !== undefined && (total - last.total < spacingOf(count) || head <= last.cursor)) return state
  return { evicted: state.evicted, marks: [...state.marks, { total, cursor: head }] }
}

export type RetentionDecision =
  /** Evict up to the mark. */
  | { readonly kind: "evict"; readonly mark: Mark }
  /** Too many events, but no mark says where the surplus ends: look at the oldest `surplus` events. */
  | { readonly kind: "look"; readonly surplus: number }
  | { readonly kind: "keep" }

const keep: RetentionDecision = { kind: "keep" }

/** What to do now. Nothing beyond `ceiling` is ever evicted (items of a queue that are not settled). */
export const decide = (state: Retained, kept: number, count: number, ceiling: Cursor): RetentionDecision => {
  if (kept < count + slackOf(count)) return keep
  const total = state.evicted + kept
  let best: Mark | undefined
  for (const mark of state.marks) {
    if (mark.cursor > ceiling || total - mark.total < count) break
    best = mark
  }
  if (best !== undefined) return { kind: "evict", mark: best }
  const first = state.marks[0]
  // Older than every mark: kept before this process began, or by a smaller count.
  if (first === undefined || first.total - state.evicted > slackOf(count)) return { kind: "look", surplus: kept - count }
  return keep
}

/** The state after an eviction up to a mark. */
export const evictedTo = (state: Retained, mark: Mark): Retained => ({
  evicted: mark.total,
  marks: state.marks.filter((other) => other.total > mark.total)
})

/** The state after the oldest events, so many, were evicted up to a cursor. */
export const evictedBy = (state: Retained, events: number, floor: Cursor): Retained => ({
  evicted: state.evicted + events,
  marks: state.marks.filter((mark) => mark.cursor > floor)
})
