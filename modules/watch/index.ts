// Watch: a periodic source that turns the files and commits of a folder into events: everything the first time, later
// only what changed. Its memory is a fold of its own channels, so that a crash at any moment says nothing twice.
import {
  defineModule, Gap, periodic, Schema, StoreUnavailable, TooLarge, type FileEntry, type Log, type ReadFailure, type Reading, type Reads, type Received,
  type Snapshots, type System, type Writes
} from "aaax"
import { decode, encode, isNews, look, type FileRecord, type Known } from "./changes.ts"

export interface WatchOptions {
  readonly id?: string
  /** Absolute, or relative to the directory that the constellation works on. */
  readonly root?: string
  /** Shortest pause between two looks, in milliseconds; a large folder is looked at less often. */
  readonly everyMillis?: number
  /** Newest commits that are told the first time. */
  readonly commitsMax?: number
}

/** Events in one append. */
const batchSize = 200
/** A subject may not be longer, in UTF-16 code units. */
const subjectMax = 4_096
/** Names, messages and reasons from outside are cut to this length. */
const textMax = 1_000
/** Digests under way at once. */
const digestsMax = 8
/** The pause is at least so many times as long as the look took, so that looking stays a small part of the time. */
const pauseFactor = 10
/** Events between snapshots. */
const keepEvery = 500
const snapshotName = "repo.watch"

const FilePayload = Schema.Struct({
  path: Schema.String,
  kind: Schema.Literals(["file", "link", "directory", "submodule", "missing", "special", "unreadable"]),
  digest: Schema.String,
  sizeBytes: Schema.Int,
  changedAt: Schema.Finite,
  linkTarget: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String)
})
const CommitPayload = Schema.Struct({
  hash: Schema.String,
  parents: Schema.Array(Schema.String),
  author: Schema.String,
  email: Schema.String,
  authoredAt: Schema.Finite,
  subject: Schema.String
})
type CommitPayload = typeof CommitPayload.Type
const Memory = Schema.Struct({ version: Schema.Literal(1), files: Schema.String, commits: Schema.Array(Schema.String), commitsCursor: Schema.Int })
const asMemory = Schema.decodeUnknownExit(Memory)

interface State {
  readonly files: Map<string, Known>
  filesCursor: number
  /** Hashes that were told. */
  readonly commits: Set<string>
  commitsCursor: number
  newest: string | undefined
}

interface Verbs {
  readonly state: State
  readonly power: Reading
  readonly files: Writes<FileRecord>
  readonly commits: Writes<CommitPayload>
  readonly log: Log
}

export const watch = (options: WatchOptions = {}): System => {
  const { commitsMax = 10_000, everyMillis = 2_000, id = "watch", root = "." } = options
  return defineModule({
    id,
    description: `turns the files and commits of ${root} into events`,
    powers: [{ power: "read", root }],
    // Everything here can be had from the folder again, so it need not survive a power cut by itself.
    provides: [
      { name: "repo.files", schema: FilePayload, durability: "relaxed", indexes: ["subject"], description: "files that appeared or changed, and tombstones of those that went" },
      { name: "repo.commits", schema: CommitPayload, durability: "relaxed", indexes: ["subject"], description: "commits, oldest first" }
    ],
    snapshots: [snapshotName],
    reads: { files: "repo.files", commits: "repo.commits" },
    writes: { files: "repo.files", commits: "repo.commits" },
    run: async ({ log, powers, reads, signal, snapshots, writes }) => {
      const power = powers[0]
      if (power === undefined) throw new TypeError(`${id} was given no reading power`)
      const state = await remember(id, snapshots, reads.files, reads.commits)
      const verbs: Verbs = { state, power, files: writes.files, commits: writes.commits, log }
      // The first look is kept at once; later ones are short to replay, so that a small change costs a small write.
      let unkept = state.files.size === 0 ? keepEvery : 0
      let firstLook = true
      await periodic({ every: (lastMillis) => Math.max(everyMillis, lastMillis * pauseFactor), signal }, async () => {
        try {
          const commits = await tellCommits(verbs, commitsMax)
          const files = await tellFiles(verbs, signal)
          if (commits + files > 0) {
            // Only the first look is news: a log that lies in the folder would be told of itself for ever.
            const say = firstLook ? log.info : log.debug
            say(`${files} files and ${commits} commits of ${power.root} told`)
            firstLook = false
            unkept += commits + files
          }
          if (unkept >= keepEvery && state.files.size > 0) {
            await keep(state, snapshots, log)
            unkept = 0
          }
        } catch (error) {
          // A folder that cannot be read now may be readable at the next look.
          if (!isReadFailure(error)) throw error
          log.warn(`${power.root} cannot be read now: ${error.reason}`)
        }
      })
      if (unkept > 0) await keep(state, snapshots, log)
    }
  })
}

