// The text of a whole event, made from what is kept of it: the same as parsing and serialising it gives.
import { describe, expect, it } from "vitest"
import { eventText } from "../../../kernel/door/sssn/wire.ts"
import { endsWithPayload, fullText, portableText } from "../../../kernel/store/full-text.ts"
import { parseEvent, prepare } from "../../../kernel/store/codec.ts"
import { channelOf } from "../../../protocol/channel.ts"
import type { Draft } from "../../../protocol/event.ts"
import { makeRandom } from "../../kit/random.ts"

const channel = channelOf({ name: 'a"b' }, "owner")

/** What the store keeps of a draft. */
const keptOf = (draft: Draft, sender: string): string => `{"id":${JSON.stringify(draft.id ?? "01")},${prepare(draft, sender, channel).text}}`

const same = (draft: Draft, sender = "ada"): void => {
  const kept = keptOf(draft, sender)
  expect(fullText(kept, channel.name, 7, 1_750_000_000_123, endsWithPayload(kept))).toBe(JSON.stringify(parseEvent(kept, channel.name, 7, 1_750_000_000_123)))
  expect(portableText(kept, channel.name, 7, 1_750_000_000_123, endsWithPayload(kept))).toBe(eventText(parseEvent(kept, channel.name, 7, 1_750_000_000_123)))
}

describe("the text of a whole event", () => {
  it("has every member, given or not", () => {
    same({})
    same({ kind: "note", payload: null })
    same({ payload: { a: 1 } })
    same({
      id: "x", kind: "k", payload: "p", source: "s", timestamp: 1.5, schema: "sch", metadata: { a: [1, { b: "}" }] }, correlationId: "c",
      parentIds: ["p1", "p2"], recipient: "r", subject: "sub", labels: ["l"], traceparent: "t"
    })
    same({ traceparent: "t" })
    same({ labels: ["l"] })
    same({ timestamp: -1e21 })
  })

  it("is not misled by what a payload looks like", () => {
    for (const payload of [
      '","source":"x', { source: "x", "},": ["{", "[", '"', "\\", '\\"', "\\\\"] }, ["}]", '\\\\"', ""], "\\", "\\\\", '\\"', 0, -1, 1e300, true, false, [], {}, [[[]]],
      { "": { "": "" } }, "\u2028\u0000é𝄞"
    ]) same({ payload, subject: '"}' })
    same({ id: 'i"d', payload: 1 }, 'se"nder')
  })

  it("is the same for thousands of events of every shape", () => {
    const random = makeRandom(11)
    const words = ["", "a", '"', "\\", "}", "{", "]", ",", ':"', "\n", "é", '\\"', ',"kind":"x"']
    const word = (): string => Array.from({ length: random.int(4) }, () => words[random.int(words.length)]).join("")
    const value = (depth: number): unknown => {
      switch (random.int(depth > 3 ? 4 : 6)) {
        case 0: return word()
        case 1: return random.int(1_000) / 7
        case 2: return random.int(2) === 0
        case 3: return null
        case 4: return Array.from({ length: random.int(4) }, () => value(depth + 1))
        default: return Object.fromEntries(Array.from({ length: random.int(4) }, () => [word(), value(depth + 1)]))
      }
    }
    const maybe = <A>(make: () => A): A | undefined => (random.int(2) === 0 ? make() : undefined)
    for (let at = 0; at < 3_000; at++) {
      const given = {
        kind: maybe(() => `k${random.int(9)}`), payload: maybe(() => value(0)), source: maybe(word), timestamp: maybe(() => random.int(1e9) / 3),
        schema: maybe(word), metadata: maybe(() => ({ [word()]: value(1) })), correlationId: maybe(() => "c"), parentIds: maybe(() => ["p"]),
        recipient: maybe(() => "r/s"), subject: maybe(word), labels: maybe(() => [word()]), traceparent: maybe(word)
      }
      same(Object.fromEntries(Object.entries(given).filter(([, member]) => member !== undefined)))
    }
  })
})
