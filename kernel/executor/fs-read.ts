// Reads a file below a declared root: the same paths as `fs.write`, no links, bounded, and with the labels of its root.
//
// Risk is low and recovery idempotent: nothing changes. What is larger than a result should be is kept as an artifact. A
// secret that stands in the file is masked letter by letter, also when only a part of it is asked for; the files that
// secrets come from are refused.
import { hash } from "node:crypto"
import { constants } from "node:fs"
import { open, type FileHandle } from "node:fs/promises"
import * as Schema from "effect/Schema"
import { reported, type CallPowers, type Executor } from "../../protocol/executor.ts"
import { readAtOnceBytesMax, redactionMarginBytes, resultBytesInline } from "../limits.ts"
import { codeOf, hasHandlePaths, makeSteps, openRoot, type Folder, type Steps } from "./confined.ts"
import { asked, NotDone, payloadRefusal, stoppable } from "./executor.ts"
import { makePlaces, reasonOf, type Place, type PlaceOptions } from "./place.ts"
import { noSecrets, type Secrets } from "./secrets.ts"

export interface ReadOptions extends PlaceOptions {
  /** Labels that what is read below a root carries, by that root. */
  readonly labels?: ReadonlyMap<string, ReadonlyArray<string>>
  /** Read at once at most, in bytes. */
  readonly bytesMax?: number
  readonly secrets?: Secrets
  /** Whether folders are used by handle; default: where the machine can. */
  readonly byHandle?: boolean
}

export interface FileRead {
  /** The target. */
  readonly path: string
  /** Of the whole file. */
  readonly sizeBytes: number
  readonly offset: number
  /** Of what was read. */
  readonly sha256: string
  readonly encoding?: "utf8" | "base64"
  readonly content?: string
  /** Digest of the artifact that holds what is too large for a result. */
  readonly artifact?: string
  readonly bytes: number
}

const Payload = Schema.Struct({
  offset: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))),
  length: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))),
  /** Absent: text when it is text, else base64. */
  encoding: Schema.optionalKey(Schema.Literals(["utf8", "base64"]))
})
type Payload = typeof Payload.Type

/** No payload is the whole file. */
const schema = Schema.toStandardSchemaV1(Schema.Union([Payload, Schema.Null, Schema.Undefined]), { parseOptions: { onExcessProperty: "error" } })

/** Made per config. Throws `ConfigInvalid` for roots that are not absolute or end with the same name. */
export const executor = (options: ReadOptions): Executor => {
  const placeOf = makePlaces(options, "executors.fs.read.roots")
  const steps = makeSteps(options.byHandle ?? hasHandlePaths)
  const bytesMax = options.bytesMax ?? readAtOnceBytesMax
  const secrets = options.secrets ?? noSecrets

  const check: NonNullable<Executor["check"]> = ({ payload, target }) => {
    const place = placeOf(target)
    if (typeof place === "string") return place
    const refusal = payloadRefusal(schema, payload)
    if (refusal !== undefined) return refusal
    // The schema has taken it.
    const { length } = (payload ?? {}) as Payload
    return length !== undefined && length > bytesMax ? `payload.length: at most ${bytesMax} bytes are read at once` : undefined
  }

  return {
    name: "fs.read",
    description: `Reads a file below ${options.roots.join(", ")}. Target: a path below ${options.roots.length > 1 ? "the first one" : "it"}${options.roots.length > 1 ? ", or FOLDER:PATH" : ""}. Payload: {offset?, length?, encoding?}.`,
    risk: "low",
    recovery: "idempotent",
    payload: schema,
    check,
    perform: (call, powers) =>
      stoppable(async () => {
        const refusal = check(call)
        const place = placeOf(call.target)
        if (refusal !== undefined || typeof place === "string") throw new NotDone(refusal ?? String(place))
        // `check` has taken it.
        const { encoding, length, offset = 0 } = (call.payload ?? {}) as Payload
        const { bytes, sizeBytes } = await read(steps, place, { offset, length, bytesMax }, secrets)
        const result: FileRead = {
          path: call.target, sizeBytes, offset, bytes: bytes.length, sha256: hash("sha256", bytes, "hex"), ...(await told(bytes, encoding, powers))
        }
        const labels = options.labels?.get(place.root) ?? []
        return labels.length === 0 ? result : reported({ result, labels })
      })
  }
}

interface Range {
  readonly offset: number
  readonly length: number | undefined
  readonly bytesMax: number
}

/** Entered folder by folder without following a link, and opened without waiting for what is no file. */
const read = async (
  steps: Steps, place: Place, range: Range, secrets: Secrets
): Promise<{ readonly bytes: Buffer; readonly sizeBytes: number }> => {
  const opened: Array<Folder> = []
  let handle: FileHandle | undefined
  try {
    let folder = await openRoot(place.root)
    opened.push(folder)
    for (const name of place.parents) {
      folder = await steps.enter(folder, name)
      opened.push(folder)
    }
    handle = await open(await steps.at(folder, place.name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stats = await handle.stat()
    if (!stats.isFile()) throw new NotDone(`${place.name} is not a file`)
    if (secrets.isSource(stats)) throw new NotDone(`${place.name} holds a secret of the config`)
    const end = Math.min(stats.size, range.offset + (range.length ?? stats.size))
    const size = Math.max(0, end - range.offset)
    if (size > range.bytesMax) throw new NotDone(`it has ${stats.size} bytes; ask for a range of at most ${range.bytesMax} with offset and length`)
    return { sizeBytes: stats.size, bytes: await piece(handle, range.offset, size, stats.size, secrets) }
  } catch (error) {
    if (error instanceof NotDone) throw error
    const code = codeOf(error)
    if (code === "ELOOP") throw new NotDone(`${place.name} is a link, and links are not followed`)
    throw new NotDone(code === "ENOENT" ? `${place.name} is not there` : reasonOf(error))
  } finally {
    await handle?.close().catch(ignore)
    for (const { handle: held } of opened) await held.close().catch(ignore)
  }
}

const ignore = (): undefined => undefined

/** With what lies around it, so that a secret is found that the piece holds a part of. */
const piece = async (handle: FileHandle, offset: number, size: number, sizeBytes: number, secrets: Secrets): Promise<Buffer> => {
  const margin = secrets.redaction.isIdle() ? 0 : redactionMarginBytes
  const from = Math.min(Math.max(0, offset - margin), sizeBytes)
  const to = Math.max(from, Math.min(sizeBytes, offset + size + margin))
  const buffer = Buffer.allocUnsafe(to - from)
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, from + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return Buffer.from(secrets.redaction.masked(buffer.subarray(0, filled))).subarray(Math.max(0, offset - from), Math.max(0, offset - from) + size)
}

/** As text when it is text, unless it is too much: then as an artifact. */
const told = async (bytes: Buffer, wanted: Payload["encoding"], powers: CallPowers | undefined): Promise<Partial<FileRead>> => {
  const isText = Buffer.compare(Buffer.from(bytes.toString("utf8")), bytes) === 0
  if (wanted === "utf8" && !isText) throw new NotDone("it is not well-formed text; ask for base64")
  const encoding = wanted ?? (isText ? "utf8" : "base64")
  if (bytes.length > resultBytesInline && powers !== undefined) {
    const { artifact } = await asked(powers.keep(bytes, isText ? "text/plain; charset=utf-8" : "application/octet-stream"))
    return { artifact }
  }
  return { encoding, content: bytes.toString(encoding) }
}
