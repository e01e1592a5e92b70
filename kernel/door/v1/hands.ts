// What a caller can do with channels and snapshots: a guest through its own port, the operator directly. Everything that
// the operator writes is stamped `operator`; it reads what is kept, whatever a channel's delivery shows to whom.
import * as Effect from "effect/Effect"
import { ChannelNotFound, Denied, EventNotFound, SnapshotNotFound } from "../../../protocol/errors.ts"
import { nearest, type ChannelId } from "../../../protocol/names.ts"
import type { Port } from "../../../protocol/port.ts"
import { isReserved } from "../../../protocol/well-known.ts"
import * as Given from "../../dock/given.ts"
import type { Kernel } from "../../kernel.ts"
import { pageEventsDefault, pageEventsMax } from "../../limits.ts"
import type { Visitor } from "../../resource/visitor.ts"
import type { Guest } from "../guest.ts"
import { operator } from "../operator.ts"

/** Authority is asked for through `act` and the gate, never by writing into the kernel's own channels. */
const own = (channel: ChannelId, operation: string): Denied =>
  new Denied({
    system: operator, operation, target: channel, reason: "only the kernel and the systems wired to it do that there",
    how: "Use aaax act, aaax gate, aaax pause and the like."
  })

export const channelNotFound = ({ store }: Kernel["channels"], channel: ChannelId): ChannelNotFound => {
  const near = nearest(channel, store.channels().map(({ name }) => name))
  return new ChannelNotFound({ channel, ...(near === undefined ? {} : { nearest: near }) })
}

const operatorHands = (channels: Kernel["channels"], port: Port): Port => {
  const { store } = channels
  const changing = <A, E>(channel: ChannelId, operation: string, run: () => Effect.Effect<A, E>): Effect.Effect<A, E | Denied | ChannelNotFound> =>
    Effect.suspend((): Effect.Effect<A, E | Denied | ChannelNotFound> =>
      store.statisticsOf(channel) === undefined
        ? Effect.fail(channelNotFound(channels, channel))
        : isReserved(channel) ? Effect.fail(own(channel, operation)) : run())
  return {
    ...port,
    append: (channel, drafts, options) => changing(channel, "append to", () => channels.append(operator, channel, drafts, options)),
    read: (channel, { after = 0, filter, limit = pageEventsDefault } = {}) =>
      Effect.suspend(() =>
        store.statisticsOf(channel) === undefined
          ? Effect.fail(channelNotFound(channels, channel))
          : store.read(channel, { after, limit: Math.min(Math.max(limit, 1), pageEventsMax), filter })),
    texts: (channel, { after = 0, form = "event", limit = pageEventsDefault } = {}) =>
      Effect.suspend(() =>
        store.statisticsOf(channel) === undefined
          ? Effect.fail(channelNotFound(channels, channel))
          : store.texts(channel, { after, limit: Math.min(Math.max(limit, 1), pageEventsMax), form })),
    event: (id) =>
      Effect.flatMap(store.event(id), (found) => (found === undefined ? Effect.fail(new EventNotFound({ event: Given.nameOf(id) })) : Effect.succeed(found))),
    awaitBeyond: (channel, after) => channels.awaitBeyond(channel, after),
    take: (channel, options) => changing(channel, "take from", () => channels.take(operator, channel, Given.takeOptionsOf(options))),
    settle: (channel, settlements) => changing(channel, "settle in", () => channels.settle(operator, channel, settlements)),
    renew: (channel, cursor, epoch) => changing(channel, "renew in", () => channels.renew(operator, channel, cursor, epoch)),
    backlog: channels.backlog,
    evict: (channel, options) => changing(channel, "evict from", () => channels.evict(channel, options)),
    clear: (channel, filter) => changing(channel, "clear", () => channels.clear(channel, filter)),
    remove: (channel, ids) => changing(channel, "remove from", () => channels.remove(channel, ids)),
    getSnapshot: (name) =>
      Effect.flatMap(store.getSnapshot(name), (found) => (found === undefined ? Effect.fail(new SnapshotNotFound({ name })) : Effect.succeed(found))),
    putSnapshot: (draft, options) =>
      Effect.suspend((): ReturnType<Port["putSnapshot"]> => {
        if (isReserved(draft.name)) {
          return Effect.fail(new Denied({ system: operator, operation: "put", target: `snapshot ${draft.name}`, reason: "it is the kernel's own" }))
        }
        try {
          return store.putSnapshot(Given.snapshotDraftOf(draft), operator, options)
        } catch (thrown) {
          return Effect.fail(Given.refusalOf(thrown))
        }
      })
  }
}

export interface Hands {
  readonly portOf: (guest: Guest) => Port
  /** As who it asks for resources. */
  readonly visitorOf: (guest: Guest) => Visitor
}

export const handsOf = ({ channels }: Kernel): Hands => {
  // The operator's are the same for every request.
  let known: { readonly guest: Guest; readonly port: Port; readonly visitor: Visitor } | undefined
  const operatorsOf = (guest: Guest): { readonly port: Port; readonly visitor: Visitor } => {
    if (known?.guest !== guest) {
      const port = operatorHands(channels, guest.port)
      const visitor: Visitor = {
        system: operator, port, allows: () => undefined,
        refusal: (channel) => (channels.get(channel) === undefined ? channelNotFound(channels, channel) : undefined)
      }
      known = { guest, port, visitor }
    }
    return known
  }
  return {
    portOf: (guest) => (guest.isOperator ? operatorsOf(guest).port : guest.port),
    visitorOf: (guest) => (guest.isOperator ? operatorsOf(guest).visitor : guest)
  }
}
