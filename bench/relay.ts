// The relay: what twelve frames of one session cost as lines, in bytes and in tokens, and how fast lines are made. And where fifteen
// prompts go by their tiers. What the short form leaves out is told apart: a field that is gone is no saving.
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { encodeLite, encodeLossless, type Frame } from "../modules/relay/codec.ts"
import { classify, tiers } from "../modules/worker/routing.ts"
import { inTurns, timed } from "./measure.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"

/** Committed beside the benchmarks, so that everybody counts the same. */
const committed = (name: string): unknown => JSON.parse(readFileSync(join(process.cwd(), "bench/prompts", name), "utf8"))

const bytesOf = (lines: ReadonlyArray<string>): number => lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)

/** No model's own count, but the same for all forms: up to five letters, up to three digits, or one other sign are a token. */
const tokensOf = (lines: ReadonlyArray<string>): number => lines.reduce((sum, line) => sum + (line.match(/\p{L}{1,5}|\d{1,3}|[^\s\p{L}\d]/gu)?.length ?? 0), 0)

const kept = ["sender", "target", "type", "payload", "timestamp", "hub_id", "msg_id"]

const sizes = (frames: ReadonlyArray<Frame>): ReadonlyArray<Row> => {
  const whole = frames.map((frame) => JSON.stringify(frame))
  const seven = frames.map((frame) => JSON.stringify(Object.fromEntries(kept.map((name) => [name, frame[name] ?? 0]))))
  const lite = frames.map((frame) => JSON.stringify(encodeLite(frame, 0)))
  const lossless = frames.map((frame) => JSON.stringify(encodeLossless(frame)))
  const one = (id: string, what: string, lines: ReadonlyArray<string>, like: ReadonlyArray<string>, note: string): Row =>
    row({
      id, what, unit: "bytes", lowerIsBetter: true, figure: bytesOf(lines), baselines: { frames: bytesOf(whole), "same fields": bytesOf(like) },
      ratios: { frames: bytesOf(lines) / bytesOf(whole), "same fields": bytesOf(lines) / bytesOf(like) }, floor: { of: "same fields", bar: 0.95 },
      others: { tokens: tokensOf(lines), framesTokens: tokensOf(whole), sameFieldsTokens: tokensOf(like) }, note
    })
  const gone = Math.round((1 - bytesOf(seven) / bytesOf(whole)) * 100)
  return [
    one("relay/lossless", "twelve frames as lossless lines", lossless, whole, "nothing is left out; saved are bytes, no tokens"),
    one("relay/lite", "twelve frames as short lines", lite, seven, `${gone} % of the frames' bytes are fields that it leaves out: they are gone, not saved`)
  ]
}

const speed = Effect.fnUntraced(function*(frames: ReadonlyArray<Frame>, { count, rounds }: Sized) {
  const turns = count(20_000, 10)
  const loop = (make: (frame: Frame) => unknown): Effect.Effect<void> => Effect.sync(() => {
    let length = 0
    for (let turn = 0; turn < turns; turn++) for (const frame of frames) length += JSON.stringify(make(frame)).length
    if (length === 0) throw new Error("expected lines")
  })
  const measured = yield* inTurns(rounds, {
    ours: timed(turns * frames.length, loop(encodeLossless)), stringify: timed(turns * frames.length, loop((frame) => frame))
  })
  return rowOf(measured, "rate", { id: "relay/encode", what: "lossless lines made", floor: { of: null, bar: 20_000 } })
})

const routing = (): Row => {
  const prompts = committed("routing.json") as ReadonlyArray<{ readonly prompt: string }>
  const others = Object.fromEntries(tiers.map((tier) => [tier, prompts.filter(({ prompt }) => classify(prompt) === tier).length]))
  return row({ id: "relay/routing", what: "prompts by tier", unit: "prompts", figure: prompts.length, others, note: "a distribution, not a speed: rule answers at once, heavy asks the large model" })
}

export const relay = Effect.fnUntraced(function*(sized: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown> {
  const frames = committed("frames.json") as ReadonlyArray<Frame>
  return [...sizes(frames), yield* speed(frames, sized), routing()]
})
