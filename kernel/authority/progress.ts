// How far a call has come, told to its requester on `aaax.progress`: in order, in memory, and never at the cost of the call.
import * as Effect from "effect/Effect"
import type { Draft } from "../../protocol/event.ts"
import { kernelSystem } from "../../protocol/names.ts"
import type { Warrant } from "../../protocol/warrant.ts"
import { progress } from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import type { Redaction } from "../guard/redaction.ts"
import { batchEventsMax, progressTextMax, progressWaitingMax } from "../limits.ts"

/** Says one more thing. What is no JSON, or too much of it, is left out: the result will say everything. */
export type Tell = (value: unknown) => void

/** A secret may be cut in two by the pieces of a text: what could be a part of one is struck out as well. */
const struck = (value: unknown, redaction: Redaction | undefined): unknown => {
  if (redaction === undefined || redaction.isIdle()) return value
  const whole = redaction.json(value)
  if (typeof whole !== "object" || whole === null || Array.isArray(whole)) return whole
  return Object.fromEntries(Object.entries(whole).map(([key, inner]) => [key, typeof inner === "string" ? redaction.cut(inner) : inner]))
}

export const makeProgress = (channels: ChannelsService, redaction: Redaction | undefined) => (warrant: Pick<Warrant, "id" | "system">): Tell => {
  let waiting: Array<Draft> = []
  let isBusy = false
  const flush = (): void => {
    if (isBusy || waiting.length === 0) return
    isBusy = true
    const batch = waiting.slice(0, batchEventsMax)
    waiting = waiting.slice(batch.length)
    Effect.runFork(Effect.ignoreCause(channels.append(kernelSystem, progress, batch))).addObserver(() => {
      isBusy = false
      flush()
    })
  }
  return (value) => {
    let text: string | undefined
    try {
      text = JSON.stringify(struck(value, redaction))
    } catch {
      return
    }
    if (text === undefined || text.length > progressTextMax || waiting.length >= progressWaitingMax) return
    waiting.push({ kind: "action_progress", payload: { value: JSON.parse(text) as NonNullable<Draft["payload"]> }, recipient: warrant.system, correlationId: warrant.id }) // it is JSON
    flush()
  }
}
