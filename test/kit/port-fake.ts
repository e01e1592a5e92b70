// Ports without a kernel: channels in arrays, for tests of the library and of modules alone. Not a model of the kernel:
// it keeps no files, checks no wiring, and its clock is a counter.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { channelOf, type Channel } from "../../protocol/channel.ts"
import {
  ArtifactNotFound, ChannelNotFound, EventExists, EventNotFound, Gap, HeadConflict, IdempotencyConflict, LeaseLost, SnapshotConflict, SnapshotNotFound,
  WrongDelivery, type AppendError
} from "../../protocol/errors.ts"
import { matches, type Appended, type Draft, type Event } from "../../protocol/event.ts"
import type { System } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import type { ReadingPower } from "../../protocol/power.ts"
import type { Snapshot } from "../../protocol/snapshot.ts"
import type { Taken } from "../../protocol/subscription.ts"

interface Item {
  settled: boolean
  attempts: number
  holder: string | undefined
  epoch: number
  notBefore: number
}

interface Log {
  readonly channel: Channel
  events: Array<Event>
  head: number
  floor: number
  readonly keys: Map<string, { readonly content: string; readonly result: ReadonlyArray<Appended> }>
  readonly items: Map<number, Item>
  waiters: Array<() => void>
}

export interface FakeWorld {
  readonly port: (system: string, powers?: ReadonlyArray<ReadingPower>) => Port
  readonly open: (name: string, spec?: Partial<Channel>) => void
  /** Opens the channels that a system provides, and gives its port. */
  readonly dock: (system: System, powers?: ReadonlyArray<ReadingPower>) => Port
  readonly events: (channel: string) => ReadonlyArray<Event>
  readonly snapshots: Map<string, Snapshot>
  readonly evict: (channel: string, floor: number) => void
  /** Called before each append; a failure is what the append fails with. `kept` says that it is kept all the same. */
  failAppend: ((channel: string, drafts: ReadonlyArray<Draft>) => { readonly error: AppendError; readonly kept?: boolean } | undefined) | undefined
  /** Leases of a channel end now. */
  readonly expireLeases: (channel: string) => void
  readonly calls: Array<string>
  readonly deadLetters: Array<{ readonly channel: string; readonly cursor: number; readonly reason: string | undefined }>
}

