// The heartbeat: who is docked, every second, on `aaax.heartbeat`. Expiries are looked at with it.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { kernelSystem } from "../../protocol/names.ts"
import { heartbeat } from "../../protocol/well-known.ts"
import { decideExpiry, nextExpiry } from "../authority/decide.ts"
import type { Journal } from "../authority/journal.ts"
import type { ChannelsService } from "../channel/channels.ts"
import type { Constellation } from "../dock/constellation.ts"
import { heartbeatMillis } from "../limits.ts"

export interface HeartbeatOptions {
  readonly kernel: string
  readonly channels: ChannelsService
  readonly journal: Journal
  readonly constellation: Constellation
}

export interface Heartbeat {
  readonly step: Effect.Effect<void>
  readonly run: Effect.Effect<never>
}

export const make = ({ channels, constellation, journal, kernel }: HeartbeatOptions): Heartbeat => {
  let jumped = false

  /** A jump of the wall clock is written down once, and expires nothing until it is confirmed. */
  const watchClock = Effect.suspend(() => {
    const millis = channels.clock.jump()
    if ((millis !== undefined) === jumped) return Effect.void
    jumped = millis !== undefined
    const kind = jumped ? "clock.jumped" : "clock.confirmed"
    return Effect.asVoid(journal.submit((_, now) => ({
      entries: [{ kind, at: now, millis: Math.round(millis ?? 0) }], answer: undefined
    })))
  })

  const expire = Effect.suspend(() => {
    const next = nextExpiry(journal.state())
    return next !== undefined && channels.clock.now() >= next ? Effect.asVoid(journal.submit(decideExpiry)) : Effect.void
  })

  const beat = Effect.suspend(() =>
    Effect.ignore(channels.append(kernelSystem, heartbeat, [{
      kind: "heartbeat",
      payload: {
        kernel_id: kernel,
        timestamp: channels.clock.now() / 1000,
        systems: constellation.ids(),
        capabilities_active: HashMap.size(journal.state().grants)
      }
    }])))

  const step = beat.pipe(Effect.andThen(watchClock), Effect.andThen(expire))
  return { step, run: Effect.forever(Effect.andThen(step, Effect.sleep(heartbeatMillis))) }
}
