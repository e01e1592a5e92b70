// Why: who changed a path last and with what authority, or why an event is there and what came of it.
import * as Effect from "effect/Effect"
import { isAbsolute, relative, resolve } from "node:path"
import type { ClientError } from "../libos/http.ts"
import type { Because } from "../protocol/approval.ts"
import { type Called, show } from "./called.ts"
import { momentOf } from "./event-line.ts"
import { NotFound } from "./failure.ts"
import { connect } from "./run-file.ts"
import { err, onErr, onOut, plain } from "./terminal.ts"

const line = ({ at, by, depth, detail, id, is, what }: Because): ReadonlyArray<string> => [
  `${"  ".repeat(depth)}${onOut.cyan(is.padEnd(7))}  ${plain(what)}  by ${plain(by)}, ${momentOf(at)}  ${onOut.dim(plain(id))}`,
  `${"  ".repeat(depth)}         ${plain(detail)}`
]

/** A path in this folder, however it is written, as seen from there. */
const inFolder = (asked: string, directory: string): string => {
  const from = relative(directory, isAbsolute(asked) ? asked : resolve(asked))
  return from === "" || from.startsWith("..") ? asked : from
}

export const why = Effect.fnUntraced(function*(called: Called, asked: string): Effect.fn.Return<void, ClientError | NotFound> {
  const client = yield* connect(called.directory)
  let found = yield* client.call("why", { query: { of: asked } })
  // The same file, as the folder of the constellation has it.
  const there = inFolder(asked, called.directory)
  if (found.because.length === 0 && there !== asked) found = yield* client.call("why", { query: { of: there } })
  if (found.because.length === 0) return yield* new NotFound({ what: `an action that touched ${asked}, or an event or request of this id` })
  yield* show(called, found, () => [
    ...found.because.flatMap(line),
    ...(found.effects.length === 0 ? [] : ["", onOut.dim("What came of it:"), ...found.effects.flatMap(line)])
  ])
  if (called.json) return
  if (found.cut) err(onErr.dim("There is more that was not followed."))
  if (found.warrant !== null) err(onErr.dim(`The whole story: aaax gate show ${found.warrant}`))
})
