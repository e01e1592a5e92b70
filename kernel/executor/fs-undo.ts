// Taking back what `fs.write` did: what was there before is kept with the call, when it is small enough, and put back as
// long as the file still is what the call wrote.
import { hash } from "node:crypto"
import { constants, type Stats } from "node:fs"
import { lstat, open, rename, unlink } from "node:fs/promises"
import * as Schema from "effect/Schema"
import * as Result from "effect/Result"
import type { Call, CallPowers } from "../../protocol/executor.ts"
import { writeUndoBytesMax } from "../limits.ts"
import { codeOf, openRoot, placeNow, type Folder, type Steps } from "./confined.ts"
import { asked, NotDone } from "./executor.ts"
import { reasonOf, type Place } from "./place.ts"

/** What was there before, as the journal keeps it. */
const Undo = Schema.Struct({
  before: Schema.Union([
    Schema.Struct({ was: Schema.Literal("absent") }),
    Schema.Struct({ was: Schema.Literal("kept"), artifact: Schema.String, mode: Schema.Int }),
    Schema.Struct({ was: Schema.Literal("lost"), reason: Schema.String })
  ])
})
export type Undo = typeof Undo.Type
const decode = Schema.decodeUnknownResult(Undo)

export interface Restored {
  readonly path: string
  /** Of what is there now; null: the file is gone again. */
  readonly sha256: string | null
}

const lost = (reason: string): Undo => ({ before: { was: "lost", reason } })

/** The file as it is, or nothing when there is none. Not blocking: what lies there may be a pipe. */
const read = async (path: string, bytesMax: number): Promise<{ readonly stats: Stats; readonly bytes: Buffer | undefined } | undefined> => {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw error
  })
  if (handle === undefined) return undefined
  try {
    const stats = await handle.stat()
    return { stats, bytes: stats.isFile() && stats.size <= bytesMax ? await handle.readFile() : undefined }
  } finally {
    await handle.close()
  }
}

/** Keeps what is there now. That it could not be kept is no reason not to write. */
export const keepBefore = async (path: string, powers: CallPowers): Promise<Undo> => {
  try {
    const now = await read(path, writeUndoBytesMax)
    if (now === undefined) return { before: { was: "absent" } }
    if (now.bytes === undefined) return lost(`it had more than ${writeUndoBytesMax} bytes`)
    const { artifact } = await asked(powers.keep(now.bytes, "application/octet-stream"))
    // Secrets are struck out of what is kept: what differs cannot be put back.
    return artifact === hash("sha256", now.bytes, "hex")
      ? { before: { was: "kept", artifact, mode: now.stats.mode & 0o777 } }
      : lost("it held a secret")
  } catch {
    return lost("it could not be read or kept")
  }
}

const gone = async (folder: Folder, path: string): Promise<void> => {
  await unlink(path)
  await folder.handle.sync()
}

/** Puts back what was there before `original` wrote `bytes`. Twice does no harm. */
export const restore = async (
  steps: Steps, place: Place, call: Call, bytes: Buffer, undo: unknown, signal: AbortSignal, powers: CallPowers | undefined, name: string
): Promise<Restored> => {
  const told = decode(undo)
  if (Result.isFailure(told)) throw new NotDone("what was there before was not kept")
  const { before } = told.success
  if (before.was === "lost") throw new NotDone(`what was there before was not kept: ${before.reason}`)
  const content = before.was === "absent" ? undefined : await kept(before.artifact, powers)
  const opened: Array<Folder> = []
  let changed = false
  try {
    let folder = await openRoot(place.root)
    opened.push(folder)
    for (const parent of place.parents) {
      folder = await steps.enter(folder, parent)
      opened.push(folder)
    }
    const path = await steps.at(folder, place.name)
    const now = await read(path, Math.max(bytes.length, content?.length ?? 0))
    const done = { path: call.target, sha256: content === undefined ? null : hash("sha256", content, "hex") }
    if (content === undefined ? now === undefined : now?.bytes?.equals(content) === true) return done
    if (now?.bytes?.equals(bytes) !== true) throw new NotDone(`${call.target} is not what was written there any more; somebody has changed it since`)
    const from = await steps.at(folder, name)
    if (content !== undefined && before.was === "kept") await put(from, content, before.mode)
    if (powers !== undefined) {
      await asked(powers.stillHolds)
      await asked(powers.mayChange([`${await placeNow(folder)}/${place.name}`]))
    }
    if (signal.aborted) throw new NotDone("it was stopped")
    changed = true
    if (content === undefined) await gone(folder, path)
    else {
      await rename(from, path)
      await folder.handle.sync()
    }
    return done
  } catch (error) {
    if (!changed && opened.length > 0) await steps.at(opened.at(-1)!, name).then(unlink).catch(() => undefined)
    if (error instanceof NotDone) throw error
    if (changed && codeOf(error) === "EIO") throw error
    throw new NotDone(reasonOf(error))
  } finally {
    for (const { handle } of opened) await handle.close().catch(() => undefined)
  }
}

const kept = async (digest: string, powers: CallPowers | undefined): Promise<Buffer> => {
  if (powers?.kept === undefined) throw new NotDone("what was there before cannot be read here")
  return Buffer.from(await asked(powers.kept(digest)))
}

const put = async (path: string, content: Buffer, mode: number): Promise<void> => {
  if ((await lstat(path).catch(() => undefined)) !== undefined) await unlink(path)
  const handle = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600)
  try {
    await handle.writeFile(content)
    await handle.chmod(mode)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
