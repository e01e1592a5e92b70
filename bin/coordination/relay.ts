// Reads the file of a relay: what came since a cursor, as lines for a person or as frames.
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { open, readFile, rename, writeFile, type FileHandle } from "node:fs/promises"
import { decode, isWanted, shown, type Frame } from "aaax/modules/relay"
import { relayCursorOf, relayCursorText, relayHeadMax, relayHeadOf, relayLines, relayPlace, type RelayCursor } from "../../protocol/relay.ts"
import type { Called } from "../called.ts"
import { UsageError } from "../failure.ts"
import { err, json, onErr, out, plain } from "../terminal.ts"

export interface RelayFlags {
  readonly since: number
  readonly cursor?: string
  readonly for?: string
  readonly project?: string
}

/** Bytes that are read at once; a line that is longer is none of a relay's. */
const pageBytes = 4 * 1_048_576

const isMissing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT"

const read = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const bytes = Buffer.alloc(length)
  let at = 0
  for (let count = -1; at < length && count !== 0; at += count) ({ bytesRead: count } = await file.read(bytes, at, length - at, position + at))
  return bytes.subarray(0, at)
}

/** Hands over the objects behind a cursor, page by page; answers where it ended, and whether lines in between are gone. A missing file has none. */
export const readRelay = async (
  path: string, cursor: RelayCursor, take: (objects: ReadonlyArray<Frame>) => Promise<void>
): Promise<{ readonly cursor: RelayCursor; readonly gap: boolean }> => {
  let file: FileHandle
  try {
    file = await open(path, "r")
  } catch (error) {
    if (isMissing(error)) return { cursor, gap: false }
    throw error
  }
  try {
    const { size } = await file.stat()
    const head = relayHeadOf(await read(file, 0, relayHeadMax))
    const place = relayPlace(head, size, cursor)
    let { position } = place
    while (position < size) {
      const piece = await read(file, position, Math.min(pageBytes, size - position))
      const { consumed, objects } = relayLines(piece)
      await take(objects)
      // A page without a whole line is junk, unless it is the end: that is still being written.
      if (consumed === 0 && piece.length < pageBytes) break
      position += consumed === 0 ? piece.length : consumed
    }
    return { gap: place.gap, cursor: { offset: head.base + position - head.length, generation: head.generation } }
  } finally {
    await file.close()
  }
}

const cursorIn = async (path: string | undefined, since: number): Promise<RelayCursor> => {
  if (path === undefined) return { offset: Math.max(0, since), generation: "" }
  try {
    return relayCursorOf(await readFile(path, "utf8"))
  } catch (error) {
    return { offset: isMissing(error) ? Math.max(0, since) : 0, generation: "" }
  }
}

const failed = (what: string) => (error: unknown): UsageError => new UsageError({ reason: `${what}: ${error instanceof Error ? error.message : String(error)}` })

export const relay = (called: Called, path: string, flags: RelayFlags): Effect.Effect<void, UsageError> =>
  Effect.gen(function*() {
    const wanted = { ...(flags.for === undefined ? {} : { seat: flags.for }), ...(flags.project === undefined ? {} : { project: flags.project }) }
    const { cursor, gap } = yield* Effect.tryPromise({
      try: async () => readRelay(path, await cursorIn(flags.cursor, flags.since), async (objects) => {
        for (const object of objects) {
          const frame = decode(object)
          if (frame !== undefined && isWanted(frame, wanted)) await out(called.json ? json(frame) : plain(shown(frame)))
        }
      }),
      catch: failed(`The relay ${path} cannot be read`)
    })
    if (gap) err(onErr.yellow("Lines behind the cursor are gone: it went on with the oldest that are left."))
    const { cursor: kept } = flags
    if (kept === undefined) return
    yield* Effect.tryPromise({
      try: async () => {
        const temporary = `${kept}.${randomUUID()}.tmp`
        await writeFile(temporary, relayCursorText(cursor), { mode: 0o600 })
        await rename(temporary, kept)
      },
      catch: failed(`The cursor ${kept} cannot be written`)
    })
  })
