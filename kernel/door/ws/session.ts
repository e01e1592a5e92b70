// A session: what one client has with the kernel, over as many connections as it takes. It holds the client's ports, its
// calls and its systems. When its connection breaks, leases are kept for a while, then given back; later it is forgotten.
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import {
  DockRefused, InvalidPayload, Overloaded, SystemExists, Denied
} from "../../../protocol/errors.ts"
import { closeCodes, type Call, type Dock } from "../../../protocol/frame.ts"
import type { ChannelId, Cursor, SystemId } from "../../../protocol/names.ts"
import type { Port } from "../../../protocol/port.ts"
import type { Settlement, Taken } from "../../../protocol/subscription.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import type { DockError, Kernel } from "../../kernel.ts"
import { remoteStopMillis, sessionSystemsMax } from "../../limits.ts"
import type { Guest } from "../guest.ts"
import { makeAsks, type Asks } from "./asks.ts"
import { makeCalls, type Calls } from "./calls.ts"
import type { Outbox } from "./outbox.ts"
import { remoteSystem, type Life } from "./remote.ts"

/** A connection, as its session sees it. */
export interface Connection {
  readonly outbox: Outbox
  readonly close: (code: number, reason: string) => void
}

export interface Session {
  readonly secret: string
  readonly guest: Guest
  readonly calls: Calls
  readonly asks: Asks
  readonly portOf: (number: number) => Port | undefined
  readonly connection: () => Connection | undefined
  /** There is nothing that another connection could go on with. */
  readonly isEmpty: () => boolean
  /** Goes on with this connection; the one before is closed. */
  readonly attach: (connection: Connection) => void
  readonly detach: (connection: Connection) => void
  readonly dock: (frame: Dock) => Effect.Effect<unknown, DockError | Denied | InvalidPayload | Overloaded>
  readonly undock: (port: number) => Effect.Effect<void>
  readonly ended: (port: number, run: number, failure: string | undefined) => void
  /** Undocks a system whose name somebody else takes. */
  readonly release: (id: SystemId) => Effect.Effect<void>
  /** Gives back what it has taken. */
  readonly lapse: Effect.Effect<void>
  /** Undocks everything; nothing of it is left. */
  readonly end: (reason: string) => Effect.Effect<void>
}

/** Who has docked which system remotely. */
export type Names = Map<SystemId, Session>

