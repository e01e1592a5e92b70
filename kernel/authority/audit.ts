// The audit: the journal read as evidence. Verifies that every entry follows from the one before it.
import * as Effect from "effect/Effect"
import type { AuditReport } from "../../protocol/view.ts"
import { pageEventsMax } from "../limits.ts"
import { entryOf } from "./entry.ts"
import type { Journal } from "./journal.ts"

const problemsMax = 20

/** Reads the whole journal and checks hashes, order of time and order of boots. */
export const verify = (journal: Journal): Effect.Effect<AuditReport> =>
  Effect.gen(function*() {
    const problems: Array<string> = []
    const note = (problem: string): void => {
      if (problems.length < problemsMax) problems.push(problem)
    }
    let chain = ""
    let cursor = 0
    let entries = 0
    let firstCursor = 0
    let boot = 0
    for (;;) {
      const page = yield* Effect.result(journal.read(cursor, pageEventsMax))
      if (page._tag === "Failure") {
        note(page.failure.message)
        break
      }
      if (page.success.length === 0) break
      for (const event of page.success) {
        const { hash, prev } = event.metadata
        if (prev !== chain) note(`#${event.cursor} does not name the entry before it`)
        if (hash !== journal.hashOf(chain, event)) note(`#${event.cursor} was changed: its hash does not match its content`)
        const entry = entryOf(event)
        if (entry.kind === "kernel.booted") {
          if (entry.boot !== boot + 1) note(`#${event.cursor} says boot ${entry.boot} after boot ${boot}`)
          boot = entry.boot
        }
        // Go on from what is written, so that one change is told once.
        chain = typeof hash === "string" ? hash : ""
        cursor = event.cursor
        firstCursor ||= cursor
        entries++
      }
    }
    const { chain: expected, cursor: head } = journal.state()
    if (problems.length === 0 && cursor === head && chain !== expected) note("the newest entry is not the one that the kernel wrote last")
    if (cursor < head) note(`entries after #${cursor} are missing, the kernel has written up to #${head}`)
    return { ok: problems.length === 0, entries, chainHead: chain, firstCursor, head: cursor, problems }
  })