export const makeWorld = (): FakeWorld => {
  const logs = new Map<string, Log>()
  const ids = new Set<string>()
  const subscriptions = new Map<string, number>()
  let epochs = 0
  let nextId = 0
  const now = (): number => Date.now()

  const open = (name: string, spec: Partial<Channel> = {}): void => {
    if (logs.has(name)) return
    logs.set(name, {
      channel: { ...channelOf({ name }, "test"), ...spec }, events: [], head: 0, floor: 0, keys: new Map(), items: new Map(), waiters: []
    })
  }
  for (const name of ["aaax.capability-request", "aaax.action-gate"]) open(name, { delivery: "exclusive" })
  open("aaax.kernel-replies", { delivery: "addressed" })

  const find = (name: string): Effect.Effect<Log, ChannelNotFound> => {
    const log = logs.get(name)
    return log === undefined ? Effect.fail(new ChannelNotFound({ channel: name })) : Effect.succeed(log)
  }
  const wake = (log: Log): void => {
    const waiters = log.waiters
    log.waiters = []
    for (const waiter of waiters) waiter()
  }
  const moved = (log: Log): Effect.Effect<void> =>
    Effect.callback((resume) => {
      log.waiters.push(() => resume(Effect.void))
    })

  const append = (log: Log, sender: string, drafts: ReadonlyArray<Draft>, options: { readonly key?: string; readonly expectedHead?: number } = {}): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
    const name = log.channel.name
    const key = options.key === undefined ? undefined : `${sender}\n${options.key}`
    const content = JSON.stringify(drafts)
    const known = key === undefined ? undefined : log.keys.get(key)
    if (known !== undefined) {
      return known.content === content ? Effect.succeed(known.result) : Effect.fail(new IdempotencyConflict({ channel: name, key: options.key! }))
    }
    if (options.expectedHead !== undefined && options.expectedHead !== log.head) {
      return Effect.fail(new HeadConflict({ channel: name, expectedHead: options.expectedHead, head: log.head }))
    }
    for (const { id } of drafts) if (id !== undefined && ids.has(id)) return Effect.fail(new EventExists({ event: id }))
    const result = drafts.map((draft): Appended => {
      const id = draft.id ?? `e${++nextId}`
      ids.add(id)
      const cursor = ++log.head
      const recordedAt = now()
      log.events.push({
        id, channel: name, cursor, recordedAt, sender,
        kind: draft.kind ?? "event",
        payload: JSON.parse(JSON.stringify(draft.payload ?? null)),
        source: draft.source ?? sender, timestamp: draft.timestamp ?? recordedAt / 1000, schema: draft.schema ?? null, metadata: {},
        correlationId: draft.correlationId ?? null, parentIds: draft.parentIds ?? [], recipient: draft.recipient ?? null,
        subject: draft.subject ?? null, labels: draft.labels ?? [], traceparent: null
      })
      log.items.set(cursor, { settled: false, attempts: 0, holder: undefined, epoch: 0, notBefore: 0 })
      return { id, cursor, recordedAt }
    })
    if (key !== undefined) log.keys.set(key, { content, result })
    wake(log)
    return Effect.succeed(result)
  }

  const world: FakeWorld = {
    open,
    events: (channel) => logs.get(channel)?.events ?? [],
    snapshots: new Map(),
    failAppend: undefined,
    calls: [],
    deadLetters: [],
    evict: (channel, floor) => {
      const log = logs.get(channel)!
      log.floor = floor
      log.events = log.events.filter((event) => event.cursor > floor)
    },
    expireLeases: (channel) => {
      const log = logs.get(channel)!
      for (const item of log.items.values()) item.holder = undefined
      wake(log)
    },
    dock: (system, powers) => {
      for (const spec of system.manifest.provides) open(spec.name, channelOf(spec, system.manifest.id))
      return world.port(system.manifest.id, powers)
    },
    port: (system, powers = []) => {
      const takeNow = (log: Log, limit: number): ReadonlyArray<Taken> => {
        const taken: Array<Taken> = []
        for (const event of log.events) {
          if (taken.length >= limit) break
          const item = log.items.get(event.cursor)!
          if (item.settled || item.holder !== undefined || item.notBefore > now()) continue
          item.holder = system
          item.epoch = ++epochs
          item.attempts += 1
          taken.push({ event, cursor: event.cursor, epoch: item.epoch, attempt: item.attempts, expiresAt: now() + log.channel.leaseMillis })
        }
        return taken
      }
      const lost = (log: Log, cursor: number, epoch: number): LeaseLost | undefined => {
        const item = log.items.get(cursor)
        return item?.holder === system && item.epoch === epoch
          ? undefined
          : new LeaseLost({ channel: log.channel.name, cursor, epoch, newestEpoch: item?.epoch ?? null })
      }
      const port: Port = {
        system,
        channels: Effect.sync(() => [...logs.values()].map((log) => log.channel)),
        append: (channel, drafts, options) =>
          Effect.flatMap(find(channel), (log) =>
            Effect.suspend(() => {
              world.calls.push(`append ${channel}`)
              const failure = world.failAppend?.(channel, drafts)
              if (failure === undefined) return append(log, system, drafts, options)
              return failure.kept === true
                ? Effect.andThen(append(log, system, drafts, options), Effect.fail(failure.error))
                : Effect.fail(failure.error)
            })),
        read: (channel, options = {}) =>
          Effect.flatMap(find(channel), (log) =>
            Effect.suspend(() => {
              const after = options.after ?? 0
              const limit = options.limit ?? 100
              if (after < log.floor) return Effect.fail(new Gap({ channel, after, floor: log.floor }))
              const events: Array<Event> = []
              let next = Math.max(after, log.head)
              for (const event of log.events) {
                if (event.cursor <= after) continue
                if (events.length === limit) {
                  next = events[events.length - 1]!.cursor
                  break
                }
                if (log.channel.delivery === "addressed" && event.recipient !== null && event.recipient !== system) continue
                if (options.filter === undefined || matches(event, options.filter)) events.push(event)
              }
              return Effect.succeed({ events, next, head: log.head })
            })),
        awaitBeyond: (channel, after) =>
          Effect.flatMap(find(channel), (log) => {
            const wait: Effect.Effect<number> = Effect.suspend(() => (log.head > after ? Effect.succeed(log.head) : Effect.andThen(moved(log), wait)))
            return wait
          }),
        event: (id) => {
          const event = [...logs.values()].flatMap((log) => log.events).find((one) => one.id === id)
          return event === undefined ? Effect.fail(new EventNotFound({ event: id })) : Effect.succeed(event)
        },
        evict: (channel, { maxCount = Infinity }) =>
          Effect.map(find(channel), (log) => {
            if (log.head - log.floor > maxCount) world.evict(channel, log.head - maxCount)
            return log.floor
          }),
        clear: (channel) => Effect.map(find(channel), (log) => world.evict(channel, log.head)),
        remove: (channel, gone) =>
          Effect.map(find(channel), (log) => {
            const before = log.events.length
            log.events = log.events.filter((event) => !gone.includes(event.id))
            return before - log.events.length
          }),
        take: (channel, { settle = [], ...options } = {}) =>
          Effect.flatMap(Effect.andThen(settle.length === 0 ? Effect.void : port.settle(channel, settle), find(channel)), (log) => {
            if (log.channel.delivery !== "exclusive") {
              return Effect.fail(new WrongDelivery({ channel, delivery: log.channel.delivery, operation: "take", instead: "read" }))
            }
            world.calls.push(`take ${channel} ${options.limit ?? 1}${settle.length === 0 ? "" : ` with ${settle.length}`}`)
            const wait: Effect.Effect<ReadonlyArray<Taken>> = Effect.suspend(() => {
              const taken = takeNow(log, options.limit ?? 1)
              if (taken.length > 0 || options.wait !== true) return Effect.succeed(taken)
              return Effect.andThen(Effect.raceFirst(moved(log), Effect.sleep(20)), wait)
            })
            return wait
          }),
        settle: (channel, settlements) =>
          Effect.flatMap(find(channel), (log) =>
            Effect.suspend(() => {
              let failure: LeaseLost | undefined
              world.calls.push(`settle ${channel} ${settlements.map((one) => one.outcome).join(" ")}`)
              for (const { cursor, delayMillis, epoch, outcome, reason } of settlements) {
                const wrong = lost(log, cursor, epoch)
                if (wrong !== undefined) {
                  failure = wrong
                  continue
                }
                const item = log.items.get(cursor)!
                item.holder = undefined
                if (outcome === "nack") item.notBefore = now() + (delayMillis ?? 0)
                else item.settled = true
                if (outcome === "dead") world.deadLetters.push({ channel, cursor, reason })
              }
              wake(log)
              return failure === undefined ? Effect.void : Effect.fail(failure)
            })),
        renew: (channel, cursor, epoch) =>
          Effect.flatMap(find(channel), (log) => {
            world.calls.push(`renew ${channel}#${cursor}`)
            const wrong = lost(log, cursor, epoch)
            return wrong === undefined ? Effect.succeed(now() + log.channel.leaseMillis) : Effect.fail(wrong)
          }),
        backlog: (channel) =>
          Effect.map(find(channel), (log) => {
            world.calls.push(`backlog ${channel}`)
            return [...log.items.values()].filter((item) => !item.settled).length
          }),
        subscription: (name, channel, from = 0) =>
          Effect.map(find(channel), () => {
            const key = `${system}\n${name}\n${channel}`
            const cursor = subscriptions.get(key) ?? from
            subscriptions.set(key, cursor)
            return { name, system, channel, cursor }
          }),
        advance: (name, channel, cursor) =>
          Effect.map(find(channel), () => {
            const key = `${system}\n${name}\n${channel}`
            world.calls.push(`advance ${name} ${cursor}`)
            subscriptions.set(key, Math.max(cursor, subscriptions.get(key) ?? 0))
          }),
        getSnapshot: (name) =>
          Effect.suspend(() => {
            const snapshot = world.snapshots.get(name)
            return snapshot === undefined ? Effect.fail(new SnapshotNotFound({ name })) : Effect.succeed(snapshot)
          }),
        putSnapshot: (draft, options) =>
          Effect.suspend(() => {
            const revision = world.snapshots.get(draft.name)?.revision ?? 0
            if (options?.expectedRevision !== undefined && options.expectedRevision !== revision) {
              return Effect.fail(new SnapshotConflict({ name: draft.name, expectedRevision: options.expectedRevision, revision }))
            }
            world.calls.push(`put ${draft.name}`)
            const snapshot: Snapshot = {
              name: draft.name, revision: revision + 1, value: JSON.parse(JSON.stringify(draft.value)), channel: draft.channel ?? null,
              sourceEventId: draft.sourceEventId ?? null, timestamp: draft.timestamp ?? now() / 1000, schema: draft.schema ?? null, metadata: {},
              visibility: "private", cursor: draft.cursor ?? null, sender: system, recordedAt: now()
            }
            world.snapshots.set(draft.name, snapshot)
            return Effect.succeed(snapshot)
          }),
        putArtifact: (bytes, mediaType = "application/octet-stream") =>
          Effect.succeed({ digest: "0".repeat(64), sizeBytes: bytes.byteLength, mediaType }),
        getArtifact: (digest) => Effect.fail(new ArtifactNotFound({ digest })),
        powers
      }
      return port
    }
  }
  return world
}

/** Waits until a condition holds, looking again whenever the event loop comes round. */
export const until = async (condition: () => boolean, millis = 10_000): Promise<void> => {
  const end = performance.now() + millis
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never came true: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A system under test: starts its life on a port, and stops it as the kernel does. */
export const start = (system: System, port: Port): { readonly stop: () => Promise<void>; readonly drain: () => Promise<void>; readonly ended: Promise<unknown> } => {
  const done = Deferred.makeUnsafe<void>()
  const ended = Effect.runPromise(Effect.raceFirst(
    Effect.exit(system.run!(port)), Effect.as(Deferred.await(done), "stopped")
  ))
  return {
    ended,
    drain: () => Effect.runPromise(Effect.orDie(system.drain!(port))),
    stop: async () => {
      Deferred.doneUnsafe(done, Effect.void)
      await ended
    }
  }
}
