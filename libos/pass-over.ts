// Passing over what a reader's schema refuses: an older module may have written it, and failing at it would fail again at
// every start. It is said once.
import * as Effect from "effect/Effect"
import type { InvalidPayload } from "../protocol/errors.ts"
import type { Event } from "../protocol/event.ts"
import type { Port } from "../protocol/port.ts"

/** Events that each system was warned of, as `channel#cursor`: several readers, or one that starts again, warn once. */
const warned = new WeakMap<Port, Set<string>>()
const warnedMax = 10_000

/** Warns of an event, with the path of the mistake, unless that was done. */
export const passOver = (port: Port, event: Event, { path, reason }: InvalidPayload): Effect.Effect<undefined> =>
  Effect.suspend(() => {
    const place = `${event.channel}#${event.cursor}`
    const known = warned.get(port) ?? new Set()
    if (known.has(place)) return Effect.succeed(undefined)
    if (known.size >= warnedMax) known.clear()
    warned.set(port, known.add(place))
    const at = path === "" ? "" : ` at ${path}`
    return Effect.logWarning(`${place} is passed over: its payload is not what this reader expects${at}: ${reason}`).pipe(
      Effect.annotateLogs({ system: port.system }), Effect.as(undefined)
    )
  })
