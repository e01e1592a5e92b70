// What tests of a store are written with: a channel, a draft, and effects as test bodies.
import { Effect, type Scope } from "effect"
import { it } from "vitest"
import { channelOf, type Channel, type ChannelSpec } from "../../protocol/channel.ts"
import type { Draft } from "../../protocol/event.ts"
import { prepare } from "../../kernel/store/codec.ts"
import type { Prepared } from "../../kernel/store/store.ts"

/** A test whose body is an effect with a scope of its own. A failure of the effect fails the test. */
export const effect = (name: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>): void =>
  it(name, () => Effect.runPromise(Effect.scoped(Effect.suspend(body)).pipe(Effect.asVoid)))

export const channel = (name: string, spec: Omit<ChannelSpec, "name"> = {}): Channel => channelOf({ name, ...spec }, "tester")

export const prepared = (channel: Channel, ...drafts: ReadonlyArray<Draft>): ReadonlyArray<Prepared> =>
  drafts.map((draft) => prepare(draft, "tester", channel))

/** Numbered payloads from `from` up to, but without, `to`. */
export const numbered = (channel: Channel, from: number, to: number): ReadonlyArray<Prepared> =>
  prepared(channel, ...Array.from({ length: to - from }, (_, at) => ({ payload: from + at })))
