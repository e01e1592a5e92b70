// Writes a file below a declared root: confined, whole or not at all, and told apart afterwards by its digest.
//
// A target is a path relative to the first root, or `NAME:path` for the root whose last segment is NAME.
// Risk is medium: it changes only what is below folders that the operator declared, but what it replaces is gone.
import { hash } from "node:crypto"
import { constants, type Stats } from "node:fs"
import { lstat, mkdir, open, realpath, rename, rmdir, unlink, type FileHandle } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reported, type Call, type CallPowers, type EffectResult, type Executor, type ExecutorFailure } from "../../protocol/executor.ts"
import { writeBytesMax } from "../limits.ts"
import { codeOf, hasHandlePaths, makeSteps, openRoot, placeNow, type Folder, type Steps } from "./confined.ts"
import { keepBefore, restore } from "./fs-undo.ts"
import { asked, NotDone, payloadRefusal, stoppable } from "./executor.ts"
import { makePathLock } from "./path-lock.ts"
import { makePlaces, reasonOf, type Place, type PlaceOptions } from "./place.ts"

export interface WriteOptions extends PlaceOptions {
  /** Largest content, in bytes. */
  readonly contentBytesMax?: number
  /** Whether folders are used by handle; default: where the machine can. */
  readonly byHandle?: boolean
}

export interface Written {
  /** The target. */
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: string
}

const Payload = Schema.Struct({ content: Schema.String, encoding: Schema.optionalKey(Schema.Literals(["utf8", "base64"])) })
type Payload = typeof Payload.Type
const schema = Schema.toStandardSchemaV1(Payload, { parseOptions: { onExcessProperty: "error" } })

const contentOf = (payload: Payload): Buffer => Buffer.from(payload.content, payload.encoding ?? "utf8")

const contentRefusal = (payload: Payload, bytesMax: number): string | undefined => {
  if (payload.content.length > 2 * bytesMax) return `the content has more than ${bytesMax} bytes`
  const bytes = contentOf(payload)
  if (bytes.length > bytesMax) return `the content has ${bytes.length} bytes, at most ${bytesMax} are allowed`
  const back = bytes.toString(payload.encoding ?? "utf8")
  return back === payload.content ? undefined : `the content is not ${payload.encoding === "base64" ? "padded base64" : "well-formed text"}`
}

