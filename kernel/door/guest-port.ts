// The port of a guest, seen through one credential: every call asks what the credential allows before the docked port
// is asked. Several credentials of one system share the port and keep their own view.
import * as Effect from "effect/Effect"
import { Denied, EventNotFound, SnapshotNotFound, Undocked, type ChannelNotFound, type StoreUnavailable } from "../../protocol/errors.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import type { Port } from "../../protocol/port.ts"
import type { Role } from "../../protocol/security.ts"
import type { Snapshot } from "../../protocol/snapshot.ts"

export interface View {
  /** Why the credential is good for nothing any more, or nothing. */
  readonly ended: () => string | undefined
  readonly refusal: (channel: ChannelId, role: Role) => Denied | ChannelNotFound | undefined
  readonly allows: (name: string, role: Role) => Denied | undefined
  /** Whether it may write at all: bytes belong to no channel before an event names them. */
  readonly mayWrite: () => Denied | undefined
  /** Calls `leave` when the credential ends while somebody waits under it; answers how to stop that. */
  readonly onEnd: (leave: (reason: string) => void) => () => void
  /** What is kept under a snapshot's name; nothing: there is none. */
  readonly snapshot: (name: string) => Effect.Effect<Pick<Snapshot, "channel" | "visibility"> | undefined, StoreUnavailable>
}

/** Where a guest acts from. It is docked when it acts for the first time, and again when it had left. */
export interface Seat {
  /** Its port, while it is docked. */
  readonly now: () => Port | undefined
  readonly arrive: Effect.Effect<Port, Undocked>
}

export const guestPort = (system: SystemId, seat: Seat, view: View): Port => {
  const gone = (reason: string): Undocked => new Undocked({ system, reason })

  const seated = <A, E>(run: (port: Port) => Effect.Effect<A, E>): Effect.Effect<A, E | Undocked> => {
    const port = seat.now()
    return port === undefined ? Effect.flatMap(seat.arrive, run) : run(port)
  }
  const call = <A, E>(run: (port: Port) => Effect.Effect<A, E>): Effect.Effect<A, E | Undocked> =>
    Effect.suspend((): Effect.Effect<A, E | Undocked> => {
      const ended = view.ended()
      return ended === undefined ? seated(run) : Effect.fail(gone(ended))
    })
  const on = <A, E>(
    channel: ChannelId, role: Role, run: (port: Port) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | Undocked | Denied | ChannelNotFound> =>
    Effect.suspend((): Effect.Effect<A, E | Undocked | Denied | ChannelNotFound> => {
      const ended = view.ended()
      if (ended !== undefined) return Effect.fail(gone(ended))
      const refused = view.refusal(channel, role)
      return refused === undefined ? seated(run) : Effect.fail(refused)
    })
  /** What may take long ends with the credential. */
  const whileGood = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Undocked> =>
    Effect.raceFirst(
      effect,
      Effect.callback<never, Undocked>((resume) => {
        const stop = view.onEnd((reason) => resume(Effect.fail(gone(reason))))
        return Effect.sync(stop)
      })
    )

  /** One that names a channel is seen by those who see the channel; another when it is public. */
  const snapshotRefusal = (
    name: string, { channel, visibility }: Pick<Snapshot, "channel" | "visibility">, role: Role
  ): Denied | ChannelNotFound | undefined =>
    channel !== null
      ? view.refusal(channel, role)
      : visibility === "public" ? view.allows(name, role) : new Denied({ system, operation: role, target: `snapshot ${name}`, reason: "it is private" })

  return Object.freeze<Port>({
    system,
    powers: Object.freeze([]),
    channels: call((port) => Effect.map(port.channels, (channels) => channels.filter(({ name }) => view.refusal(name, "read") === undefined))),
    append: (channel, drafts, options) => on(channel, "write", (port) => port.append(channel, drafts, options)),
    read: (channel, options) => on(channel, "read", (port) => port.read(channel, options)),
    texts: (channel, options) =>
      on(channel, "read", (port) => (port.texts === undefined ? Effect.succeed(undefined) : port.texts(channel, options))),
    event: (id) =>
      call((port) => Effect.flatMap(port.event(id), (event) =>
        view.refusal(event.channel, "read") === undefined ? Effect.succeed(event) : Effect.fail(new EventNotFound({ event: event.id })))),
    awaitBeyond: (channel, after, held) => on(channel, "read", (port) => whileGood(port.awaitBeyond(channel, after, held))),
    take: (channel, options) => {
      if (options?.wait !== true) return on(channel, "write", (port) => port.take(channel, options))
      return on(channel, "write", (port) =>
        Effect.flatMap(whileGood(port.take(channel, options)), (taken): ReturnType<Port["take"]> => {
          // Who waited may have lost its role meanwhile: then what came is given back.
          const refused = view.refusal(channel, "write")
          if (refused === undefined) return Effect.succeed(taken)
          const back = taken.map(({ epoch, event }) => ({ cursor: event.cursor, epoch, outcome: "nack" as const }))
          return Effect.andThen(Effect.ignore(port.settle(channel, back)), Effect.fail(refused))
        }))
    },
    settle: (channel, settlements) => on(channel, "write", (port) => port.settle(channel, settlements)),
    renew: (channel, cursor, epoch) => on(channel, "write", (port) => port.renew(channel, cursor, epoch)),
    evict: (channel, options) => on(channel, "admin", (port) => port.evict(channel, options)),
    clear: (channel, filter) => on(channel, "admin", (port) => port.clear(channel, filter)),
    remove: (channel, ids) => on(channel, "admin", (port) => port.remove(channel, ids)),
    backlog: (channel) => on(channel, "read", (port) => port.backlog(channel)),
    subscription: (name, channel, from) => on(channel, "read", (port) => port.subscription(name, channel, from)),
    advance: (name, channel, cursor) => on(channel, "read", (port) => port.advance(name, channel, cursor)),
    getSnapshot: (name) =>
      call((port) => Effect.flatMap(port.getSnapshot(name), (snapshot) =>
        snapshotRefusal(name, snapshot, "read") === undefined ? Effect.succeed(snapshot) : Effect.fail(new SnapshotNotFound({ name })))),
    putSnapshot: (draft, options) =>
      call((port) => {
        // Read once: what was checked is what is put.
        const given = { ...draft }
        const { channel = null, name } = given
        return Effect.flatMap(view.snapshot(name), (kept) => {
          const refused = snapshotRefusal(name, { channel, visibility: "public" }, "write") ??
            (kept === undefined ? undefined : snapshotRefusal(name, kept, "write"))
          if (refused === undefined) return port.putSnapshot({ ...given, visibility: "public" }, options)
          return Effect.fail(refused._tag === "Denied"
            ? refused
            : new Denied({ system, operation: "put", target: `snapshot ${String(name)}`, reason: refused.message }))
        })
      }),
    putArtifact: (bytes, mediaType) =>
      call((port): ReturnType<Port["putArtifact"]> => {
        const refused = view.mayWrite()
        return refused === undefined ? port.putArtifact(bytes, mediaType) : Effect.fail(refused)
      }),
    getArtifact: (digest, event) => {
      const { channel, cursor } = event
      return on(channel, "read", (port) => port.getArtifact(digest, { channel, cursor }))
    }
  })
}
