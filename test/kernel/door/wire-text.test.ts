import { describe, expect, it } from "vitest"
import { eventText } from "../../../kernel/door/sssn/wire.ts"
import { wireText } from "../../../kernel/door/sssn/wire-text.ts"
import type { Event } from "../../../protocol/event.ts"
import { makeRandom } from "../../kit/random.ts"

const tricky = [
  'a', "ü🌍", '"', "\\", '\\"', ',"source":', ',"timestamp":5', ',"metadata":{}', ',"schema":null,"metadata":{}', ',"correlationId":null,"parentIds":[]', "}", "{\"a\":1}", "\u2028", "\\\\\"", ""
]

describe("the text of an event on the wire", () => {
  it("is the same whether the event was parsed or not, whatever its parts look like", () => {
    const { chance, int, pick } = makeRandom(3)
    const json = (depth: number): unknown => {
      if (depth === 0 || chance(0.4)) return pick([null, true, 0, -1.5, 1e300, ...tricky])
      return chance(0.5)
        ? Array.from({ length: int(4) }, () => json(depth - 1))
        : Object.fromEntries(Array.from({ length: int(4) }, () => [pick([...tricky, "source", "metadata", "timestamp", "schema", "correlationId", "parentIds", "labels"]), json(depth - 1)]))
    }
    for (let round = 0; round < 3_000; round++) {
      const event: Event = {
        id: pick(["e1", "a?b", 'q"uote']), channel: pick(["c", 'ch"an', "kind"]), cursor: int(1_000), recordedAt: 1_750_000_000_000 + int(9), sender: pick(["s", "a/b"]),
        kind: pick(["event", 'k"', "source"]), payload: json(3) as Event["payload"], source: chance(0.3) ? pick(tricky) : null, timestamp: pick([1.5, -3, 0, 1_750_000_000.123]),
        schema: chance(0.3) ? pick(tricky) : null, metadata: chance(0.3) ? Object.fromEntries([[pick(tricky), json(2) as Event["payload"]]]) : {},
        correlationId: chance(0.3) ? pick(tricky) : null, parentIds: Array.from({ length: chance(0.3) ? int(3) : 0 }, () => pick(tricky)),
        recipient: chance(0.2) ? pick(tricky) : null, subject: chance(0.2) ? pick(tricky) : null, labels: Array.from({ length: chance(0.2) ? 2 : 0 }, () => pick(tricky)),
        traceparent: chance(0.2) ? pick(tricky) : null
      }
      const wire = eventText(event)
      expect(wireText(JSON.stringify(event))).toBe(wire)
      expect(JSON.parse(wire)).toEqual({
        id: event.id, cursor: event.cursor, channel: event.channel, timestamp: event.timestamp, source: event.source, kind: event.kind, payload: event.payload,
        schema: event.schema, metadata: event.metadata, correlation_id: event.correlationId, parent_ids: event.parentIds
      })
    }
  })
})
