// Appends one event as operator.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { type Called, show } from "./called.ts"
import { dataOf, jsonOf } from "./data.ts"
import { UsageError } from "./failure.ts"
import { connect } from "./run-file.ts"

export interface AppendFlags {
  readonly kind?: string
  readonly key?: string
  readonly subject?: string
  readonly source?: string
  readonly schema?: string
  readonly timestamp?: number
  /** A JSON object. */
  readonly metadata?: string
  readonly correlationId?: string
  readonly parentId: ReadonlyArray<string>
}

const metadataOf = (text: string | undefined): Effect.Effect<{ readonly metadata?: Readonly<Record<string, unknown>> }, UsageError> =>
  text === undefined
    ? Effect.succeed({})
    : Effect.flatMap(jsonOf(text, "--metadata"), (metadata) =>
      typeof metadata === "object" && metadata !== null && !Array.isArray(metadata)
        ? Effect.succeed({ metadata: metadata as Readonly<Record<string, unknown>> }) // a JSON object has text for keys
        : Effect.fail(new UsageError({ reason: "--metadata wants a JSON object." })))

export const append = Effect.fnUntraced(function*(
  called: Called, channel: string, data: string, { key, metadata, parentId, ...draft }: AppendFlags
): Effect.fn.Return<void, ClientError | UsageError> {
  const client = yield* connect(called.directory)
  const payload = yield* dataOf(data)
  const event = { ...draft, ...(yield* metadataOf(metadata)), ...(parentId.length === 0 ? {} : { parentIds: parentId }), payload }
  const [appended] = yield* client.call("append", { id: channel, payload: { events: [event], ...(key === undefined ? {} : { key }) } })
  yield* show(called, appended, () => (appended === undefined ? [] : [`${channel}#${appended.cursor}  ${appended.id}`]))
})