export default watch

/** The state as of the snapshot, and what was told after it. */
const remember = async (
  id: string, snapshots: Snapshots<typeof snapshotName>, files: Reads<FileRecord>, commits: Reads<CommitPayload>
): Promise<State> => {
  const snapshot = await snapshots.get(snapshotName)
  const memory = asMemory(snapshot?.value)
  const known = memory._tag === "Success" ? decode(memory.value.files) : undefined
  const state: State = memory._tag === "Success" && known !== undefined && snapshot !== undefined && snapshot.cursor !== null
    ? {
        files: known, filesCursor: snapshot.cursor, commits: new Set(memory.value.commits.flatMap((hashes) => hashes.split(" "))),
        commitsCursor: memory.value.commitsCursor, newest: undefined
      }
    : { files: new Map(), filesCursor: 0, commits: new Set(), commitsCursor: 0, newest: undefined }
  state.filesCursor = await replay(files, state.filesCursor, (event) => {
    // What others appended (an operator's hand, say) is not what this system told.
    if (event.sender !== id) return
    const { digest, kind, path } = event.payload
    if (event.kind !== "file.removed") state.files.set(path, { kind, digest, stamp: "" })
    else if (kind === "missing") state.files.set(path, { kind, digest: kind, stamp: "" })
    else state.files.delete(path)
  })
  state.commitsCursor = await replay(commits, state.commitsCursor, (event) => {
    if (event.sender === id) state.commits.add(event.payload.hash)
  })
  state.newest = [...state.commits].at(-1)
  return state
}

const replay = async <T>(
  channel: Reads<T>, after: number, step: (event: Received<T>) => void
): Promise<number> => {
  for (let cursor = after;;) {
    const page = await channel.read({ after: cursor, limit: 1_000 }).catch((error: unknown) => {
      // What was evicted is told again at worst.
      if (error instanceof Gap) return { events: [], next: error.floor, head: Number.POSITIVE_INFINITY }
      throw error
    })
    for (const event of page.events) step(event)
    cursor = Math.max(cursor, page.next)
    if (cursor >= page.head || (page.events.length === 0 && page.head !== Number.POSITIVE_INFINITY)) return cursor
  }
}

const keep = async (state: State, snapshots: Snapshots<typeof snapshotName>, log: Log): Promise<void> => {
  const hashes = [...state.commits]
  const commits: Array<string> = []
  for (let at = 0; at < hashes.length; at += 1_000) commits.push(hashes.slice(at, at + 1_000).join(" "))
  await snapshots.put(snapshotName, { version: 1, files: encode(state.files), commits, commitsCursor: state.commitsCursor }, {
    channel: "repo.files", cursor: state.filesCursor
  }).catch((error: unknown) => {
    // Without the snapshot the next start reads its channels from the beginning, which costs time and loses nothing.
    if (!(error instanceof TooLarge) && !(error instanceof StoreUnavailable)) throw error
    log.warn(`${snapshotName} was not kept: ${error.message}`)
  })
}

/** One append, repeated until it is kept; in halves when its texts are longer than an append may be. */
const tell = async <T>(channel: Writes<T>, values: ReadonlyArray<T>, kind: string, subject: (value: T) => string): Promise<number> => {
  if (values.length === 0) return 0
  try {
    const kept = await channel.append(values, { kind, subject: (value) => subject(value).slice(0, subjectMax), key: crypto.randomUUID(), surely: true })
    return kept.at(-1)?.cursor ?? 0
  } catch (error) {
    if (!(error instanceof TooLarge) || values.length === 1) throw error
    const half = values.length >> 1
    await tell(channel, values.slice(0, half), kind, subject)
    return tell(channel, values.slice(half), kind, subject)
  }
}

