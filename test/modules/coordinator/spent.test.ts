import { coordination, type ChannelId } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { spentMillis, spentTextMax } from "../../../modules/coordinator/limits.ts"
import { Spent } from "../../../modules/coordinator/spent.ts"
import { makeCoordination } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

describe("what was asked and answered", () => {
  it("goes when it is much and was there for a while, but for what came since some went last", () => {
    const spent = new Spent()
    expect(spent.add(3, spentTextMax, 1)).toBeUndefined()
    expect(spent.add(2, 0, spentMillis)).toBe(5)
    expect(spent.add(4, spentTextMax, 2 * spentMillis - 1)).toBeUndefined()
    expect(spent.add(1, 1, 2 * spentMillis)).toBe(5)
    expect(spent.add(9, spentTextMax - 1, 9 * spentMillis)).toBeUndefined()
  })

  effect("[D16] is held for a while, however much of it there is", () => Effect.gen(function*() {
    const { kernel, seat } = yield* makeCoordination()
    const { port } = yield* seat("ann")
    const statisticsOf = (channel: ChannelId) => kernel.channels.store.statisticsOf(channel) ?? { head: 0, events: 0 }
    const ask = (payload: coordination.Ask) => Effect.gen(function*() {
      const { head } = statisticsOf(coordination.replies)
      yield* port.append(coordination.requests, [{ payload }])
      yield* port.awaitBeyond(coordination.replies, head)
    })
    const often = (payload: coordination.Ask) => Effect.gen(function*() {
      for (let at = 0; at < 80; at++) {
        yield* ask(payload)
        if (at % 20 === 0) kernel.time.advance(spentMillis)
      }
    })
    for (let at = 0; at < 40; at++) yield* ask({ verb: "send", target: "nobody", payload: "x".repeat(16_000) })
    yield* often({ verb: "history" })
    expect(statisticsOf(coordination.replies).events).toBeLessThan(80)
    yield* often({ verb: "send", target: "nobody", payload: "x".repeat(800_000) })
    expect(statisticsOf(coordination.requests).events).toBeLessThan(80)
  }))
})
