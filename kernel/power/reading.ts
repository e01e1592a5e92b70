// The reading power: files and history below one root, and nothing above it.
import { createHash, hash } from "node:crypto"
import { closeSync, read as readCallback, readSync, realpathSync, statSync } from "node:fs"
import { setImmediate as nextTurn } from "node:timers/promises"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type { Commit, FileBytes, FileEntry, ReadFailure, ReadingPower } from "../../protocol/power.ts"
import { commitsMax, listEntriesMax, readBytesMax } from "../limits.ts"
import { isPrivate, openConfined, reasonOf, type OpenFile } from "./confined-open.ts"
import { fields, git, isNoRepository, type GitEnd } from "./git.ts"
import { look, NotListed, walk } from "./listing.ts"

const readAsync = promisify(readCallback)

/** Files up to this size are read at once: faster than to wait for them, and too short for anybody to notice. */
const atOnceBytes = 262_144
const chunkBytes = 1_048_576
const pathBytesMax = 4_096
const subjectBytesMax = 4_096

class NotRead extends Error {}

/**
 * The power to read below `root`. Fails when that is no folder, or when git refuses the repository that it is in (then
 * with what git says). In a git work tree a listing is what git tracks or does not ignore; else, or without git, it is
 * everything, at most `listEntriesMax` entries.
 */
export const readingPower = (root: string): Effect.Effect<ReadingPower, ReadFailure> =>
  Effect.suspend(() => {
    let real: string
    try {
      real = realpathSync(root)
      if (!statSync(real).isDirectory()) return Effect.fail({ path: root, reason: "it is not a folder" })
    } catch (error) {
      return Effect.fail({ path: root, reason: reasonOf(error) })
    }
    const power = make(real)
    return Effect.as(probe(real), power)
  })

const make = (root: string): ReadingPower => ({
  root,
  isGit: Effect.catch(probe(root), () => Effect.succeed(false)),
  list: cancellable(root, (signal) => list(root, signal)),
  read: (path, limitBytes) => withFile(root, path, (file) => readFile(file, bounded(limitBytes, readBytesMax))),
  digest: (path) => withFile(root, path, digestFile),
  commits: (since, limit) => cancellable(root, (signal) => commits(root, since, bounded(limit, commitsMax), signal))
})

const bounded = (asked: number, max: number): number => (asked >= 0 ? Math.min(Math.floor(asked), max) : 0)

