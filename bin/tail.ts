// Events of all channels that match, as they are, and on request as they come.
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClientError } from "../libos/http.ts"
import { ChannelNotFound } from "../protocol/errors.ts"
import { nearest } from "../protocol/names.ts"
import { patternOf } from "../protocol/routes.ts"
import { type Called, sinceOf } from "./called.ts"
import { eventLine } from "./event-line.ts"
import type { UsageError } from "./failure.ts"
import { connect } from "./run-file.ts"
import { json, out } from "./terminal.ts"

export interface TailFlags {
  readonly since?: string
  readonly after?: number
  readonly last?: number
  readonly kind?: string
  readonly follow: boolean
}

export const tail = Effect.fnUntraced(function*(
  called: Called, pattern: string, { since, follow, ...flags }: TailFlags
): Effect.fn.Return<void, ClientError | UsageError> {
  const client = yield* connect(called.directory)
  const names = (yield* client.call("channels")).map(({ name }) => name)
  // Who follows may wait for a channel that is yet to come; who does not has mistyped.
  if (!follow && !names.some((name) => patternOf(pattern).test(name))) {
    const near = nearest(pattern, names)
    return yield* new ChannelNotFound({ channel: pattern, ...(near === undefined ? {} : { nearest: near }) })
  }
  const started = since === undefined ? {} : { since: yield* sinceOf(since, (yield* client.call("status")).now) }
  yield* client.tail({ pattern, ...flags, ...started, ...(follow ? { follow: "true" as const } : {}) }).pipe(
    Stream.runForEach((event) => Effect.promise(() => out(called.json ? json(event) : eventLine(event))))
  )
})
