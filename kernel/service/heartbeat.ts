// The heartbeat: who is docked, every second, on `aaax.heartbeat`. Expiries are looked at with it.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { kernelSystem } from "../../protocol/names.ts"
import { heartbeat } from "../../protocol/well-known.ts"
import { decideExpiry, nextExpiry } from "../authority/decide/expiry.ts"
import type { Journal } from "../authority/journal.ts"
import type { ChannelsService } from "../channel/channels.ts"
import type { Constellation } from "../dock/constellation.ts"
import { heartbeatMillis } from "../limits.ts"

export interface HeartbeatOptions {
  readonly kernel: string
  readonly channels: ChannelsService
  readonly journal: Journal
  readonly constellation: Constellation
  /** What else is done with each beat. */
  readonly upkeep: Effect.Effect<void>
}

export interface Heartbeat {
  readonly step: Effect.Effect<void>
  /** Takes the wall clock's word after a jump, and writes it down. Answers how far it was, or nothing: there was no jump. */
  readonly confirm: Effect.Effect<number | undefined>
  readonly run: Effect.Effect<never>
}

export const make = ({ channels, constellation, journal, kernel, upkeep }: HeartbeatOptions): Heartbeat => {
  const { clock } = channels
  let jumped = false

  const note = (kind: "clock.jumped" | "clock.confirmed", millis: number) =>
    journal.submit((_, now) => ({ entries: [{ kind, at: now, millis: Math.round(millis) }], answer: undefined }))

  /** A jump of the wall clock is written down once, and expires nothing until it is confirmed or taken back. */
  const watchClock = Effect.suspend(() => {
    const millis = clock.jump()
    if ((millis !== undefined) === jumped) return Effect.void
    jumped = millis !== undefined
    return Effect.asVoid(note(jumped ? "clock.jumped" : "clock.confirmed", millis ?? 0))
  })

  const confirm = Effect.andThen(watchClock, Effect.suspend(() => {
    const millis = clock.jump()
    if (millis === undefined) return Effect.succeed(undefined)
    clock.confirm()
    jumped = false
    return Effect.as(note("clock.confirmed", millis), Math.round(millis))
  }))

  /** Many at once fall due together after an outage; each decision takes as many as one batch holds. */
  const expire: Effect.Effect<void> = Effect.suspend(() => {
    const next = nextExpiry(journal.state())
    return next !== undefined && clock.now() >= next ? Effect.andThen(journal.submit(decideExpiry), expire) : Effect.void
  })

  const beat = Effect.suspend(() =>
    Effect.ignore(channels.append(kernelSystem, heartbeat, [{
      kind: "heartbeat",
      payload: {
        kernel_id: kernel,
        timestamp: clock.now() / 1000,
        systems: constellation.ids(),
        capabilities_active: HashMap.size(journal.state().grants)
      }
    }])))

  const step = beat.pipe(Effect.andThen(watchClock), Effect.andThen(expire), Effect.andThen(upkeep))
  const beatOnce = Effect.catchCause(step, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.logError("a heartbeat failed", cause))
  return { step, confirm, run: Effect.forever(Effect.andThen(beatOnce, Effect.sleep(heartbeatMillis))) }
}
