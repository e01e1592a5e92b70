import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { followNews, type News } from "../../../kernel/door/synapse/news.ts"
import { makeCoordination } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

describe("news of coordination", () => {
  effect("goes on with the oldest entry that is left when others were let go before they were read", () => Effect.gen(function*() {
    const { kernel, seat } = yield* makeCoordination()
    const { channels } = kernel
    const ann = yield* seat("ann")
    const told: Array<unknown> = []
    let heard = (): void => undefined
    let isLate = true
    const stop = followNews({
      channels: {
        ...channels,
        // What is read late: all but the newest entry is gone by then.
        read: (system, channel, options) => {
          if (channel !== coordination.ledger || !isLate || (channels.store.statisticsOf(channel)?.events ?? 0) < 4) return channels.read(system, channel, options)
          isLate = false
          return Effect.andThen(Effect.orDie(channels.evict(channel, { maxCount: 1 })), channels.read(system, channel, options))
        }
      },
      fork: (effect) => void Effect.runFork(effect),
      tell: ({ ledger }: News) => {
        told.push(...ledger.map(({ payload }) => (payload as unknown as coordination.LedgerEntries["declared"]).task.task))
        heard()
      },
      before: () => undefined
    })
    const until = (isSo: () => boolean) => Effect.promise(async () => {
      while (!isSo()) await new Promise<void>((resolve) => (heard = resolve))
    })
    yield* ann.get({ verb: "declare", task: "p1", title: "P" })
    yield* until(() => told.includes("p1"))
    // As one batch.
    yield* channels.append("coordinator", coordination.ledger, ["p2", "p3", "p4"].map((task) => ({ kind: "declared", payload: { task: { task } } })))
    yield* until(() => told.includes("p4"))
    yield* channels.append("coordinator", coordination.ledger, [{ kind: "declared", payload: { task: { task: "p5" } } }])
    yield* until(() => told.includes("p5"))
    expect(told).toEqual(["p1", "p4", "p5"])
    stop()
  }))
})
