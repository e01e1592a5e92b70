// A kernel that starts while its disk is full: it waits for room, and goes on by itself.
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { StoreUnavailable } from "../../protocol/errors.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { makeClock } from "../../kernel/clock.ts"
import * as Memory from "../../kernel/store/memory.ts"
import type { StoreService } from "../../kernel/store/store.ts"
import { makeKernel, testTime } from "../../kernel/testing.ts"
import { effect } from "../kit/it.ts"

describe("a start on a full disk", () => {
  effect("opens the store anew until there is room for the first entry of the journal", () => Effect.gen(function*() {
    const time = testTime()
    const memory = yield* Memory.make({ clock: makeClock(time) })
    const full = "database or disk is full"
    let reopened = 0
    let reason: string | undefined
    const store: StoreService = {
      ...memory,
      append: (channel, ...rest) => {
        if (channel === wellKnown.journal && reopened === 0) reason = full
        return reason === undefined ? memory.append(channel, ...rest) : Effect.fail(new StoreUnavailable({ reason }))
      },
      stopped: () => reason,
      reopen: Effect.sync(() => {
        reopened++
        reason = undefined
      })
    }
    const kernel = yield* makeKernel({ store, time, launch: false, policy: "default" })
    expect(reopened).toBe(1)
    expect(kernel.status()).toMatchObject({ store: { stopped: null } })
    expect(kernel.status().journalHead).toBeGreaterThan(0)
  }))
})
