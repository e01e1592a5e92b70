// What each creator has used: counted from its records, and remembered for those that were seen last.
import * as Effect from "effect/Effect"
import type { StoreCorrupt } from "../../protocol/errors.ts"
import type { Cursor, SystemId } from "../../protocol/names.ts"
import { pageEventsMax, talliesMax } from "../limits.ts"
import type { Records } from "./records.ts"

export interface Use {
  readonly count: number
  /** Sum of what `sizeOf` says of each. */
  readonly size: number
}

/** Answers what a creator has used up to now. */
export const makeTally = <A>(
  records: Records<A>, sizeOf: (record: A) => number
): ((creator: SystemId) => Effect.Effect<Use, StoreCorrupt>) => {
  /** Least recently asked for first. */
  const known = new Map<SystemId, Use & { readonly after: Cursor }>()
  return Effect.fnUntraced(function*(creator) {
    let use = known.get(creator) ?? { count: 0, size: 0, after: 0 }
    for (;;) {
      const { isEnd, next, records: page } = yield* records.list(use.after, pageEventsMax, { recipient: creator })
      use = { count: use.count + page.length, size: page.reduce((sum, record) => sum + sizeOf(record), use.size), after: next }
      if (isEnd) break
    }
    known.delete(creator)
    known.set(creator, use)
    const [oldest] = known.keys()
    if (known.size > talliesMax && oldest !== undefined) known.delete(oldest)
    return use
  })
}
