// Before "allow this for ten minutes": how many of the newest actions it would have matched, and how many of those had asked.
import * as Effect from "effect/Effect"
import type { Standing, StandingPreview } from "../../../protocol/approval.ts"
import { pageEventsMax, previewActions, previewEntriesMax } from "../../limits.ts"
import { shapeOf } from "../decide/standing.ts"
import { entryOf } from "../entry.ts"
import type { Journal } from "../journal.ts"
import { isFor } from "../state/standing.ts"

const examplesMax = 10

/** Reads the journal back from its head, page by page, until so many actions were seen. */
export const preview = Effect.fnUntraced(function*(journal: Journal, standing: Standing): Effect.fn.Return<StandingPreview> {
  let looked = 0
  let matched = 0
  let newly = 0
  const examples: Array<StandingPreview["examples"][number]> = []
  const head = journal.state().cursor
  for (let before = head, read = 0; before > 0 && looked < previewActions && read < previewEntriesMax; ) {
    const after = Math.max(0, before - pageEventsMax)
    const events = (yield* Effect.orDie(journal.read(after, pageEventsMax))).filter(({ cursor }) => cursor <= before)
    for (let at = events.length - 1; at >= 0 && looked < previewActions; at--) {
      const entry = entryOf(events[at]!)
      if (entry.kind !== "action.decided") continue
      looked++
      const { warrant } = entry
      if (!isFor(standing, shapeOf(warrant))) continue
      matched++
      const asked = warrant.state === "escalated"
      if (asked) newly++
      if (examples.length < examplesMax) examples.push({ id: warrant.id, at: entry.at, action: warrant.action, target: warrant.target, risk: warrant.risk, newly: asked })
    }
    read += pageEventsMax
    before = after
  }
  return { standing, looked, matched, newly, examples }
})
