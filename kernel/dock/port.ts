// The in-process port: stamps the sender, checks wiring and admission, and suspends a paused system at its next call.
// The port object is the capability; nothing in a payload can make it speak for another.
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Artifact } from "../../protocol/artifact.ts"
import type { Channel } from "../../protocol/channel.ts"
import {
  ArtifactNotFound, ChannelNotFound, Denied, EventNotFound, type InvalidPayload, Overloaded, SnapshotNotFound, TooLarge, Undocked, type AppendError,
  type SnapshotConflict, type StoreCorrupt, type StoreUnavailable
} from "../../protocol/errors.ts"
import type { Appended, Draft } from "../../protocol/event.ts"
import { nearest, type ChannelId, type SystemId } from "../../protocol/names.ts"
import type { AppendOptions, Port, TakeOptions } from "../../protocol/port.ts"
import type { ReadingPower } from "../../protocol/power.ts"
import type { ChannelSecurity, Principal, Role } from "../../protocol/security.ts"
import type { Snapshot } from "../../protocol/snapshot.ts"
import type { Settlement, Subscription, Taken } from "../../protocol/subscription.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import type { ChannelsService, SettleFailure, TakeFailure } from "../channel/channels.ts"
import { makeGauge, type Gauge, type PendingRequests } from "../guard/admission.ts"
import { securityRefusal } from "../guard/channel-security.ts"
import { notWired, roles, type Direction, type Wiring } from "../guard/wiring.ts"
import { artifactBytesMax, snapshotTextMax, subscriptionsMax } from "../limits.ts"
import { toText } from "../store/codec.ts"
import * as Given from "./given.ts"

export interface PortOptions {
  readonly system: SystemId
  readonly wiring: Wiring
  /** Names of the snapshots that it may put; `any`: whoever holds the port checks. */
  readonly snapshots: ReadonlyArray<string> | "any"
  /** The security of a channel that has one of its own. */
  readonly securityOf: (channel: ChannelId) => ChannelSecurity | undefined
  readonly powers: ReadonlyArray<ReadingPower>
  readonly channels: ChannelsService
  readonly pending: PendingRequests
  /** Names the system whose code goes on, for the watchdog. */
  readonly entered: (system: SystemId) => void
}

export interface PortControl {
  readonly port: Port
  readonly pause: () => void
  readonly resume: () => void
  /** Takes the port back: every call fails from now on, those that wait for something included. */
  readonly close: (reason: string) => void
  /** Gives a port back that was only taken for a while. */
  readonly reopen: () => void
  /** For drain: refuses to take new work, lets the rest go on. */
  readonly refuseWork: () => void
}

const requestChannels: ReadonlySet<ChannelId> = new Set([
  wellKnown.capabilityRequest, wellKnown.actionGate, wellKnown.moduleLoader, wellKnown.lifecycle
])

/** Whether a JSON value names this artifact anywhere. */
const names = (value: unknown, digest: string): boolean => {
  if (typeof value === "string") return value === digest
  if (typeof value !== "object" || value === null) return false
  return Object.values(value).some((member) => names(member, digest))
}

/** What is handed out is nobody's way into the kernel's own tables. */
const copyOf = (channel: Channel): Channel => structuredClone(channel)

