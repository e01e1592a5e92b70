// The in-process port: stamps the sender, checks wiring and admission, and suspends a paused system at its next call.
// The port object is the capability; nothing in a payload can make it speak for another.
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Artifact } from "../../protocol/artifact.ts"
import type { Channel } from "../../protocol/channel.ts"
import {
  ArtifactNotFound, ChannelNotFound, Denied, InvalidPayload, SnapshotNotFound, TooLarge, Undocked, type AppendError,
  type SnapshotConflict, type StoreCorrupt, type StoreUnavailable
} from "../../protocol/errors.ts"
import type { Appended } from "../../protocol/event.ts"
import { isSegment, nearest, type ChannelId, type SystemId } from "../../protocol/names.ts"
import type { Port } from "../../protocol/port.ts"
import type { ReadingPower } from "../../protocol/power.ts"
import type { Snapshot } from "../../protocol/snapshot.ts"
import type { Subscription, Taken } from "../../protocol/subscription.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { makeGauge, type PendingRequests } from "../guard/admission.ts"
import { notWired, type Direction, type Wiring } from "../guard/wiring.ts"
import { artifactBytesMax, snapshotTextMax } from "../limits.ts"
import { toText } from "../store/codec.ts"

export interface PortOptions {
  readonly system: SystemId
  readonly wiring: Wiring
  /** Names of the snapshots that it may put. */
  readonly snapshots: ReadonlyArray<string>
  readonly powers: ReadonlyArray<ReadingPower>
  readonly channels: ChannelsService
  readonly pending: PendingRequests
  /** Names the system whose code goes on, for the watchdog. */
  readonly entered: (system: SystemId) => void
}

type TakeError = Effect.Error<ReturnType<ChannelsService["take"]>>

