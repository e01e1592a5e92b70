// The store in process memory: for tests, for `--once`, and, in hostile mode, for proving that everything above the
// store would stand on a replicated log.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Durability } from "../../protocol/channel.ts"
import { SnapshotConflict, StoreUnavailable, TooLarge } from "../../protocol/errors.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import type { Snapshot, SnapshotDraft, SnapshotHead } from "../../protocol/snapshot.ts"
import type { Subscription } from "../../protocol/subscription.ts"
import type { KernelClock } from "../clock.ts"
import { channelsMax, snapshotTextMax } from "../limits.ts"
import { checkBatch, toText } from "./codec.ts"
import { makeMemoryArtifacts } from "./memory-artifacts.ts"
import { makeHostile, type HostileOptions } from "./hostile.ts"
import { makeMemoryLog } from "./memory-log.ts"
import { Store, type StoreAppendError, type StoreService } from "./store.ts"

export type { HostileOptions } from "./hostile.ts"

export interface MemoryOptions {
  readonly clock: KernelClock
  /** Behave as a replicated log does: sparse cursors, late acknowledgements, three faults. */
  readonly hostile?: HostileOptions
  /**
   * Classes of channels that it takes; default all. What the store *promises* is `memory` and nothing more, and
   * `statistics().durability` says so. It still takes strict channels by default, because a constellation in memory is
   * asked for by name (`--once`, tests, `aaax/testing`): nobody who does that expects a power cut to be survived, and
   * everything else that strict means (order, keys, heads, atomic batches) holds. A host that wants the refusal
   * passes `["memory"]`.
   */
  readonly accepts?: ReadonlyArray<Durability>
}

/** The text of a snapshot's value, within its bound. */
export const snapshotText = (value: unknown): string => {
  const text = toText(value ?? null, "value")
  if (text.length > snapshotTextMax) throw new TooLarge({ what: "The snapshot", size: text.length, sizeMax: snapshotTextMax, unit: "characters" })
  return text
}

/** Everything that is kept of a snapshot but its value; what the draft leaves open is filled in. */
export const snapshotHead = (draft: SnapshotDraft, revision: number, sender: SystemId, at: number): SnapshotHead => ({
  name: draft.name, revision, channel: draft.channel ?? null, sourceEventId: draft.sourceEventId ?? null,
  timestamp: draft.timestamp ?? at / 1000, schema: draft.schema ?? null,
  metadata: JSON.parse(toText(draft.metadata ?? {}, "metadata")) as SnapshotHead["metadata"], // it was serialised by toText
  visibility: draft.visibility ?? "private", cursor: draft.cursor ?? null, sender, recordedAt: at
})

const headOf = (kept: SnapshotHead & { readonly text: string }): SnapshotHead => {
  const { text: _, ...head } = kept
  return head
}

/** Runs plain code whose throws are the typed failures `E`; anything else that it throws stays a defect. */
export const attempt = <A, E>(run: () => A): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (failure) {
      return failureOf<E>(failure)
    }
  })

/** A tagged error as a failure of type `E` (the code above it throws no other tagged errors); the rest as a defect. */
export const failureOf = <E>(failure: unknown): Effect.Effect<never, E> =>
  typeof failure === "object" && failure !== null && "_tag" in failure ? Effect.fail(failure as E) : Effect.die(failure)

