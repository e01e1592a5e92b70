// Appends one event as operator.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { type Called, show } from "./called.ts"
import { dataOf } from "./data.ts"
import type { UsageError } from "./failure.ts"
import { connect } from "./run-file.ts"

export interface AppendFlags {
  readonly kind?: string
  readonly key?: string
  readonly subject?: string
}

export const append = Effect.fnUntraced(function*(
  called: Called, channel: string, data: string, { key, ...draft }: AppendFlags
): Effect.fn.Return<void, ClientError | UsageError> {
  const client = yield* connect(called.directory)
  const payload = yield* dataOf(data)
  const [appended] = yield* client.call("append", {
    id: channel, payload: { events: [{ ...draft, payload }], ...(key === undefined ? {} : { key }) }
  })
  yield* show(called, appended, () => (appended === undefined ? [] : [`${channel}#${appended.cursor}  ${appended.id}`]))
})