const cancellable = <A>(path: string, body: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, ReadFailure> =>
  Effect.tryPromise({
    try: body,
    catch: (error) => ({ path, reason: error instanceof NotRead || error instanceof NotListed ? error.message : reasonOf(error) })
  })

const refused = (end: GitEnd): NotRead => new NotRead(end.message === "" ? `git ended with ${String(end.code)}` : end.message)

/** Whether git takes the root for a part of a work tree. */
const probe = (root: string): Effect.Effect<boolean, ReadFailure> =>
  cancellable(root, async (signal) => {
    let said = ""
    const end = await git(root, ["rev-parse", "--is-inside-work-tree"], signal, (chunk) => {
      said += chunk.toString("utf8")
    })
    if (end.code === 0) return said.trim() === "true"
    if (end.missing || isNoRepository(end)) return false
    throw refused(end)
  })

const list = async (root: string, signal: AbortSignal): Promise<ReadonlyArray<FileEntry>> => {
  const paths = new Set<string>()
  const submodules = new Set<string>()
  let isTooMany = false
  const add = (path: string): void => {
    if (isPrivate(path)) return
    if (paths.size < listEntriesMax) paths.add(path)
    else isTooMany = true
  }
  // "MODE OBJECT STAGE\tPATH": a path in conflict comes once per stage.
  const tracking = git(root, ["ls-files", "-s", "-z"], signal, fields(pathBytesMax, (field) => {
    const path = field.slice(field.indexOf("\t") + 1)
    if (field.startsWith("160000 ")) submodules.add(path)
    add(path)
  }))
  // To start a process holds the event loop for some milliseconds: one at a time.
  await nextTurn()
  // A repository within, which is none of ours, ends with a slash.
  const others = await git(root, ["ls-files", "-o", "--exclude-standard", "-z"], signal,
    fields(pathBytesMax, (field) => add(field.endsWith("/") ? field.slice(0, -1) : field)))
  const tracked = await tracking
  if (tracked.missing || isNoRepository(tracked)) return walk(root, signal)
  for (const end of [tracked, others]) {
    // In a bare repository, or in git's own folder, there is no work tree: the folder is like any other.
    if (end.code === 128 && /must be run in a work tree/u.test(end.message)) return walk(root, signal)
    if (end.code !== 0) throw refused(end)
  }
  if (isTooMany) throw new NotListed(`it holds more than ${listEntriesMax} entries`)
  return look(root, paths, submodules, signal)
}

/** Opens, uses and closes, whatever happens. What is small is done when this returns. */
const withFile = <A>(root: string, path: string, use: (file: OpenFile) => A | Promise<A>): Effect.Effect<A, ReadFailure> =>
  Effect.suspend(() => {
    const file = openConfined(root, path)
    if (typeof file === "string") return Effect.fail({ path, reason: file })
    let result: A | Promise<A>
    try {
      result = use(file)
    } catch (error) {
      closeSync(file.fd)
      return Effect.fail({ path, reason: reasonOf(error) })
    }
    if (!(result instanceof Promise)) {
      closeSync(file.fd)
      return Effect.succeed(result)
    }
    const slow = result.finally(() => closeSync(file.fd))
    return Effect.tryPromise({ try: () => slow, catch: (error) => ({ path, reason: reasonOf(error) }) })
  })

/** One byte more than is said to be there, to see whether there is more. */
const readFile = ({ fd, stats }: OpenFile, limitBytes: number): FileBytes | Promise<FileBytes> => {
  const wanted = Math.min(stats.size, limitBytes)
  // Not from the pool: the reader would hold what others have read.
  const buffer = Buffer.alloc(wanted + 1)
  const give = (size: number): FileBytes => ({ bytes: buffer.subarray(0, Math.min(size, wanted)), truncated: size > wanted })
  if (wanted > atOnceBytes) return fill(fd, buffer).then(give)
  let size = 0
  for (let got = -1; got !== 0 && size < buffer.length; size += got) got = readSync(fd, buffer, size, buffer.length - size, size)
  return give(size)
}

const fill = async (fd: number, buffer: Buffer): Promise<number> => {
  let size = 0
  for (let got = -1; got !== 0 && size < buffer.length; size += got) {
    got = (await readAsync(fd, buffer, size, Math.min(chunkBytes, buffer.length - size), size)).bytesRead
  }
  return size
}

/** Up to the size that it had when it was opened: a file that grows as fast as it is read has an end too. */
const digestFile = (file: OpenFile): string | Promise<string> => {
  if (file.stats.size > atOnceBytes) return digestLarge(file)
  // Not a promise: it is as small as what is read at once.
  const { bytes } = readFile(file, atOnceBytes) as FileBytes
  return hash("sha256", bytes, "hex")
}

const digestLarge = async ({ fd, stats }: OpenFile): Promise<string> => {
  const digest = createHash("sha256")
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (let at = 0; at < stats.size;) {
    const { bytesRead } = await readAsync(fd, buffer, 0, Math.min(chunkBytes, stats.size - at), at)
    if (bytesRead === 0) break
    digest.update(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
  return digest.digest("hex")
}

const format = "--format=tformat:%H%x00%P%x00%an%x00%ae%x00%at%x00%s"
const fieldsPerCommit = 6

const commits = async (root: string, since: string | undefined, limit: number, signal: AbortSignal): Promise<ReadonlyArray<Commit>> => {
  if (limit === 0) return []
  // Only a full hash names a commit, and nothing that git would read as something else. One that it has lost is as none.
  const known = since !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u.test(since)
  const found = known ? await log(root, `${since}..HEAD`, limit, signal) : undefined
  if (found !== undefined && !("end" in found)) return found
  const all = await log(root, "HEAD", limit, signal)
  if (!("end" in all)) return all
  const { end } = all
  if (end.missing || isNoRepository(end)) return []
  const head = await git(root, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], signal, () => {})
  // A repository without a commit yet.
  if (head.code === 1) return []
  throw refused(end)
}

/** Newest first from git, oldest first to the caller. */
const log = async (
  root: string, range: string, limit: number, signal: AbortSignal
): Promise<ReadonlyArray<Commit> | { readonly end: GitEnd }> => {
  const found: Array<Commit> = []
  let commit: Array<string> = []
  const end = await git(root, ["log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", "--no-decorate", "--no-notes", `--max-count=${limit}`, format, range, "--"],
    signal, fields(subjectBytesMax, (field) => {
      commit.push(field)
      if (commit.length < fieldsPerCommit) return
      const [hash, parents, author, email, authoredAt, subject] = commit as [string, string, string, string, string, string]
      found.push({ hash, parents: parents === "" ? [] : parents.split(" "), author, email, authoredAt: Number(authoredAt), subject })
      commit = []
    }))
  return end.code === 0 ? found.reverse() : { end }
}
