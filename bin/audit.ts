// The entries of the journal.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import type { Event } from "../protocol/event.ts"
import { pageEventsMax } from "../kernel/limits.ts"
import type { Called } from "./called.ts"
import { eventLine } from "./event-line.ts"
import { connect } from "./run-file.ts"
import { json, out } from "./terminal.ts"

export const audit = Effect.fnUntraced(function*(
  called: Called, flags: { readonly after?: number; readonly last: number }
): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const { journalHead } = yield* client.call("status")
  let after = flags.after ?? Math.max(0, journalHead - flags.last)
  while (true) {
    const entries: ReadonlyArray<Event> = yield* client.call("audit", { query: { after, limit: pageEventsMax } })
    for (const entry of entries) yield* Effect.promise(() => out(called.json ? json(entry) : eventLine(entry)))
    const last = entries.at(-1)
    if (last === undefined || entries.length < pageEventsMax) return
    after = last.cursor
  }
})
