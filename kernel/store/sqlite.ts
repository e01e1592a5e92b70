// The store in SQLite: one row of a global log for each group commit, the index of all channels in memory. See
// sqlite/schema.ts for the tables, sqlite/block.ts for the rows, sqlite/write.ts for what a commit is.
import { statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Channel, Durability } from "../../protocol/channel.ts"
import { ArtifactNotFound, SnapshotConflict, StoreCorrupt, type StoreFormat, type StoreLocked, StoreUnavailable } from "../../protocol/errors.ts"
import type { Appended } from "../../protocol/event.ts"
import type { ChannelId, Cursor } from "../../protocol/names.ts"
import type { Snapshot, SnapshotHead } from "../../protocol/snapshot.ts"
import type { KernelClock } from "../clock.ts"
import { channelsMax, keyRetentionMillis, pageBytes, pruneKeysDelayMillis, pruneKeysMax } from "../limits.ts"
import { checkBatch } from "./codec.ts"
import { makeFiles } from "./files.ts"
import { attempt, failureOf, snapshotHead, snapshotText } from "./memory.ts"
import { streamFailure } from "./memory-artifacts.ts"
import { indexOf, makeMemoryLog } from "./memory-log.ts"
import { makeCheckpointer, type Checkpointer } from "./sqlite/checkpoint.ts"
import { exact, fieldNumbers, openDisk, packFresh, snapshotCrc, subscriptionKey, unreadable, type Disk } from "./sqlite/disk.ts"
import { hasManyUnwritten, restoreIndexes, writeAllIndexes, writeIndexes } from "./sqlite/index-tables.ts"
import { lockStore } from "./sqlite/lock.ts"
import { makeDurableChannel, type DurableChannel } from "./sqlite/placement.ts"
import { channelNotFound, eventAtCursor, findEvent, readItems, readPage } from "./sqlite/read.ts"
import { format } from "./sqlite/schema.ts"
import type { SnapshotRow } from "./sqlite/statements.ts"
import { isSwept, sweep } from "./sqlite/sweep.ts"
import { readTexts } from "./sqlite/texts.ts"
import { verifyDisk } from "./sqlite/verify.ts"
import { isTagged, makeWriter, unknownAppend, type FaultHook, type Job, type PendingAppend } from "./sqlite/write.ts"
import { Store, type Prepared, type StoreAppendError, type StoreAppendOptions, type StoreService } from "./store.ts"

export type { FaultHook } from "./sqlite/write.ts"

export interface SqliteOptions {
  /** The database file. Beside it: its write-ahead log, `.lock`, `.pid`, and the directory `artifacts`. */
  readonly path: string
  readonly clock: KernelClock
  /**
   * Called in each flush before its rows are written, before the commit, and after it; what it throws counts as
   * SQLite's own failure at that moment. For rehearsing full disks and failed syncs.
   */
  readonly faults?: FaultHook
}

export type SqliteOpenError = StoreLocked | StoreFormat | StoreCorrupt | StoreUnavailable

const durabilities: ReadonlySet<Durability> = new Set(["strict", "relaxed", "memory"])
/** Cursors of a memory channel that are set aside at once, so that no restart uses one again. */
const reservedCursors = 1_048_576
const pruneEveryMillis = 60_000

const reasonOf = (failure: unknown): string =>
  failure instanceof Database.SqliteError ? `${failure.message} (${failure.code})` : failure instanceof Error ? failure.message : String(failure)

/** The package is there, and what was compiled for this machine is not: an installer that runs no install scripts leaves it so. */
const isUnbuilt = (failure: unknown): boolean =>
  failure instanceof Error && (failure.message.startsWith("Could not locate the bindings file") || ("code" in failure && failure.code === "ERR_DLOPEN_FAILED"))
const unbuilt = "the native part of better-sqlite3 was not installed for this Node; npm rebuild better-sqlite3 does it (your npm may ask you to allow its install script first), and stores in memory need none"

const opening = <A>(path: string, run: () => A): A => {
  try {
    return run()
  } catch (failure) {
    if (isTagged(failure)) throw failure
    const code = failure instanceof Database.SqliteError ? failure.code : ""
    if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") throw new StoreCorrupt({ where: path, reason: reasonOf(failure) })
    throw new StoreUnavailable({ reason: `${path} cannot be opened: ${isUnbuilt(failure) ? unbuilt : reasonOf(failure)}` })
  }
}