export interface SessionOptions {
  readonly kernel: Kernel
  readonly guest: Guest
  readonly secret: string
  readonly names: Names
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

interface Remote {
  readonly id: SystemId
  readonly port: Port
  readonly life: Life
  /** Tells it from another system that was docked under its name afterwards. */
  readonly dockedAt: number
}

export const makeSession = ({ fork, guest, kernel, names, secret }: SessionOptions): Session => {
  const remotes = new Map<number, Remote>()
  /** Leases of the guest's own port, by channel: it is docked beyond this session, which gives back what it took. */
  const held = new Map<ChannelId, Map<Cursor, number>>()
  let connection: Connection | undefined
  let ended: string | undefined
  let docking = 0

  const outbox = (): Outbox | undefined => connection?.outbox
  const send = (frame: string): boolean => {
    outbox()?.send(frame)
    return connection !== undefined
  }
  const portOf = (number: number): Port | undefined => (number === 0 ? guest.port : remotes.get(number)?.port)
  const asks = makeAsks(outbox)

  const settled = (channel: unknown, settlements: unknown): void => {
    const leases = held.get(channel as ChannelId) // what is no channel has no leases
    if (leases === undefined || !Array.isArray(settlements)) return
    for (const { cursor } of settlements as ReadonlyArray<Settlement>) leases.delete(cursor) // the port took them
    if (leases.size === 0) held.delete(channel as ChannelId)
  }
  const onDone = ({ args: [channel, argument], op, port = 0 }: Call, value: unknown): void => {
    if (port !== 0) return
    if (op === "settle") settled(channel, argument)
    if (op !== "take") return
    settled(channel, (argument as { readonly settle?: unknown } | undefined)?.settle) // the port took it
    for (const { epoch, event } of value as ReadonlyArray<Taken>) { // what `take` gives
      const leases = held.get(event.channel) ?? new Map<Cursor, number>()
      held.set(event.channel, leases.set(event.cursor, epoch))
    }
  }
  const calls = makeCalls({ portOf, outbox, fork, onDone })

  const isThere = ({ dockedAt, id }: Remote): boolean => kernel.systems().some((view) => view.id === id && view.dockedAt === dockedAt)
  const dropped = (number: number, remote: Remote): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (names.get(remote.id) === session) names.delete(remote.id)
      // Its code still has to say that it has ended.
      const forget = Effect.sync(() => {
        if (remotes.get(number) === remote) remotes.delete(number)
      })
      return isThere(remote) ? Effect.ensuring(kernel.undock(remote.id), forget) : forget
    })

  /** Tells the other end when somebody else has undocked it; what is quarantined may come back. */
  const watched = Effect.fnUntraced(function*(number: number, remote: Remote) {
    yield* Effect.exit(remote.port.awaitBeyond(wellKnown.heartbeat, Number.MAX_SAFE_INTEGER))
    if (remotes.get(number) !== remote || isThere(remote)) return
    if (names.get(remote.id) === session) names.delete(remote.id)
    send(JSON.stringify({ frame: "gone", port: number, reason: "it was undocked" }))
    // Its code still has to say that it has ended.
    yield* Effect.sleep(remoteStopMillis)
    if (remotes.get(number) === remote) remotes.delete(number)
  })

  /** Whether a name may be taken: from somebody who is gone, by the same guest. */
  const claim = (id: SystemId): Effect.Effect<void, SystemExists> =>
    Effect.suspend(() => {
      const holder = names.get(id)
      if (holder === undefined) return Effect.void
      const isDead = holder !== session && holder.connection() === undefined && holder.guest.system === guest.system
      return isDead ? holder.release(id) : Effect.fail(new SystemExists({ system: id }))
    })

  const dock = Effect.fnUntraced(function*(frame: Dock) {
    const { manifest, port: number } = frame
    const { id } = manifest
    // Its answer was lost with a connection.
    if (remotes.get(number)?.id === id) return { system: id }
    if (remotes.has(number)) return yield* new InvalidPayload({ what: "dock", path: "port", reason: "another system is docked behind this number" })
    if (remotes.size >= sessionSystemsMax) {
      return yield* new Overloaded({ what: "Systems of one session", limit: sessionSystemsMax, unit: "systems", retryAfterMillis: 1_000 })
    }
    const refused = guest.docking(manifest)
    if (refused !== undefined) return yield* refused
    // Whoever serves an executor says how dangerous it is, and gets what is to be done.
    if ((frame.executors?.length ?? 0) > 0 && !guest.isOperator && guest.principal.role !== "admin") {
      return yield* new Denied({ system: id, operation: "serve", target: "an executor", reason: "its token has not the role 'admin'" })
    }
    if (manifest.powers.length > 0) {
      return yield* new DockRefused({ system: id, reason: "A remote system is handed no reading power: it runs elsewhere, and reads its own files there." })
    }
    yield* claim(id)
    const made = remoteSystem({ frame, asks, send })
    const { port } = yield* kernel.dock(made.system, {
      configured: false, privileged: manifest.privileged && guest.isOperator,
      bearer: !guest.isOperator && guest.principal.epoch === undefined,
      unreachable: () => (connection === undefined ? "its connection was lost" : undefined)
    })
    const remote: Remote = { id, port, life: made.life, dockedAt: kernel.systems().find((view) => view.id === id)?.dockedAt ?? 0 }
    remotes.set(number, remote)
    names.set(id, session)
    // The session may have ended while this went on.
    if (ended !== undefined) yield* dropped(number, remote)
    else fork(watched(number, remote))
    return { system: id }
  })

  const giveBack: Effect.Effect<void> = Effect.suspend(() => {
    const all = [...held]
    held.clear()
    return Effect.forEach(all, ([channel, leases]) =>
      Effect.ignore(guest.port.settle(channel, [...leases].map(([cursor, epoch]) => ({ cursor, epoch, outcome: "nack" as const })))), { discard: true })
  })
  const lapse: Effect.Effect<void> = Effect.suspend(() => {
    calls.lapse()
    return Effect.andThen(giveBack, Effect.forEach([...remotes.values()], ({ id }) => kernel.channels.release(id), { discard: true }))
  })

  const session: Session = {
    secret,
    guest,
    calls,
    asks,
    portOf,
    connection: () => connection,
    isEmpty: () => remotes.size + docking + held.size === 0 && calls.isIdle(),
    attach: (next) => {
      const before = connection
      connection = next
      before?.close(closeCodes.replaced, "another connection goes on with this session")
      for (const { life } of remotes.values()) life.attached()
      asks.attached()
    },
    detach: (gone) => {
      if (connection === gone) connection = undefined
    },
    dock: (frame) =>
      Effect.suspend(() => {
        docking++
        return Effect.ensuring(dock(frame), Effect.sync(() => void docking--))
      }),
    undock: (number) =>
      Effect.suspend(() => {
        const remote = remotes.get(number)
        return remote === undefined ? Effect.void : dropped(number, remote)
      }),
    ended: (number, run, failure) => remotes.get(number)?.life.ended(run, failure),
    release: (id) =>
      Effect.suspend(() => {
        const found = [...remotes].find(([, remote]) => remote.id === id)
        return found === undefined ? Effect.sync(() => void names.delete(id)) : dropped(...found)
      }),
    lapse,
    end: (reason) =>
      Effect.suspend(() => {
        ended = reason
        asks.end(reason)
        return Effect.andThen(lapse, Effect.forEach([...remotes], ([number, remote]) => dropped(number, remote), { discard: true }))
      })
  }
  return session
}