/** Made per config. Throws `ConfigInvalid` for roots that are not absolute or end with the same name. */
export const executor = (options: WriteOptions): Executor => {
  const bytesMax = options.contentBytesMax ?? writeBytesMax
  const steps = makeSteps(options.byHandle ?? hasHandlePaths)
  const lock = makePathLock()

  const placeOf = makePlaces(options, "executors.fs.write.roots")

  const check: NonNullable<Executor["check"]> = ({ payload, target }) => {
    const place = placeOf(target)
    if (typeof place === "string") return place
    // The schema has taken it, so it is a payload.
    return payloadRefusal(schema, payload) ?? contentRefusal(payload as Payload, bytesMax)
  }

  /** Runs `body` alone on the place of the call; one that would be refused does nothing. */
  const alone = <A>(
    call: Call, body: (place: Place, bytes: Buffer, signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, ExecutorFailure> =>
    Effect.suspend(() => {
      const refusal = check(call)
      const place = placeOf(call.target)
      if (refusal !== undefined || typeof place === "string") return Effect.fail({ reason: refusal ?? String(place) })
      // `check` has taken the payload.
      const bytes = contentOf(call.payload as Payload)
      const key = [place.root, ...place.parents, place.name].join("/").toLowerCase()
      return lock(key, stoppable((signal) => body(place, bytes, signal)))
    })

  return {
    name: "fs.write",
    description: `Writes a file below ${options.roots.join(", ")}, whole or not at all. Target: a path below ${options.roots.length > 1 ? "the first one" : "it"}${options.roots.length > 1 ? ", or FOLDER:PATH" : ""}. Payload: {content, encoding?}.`,
    risk: "medium",
    recovery: "queryable",
    payload: schema,
    check,
    changes: (call) => stoppable(() => changed(placeOf(call.target))),
    perform: (call, powers) => alone(call, (place, bytes, signal) => write(steps, place, call, bytes, signal, powers)),
    status: (call) => alone(call, (place, bytes, signal) => find(steps, place, call, bytes, signal)),
    compensate: (call, { original, undo }, powers) =>
      alone(original, (place, bytes, signal) => restore(steps, place, { ...call, target: original.target }, bytes, undo, signal, powers, temporary(call))),
    compensateRecovery: "idempotent"
  }
}

const written = (call: Call, bytes: Buffer): Written => ({ path: call.target, sizeBytes: bytes.length, sha256: hash("sha256", bytes, "hex") })

/** The same for every attempt of one call, so that what a crash left behind is found again. */
const temporary = (call: Call): string => `.aaax-${hash("sha256", call.key, "hex").slice(0, 24)}.tmp`

const proceed = (signal: AbortSignal): void => {
  if (signal.aborted) throw new NotDone("it was stopped")
}

const ignore = (): undefined => undefined

/** Links below the root are not followed, so that only the root has another place than it says. */
const changed = async (place: Place | string): Promise<ReadonlyArray<string>> => {
  if (typeof place === "string") throw new NotDone(place)
  const root = await realpath(place.root).catch((error: unknown) => {
    throw new NotDone(reasonOf(error))
  })
  return [[root === "/" ? "" : root, ...place.parents, place.name].join("/")]
}

/** Everything up to the rename can be taken back and is; the rename is the effect. */
const write = async (
  steps: Steps, place: Place, call: Call, bytes: Buffer, signal: AbortSignal, powers: CallPowers | undefined
): Promise<EffectResult> => {
  const opened: Array<Folder> = []
  const undo: Array<() => Promise<unknown>> = []
  let renamed = false
  try {
    const folder = await prepare(steps, place, call, bytes, signal, opened, undo)
    const [from, to] = [await steps.at(folder, temporary(call)), await steps.at(folder, place.name)]
    const before = powers === undefined ? undefined : await keepBefore(to, powers)
    // The lock of this path is ours: who holds the fence now holds it when the file changes.
    if (powers !== undefined) {
      await asked(powers.stillHolds)
      await asked(powers.mayChange([`${await placeNow(folder)}/${place.name}`]))
    }
    proceed(signal)
    await rename(from, to).catch((error: unknown) => {
      // An input/output error leaves open what the disk holds: a defect, and not to be taken back.
      renamed = codeOf(error) === "EIO"
      throw error
    })
    renamed = true
    // The new name has to outlive a power loss too. If this fails, nobody knows whether it does: a defect as well.
    await folder.handle.sync()
    const result = written(call, bytes)
    return before === undefined ? result : reported({ result, undo: before })
  } catch (error) {
    if (renamed) throw error
    for (const step of undo.reverse()) await step().catch(ignore)
    throw error instanceof NotDone ? error : new NotDone(reasonOf(error))
  } finally {
    for (const { handle } of opened) await handle.close().catch(ignore)
  }
}

/** Opens the folder of the place and puts the content there under another name. Says how to take each step back. */
const prepare = async (
  steps: Steps, place: Place, call: Call, bytes: Buffer, signal: AbortSignal,
  opened: Array<Folder>, undo: Array<() => Promise<unknown>>
): Promise<Folder> => {
  let folder = await openRoot(place.root)
  opened.push(folder)
  for (const name of place.parents) {
    proceed(signal)
    folder = await enterOrMake(steps, folder, name, undo)
    opened.push(folder)
  }
  const existing = await lstat(await steps.at(folder, place.name)).catch(absent)
  if (existing !== undefined) mayReplace(existing, place.name)
  proceed(signal)
  const path = await steps.at(folder, temporary(call))
  const handle = await create(path, existing === undefined ? 0o644 : 0o600)
  const inside = folder
  undo.push(async () => unlink(await steps.at(inside, temporary(call))))
  try {
    await handle.writeFile(bytes, { signal })
    if (existing !== undefined) await handle.chmod(existing.mode & 0o777)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return folder
}

const enterOrMake = async (steps: Steps, folder: Folder, name: string, undo: Array<() => Promise<unknown>>): Promise<Folder> => {
  try {
    return await steps.enter(folder, name)
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
  const path = await steps.at(folder, name)
  await mkdir(path).then(
    () => {
      // Only an empty folder can be removed: one that somebody uses meanwhile stays.
      undo.push(async () => rmdir(await steps.at(folder, name)))
    },
    (error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error
    }
  )
  await folder.handle.sync()
  return steps.enter(folder, name)
}

const absent = (error: unknown): undefined => {
  if (codeOf(error) !== "ENOENT") throw error
}

const mayReplace = (stats: Stats, name: string): void => {
  if (stats.isSymbolicLink()) throw new NotDone(`${name} is a link, and links are not followed`)
  if (!stats.isFile()) throw new NotDone(`${name} is not a file`)
  if ((stats.mode & 0o200) === 0) throw new NotDone(`${name} is read-only`)
}

/** A file that was not there. What an earlier attempt of the same call left is removed: the lock is ours. */
const create = async (path: string, mode: number): Promise<FileHandle> => {
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW
  try {
    return await open(path, flags, mode)
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
    await unlink(path)
    return open(path, flags, mode)
  }
}

/** Whether the target holds the content of the call. */
const find = async (steps: Steps, place: Place, call: Call, bytes: Buffer, signal: AbortSignal): Promise<Written | undefined> => {
  const opened: Array<Folder> = []
  try {
    let folder = await openRoot(place.root)
    opened.push(folder)
    for (const name of place.parents) {
      proceed(signal)
      folder = await steps.enter(folder, name)
      opened.push(folder)
    }
    await unlink(await steps.at(folder, temporary(call))).catch(absent)
    return (await holds(await steps.at(folder, place.name), bytes)) ? written(call, bytes) : undefined
  } catch (error) {
    // No such file, or something that this executor would never have written through.
    if (["ENOENT", "ELOOP", "ENOTDIR"].includes(codeOf(error)) || error instanceof NotDone) return undefined
    throw new NotDone(reasonOf(error))
  } finally {
    for (const { handle } of opened) await handle.close().catch(ignore)
  }
}

const holds = async (path: string, bytes: Buffer): Promise<boolean> => {
  // Not blocking: what lies there may be a pipe.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat()
    return stats.isFile() && stats.size === bytes.length && bytes.equals(await handle.readFile())
  } finally {
    await handle.close()
  }
}