export const makePort = (options: PortOptions): PortControl => {
  const { channels, entered, pending, snapshots, system, wiring } = options
  const { store } = channels
  const principal: Principal = { id: system }
  const gauge = makeGauge()
  const withGauge = { gauge }
  const running = Latch.makeUnsafe(true)
  let paused = false
  let closed: Undocked | undefined
  let takesWork = true

  const refusal = (channel: ChannelId, direction: Direction): Denied | ChannelNotFound | undefined => {
    const wire = wiring.get(channel)
    if (wire === undefined) {
      return wiring.hides !== true && channels.get(channel) !== undefined
        ? notWired(system, wiring, channel, direction)
        : unknownChannel(channel)
    }
    const security = options.securityOf(channel)
    // Who provides a channel brings its security along, and decides about it.
    if (security === undefined || wire.admin) return wire[direction] ? undefined : notWired(system, wiring, channel, direction)
    return wire[direction] || direction === "admin"
      ? securityRefusal(security, principal, channel, roles[direction])
      : notWired(system, wiring, channel, direction)
  }
  const unknownChannel = (given: ChannelId): ChannelNotFound => {
    const channel = Given.nameOf(given)
    const near = wiring.hides === true ? undefined : nearest(channel, wiring.keys())
    return new ChannelNotFound({ channel, ...(near === undefined ? {} : { nearest: near }) })
  }

  const goOn = <A>(value: A): A => {
    entered(system)
    return value
  }
  /** Every call comes through here: closed ports fail, paused systems wait, and then its code goes on. */
  const call = <A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E | Undocked> => {
    const attempt: Effect.Effect<A, E | Undocked> = Effect.suspend(() => {
      if (closed !== undefined) return Effect.fail(closed)
      if (paused) return Effect.flatMap(running.await, () => attempt)
      return run()
    })
    // A system that was paused while it waited stays suspended when the answer is there.
    return Effect.flatMap(attempt, (value): Effect.Effect<A, Undocked> =>
      paused && closed === undefined
        ? Effect.map(running.await, () => goOn(value))
        : Effect.succeed(goOn(value)))
  }
  const wired = <A, E>(
    channel: ChannelId, direction: Direction, run: () => Effect.Effect<A, E>
  ): Effect.Effect<A, E | Undocked | Denied | ChannelNotFound> =>
    call((): Effect.Effect<A, E | Denied | ChannelNotFound> => {
      const refused = refusal(channel, direction)
      return refused === undefined ? run() : Effect.fail(refused)
    })
  /** What `read` makes of the caller's data, or the refusal that it throws. */
  const given = <G, A, E>(read: () => G, use: (value: G) => Effect.Effect<A, E>): Effect.Effect<A, E | InvalidPayload> => {
    let value: G
    try {
      value = read()
    } catch (thrown) {
      return Effect.fail(Given.refusalOf(thrown))
    }
    return use(value)
  }

  /** What waits for long is answered here: a paused system stays suspended, and then its code goes on. */
  const passOn = <A, E>(resume: (effect: Effect.Effect<A, E>) => void): ((effect: Effect.Effect<A, E>) => void) => (effect) => {
    if (paused && closed === undefined) return resume(Effect.flatMap(running.await, () => Effect.suspend(() => goOn(effect))))
    entered(system)
    resume(effect)
  }

  /** Counts requests until they are answered. A repeated one (same key) has been counted before. */
  const asRequests = (
    channel: ChannelId, count: number, append: Effect.Effect<ReadonlyArray<Appended>, AppendError>
  ): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
    const overloaded = pending.enter(system, count)
    if (overloaded !== undefined) return Effect.fail(overloaded)
    const head = store.statisticsOf(channel)?.head ?? 0
    // Who is interrupted here may have asked all the same: the count follows the append and not the one who waits for it.
    return Effect.uninterruptible(Effect.onExit(append, (exit) => {
      if (exit._tag === "Failure") for (let at = 0; at < count; at++) pending.answered(system)
      else for (const { cursor } of exit.value) if (cursor <= head) pending.answered(system)
      return Effect.void
    }))
  }

  /** What only a channel's owner may do, and a guest with `admin`; with the kernel's own channels nobody. */
  const hosting = <G, A, E>(
    channel: ChannelId, read: () => G, use: (value: G) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | Undocked | Denied | ChannelNotFound | InvalidPayload> =>
    wired(channel, "admin", (): Effect.Effect<A, E | Denied | InvalidPayload> =>
      wellKnown.isReserved(channel)
        ? Effect.fail(new Denied({ system, operation: "administrate", target: channel, reason: "it is the kernel's own" }))
        : given(read, use))

  /** The subscription that is there, or whether there is room for another one. */
  const subscriptionFor = (name: string, channel: ChannelId): Subscription | Overloaded | undefined => {
    const held = store.subscription(system, name, channel)
    if (held !== undefined || store.subscriptions(system).length < subscriptionsMax) return held
    return new Overloaded({ what: "Subscriptions of one system", limit: subscriptionsMax, unit: "subscriptions", retryAfterMillis: 60_000 })
  }

  /** Two calls for each item of each queue: one effect each, and no closures in between. */
  const take: Port["take"] = (channel, takeOptions) =>
    Effect.callback<ReadonlyArray<Taken>, TakeFailure | Denied | InvalidPayload | Undocked>((resume) => {
      if (closed !== undefined) return resume(Effect.fail(closed))
      if (paused) return resume(Effect.flatMap(running.await, () => take(channel, takeOptions)))
      const refused = refusal(channel, "take") ?? (takesWork ? undefined : new Denied({
        system, operation: "take from", target: channel, reason: "it is draining and takes no new work"
      }))
      if (refused !== undefined) return resume(Effect.fail(refused))
      let checked: TakeOptions
      try {
        checked = Given.takeOptionsOf(takeOptions)
      } catch (thrown) {
        return resume(Effect.fail(Given.refusalOf(thrown)))
      }
      const cancel = channels.beginTake(system, channel, checked, passOn(resume))
      return cancel === undefined ? undefined : Effect.sync(cancel)
    })

  /** What the security of a channel says of a snapshot that names it. Without one a snapshot is not bound by wiring. */
  const snapshotRefusal = (channel: ChannelId | null | undefined, operation: Role): Denied | undefined => {
    const security = channel === null || channel === undefined ? undefined : options.securityOf(channel)
    if (security === undefined || channel === null || channel === undefined || wiring.get(channel)?.admin === true) return undefined
    return securityRefusal(security, principal, channel, operation)
  }

  /** Who waited may have lost its role meanwhile: then what came is given back. */
  const stillMine = (channel: ChannelId, taking: ReturnType<Port["take"]>): ReturnType<Port["take"]> =>
    Effect.flatMap(taking, (taken): ReturnType<Port["take"]> => {
      const refused = refusal(channel, "take")
      if (refused === undefined) return Effect.succeed(taken)
      const back = taken.map(({ epoch, event }): Settlement => ({ cursor: event.cursor, epoch, outcome: "nack" }))
      return Effect.andThen(Effect.ignore(channels.settle(system, channel, back)), Effect.fail(refused))
    })

  const append: Port["append"] = (channel, drafts, appendOptions) =>
    wired(channel, "append", (): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
      if (appendOptions === undefined && !requestChannels.has(channel)) return channels.append(system, channel, drafts, { gauge })
      return given(() => ({ ...Given.appendOptionsOf(appendOptions ?? {}), gauge }), (checked) =>
        requestChannels.has(channel)
          ? given(() => Given.draftsOf(drafts), (list) => asRequests(channel, list.length, channels.append(system, channel, list, checked)))
          : channels.append(system, channel, drafts, checked))
    })

  /** The same where nothing has to be waited for: a channel in memory, written to by a system that runs. */
  const appendNow = (channel: ChannelId, drafts: ReadonlyArray<Draft>, appendOptions: AppendOptions | undefined): ReturnType<Port["append"]> | undefined => {
    if (closed !== undefined || paused || requestChannels.has(channel)) return undefined
    const refused = refusal(channel, "append")
    if (refused !== undefined) return Effect.fail(refused)
    let checked: AppendOptions & { readonly gauge: Gauge } | undefined
    try {
      checked = appendOptions === undefined ? withGauge : { ...Given.appendOptionsOf(appendOptions), gauge }
    } catch (thrown) {
      return Effect.fail(Given.refusalOf(thrown))
    }
    const answer = channels.appendNow(system, channel, drafts, checked)
    if (answer !== undefined) entered(system)
    return answer
  }

  const port: Port = Object.freeze<Port>({
    system,
    powers: Object.freeze([...options.powers]),
    channels: call(() => Effect.sync(() =>
      [...wiring.keys()].map((name) => channels.get(name)).filter((channel): channel is Channel => channel !== undefined).map(copyOf))),
    append: (channel, drafts, appendOptions) => Effect.suspend(() => appendNow(channel, drafts, appendOptions) ?? append(channel, drafts, appendOptions)),
    read: (channel, readOptions) =>
      wired(channel, "read", () => given(() => Given.readOptionsOf(readOptions), (checked) => channels.read(system, channel, checked))),
    texts: (channel, readOptions) =>
      wired(channel, "read", () => given(() => Given.readOptionsOf(readOptions), (checked) => channels.texts(channel, readOptions?.form === "portable" ? { ...checked, form: "portable" } : checked))),
    event: (id) =>
      call(() => {
        try {
          return Effect.flatMap(channels.event(system, Given.eventIdOf(id)), (event) =>
            refusal(event.channel, "read") === undefined ? Effect.succeed(event) : Effect.fail(new EventNotFound({ event: event.id })))
        } catch {
          return Effect.fail(new EventNotFound({ event: Given.nameOf(id) }))
        }
      }),
    awaitBeyond: (channel, after, held) =>
      wired(channel, "read", () => channels.awaitBeyond(channel, Given.cursorOf(after), system, Given.heldOf(held))),
    take: (channel, takeOptions) => (options.securityOf(channel) === undefined ? take(channel, takeOptions) : stillMine(channel, take(channel, takeOptions))),
    settle: (channel, settlements) =>
      Effect.callback<void, SettleFailure | Denied | InvalidPayload | Undocked>((resume) => {
        if (closed !== undefined) return resume(Effect.fail(closed))
        if (paused) return resume(Effect.flatMap(running.await, () => port.settle(channel, settlements)))
        const refused = refusal(channel, "take")
        if (refused !== undefined) return resume(Effect.fail(refused))
        let checked: ReadonlyArray<Settlement>
        try {
          checked = Given.settlementsOf(settlements)
        } catch (thrown) {
          return resume(Effect.fail(Given.refusalOf(thrown)))
        }
        channels.beginSettle(system, channel, checked, passOn(resume))
      }),
    renew: (channel, cursor, epoch) =>
      wired(channel, "take", () => given(() => Given.leaseOf(cursor, epoch), (lease) => channels.renew(system, channel, lease.cursor, lease.epoch))),
    evict: (channel, evictOptions) => hosting(channel, () => Given.evictOptionsOf(evictOptions), (checked) => channels.evict(channel, checked)),
    clear: (channel, filter) => hosting(channel, () => Given.clearedOf(filter), (checked) => channels.clear(channel, checked)),
    remove: (channel, ids) => hosting(channel, () => Given.eventIdsOf(ids), (checked) => channels.remove(channel, checked)),
    backlog: (channel) => wired(channel, "read", () => channels.backlog(channel)),
    subscription: (name, channel, from) =>
      wired(channel, "read", () =>
        given(() => Given.subscriptionOf(name, from ?? 0), (checked): Effect.Effect<Subscription, Overloaded | StoreUnavailable> => {
          const held = subscriptionFor(checked.name, channel)
          if (held instanceof Overloaded) return Effect.fail(held)
          if (held !== undefined) return Effect.succeed({ ...held })
          const made: Subscription = { name: checked.name, system, channel, cursor: checked.cursor }
          return Effect.as(store.advance(system, made.name, channel, made.cursor), made)
        })),
    advance: (name, channel, cursor) =>
      wired(channel, "read", () =>
        given(() => Given.subscriptionOf(name, cursor), (checked): Effect.Effect<void, Overloaded | StoreUnavailable> => {
          const held = subscriptionFor(checked.name, channel)
          return held instanceof Overloaded ? Effect.fail(held) : store.advance(system, checked.name, channel, checked.cursor)
        })),
    getSnapshot: (name) =>
      call((): Effect.Effect<Snapshot, SnapshotNotFound | StoreCorrupt> =>
        typeof name !== "string" || wellKnown.isReserved(name)
          ? Effect.fail(new SnapshotNotFound({ name: Given.nameOf(name) }))
          : Effect.flatMap(store.getSnapshot(name), (snapshot) =>
              snapshot === undefined || snapshotRefusal(snapshot.channel, "read") !== undefined
                ? Effect.fail(new SnapshotNotFound({ name }))
                : Effect.succeed(snapshot))),
    putSnapshot: (draft, putOptions) =>
      call(() => given(
        () => [Given.snapshotDraftOf(draft), Given.putOptionsOf(putOptions)] as const,
        ([checked, revision]): Effect.Effect<Snapshot, Denied | InvalidPayload | TooLarge | SnapshotConflict | StoreUnavailable> => {
          const { name, value } = checked
          if (snapshots === "any" && wellKnown.isReserved(name)) {
            return Effect.fail(new Denied({ system, operation: "put", target: `snapshot ${name}`, reason: "names that begin with aaax. are the kernel's" }))
          }
          if (snapshots !== "any" && !snapshots.includes(name)) {
            return Effect.fail(new Denied({
              system, operation: "put", target: `snapshot ${name}`, reason: "its manifest does not name it",
              ...(snapshots.length === 0 ? {} : { allowed: snapshots.join(", ") }),
              ...(wellKnown.isReserved(name) ? {} : { how: "Add it to `snapshots` of the module's manifest." })
            }))
          }
          const refused = snapshotRefusal(checked.channel, "write")
          if (refused !== undefined) return Effect.fail(refused)
          return given(() => toText(value ?? null, "value"), (text): Effect.Effect<Snapshot, InvalidPayload | TooLarge | SnapshotConflict | StoreUnavailable> =>
            text.length > snapshotTextMax
              ? Effect.fail(new TooLarge({ what: "The snapshot", size: text.length, sizeMax: snapshotTextMax, unit: "characters" }))
              // A copy: what the caller does to its object afterwards changes nothing here.
              : store.putSnapshot({ ...checked, value: JSON.parse(text) }, system, revision))
        })),
    putArtifact: (bytes, mediaType) =>
      call((): Effect.Effect<Artifact, TooLarge | StoreUnavailable> => {
        if (!(bytes instanceof Uint8Array)) {
          return Effect.fail(new TooLarge({ what: "The artifact (it must be bytes)", size: 0, sizeMax: artifactBytesMax, unit: "bytes" }))
        }
        // A copy made by the platform: a subclass could show other bytes, or another length, than it has.
        const copy = new Uint8Array(bytes)
        return copy.byteLength > artifactBytesMax
          ? Effect.fail(new TooLarge({ what: "The artifact", size: copy.byteLength, sizeMax: artifactBytesMax, unit: "bytes" }))
          : store.putArtifact(copy, typeof mediaType === "string" ? mediaType.slice(0, 200) : "application/octet-stream")
      }),
    getArtifact: (digest, event) =>
      call((): Effect.Effect<Uint8Array, Denied | ChannelNotFound | ArtifactNotFound | StoreCorrupt> => {
        let place: { readonly channel: string; readonly cursor: number }
        try {
          place = Given.placeOf(event)
        } catch {
          return Effect.fail(new ArtifactNotFound({ digest: Given.nameOf(digest) }))
        }
        const refused = refusal(place.channel, "read")
        if (refused !== undefined) return Effect.fail(refused)
        return channels.read(system, place.channel, { after: place.cursor - 1, limit: 1, fullLog: true }).pipe(
          Effect.orElseSucceed(() => undefined),
          Effect.flatMap((page) => {
            const found = page?.events[0]
            return typeof digest === "string" && found?.cursor === place.cursor && (names(found.payload, digest) || names(found.metadata, digest))
              ? store.getArtifact(digest)
              : Effect.fail(new ArtifactNotFound({ digest: Given.nameOf(digest) }))
          })
        )
      })
  })
  return {
    port,
    pause: () => {
      paused = true
      running.closeUnsafe()
    },
    resume: () => {
      paused = false
      takesWork = true
      running.openUnsafe()
    },
    close: (reason) => {
      const undocked = new Undocked({ system, reason })
      closed = undocked
      paused = false
      running.openUnsafe()
      // Those who wait are told; their calls can fail with it, though the channels know nothing of ports.
      channels.dismiss(system, Effect.fail(undocked) as Effect.Effect<never>)
    },
    reopen: () => {
      closed = undefined
    },
    refuseWork: () => {
      takesWork = false
    }
  }
}