const snapshotOf = (row: SnapshotRow): Snapshot => {
  if (snapshotCrc(row.rest, row.value) !== row.crc) throw new StoreCorrupt({ where: `snapshot ${row.name}`, reason: "its checksum is wrong" })
  return { ...headOf(row.rest), value: JSON.parse(row.value) as Snapshot["value"] } // written by toText, as the checksum says
}

/** What was kept of a snapshot but its value. Older ones have no time, schema, metadata and visibility of their own. */
const headOf = (text: string): SnapshotHead => {
  const kept = JSON.parse(text) as SnapshotHead // it was written from one
  return { ...kept, timestamp: kept.timestamp ?? kept.recordedAt / 1000, schema: kept.schema ?? null, metadata: kept.metadata ?? {}, visibility: kept.visibility ?? "private" }
}

const openIndexed = (path: string): Disk => {
  const disk = openDisk(path)
  try {
    restoreIndexes(disk)
    return disk
  } catch (failure) {
    disk.db.close()
    throw failure
  }
}

export const make = (options: SqliteOptions): Effect.Effect<StoreService, SqliteOpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const path = resolve(options.path)
    const unlock = yield* attempt<() => void, SqliteOpenError>(() => opening(path, () => lockStore(path)))
    yield* Effect.addFinalizer(() => Effect.sync(unlock))
    const disk = yield* attempt<Disk, SqliteOpenError>(() => opening(path, () => openIndexed(path)))
    const { service, close } = makeService(path, options, disk)
    yield* Effect.addFinalizer(() => Effect.promise(close))
    return service
  })

export const layer = (options: SqliteOptions): Layer.Layer<Store, SqliteOpenError> => Layer.effect(Store, make(options))