const tellCommits = async ({ commits, power, state }: Verbs, commitsMax: number): Promise<number> => {
  if (!(await power.isGit())) return 0
  const found = await power.commits(state.newest, commitsMax).catch((error: unknown) => {
    // The newest one that was told may be gone (rewritten history); those that were told are known by their hash.
    if (state.newest === undefined || !isReadFailure(error)) throw error
    return power.commits(undefined, commitsMax)
  })
  const news = found.filter((commit) => !state.commits.has(commit.hash))
  for (let at = 0; at < news.length; at += batchSize) {
    const batch = news.slice(at, at + batchSize).map((commit) => ({
      ...commit, author: commit.author.slice(0, textMax), email: commit.email.slice(0, textMax), subject: commit.subject.slice(0, textMax)
    }))
    state.commitsCursor = Math.max(state.commitsCursor, await tell(commits, batch, "commit", ({ hash }) => hash))
    for (const { hash } of batch) state.commits.add(hash)
  }
  const newest = found.at(-1)
  if (newest !== undefined) state.newest = newest.hash
  return news.length
}

const tellFiles = async ({ files, power, state }: Verbs, signal: AbortSignal): Promise<number> => {
  const entries = await power.list()
  const { changed, forgotten, removed } = look(state.files, entries)
  const pathOf = (record: FileRecord): string => record.path
  let told = 0
  for (let at = 0; at < changed.length && !signal.aborted; at += batchSize) {
    const batch = changed.slice(at, at + batchSize)
    const records = await inParallel(batch, digestsMax, (entry) => recordOf(power, entry))
    const news = records.filter((record) => isNews(state.files.get(record.path), record))
    state.filesCursor = Math.max(state.filesCursor, await tell(files, news, "file", pathOf))
    batch.forEach((entry, index) => {
      const record = records[index]! // one record for each entry
      state.files.set(entry.path, { kind: record.kind, digest: record.digest, stamp: entry.stamp })
    })
    told += news.length
  }
  const missing = new Set(entries.flatMap((entry) => (entry.kind === "missing" ? [entry.path] : [])))
  for (let at = 0; at < removed.length && !signal.aborted; at += batchSize) {
    const tombstones = removed.slice(at, at + batchSize).map((path): FileRecord => {
      const { digest, kind } = state.files.get(path)! // it was removed from what is known
      return { path, kind: missing.has(path) ? "missing" : kind, digest, sizeBytes: 0, changedAt: 0 }
    })
    state.filesCursor = Math.max(state.filesCursor, await tell(files, tombstones, "file.removed", pathOf))
    for (const { kind, path } of tombstones) {
      if (kind === "missing") state.files.set(path, { kind, digest: kind, stamp: "" })
      else state.files.delete(path)
    }
    told += tombstones.length
  }
  for (const path of forgotten) state.files.delete(path)
  return told
}

const recordOf = async (power: Reading, entry: FileEntry): Promise<FileRecord> => {
  const record = { path: entry.path, sizeBytes: entry.sizeBytes, changedAt: entry.changedAt }
  switch (entry.kind) {
    case "file":
      try {
        return { ...record, kind: "file", digest: await power.digest(entry.path) }
      } catch (error) {
        if (!isReadFailure(error)) throw error
        return { ...record, kind: "unreadable", digest: "unreadable", reason: error.reason.slice(0, textMax) }
      }
    case "link":
      return { ...record, kind: "link", digest: await sha256(entry.linkTarget ?? ""), linkTarget: entry.linkTarget ?? "" }
    case "directory":
    case "submodule":
    case "missing":
    case "special":
      return { ...record, kind: entry.kind, digest: entry.kind }
  }
}

const sha256 = async (text: string): Promise<string> =>
  Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))), (byte) => byte.toString(16).padStart(2, "0")).join("")

const isReadFailure = (error: unknown): error is ReadFailure =>
  typeof error === "object" && error !== null && "path" in error && "reason" in error && typeof error.reason === "string"

/** In the order of the items, at most `limit` at once. */
const inParallel = async <A, B>(items: ReadonlyArray<A>, limit: number, body: (item: A) => Promise<B>): Promise<ReadonlyArray<B>> => {
  const results: Array<B> = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await body(items[at]!) // below the length
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane))
  return results
}
