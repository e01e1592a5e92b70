// The journal as evidence: its entries, and whether its chain holds.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { StoreCorrupt } from "../protocol/errors.ts"
import type { Event } from "../protocol/event.ts"
import { pageEventsMax } from "../kernel/limits.ts"
import { type Called, show } from "./called.ts"
import { eventLine } from "./event-line.ts"
import { connect } from "./run-file.ts"
import { json, out, plain } from "./terminal.ts"

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

export const verify = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const report = yield* client.call("verify")
  yield* show(called, report, () =>
    report.ok
      ? [`ok  ${report.entries} entries, chain head ${report.chainHead}`]
      : [`not ok  ${report.entries} entries`, ...report.problems.map((problem) => `  ${plain(problem)}`)])
  if (!report.ok) return yield* new StoreCorrupt({ where: "the journal", reason: report.problems[0] ?? "its chain does not hold" })
})