export const make = (options: MemoryOptions): Effect.Effect<StoreService, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { clock } = options
    const durabilities: ReadonlySet<Durability> = new Set(options.accepts ?? ["strict", "relaxed", "memory"])
    const log = makeMemoryLog({ sparse: options.hostile !== undefined })
    const hostile = options.hostile === undefined ? undefined : makeHostile(options.hostile)
    if (hostile !== undefined) yield* Effect.addFinalizer(() => Effect.sync(hostile.close))
    const listeners = new Set<(channel: ChannelId, head: Cursor) => void>()
    const subscriptions = new Map<string, Subscription>()
    const snapshots = new Map<string, Omit<Snapshot, "value"> & { readonly text: string }>()
    const artifacts = makeMemoryArtifacts(clock)

    const land: (...append: Parameters<StoreService["append"]>) => ReturnType<typeof log.append> = (channel, batch, appendOptions) => {
      checkBatch(batch)
      const before = log.headOf(channel)
      const appended = log.append(channel, batch, appendOptions, clock.now())
      const head = log.headOf(channel)
      if (head !== undefined && head !== before) for (const listener of listeners) listener(channel, head)
      return appended
    }

    const append: StoreService["append"] = (channel, batch, appendOptions) =>
      hostile === undefined
        ? attempt(() => land(channel, batch, appendOptions))
        : Effect.callback((resume) =>
            hostile.append(channel, appendOptions.key, () => land(channel, batch, appendOptions), (outcome) =>
              resume("appended" in outcome ? Effect.succeed(outcome.appended) : failureOf<StoreAppendError>(outcome.failure))))

    return Store.of({
      backend: "memory",
      durabilities,
      // Without faults no outcome is unknown, and a key that nobody needs would be kept for a day.
      keysAreFree: options.hostile !== undefined,
      putChannel: (channel) =>
        attempt(() => {
          if (!durabilities.has(channel.durability)) {
            throw new StoreUnavailable({ reason: `memory cannot promise ${channel.durability} for ${channel.name}` })
          }
          if (log.statisticsOf(channel.name) === undefined && log.channels().length >= channelsMax) {
            throw new StoreUnavailable({ reason: `at most ${channelsMax} channels fit into one store` })
          }
          log.put(channel)
        }),
      channels: log.channels,
      statisticsOf: log.statisticsOf,
      append,
      read: (channel, readOptions) => attempt(() => log.read(channel, readOptions)),
      items: (channel, itemOptions) => attempt(() => log.items(channel, itemOptions)),
      texts: (channel, textOptions) => attempt(() => log.texts(channel, textOptions)),
      event: (id) => Effect.sync(() => log.event(id)),
      evict: (channel, floor) => attempt(() => log.evict(channel, floor)),
      onCommit: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      subscription: (system, name, channel) => subscriptions.get(`${system}\n${name}\n${channel}`),
      subscriptions: (system) =>
        Array.from(subscriptions.values()).filter((subscription) => system === undefined || subscription.system === system),
      advance: (system, name, channel, cursor) =>
        Effect.sync(() => {
          const key = `${system}\n${name}\n${channel}`
          if ((subscriptions.get(key)?.cursor ?? -1) < cursor) subscriptions.set(key, { system, name, channel, cursor })
        }),
      getSnapshot: (name) =>
        Effect.sync(() => {
          const kept = snapshots.get(name)
          if (kept === undefined) return undefined
          const { text, ...rest } = kept
          return { ...rest, value: JSON.parse(text) as Snapshot["value"] } // it was serialised by toText
        }),
      snapshots: () => Effect.sync(() => 
        Array.from(snapshots.values(), headOf).sort((a, b) => (a.name < b.name ? -1 : 1))),
      putSnapshot: (draft, sender, putOptions) =>
        attempt(() => {
          const revision = snapshots.get(draft.name)?.revision ?? 0
          const { expectedRevision } = putOptions ?? {}
          if (expectedRevision !== undefined && expectedRevision !== revision) {
            throw new SnapshotConflict({ name: draft.name, expectedRevision, revision })
          }
          const text = snapshotText(draft.value)
          const kept = snapshotHead(draft, revision + 1, sender, clock.now())
          snapshots.set(draft.name, { ...kept, text })
          return { ...kept, value: JSON.parse(text) as Snapshot["value"] } // it was serialised by toText
        }),
      ...artifacts,
      stopped: () => undefined,
      reopen: Effect.void,
      verify: Effect.succeed([]),
      statistics: () => {
        let events = 0
        for (const channel of log.channels()) events += log.statisticsOf(channel.name)?.events ?? 0
        return {
          backend: "memory", path: null, format: 1, events, channels: log.channels().length, bytes: 0,
          durability: "in memory: nothing survives the process"
        }
      }
    })
  })

export const layer = (options: MemoryOptions): Layer.Layer<Store> => Layer.effect(Store, make(options))