export interface PortControl {
  readonly port: Port
  readonly pause: () => void
  readonly resume: () => void
  /** Takes the port back: every call fails from now on. */
  readonly close: (reason: string) => void
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

export const makePort = (options: PortOptions): PortControl => {
  const { channels, entered, pending, snapshots, system, wiring } = options
  const { store } = channels
  const gauge = makeGauge()
  const running = Latch.makeUnsafe(true)
  let paused = false
  let closed: Undocked | undefined
  let takesWork = true

  const refusal = (channel: ChannelId, direction: Direction): Denied | ChannelNotFound | undefined => {
    const wire = wiring.get(channel)
    if (wire !== undefined && wire[direction]) return undefined
    return wire !== undefined || channels.get(channel) !== undefined
      ? notWired(system, wiring, channel, direction)
      : unknownChannel(channel)
  }
  const unknownChannel = (channel: ChannelId): ChannelNotFound => {
    const near = nearest(channel, wiring.keys())
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

  /** Counts requests until they are answered. A repeated one (same key) has been counted before. */
  const asRequests = (
    channel: ChannelId, count: number, append: Effect.Effect<ReadonlyArray<Appended>, AppendError>
  ): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
    const overloaded = pending.enter(system, count)
    if (overloaded !== undefined) return Effect.fail(overloaded)
    const head = store.statisticsOf(channel)?.head ?? 0
    return append.pipe(
      Effect.tap((appended) => Effect.sync(() => {
        for (const { cursor } of appended) if (cursor <= head) pending.answered(system)
      })),
      Effect.onError(() => Effect.sync(() => {
        for (let at = 0; at < count; at++) pending.answered(system)
      }))
    )
  }

  const subscriptionName = (name: string): InvalidPayload | undefined =>
    isSegment(name) ? undefined : new InvalidPayload({ what: "subscription", path: "name", reason: "must be a non-empty path segment" })

  const port: Port = {
    system,
    powers: Object.freeze([...options.powers]),
    channels: call(() => Effect.sync(() =>
      [...wiring.keys()].map((name) => channels.get(name)).filter((channel): channel is Channel => channel !== undefined))),
    append: (channel, drafts, appendOptions) =>
      wired(channel, "append", (): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
        const appended = channels.append(system, channel, drafts, { ...appendOptions, gauge })
        return requestChannels.has(channel) ? asRequests(channel, drafts.length, appended) : appended
      }),
    read: (channel, readOptions) => wired(channel, "read", () => channels.read(system, channel, readOptions)),
    awaitBeyond: (channel, after) => wired(channel, "read", () => channels.awaitBeyond(channel, after, system)),
    take: (channel, takeOptions) =>
      wired(channel, "take", (): Effect.Effect<ReadonlyArray<Taken>, TakeError | Denied> =>
        takesWork
          ? channels.take(system, channel, takeOptions)
          : Effect.fail(new Denied({ system, operation: "take from", target: channel, reason: "it is draining and takes no new work" }))),
    settle: (channel, settlements) => wired(channel, "take", () => channels.settle(system, channel, settlements)),
    renew: (channel, cursor, epoch) => wired(channel, "take", () => channels.renew(system, channel, cursor, epoch)),
    backlog: (channel) => wired(channel, "read", () => channels.backlog(channel)),
    subscription: (name, channel, from) =>
      wired(channel, "read", (): Effect.Effect<Subscription, InvalidPayload | StoreUnavailable> => {
        const invalid = subscriptionName(name)
        if (invalid !== undefined) return Effect.fail(invalid)
        const held = store.subscription(system, name, channel)
        if (held !== undefined) return Effect.succeed(held)
        const made: Subscription = { name, system, channel, cursor: from ?? 0 }
        return Effect.as(store.advance(system, name, channel, made.cursor), made)
      }),
    advance: (name, channel, cursor) =>
      wired(channel, "read", (): Effect.Effect<void, InvalidPayload | StoreUnavailable> => {
        const invalid = subscriptionName(name)
        return invalid === undefined ? store.advance(system, name, channel, cursor) : Effect.fail(invalid)
      }),
    getSnapshot: (name) =>
      call((): Effect.Effect<Snapshot, SnapshotNotFound | StoreCorrupt> =>
        wellKnown.isReserved(name)
          ? Effect.fail(new SnapshotNotFound({ name }))
          : Effect.flatMap(store.getSnapshot(name), (snapshot) =>
              snapshot === undefined ? Effect.fail(new SnapshotNotFound({ name })) : Effect.succeed(snapshot))),
    putSnapshot: (draft, putOptions) =>
      call((): Effect.Effect<Snapshot, Denied | InvalidPayload | TooLarge | SnapshotConflict | StoreUnavailable> => {
        if (!snapshots.includes(draft.name)) {
          return Effect.fail(new Denied({
            system, operation: "put", target: `snapshot ${draft.name}`, reason: "its manifest does not name it",
            ...(snapshots.length === 0 ? {} : { allowed: snapshots.join(", ") }),
            ...(wellKnown.isReserved(draft.name) ? {} : { how: "Add it to `snapshots` of the module's manifest." })
          }))
        }
        let text: string
        try {
          text = toText(draft.value ?? null, "value")
        } catch (error) {
          return Effect.fail(error instanceof InvalidPayload ? error : new InvalidPayload({ what: "snapshot", path: "value", reason: String(error) }))
        }
        if (text.length > snapshotTextMax) {
          return Effect.fail(new TooLarge({ what: "The snapshot", size: text.length, sizeMax: snapshotTextMax, unit: "characters" }))
        }
        // A copy: what the caller does to its object afterwards changes nothing here.
        return store.putSnapshot({ ...draft, value: JSON.parse(text) }, system, putOptions)
      }),
    putArtifact: (bytes, mediaType = "application/octet-stream") =>
      call((): Effect.Effect<Artifact, TooLarge | StoreUnavailable> => {
        if (!(bytes instanceof Uint8Array)) {
          return Effect.fail(new TooLarge({ what: "The artifact (it must be bytes)", size: 0, sizeMax: artifactBytesMax, unit: "bytes" }))
        }
        return bytes.byteLength > artifactBytesMax
          ? Effect.fail(new TooLarge({ what: "The artifact", size: bytes.byteLength, sizeMax: artifactBytesMax, unit: "bytes" }))
          : store.putArtifact(bytes.slice(), mediaType)
      }),
    getArtifact: (digest, event) =>
      wired(event.channel, "read", (): Effect.Effect<Uint8Array, ArtifactNotFound | StoreCorrupt> =>
        channels.read(system, event.channel, { after: event.cursor - 1, limit: 1 }).pipe(
          Effect.orElseSucceed(() => undefined),
          Effect.flatMap((page) => {
            const found = page?.events[0]
            return found !== undefined && found.cursor === event.cursor && (names(found.payload, digest) || names(found.metadata, digest))
              ? store.getArtifact(digest)
              : Effect.fail(new ArtifactNotFound({ digest }))
          })
        ))
  }
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
      closed = new Undocked({ system, reason })
      paused = false
      running.openUnsafe()
    },
    refuseWork: () => {
      takesWork = false
    }
  }
}