const makeService = (
  path: string, { clock, faults }: SqliteOptions, opened: Disk
): { readonly service: StoreService; readonly close: () => Promise<void> } => {
  let disk = opened
  let checkpointer: Checkpointer = makeCheckpointer(path, disk.db)
  let stopReason: string | undefined
  let closed = false
  let appends: Array<PendingAppend> = []
  let jobs: Array<Job> = []
  let scheduled: NodeJS.Immediate | undefined
  let sweeping: NodeJS.Immediate | undefined
  let pruneAfter = clock.monotonic() + pruneKeysDelayMillis
  const listeners = new Set<(channel: ChannelId, head: Cursor) => void>()
  const log = makeMemoryLog({ hasElsewhere: (id) => findEvent(disk, id) !== undefined })
  const files = makeFiles(join(dirname(path), "artifacts"), () => faults?.("write"))
  const writer = makeWriter(faults, (id) => log.event(id) !== undefined)
  clock.raise(disk.highWater)
  for (const { channel, reserved } of disk.volatile.values()) log.put(channel, reserved)

  const unavailable = (): StoreUnavailable => new StoreUnavailable({ reason: stopReason ?? "the store is closed" })
  const isStopped = (): boolean => stopReason !== undefined || closed
  const tell = (channel: ChannelId, head: Cursor): void => {
    for (const listener of listeners) listener(channel, head)
  }

  /** From here on nothing is written. What waits was not tried, and can be refused for certain. */
  const stop = (failure: unknown): void => {
    stopReason ??= reasonOf(failure)
    const waiting = appends
    const waitingJobs = jobs
    appends = []
    jobs = []
    for (const append of waiting) append.resume(Effect.fail(unavailable()))
    for (const job of waitingJobs) job.failed(unavailable())
  }

  const flush = (): void => {
    if (scheduled !== undefined) clearImmediate(scheduled)
    scheduled = undefined
    if (appends.length === 0 && jobs.length === 0) return
    const flushed = { appends, jobs }
    appends = []
    jobs = []
    let committed
    try {
      committed = writer.commit(disk, flushed, clock.now())
    } catch (failure) {
      stop(failure)
      const reason = reasonOf(failure)
      for (const append of flushed.appends) {
        append.resume(append.definite ? answerOf(append) : Effect.fail(unknownAppend(append, reason)))
      }
      for (const job of flushed.jobs) job.failed(unavailable())
      return
    }
    for (const state of committed.touched) tell(state.channel.name, state.head)
    for (const { append, kept } of committed.followers) kept(append.failure === undefined ? append.appended : undefined)
    for (const append of flushed.appends) append.resume(answerOf(append))
    for (const job of flushed.jobs) {
      const refusal = committed.refusedJobs.get(job)
      if (refusal === undefined) job.done()
      else job.failed(refusal)
    }
    afterwards(committed.size)
  }

  /** Upkeep that no caller waits for. A failure stops writes as any other does. */
  const afterwards = (size: number): void => {
    try {
      if (size > 0) checkpointer.wrote(size + pageBytes) // a commit rewrites the page that it begins on
      packFresh(disk)
      if (hasManyUnwritten(disk)) {
        disk.setFull(false)
        writeIndexes(disk)
      }
      if (clock.monotonic() < pruneAfter) return
      const pruned = disk.statements.pruneKeys.run(pruneKeysMax, disk.highWater - keyRetentionMillis).changes
      pruneAfter = pruned === pruneKeysMax ? 0 : clock.monotonic() + pruneEveryMillis
    } catch (failure) {
      stop(failure)
    }
  }

  const schedule = (): void => {
    scheduled ??= setImmediate(flush)
  }

  const run = <E>(make: (settle: { done: () => void; failed: (failure: unknown) => void }) => Job): Effect.Effect<void, E> =>
    Effect.callback<void, E>((resume) => {
      const job = make({ done: () => resume(Effect.void), failed: (failure) => resume(failureOf<E>(failure)) })
      if (isStopped()) return job.failed(unavailable())
      jobs.push(job)
      schedule()
    })

  /** Writes at once, apart from the flush, after what is waiting. */
  const writeNow = (full: boolean, write: () => void): void => {
    if (isStopped()) throw unavailable()
    flush()
    if (isStopped()) throw unavailable()
    try {
      disk.setFull(full)
      disk.db.transaction(write).immediate()
    } catch (failure) {
      if (isTagged(failure)) throw failure
      stop(failure)
      throw unavailable()
    }
  }

  const sweepSlice = (): void => {
    sweeping = undefined
    if (isStopped() || isSwept(disk)) return
    try {
      disk.setFull(false)
      sweep(disk)
    } catch (failure) {
      return stop(failure)
    }
    if (!isSwept(disk)) sweeping = setImmediate(sweepSlice)
  }
  if (!isSwept(disk)) sweeping = setImmediate(sweepSlice)

  const stateOf = (name: ChannelId): DurableChannel => {
    const state = disk.durable.get(name)
    if (state === undefined) throw channelNotFound(disk, name)
    return state
  }

  const reserve = (name: ChannelId, count: number): void => {
    const volatile = disk.volatile.get(name)
    const head = log.headOf(name) ?? 0
    if (volatile === undefined || head + count <= volatile.reserved) return
    const reserved = Math.max(volatile.reserved, head) + reservedCursors
    writeNow(false, () => void disk.statements.updateReserved.run(reserved, volatile.number))
    volatile.reserved = reserved
  }

  const appendInMemory = (name: ChannelId, batch: ReadonlyArray<Prepared>, appendOptions: StoreAppendOptions): ReadonlyArray<Appended> => {
    if (closed) throw unavailable()
    // Parents may be waiting for the flush of this very turn.
    if (appends.length > 0 && batch.some((draft) => draft.parentIds.length > 0)) flush()
    reserve(name, batch.length)
    const before = log.headOf(name)
    const appended = log.append(name, batch, appendOptions, clock.now())
    const head = log.headOf(name)
    if (head !== undefined && head !== before) tell(name, head)
    return appended
  }

  /* hot */
  const append: StoreService["append"] = (name, batch, appendOptions) =>
    disk.volatile.has(name)
      ? attempt(() => {
          checkBatch(batch)
          return appendInMemory(name, batch, appendOptions)
        })
      : appendOnDisk(name, batch, appendOptions)

  /* hot */
  const appendOnDisk: StoreService["append"] = (name, batch, appendOptions) =>
    Effect.callback((resume) => {
      try {
        checkBatch(batch)
        const state = disk.durable.get(name)
        if (state === undefined) throw channelNotFound(disk, name)
        if (isStopped()) throw unavailable()
        const strict = state.channel.durability === "strict" && (appendOptions.durability ?? "strict") === "strict"
        appends.push({
          state, batch, options: appendOptions, strict, digest: "", first: 0, minted: undefined, appended: undefined,
          failure: undefined, twin: undefined, definite: false, resume
        })
        scheduled ??= setImmediate(flush)
      } catch (failure) {
        resume(failureOf<StoreAppendError>(failure))
      }
    })

  const redefine = (state: DurableChannel, channel: Channel): void => {
    const { statements } = disk
    writeNow(true, () => {
      writeAllIndexes(disk)
      statements.updateChannel.run(JSON.stringify(channel), state.number)
      const gone = state.channel.indexes.filter((field) => !channel.indexes.includes(field))
      const added = channel.indexes.filter((field) => !state.channel.indexes.includes(field))
      const deleteFields = disk.db.prepare("DELETE FROM fields WHERE channel = ? AND field = ?")
      for (const field of gone) deleteFields.run(state.number, fieldNumbers[field])
      if (gone.includes("subject")) statements.deleteNewest.run(state.number, state.head)
      if (added.length === 0) return
      for (let cursor = state.floor + 1; cursor <= state.head; cursor++) {
        for (const [field, value] of indexOf(eventAtCursor(disk, state, cursor), added)) {
          statements.insertField.run(state.number, fieldNumbers[field], exact(value), cursor)
          if (field === "subject") statements.putNewest.run(state.number, exact(value), cursor)
        }
      }
    })
    state.channel = channel
  }

  const putChannel = (channel: Channel): void => {
    const isVolatile = channel.durability === "memory"
    const state = disk.durable.get(channel.name)
    const volatile = disk.volatile.get(channel.name)
    if ((state !== undefined && isVolatile) || (volatile !== undefined && !isVolatile)) {
      throw new StoreUnavailable({ reason: `${channel.name} cannot change between memory and disk; give it another name` })
    }
    if (state !== undefined) return JSON.stringify(state.channel) === JSON.stringify(channel) ? undefined : redefine(state, channel)
    const number = volatile?.number ?? disk.nextNumber
    if (volatile === undefined && disk.durable.size + disk.volatile.size >= channelsMax) {
      throw new StoreUnavailable({ reason: `at most ${channelsMax} channels fit into one store` })
    }
    const definition = JSON.stringify(channel)
    if (volatile === undefined) writeNow(true, () => void disk.statements.insertChannel.run(number, channel.name, definition))
    else if (JSON.stringify(volatile.channel) !== definition) writeNow(true, () => void disk.statements.updateChannel.run(definition, number))
    disk.nextNumber = Math.max(disk.nextNumber, number + 1)
    if (isVolatile) {
      if (volatile === undefined) disk.volatile.set(channel.name, { number, channel, reserved: 0 })
      else volatile.channel = channel
      log.put(channel)
      return
    }
    const made = makeDurableChannel(number, channel, 0, 0)
    disk.durable.set(channel.name, made)
    disk.byNumber.set(number, made)
  }

  const evict = (name: ChannelId, floor: Cursor): void => {
    if (disk.volatile.has(name)) return log.evict(name, floor)
    flush()
    const state = stateOf(name)
    const to = Math.min(floor, state.head)
    if (to <= state.floor) return
    writeNow(false, () => void disk.statements.updateFloor.run(to, state.number))
    state.floor = to
    if (sweeping === undefined) sweepSlice()
  }

  const putSnapshot: StoreService["putSnapshot"] = (draft, sender, putOptions) =>
    Effect.suspend(() => {
      const { expectedRevision } = putOptions ?? {}
      let kept: Snapshot | undefined
      let text = ""
      try {
        text = snapshotText(draft.value)
      } catch (failure) {
        return failureOf(failure)
      }
      const written = run<SnapshotConflict | StoreUnavailable>((settle) => ({
        strict: true,
        write: (at) => {
          const revision = disk.statements.snapshot.get(exact(draft.name))?.revision ?? 0
          if (expectedRevision !== undefined && expectedRevision !== revision) {
            throw new SnapshotConflict({ name: draft.name, expectedRevision, revision })
          }
          const rest = snapshotHead(draft, revision + 1, sender, at)
          const restText = JSON.stringify(rest)
          disk.statements.putSnapshot.run(exact(draft.name), rest.revision, restText, text, snapshotCrc(restText, text))
          kept = { ...rest, value: JSON.parse(text) as Snapshot["value"] } // it was serialised by toText
        },
        ...settle
      }))
      return Effect.map(written, () => kept!) // `write` ran, or the job failed
    })

  const openAnew = async (): Promise<void> => {
    if (closed) throw unavailable()
    if (stopReason === undefined) return
    await checkpointer.close().catch(() => undefined)
    const fresh = openIndexed(path)
    try {
      // What failed commits left in the write-ahead log is copied into the database and synced anew: after a failed sync
      // nobody may trust the log's pages. When that fails too, the disk is still bad, and the store stays as it is.
      const [result] = fresh.db.pragma("wal_checkpoint(TRUNCATE)") as ReadonlyArray<{ readonly busy: number }> // its columns
      if (result?.busy !== 0) throw new Error("another process reads the database")
    } catch (failure) {
      fresh.db.close()
      throw failure
    }
    const before = disk
    disk = fresh
    checkpointer = makeCheckpointer(path, fresh.db)
    clock.raise(fresh.highWater)
    stopReason = undefined
    before.db.close()
    if (!isSwept(disk)) sweeping ??= setImmediate(sweepSlice)
    for (const state of fresh.durable.values()) {
      if (state.head > (before.durable.get(state.channel.name)?.head ?? 0)) tell(state.channel.name, state.head)
    }
  }
  let reopening: Promise<void> | undefined
  const reopen = Effect.tryPromise({
    try: () => (reopening ??= openAnew().finally(() => { reopening = undefined })),
    catch: (failure) => new StoreUnavailable({ reason: reasonOf(failure) })
  })

  const close = async (): Promise<void> => {
    if (!isStopped()) flush()
    closed = true
    if (scheduled !== undefined) clearImmediate(scheduled)
    if (sweeping !== undefined) clearImmediate(sweeping)
    stop(new Error("the store is closed"))
    try {
      const { statements } = disk
      statements.putMeta.run("time", clock.now())
      for (const { channel, number } of disk.volatile.values()) {
        const head = log.statisticsOf(channel.name)?.head
        if (head !== undefined) statements.updateReserved.run(head, number)
      }
      await checkpointer.close()
    } catch {
      // The disk fails; everything that was acknowledged is in the log already.
    } finally {
      disk.db.close()
    }
  }

  const service = Store.of({
    backend: "sqlite",
    durabilities,
    keysAreFree: false,
    takesFollowers: true,
    putChannel: (channel) => attempt(() => putChannel(channel)),
    channels: () => [...Array.from(disk.durable.values(), (state) => state.channel), ...log.channels()],
    statisticsOf: (name) => {
      const state = disk.durable.get(name)
      return state === undefined ? log.statisticsOf(name) : { head: state.head, floor: state.floor, events: state.head - state.floor }
    },
    append,
    read: (name, readOptions) =>
      attempt(() => (disk.volatile.has(name) ? log.read(name, readOptions) : readPage(disk, stateOf(name), readOptions))),
    items: (name, itemOptions) =>
      attempt(() => (disk.volatile.has(name) ? log.items(name, itemOptions) : readItems(disk, stateOf(name), itemOptions))),
    texts: (name, textOptions) =>
      attempt(() => (disk.volatile.has(name) ? log.texts(name, textOptions) : readTexts(disk, stateOf(name), textOptions))),
    event: (id) =>
      attempt(() => {
        const volatile = log.event(id)
        if (volatile !== undefined) return volatile
        try {
          const found = findEvent(disk, id)
          return found && eventAtCursor(disk, found.state, found.cursor)
        } catch (failure) {
          throw unreadable(`event ${id}`, failure)
        }
      }),
    evict: (name, floor) => attempt(() => evict(name, floor)),
    onCommit: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    subscription: (system, name, channel) => disk.subscriptions.get(subscriptionKey(system, name, channel)),
    subscriptions: (system) => Array.from(disk.subscriptions.values()).filter((one) => system === undefined || one.system === system),
    advance: (system, name, channel, cursor) =>
      Effect.suspend(() => {
        const key = subscriptionKey(system, name, channel)
        if ((disk.subscriptions.get(key)?.cursor ?? -1) >= cursor) return Effect.void
        return run<StoreUnavailable>((settle) => ({
          strict: false,
          write: () => {
            if ((disk.subscriptions.get(key)?.cursor ?? -1) < cursor) disk.statements.putSubscription.run(system, name, channel, cursor)
          },
          done: () => {
            if ((disk.subscriptions.get(key)?.cursor ?? -1) < cursor) disk.subscriptions.set(key, { system, name, channel, cursor })
            settle.done()
          },
          failed: settle.failed
        }))
      }),
    getSnapshot: (name) =>
      attempt(() => {
        try {
          const row = disk.statements.snapshot.get(exact(name))
          return row && snapshotOf(row)
        } catch (failure) {
          throw unreadable(`snapshot ${name}`, failure)
        }
      }),
    snapshots: () =>
      attempt(() => {
        try {
          return disk.statements.snapshots.all().map(({ rest }) => headOf(rest))
        } catch (failure) {
          throw unreadable("the snapshots", failure)
        }
      }),
    putSnapshot,
    putArtifact: (bytes, mediaType) =>
      Effect.tryPromise({
        try: async () => {
          if (closed) throw unavailable()
          return { digest: await files.put(bytes), sizeBytes: bytes.length, mediaType }
        },
        catch: (failure) => new StoreUnavailable({ reason: reasonOf(failure) })
      }),
    getArtifact: (digest) =>
      Effect.tryPromise({
        try: () => files.get(digest),
        catch: (failure) => (failure instanceof ArtifactNotFound || failure instanceof StoreCorrupt
          ? failure
          : new StoreCorrupt({ where: `artifact ${digest}`, reason: reasonOf(failure) }))
      }),
    putArtifactStream: (bytes, { claim, mediaType, sizeBytesMax, totalBytesMax }) =>
      Effect.tryPromise({
        try: async () => {
          if (isStopped()) throw unavailable()
          return { ...(await files.stream(bytes, { claim, sizeBytesMax, totalBytesMax })), mediaType }
        },
        catch: (failure) => (isDiskFailure(failure) ? new StoreUnavailable({ reason: reasonOf(failure) }) : streamFailure(failure))
      }),
    claimArtifact: (digest) => onFiles(() => files.claim(digest)),
    unclaimedArtifacts: () => Effect.tryPromise({ try: () => files.unclaimed(), catch: (failure) => new StoreUnavailable({ reason: reasonOf(failure) }) }),
    dropArtifact: (digest) => onFiles(() => files.drop(digest)),
    openArtifact: (digest, range) =>
      Effect.tryPromise({
        try: () => files.open(digest, range),
        catch: (failure) => (failure instanceof ArtifactNotFound || failure instanceof StoreCorrupt
          ? failure
          : new StoreCorrupt({ where: `artifact ${digest}`, reason: reasonOf(failure) }))
      }),
    artifactBytes: files.size,
    stopped: () => stopReason,
    reopen,
    verify: Effect.promise(async () => [...(await verifyDisk(disk)), ...(await files.verify())]),
    statistics: () => {
      let events = 0
      for (const state of disk.durable.values()) events += state.head - state.floor
      for (const channel of log.channels()) events += log.statisticsOf(channel.name)?.events ?? 0
      const sizes = [path, `${path}-wal`].map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0)
      return {
        backend: "sqlite", path, format, events, channels: disk.durable.size + disk.volatile.size,
        bytes: sizes.reduce((sum, size) => sum + size, files.size()),
        durability: "on disk: strict channels survive power loss, relaxed ones a crash, memory ones neither"
      }
    }
  })
  return { service, close }
}

/** An error of the file system, not one of whoever gives the bytes. */
const isDiskFailure = (failure: unknown): boolean =>
  failure instanceof Error && "syscall" in failure && ["open", "write", "rename", "mkdir", "fsync", "stat", "close"].includes(String(failure.syscall))

const onFiles = (run: () => void): Effect.Effect<void, StoreUnavailable> =>
  Effect.try({ try: run, catch: (failure) => new StoreUnavailable({ reason: reasonOf(failure) }) })

const answerOf = (append: PendingAppend): Effect.Effect<NonNullable<PendingAppend["appended"]>, StoreAppendError> => {
  const { appended } = append.twin ?? append
  // A committed append has its places, or a failure.
  return append.failure === undefined ? Effect.succeed(appended!) : Effect.fail(append.failure)
}
